// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Table walks (DDI 0487, D8.2; IHI 0070, 3.4): through caches as a transaction meets them, or through all of a stage-2 table
//! as it stands in memory.

use super::tlb::{Cached, Conflict, Key, KeyKind, Tag, What};
use super::{Smmu, Surroundings};
use crate::architecture::descriptor::{Descriptor, Leaf, entry_bits};
use crate::architecture::event::Kind;
use crate::architecture::stream_table::Stage2;
use crate::finding::Invariant;
use crate::memory::Place;

/// What a table maps: first input address and leaf.
pub(crate) type Leaves = Vec<(u64, Leaf)>;

/// What a walk goes through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regime<'a> {
    pub(super) tag: Tag,
    pub(super) root: u64,
    pub(super) input_bits: u32,
    pub(super) start_level: u32,
    pub(super) output_bits: u32,
    pub(super) no_access_faults: bool,
    /// What translates the addresses of tables: stage 2, where this is stage 1 of both.
    pub(super) outer: Option<&'a Stage2>,
}

impl Smmu {
    /// Fetches a descriptor of a table that stands at a physical address; the service's tables are in the pool.
    fn fetch_descriptor(around: &mut Surroundings, table: u64, index: u64, ours: bool) -> Result<u64, Kind> {
        let at = table + 8 * index;
        if ours && around.memory.place(at) != Place::Pool {
            around.findings.note(Invariant::Pool, || format!("a translation table was fetched from {at:#x}"));
        }
        let word = if ours { around.memory.read(at) } else { around.memory.read_theirs(at) };
        word.map_err(|_| Kind::WalkAbort)
    }

    /// Translates an IPA by caches and tables.
    pub(super) fn stage2(
        &mut self,
        stage2: &Stage2,
        input: u64,
        around: &mut Surroundings,
    ) -> Result<(Key, Leaf), Kind> {
        let regime = Regime {
            tag: Tag { vmid: stage2.vmid, asid: None },
            root: stage2.root,
            input_bits: stage2.input_bits,
            start_level: stage2.start_level,
            output_bits: stage2.output_bits,
            no_access_faults: stage2.no_access_faults,
            outer: None,
        };
        self.walk(&regime, input, around)
    }

    /// Translates an address of a stage. A leaf of stage 1 that stage 2 translates further is not kept here.
    pub(super) fn walk(
        &mut self,
        regime: &Regime<'_>,
        input: u64,
        around: &mut Surroundings,
    ) -> Result<(Key, Leaf), Kind> {
        let tag = regime.tag;
        let low_part = input & ((1 << regime.input_bits) - 1);
        if tag.asid.is_none() && low_part != input {
            return Err(Kind::Translation);
        }
        if around.random.once_in(32) {
            self.tlb.evict(&mut around.random);
        }
        match self.tlb.leaf(tag, input) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(conflict) => return self.conflict(&conflict, (input, regime.outer.is_some()), around),
        }
        let cached = self.tlb.table(tag, input, &mut around.random).filter(|_| !around.random.once_in(4));
        let (mut table, mut level) = cached.unwrap_or((regime.root, regime.start_level));
        let mut top_bits =
            if level == regime.start_level { regime.input_bits } else { entry_bits(level) + 9 };
        loop {
            let bits = entry_bits(level);
            let index = (low_part & ((1 << top_bits) - 1)) >> bits;
            let at = match regime.outer {
                Some(outer) => self.table_address(outer, table, around)?,
                None => table,
            };
            let word = Self::fetch_descriptor(around, at, index, regime.outer.is_none())?;
            let (what, address, kind) = match Descriptor::decode(word, level) {
                Descriptor::Invalid => return Err(Kind::Translation),
                Descriptor::Table(next) => (What::Table(next), next, KeyKind::Table),
                Descriptor::Leaf(leaf) if leaf.global && tag.asid.is_some() => {
                    (What::Leaf(leaf), leaf.base, KeyKind::GlobalLeaf)
                }
                Descriptor::Leaf(leaf) => (What::Leaf(leaf), leaf.base, KeyKind::Leaf),
            };
            if address >> regime.output_bits != 0 {
                return Err(Kind::AddressSize);
            }
            let key = Key { tag, input: input & !((1 << bits) - 1), bits, level, kind };
            if let What::Leaf(leaf) = what
                && !leaf.accessed
                && !regime.no_access_faults
            {
                return Err(Kind::Access);
            }
            let combined = regime.outer.is_some() && matches!(what, What::Leaf(_));
            // At level 1 a block with nT causes no conflict; at level 2 nT is ignored (3.21.1.2 and 3.21.1.3).
            let passing =
                matches!(what, What::Leaf(leaf) if leaf.not_cached) && self.features.block_changes == 1;
            if !combined && !passing && !around.random.once_in(8) {
                self.tlb.insert(Cached { key, what }, self.features.tlb_size, &mut around.random);
            }
            match what {
                What::Leaf(leaf) => return Ok((key, leaf)),
                What::Table(next) => (table, level, top_bits) = (next, level + 1, bits),
            }
        }
    }

    /// Translates where a table of stage 1 stands: stage 2 must let it be read, and not as device memory where the entry
    /// protects walks (5.2, S2PTW).
    fn table_address(&mut self, outer: &Stage2, table: u64, around: &mut Surroundings) -> Result<u64, Kind> {
        let (key, leaf) = self.stage2(outer, table, around)?;
        if !leaf.stage2_allows(false) || (outer.protects_walks && leaf.stage2_is_device()) {
            return Err(Kind::Permission);
        }
        Ok(leaf.base + (table - key.input))
    }

    /// Decides what two cached translations of one address come to. With BBML 2 the SMMU takes one of them (3.21.1.3); so it may where
    /// a client's own stage 1 is to blame, and whatever it takes was bounded by stage 2.
    fn conflict(
        &self,
        Conflict(one, other): &Conflict,
        (input, theirs): (u64, bool),
        around: &mut Surroundings,
    ) -> Result<(Key, Leaf), Kind> {
        let chosen = if around.random.once_in(2) { one } else { other };
        if let What::Leaf(leaf) = chosen.what
            && (self.features.block_changes == 2 || theirs && around.random.once_in(2))
        {
            return Ok((chosen.key, leaf));
        }
        if theirs {
            return Err(Kind::TlbConflict);
        }
        around.findings.note(Invariant::Rules, || {
            let bbml = self.features.block_changes;
            format!("{input:#x} is cached twice, with BBML {bbml}: {one:x?}, {other:x?}")
        });
        Err(Kind::TlbConflict)
    }

    /// Returns all that a table maps, as it stands in memory, in the order of inputs.
    pub(crate) fn leaves_in_memory(stage2: &Stage2, around: &mut Surroundings) -> Leaves {
        let mut leaves = Leaves::new();
        let count = 1 << (stage2.input_bits - entry_bits(stage2.start_level));
        Self::collect(stage2.root, stage2.start_level, (0, count), &mut leaves, around);
        leaves
    }

    pub(super) fn collect(
        table: u64,
        level: u32,
        (input, count): (u64, u64),
        leaves: &mut Leaves,
        around: &mut Surroundings,
    ) {
        for index in 0..count {
            let Ok(word) = Self::fetch_descriptor(around, table, index, true) else { return };
            let first = input + (index << entry_bits(level));
            match Descriptor::decode(word, level) {
                Descriptor::Invalid => {}
                Descriptor::Leaf(leaf) => leaves.push((first, leaf)),
                Descriptor::Table(next) => Self::collect(next, level + 1, (first, 512), leaves, around),
            }
        }
    }

    /// Counts the tables on the ways of all input of so many bits, as they stand in memory.
    pub(crate) fn tables_in_memory(
        table: u64,
        level: u32,
        input_bits: u32,
        around: &mut Surroundings,
    ) -> u64 {
        let mut tables = 1;
        for index in 0..1 << (input_bits - entry_bits(level)) {
            let Ok(word) = Self::fetch_descriptor(around, table, index, true) else { break };
            if let Descriptor::Table(next) = Descriptor::decode(word, level) {
                tables += Self::tables_in_memory(next, level + 1, entry_bits(level), around);
            }
        }
        tables
    }

    /// Returns all cached translations of stage 2 under a VMID.
    pub(crate) fn cached_leaves(&self, vmid: u16) -> Leaves {
        self.tlb.leaves(Tag { vmid, asid: None }).collect()
    }

    /// Returns all cached translations of both stages under a VMID.
    pub(crate) fn cached_combined_leaves(&self, vmid: u16) -> impl Iterator<Item = Leaf> {
        self.tlb.combined(vmid)
    }

    /// Returns all cached translations of stage 1 alone under an ASID.
    pub(crate) fn cached_stage1_leaves(&self, asid: u16) -> Leaves {
        self.tlb.leaves(Tag { vmid: 0, asid: Some(asid) }).collect()
    }
}
