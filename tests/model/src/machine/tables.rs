// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What translates a stream, as it stands in memory; and whether a domain that goes had the pages that its tables stand on, and no
//! others: one that no entry leads to is lost for as long as the domain lives, and comes back with it unseen.

use super::{Inner, Machine};
use crate::architecture::context::{Context, Half};
use crate::architecture::descriptor::Leaf;
use crate::architecture::stream_table::{Config, Stage2};
use crate::finding::Invariant;
use crate::smmu::{Leaves, Smmu, Surroundings};
use ffa_abi::DomainHandle;

/// What translates a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    Stage1(Context, Half),
    Stage2(Stage2),
}

impl Tables {
    /// Finds what an entry leads to, or says why that is not as it has to be.
    pub(super) fn of(smmu: &Smmu, config: Config, around: &mut Surroundings) -> Result<Self, String> {
        match config {
            // Whatever the kernel's stage 1 says, stage 2 is what is ours.
            Config::Stage2(stage2) | Config::Nested(_, stage2) => Ok(Self::Stage2(stage2)),
            Config::Stage1(contexts) => {
                let context = smmu.context_in_memory(contexts, around);
                let context = context.map_err(|why| format!("no context: {why:?}"))?;
                let quiet = context.stalls || !context.records || !context.aborts;
                match (context.lower, context.upper) {
                    (Some(half), None) if !quiet => Ok(Self::Stage1(context, half)),
                    _ => Err(format!("its context is {context:x?}")),
                }
            }
            Config::Abort | Config::Bypass => Err(format!("{config:x?}")),
        }
    }

    /// Returns all that they map, in the form of stage 2.
    pub(super) fn leaves(&self, around: &mut Surroundings) -> Leaves {
        match self {
            Self::Stage1(context, half) => Smmu::stage1_leaves_in_memory(context, half, around),
            Self::Stage2(stage2) => Smmu::leaves_in_memory(stage2, around),
        }
    }

    /// Returns all that is cached of it behind a stage 1 of the kernel's.
    pub(super) fn combined(&self, smmu: &Smmu) -> Vec<Leaf> {
        match self {
            Self::Stage1(..) => Vec::new(),
            Self::Stage2(stage2) => smmu.cached_combined_leaves(stage2.vmid).collect(),
        }
    }

    /// Returns all that is cached of it, in the form of stage 2.
    pub(super) fn cached(&self, smmu: &Smmu) -> Leaves {
        match self {
            Self::Stage1(context, _) => {
                let leaves = smmu.cached_stage1_leaves(context.asid).into_iter();
                leaves.map(|(input, leaf)| (input, leaf.as_stage2(context.attributes))).collect()
            }
            Self::Stage2(stage2) => smmu.cached_leaves(stage2.vmid),
        }
    }

    /// Counts the pages that they stand on, the first one included.
    fn pages(&self, around: &mut Surroundings) -> u64 {
        match self {
            Self::Stage1(_, half) => {
                Smmu::tables_in_memory(half.root, half.start_level(), half.input_bits, around)
            }
            Self::Stage2(stage2) => {
                Smmu::tables_in_memory(stage2.root, stage2.start_level, stage2.input_bits, around)
            }
        }
    }
}

/// What a domain has before it is freed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// Pages that its tables stand on.
    tables: u64,
    /// Pages that anybody's do.
    in_use: u64,
}

impl Machine {
    /// Counts the pages of a domain's tables, where it is known for sure where they begin and what is in them.
    pub(super) fn before_free(&self, handle: DomainHandle) -> Option<Before> {
        let in_use = self.in_use();
        self.inner().tables_of(handle).map(|tables| Before { tables, in_use })
    }

    /// Finds what came back with a domain that was freed, and was not its tables', or did not come back.
    pub(super) fn freed(&self, handle: DomainHandle, Before { tables, in_use }: Before) {
        let back = in_use.saturating_sub(self.in_use());
        if back != tables {
            self.inner().note(Invariant::Balance, || {
                format!(
                    "{back} pages came back with domain {:#x}, whose tables stood on {tables}",
                    handle.raw()
                )
            });
        }
    }
}

impl Inner {
    fn tables_of(&mut self, handle: DomainHandle) -> Option<u64> {
        let known = !self.oracle.tampered && !self.oracle.is_hurt() && !self.oracle.is_busy();
        // Where it is half gone, so are its tables.
        let whole = self.oracle.domain(handle.raw()).is_some();
        let tables = self.roots.get(&handle.raw()).copied().filter(|_| known && whole)?;
        // What a core has written that nobody had to see yet counts, too.
        self.around.memory.publish_all();
        Some(tables.pages(&mut self.around))
    }
}
