// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Waiting until everybody has left the domains that was in one. What they found in tables they have let go then.

use super::Domains;
use crate::sync::TRIES;
use ffa_abi::Status;

impl Domains<'_> {
    /// Waits until each core that is in a domain has left it once. Who comes in the meantime is kept out while it waits, so that
    /// several who come one after the other cannot have it wait for ever.
    ///
    /// # Errors
    /// [`Status::Busy`] where that takes too long.
    pub(crate) fn wait_until_all_were_left(&self) -> Result<(), Status> {
        let mut tries = TRIES;
        for slot in self.slots {
            slot.state.wait_until_left(&mut tries).ok_or(Status::Busy)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_DOMAINS, Slot};
    use super::*;
    use crate::pool::Pool;
    use ffa_abi::PhysAddr;

    #[test]
    fn who_is_inside_is_waited_for() {
        let pool = Pool::new(&[], PhysAddr(0x1000), &[]).unwrap();
        let slots = [const { Slot::new() }; MAX_DOMAINS];
        let domains = Domains::new(&slots, &pool, false);
        assert_eq!(domains.wait_until_all_were_left(), Ok(()));
        for slot in [&slots[0], &slots[MAX_DOMAINS - 1]] {
            let inside = slot.state.try_read().unwrap();
            assert_eq!(domains.wait_until_all_were_left(), Err(Status::Busy));
            drop(inside);
            let alone = slot.state.try_write().unwrap();
            assert_eq!(domains.wait_until_all_were_left(), Err(Status::Busy));
            drop(alone);
            assert_eq!(domains.wait_until_all_were_left(), Ok(()));
        }
    }
}
