// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens to memory transactions of a partition that was stopped.

use super::ownership::Owner;
use super::share::{Phase, Retrieval};
use super::spec::Transaction;
use super::{AddressSpaces, Memory, State, World};

/// What could not be released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remainder {
    /// Transactions of the partition whose borrowers still have its memory. Each ends when its last borrower relinquishes.
    pub lent: usize,
    /// Transactions whose memory was to be zeroed and could not be, so that the partition still counts as their borrower.
    pub borrowed: usize,
}

impl Memory {
    /// Ends all that the partition at `place`, which is stopped and runs on no core, has to do with others' memory and they
    /// with its: what it borrowed goes back, what nobody has retrieved of it is its own again, what others have retrieved
    /// they keep until they relinquish it. What it owns by donation stays its own.
    pub fn release(&self, place: usize, world: &World<'_, impl AddressSpaces>) -> Remainder {
        let mut state = self.0.lock();
        let mut remainder = Remainder::default();
        for share in state.shares.places() {
            state.give_back(share, place, world, &mut remainder);
            if state.shares.get(share).owner == Owner::Partition(place) {
                state.abandon(share, place, world, &mut remainder);
            }
        }
        remainder
    }
}

impl State {
    /// Ends the part of the partition at `place` as a receiver.
    fn give_back(
        &mut self,
        share: usize,
        place: usize,
        world: &World<'_, impl AddressSpaces>,
        remainder: &mut Remainder,
    ) {
        let Some(receiver) = self.shares.get(share).receiver_at(place) else { return };
        let phase = self.shares.get(share).phase;
        if phase == Phase::Live
            && matches!(receiver.retrieval, Retrieval::Retrieved(_))
            && self.take_back(share, place, false, world).is_err()
        {
            remainder.borrowed = remainder.borrowed.saturating_add(1);
            return;
        }
        // That may have ended the transaction.
        if let Some(receiver) = self.shares.get_mut(share).receiver_at_mut(place) {
            receiver.retrieval = Retrieval::Gone;
        }
        if phase == Phase::Given {
            self.close(share);
        }
    }

    /// Ends its part as the sender.
    fn abandon(
        &mut self,
        share: usize,
        place: usize,
        world: &World<'_, impl AddressSpaces>,
        remainder: &mut Remainder,
    ) {
        match self.shares.get(share).phase {
            Phase::Free => {}
            Phase::Arriving { .. } | Phase::Given => self.close(share),
            Phase::Live => {
                self.shares.get_mut(share).orphaned = true;
                if self.shares.get(share).is_retrieved() {
                    remainder.lent = remainder.lent.saturating_add(1);
                } else {
                    self.end_orphan(share, place, world);
                }
            }
        }
    }

    /// Ends a transaction that nobody will reclaim, when no borrower has it any more.
    pub(super) fn end_orphan(&mut self, share: usize, owner: usize, world: &World<'_, impl AddressSpaces>) {
        let entry = self.shares.get(share);
        if entry.transaction != Transaction::Share {
            // Without tables the stopped owner does not get it back; nobody else has it then.
            _ = self.return_to_owner(owner, entry, world);
        }
        self.close(share);
    }
}
