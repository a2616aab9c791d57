// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RECLAIM (MM §2.7): the owner takes back what it sent, when no borrower has it any more.

use arm_ffa::FfaError;

use super::ownership::Owner;
use super::share::{Handle, Phase};
use super::spec::{Transaction, flag};
use super::{AddressSpaces, MAX_ZEROED_PAGES, State, World};
use crate::seeded::{Bug, seeded};
use crate::stage2::Rights;

impl State {
    /// Ends a transaction of `owner`. One whose descriptor has not arrived as a whole is given up.
    pub(super) fn reclaim(
        &mut self,
        owner: Owner,
        handle: Handle,
        flags: u32,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), FfaError> {
        let place = self.shares.find(handle)?;
        let share = self.shares.get(place);
        if share.owner != owner || flags & !flag::ZERO != 0 {
            return Err(FfaError::InvalidParameters);
        }
        match share.phase {
            // It is the receiver's.
            Phase::Free | Phase::Given => return Err(FfaError::InvalidParameters),
            Phase::Arriving { .. } => {
                self.close(place);
                return Ok(());
            }
            Phase::Live if share.is_retrieved() && !seeded(Bug::EarlyReclaim) => {
                return Err(FfaError::Denied);
            }
            Phase::Live => {}
        }
        if flags & flag::ZERO != 0 {
            self.zero_for_owner(place, world)?;
        }
        let share = self.shares.get(place);
        if let (Owner::Partition(sender), true) = (owner, share.transaction != Transaction::Share) {
            self.return_to_owner(sender, share, world)?;
        }
        self.close(place);
        Ok(())
    }

    /// Zeroes memory before its owner has it back. Who may not write it may not have it zeroed. Where its owner still has it
    /// mapped, it does it itself.
    fn zero_for_owner(&self, place: usize, world: &World<'_, impl AddressSpaces>) -> Result<(), FfaError> {
        let share = self.shares.get(place);
        let write = Rights { write: true, execute: false };
        let writable = self.constituents.ranges(share.ranges).all(|range| {
            self.holding(share.owner, range, world).is_some_and(|holding| holding.rights.cover(write))
        });
        if !writable || share.pages > MAX_ZEROED_PAGES {
            return Err(FfaError::Denied);
        }
        self.zero(share, world)
    }
}
