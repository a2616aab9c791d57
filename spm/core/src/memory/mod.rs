// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory management: FFA_MEM_SHARE, LEND, DONATE, RETRIEVE_REQ, RELINQUISH, RECLAIM and the fragments of long descriptors
//! (FF-A Memory Management Protocol 1.2, DEN 0140).
//!
//! All state is `State`, behind the one lock of [`Memory`], which is never held while a partition runs. `ownership`
//! knows whose memory is, and `permissions` changes what an owner at S-EL0 may do with it; `constituents` knows what of it
//! is part of a transaction, `share` the transactions; `send`, `retrieve`, `relinquish`, `reclaim` and `release` move them
//! on. A partition's stage 2 follows from these, and
//! is changed through [`AddressSpaces`]. A call that fails leaves everything as it was.

mod address_spaces;
mod calls;
mod constituents;
mod descriptor;
#[cfg(any(test, feature = "fakes"))]
pub mod fake;
mod ownership;
mod permissions;
mod reclaim;
mod release;
mod relinquish;
mod response;
mod restore;
mod retrieve;
mod send;
mod share;
mod spec;
#[cfg(test)]
mod tests;

use arm_ffa::FfaError;
use heapless::Vec;

pub use address_spaces::AddressSpaces;
pub use ownership::{Owner, region_grain};
pub use release::Remainder;
pub use share::Handle;
pub use spec::Transaction;

use crate::endpoint::EndpointId;
use crate::hardware::MapFailed;
use crate::mailbox::MAX_VMS;
use crate::manifest::AddressRange;
use crate::manifest::range::PAGE_SIZE;
use crate::normal_memory::NormalMemory;
use crate::partition::Partition;
use crate::seeded::{Bug, seeded};
use crate::stage2::NoTables;
use crate::sync::FairMutex;
use constituents::Constituents;
use ownership::{Holding, Ownership};
use share::{Phase, Share, Shares};
use spec::Format;

/// Most pages that one call writes zeros to: 64 MiB. A core does nothing else meanwhile.
pub const MAX_ZEROED_PAGES: u32 = 16 * 1024;

/// Who is there, and what can be done with their address spaces.
pub struct World<'a, S> {
    /// The partitions.
    pub partitions: &'a [Partition],
    /// The normal world's memory.
    pub normal: &'a NormalMemory,
    /// The machine.
    pub spaces: &'a S,
}

/// Who calls.
pub(super) struct Caller {
    /// Whose memory it speaks of.
    owner: Owner,
    /// Its own ID; 0 for the normal world, which speaks for its VMs, too.
    id: EndpointId,
    format: Format,
    /// Its buffers for messages, which spm accesses: they stay its own.
    buffers: Vec<AddressRange, { 2 * (1 + MAX_VMS) }>,
}

/// Memory management's state. Of zeros only before the first call. A call may hold it while it zeroes 64 MiB: others get it in turn, so that
/// no core waits for more than one call of each other one.
pub struct Memory(FairMutex<State>);

impl Memory {
    /// Begins without transactions.
    #[must_use]
    pub const fn new() -> Self {
        Self(FairMutex::new(State::new()))
    }

    /// Does `work`, which may ask what is the owner's alone, so that spm may write messages into it, before that can change.
    pub(crate) fn with_exclusive<S: AddressSpaces, R>(
        &self,
        owner: Owner,
        world: &World<'_, S>,
        work: impl FnOnce(&Exclusive<'_, S>) -> R,
    ) -> R {
        work(&Exclusive { state: &self.0.lock(), owner, world })
    }
}

/// What is an owner's, and part of no transaction.
pub(crate) struct Exclusive<'a, S> {
    state: &'a State,
    owner: Owner,
    world: &'a World<'a, S>,
}

impl<S: AddressSpaces> Exclusive<'_, S> {
    /// Tells whether all of `range` is. The owner need not write it, since a receive buffer is only read. But what others send
    /// is no code.
    pub(crate) fn has(&self, range: AddressRange) -> bool {
        let fits = |holding: Holding| holding.rights.write || !holding.rights.execute;
        self.state.holding(self.owner, range, self.world).is_some_and(fits)
            && !self.state.constituents.overlaps(range)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Memory")
    }
}

pub(super) struct State {
    shares: Shares,
    constituents: Constituents,
    ownership: Ownership,
}

impl State {
    const fn new() -> Self {
        Self { shares: Shares::new(), constituents: Constituents::new(), ownership: Ownership::new() }
    }

    fn holding(
        &self,
        owner: Owner,
        range: AddressRange,
        world: &World<'_, impl AddressSpaces>,
    ) -> Option<Holding> {
        self.ownership.holding(owner, range, world.partitions, world.normal)
    }

    /// Ends a transaction: its memory is out of it, its handle means nothing any more.
    fn close(&mut self, place: usize) {
        let share = self.shares.get_mut(place);
        if share.phase == Phase::Live {
            self.constituents.unclaim(narrow_place(place));
        }
        self.constituents.release(&mut share.ranges);
        self.shares.free(place);
    }

    /// Takes the memory of a transaction from `partition`.
    fn unmap_from(&self, partition: usize, share: &Share, world: &World<'_, impl AddressSpaces>) {
        for range in self.constituents.ranges(share.ranges) {
            world.spaces.unmap(partition, share.security, range);
        }
    }

    /// Gives back tables that a transaction was mapped by.
    fn trim_at(&self, partition: usize, share: &Share, world: &World<'_, impl AddressSpaces>) {
        for range in self.constituents.ranges(share.ranges) {
            world.spaces.trim(partition, share.security, range);
        }
    }

    /// Gives the memory of a transaction back to the partition that owns it, as it had it.
    ///
    /// # Errors
    /// `NoMemory`; it has nothing back then.
    fn return_to_owner(
        &self,
        partition: usize,
        share: &Share,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), FfaError> {
        for range in self.constituents.ranges(share.ranges) {
            if let Some(holding) = self.holding(Owner::Partition(partition), range, world) {
                let prepared = world.spaces.prepare(partition, share.security, range, holding.grain);
                if let Err(NoTables) = prepared {
                    self.trim_at(partition, share, world);
                    world.spaces.publish(partition);
                    return Err(FfaError::NoMemory);
                }
            }
        }
        for range in self.constituents.ranges(share.ranges) {
            if let Some(holding) = self.holding(Owner::Partition(partition), range, world) {
                world.spaces.map(partition, share.security, range, holding.grain, holding.rights);
            }
        }
        world.spaces.publish(partition);
        Ok(())
    }

    /// Writes zeros to the memory of a transaction, which nobody has mapped.
    fn zero(&self, share: &Share, world: &World<'_, impl AddressSpaces>) -> Result<(), FfaError> {
        if seeded(Bug::NoZeros) {
            return Ok(());
        }
        for range in self.constituents.ranges(share.ranges) {
            world.spaces.zero(share.security, range).map_err(|MapFailed| FfaError::NoMemory)?;
        }
        Ok(())
    }
}

/// Returns the pages of a range; no constituent has more than 2^32.
fn pages_of(range: AddressRange) -> u64 {
    range.size() / PAGE_SIZE
}

#[expect(clippy::cast_possible_truncation, reason = "there are fewer than 256")]
const fn narrow_place(place: usize) -> u16 {
    place as u16
}
