// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RELINQUISH (MM §2.6): a borrower gives its access back.

use arm_ffa::FfaError;

use super::retrieve::BORROWED;
use super::share::{Handle, Phase, Retrieval};
use super::spec::{Transaction, flag};
use super::{AddressSpaces, MAX_ZEROED_PAGES, Owner, State, World};

impl State {
    /// Ends the access of the partition at `borrower`.
    pub(super) fn relinquish(
        &mut self,
        borrower: usize,
        handle: Handle,
        flags: u32,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), FfaError> {
        let place = self.shares.find(handle)?;
        let share = self.shares.get(place);
        let entry = share.receiver_at(borrower).ok_or(FfaError::InvalidParameters)?;
        // A donation that was retrieved is the receiver's own: there is nothing to give back.
        if share.phase != Phase::Live || flags & !flag::ZERO != 0 {
            return Err(FfaError::InvalidParameters);
        }
        let Retrieval::Retrieved(rights) = entry.retrieval else {
            return Err(FfaError::Denied);
        };
        let zero = flags & flag::ZERO != 0;
        if zero && share.transaction == Transaction::Share {
            return Err(FfaError::InvalidParameters);
        }
        if zero && (!rights.write || share.pages > MAX_ZEROED_PAGES) {
            return Err(FfaError::Denied);
        }
        self.take_back(place, borrower, zero, world)
    }

    /// Takes the memory of the transaction at `place` from a borrower that has retrieved it. When the last one has it no
    /// more, it is zeroed if one of them wanted that.
    ///
    /// # Errors
    /// `NoMemory` if it could not be zeroed; the borrower has it back then.
    pub(super) fn take_back(
        &mut self,
        place: usize,
        borrower: usize,
        zero: bool,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), FfaError> {
        let share = self.shares.get(place);
        let zero = zero || share.zero_after;
        let others = share.receivers.iter().any(|receiver| {
            receiver.place != borrower && matches!(receiver.retrieval, Retrieval::Retrieved(_))
        });
        self.unmap_from(borrower, share, world);
        if zero && !others {
            world.spaces.publish(borrower);
            if let Err(status) = self.zero(share, world) {
                self.map_again(place, borrower, world);
                return Err(status);
            }
        }
        self.trim_at(borrower, share, world);
        world.spaces.publish(borrower);
        let share = self.shares.get_mut(place);
        share.zero_after = zero && others;
        if let Some(entry) = share.receiver_at_mut(borrower) {
            entry.retrieval = Retrieval::Offered;
        }
        if let (true, false, Owner::Partition(owner)) = (share.orphaned, others, share.owner) {
            self.end_orphan(place, owner, world);
        }
        Ok(())
    }

    /// Maps what was just unmapped from a borrower: its tables are still there.
    fn map_again(&self, place: usize, borrower: usize, world: &World<'_, impl AddressSpaces>) {
        let share = self.shares.get(place);
        if let Some(Retrieval::Retrieved(rights)) = share.receiver_at(borrower).map(|entry| entry.retrieval) {
            for range in self.constituents.ranges(share.ranges) {
                world.spaces.map(borrower, share.security, range, BORROWED, rights);
            }
            world.spaces.publish(borrower);
        }
    }
}
