// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The hypervisor's role: taken once, by whoever comes first after the boot, and proved by a key from then on.
//!
//! Kernel and hypervisor have one endpoint ID. So the ID says nothing, and the key all: it is made when the role is
//! claimed, travels in registers, and never stands in memory that the normal world could read. Whoever claims first is
//! trusted: firmware, boot loader, and the kernel while it boots. The role is never given back.

use crate::entropy::Entropy;
use crate::policy::HypRole;
use crate::seeded::{Bug, seeded};
use crate::sync::{AtomicBool, AtomicU64};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use ffa_abi::{Key, Status};
use subtle::ConstantTimeEq as _;

/// Whether there is a hypervisor, whether it has claimed its role, and how it is known.
#[derive(Debug)]
pub struct Role {
    required: bool,
    /// Somebody was first.
    taken: AtomicBool,
    /// The key stands below, and others are served.
    claimed: AtomicBool,
    key: [AtomicU64; 2],
    wrong_keys: AtomicU64,
}

/// The caller has shown the key. Only [`Role::check`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Hyp(());

impl Role {
    /// Makes the role as it is after boot.
    #[must_use]
    pub const fn new(policy: HypRole) -> Self {
        Self {
            required: matches!(policy, HypRole::Required),
            taken: AtomicBool::new(false),
            claimed: AtomicBool::new(false),
            key: [const { AtomicU64::new(0) }; 2],
            wrong_keys: AtomicU64::new(0),
        }
    }

    /// Tells whether there must be a hypervisor.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// Tells whether the role is taken.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.claimed.load(Acquire)
    }

    /// Lets others pass once the hypervisor is there, where there must be one.
    ///
    /// # Errors
    /// [`Status::NotReady`] before.
    pub fn others_may_pass(&self) -> Result<(), Status> {
        if !self.required || self.is_claimed() || seeded(Bug::ServedUnclaimed) {
            Ok(())
        } else {
            Err(Status::NotReady)
        }
    }

    /// Takes the role, and returns its key.
    ///
    /// # Errors
    /// [`Status::Denied`] where the policy has no such role, or it is taken; [`Status::NotSupported`] where the platform has
    /// no random numbers: the role can still be claimed then.
    pub fn claim(&self, entropy: &dyn Entropy) -> Result<Key, Status> {
        if !self.required || (self.taken.load(Relaxed) && !seeded(Bug::ClaimedTwice)) {
            return Err(Status::Denied);
        }
        let (Some(low), Some(high)) = (entropy.word(), entropy.word()) else {
            return Err(Status::NotSupported);
        };
        // Of two that come at once one is first.
        if self.taken.swap(true, AcqRel) && !seeded(Bug::ClaimedTwice) {
            return Err(Status::Denied);
        }
        for (place, word) in self.key.iter().zip([low, high]) {
            place.store(word, Relaxed);
        }
        // Release: whoever finds the role claimed finds the key.
        self.claimed.store(true, Release);
        Ok(Key::from_registers([low, high]))
    }

    /// Compares a key with the role's, in a time that does not depend on either. A wrong one is counted; nobody is locked
    /// out by any number of them, or the kernel could lock the hypervisor out.
    ///
    /// # Errors
    /// [`Status::NotSupported`] where there is no such role, [`Status::NotReady`] before the claim, [`Status::WrongKey`].
    pub fn check(&self, key: Key) -> Result<Hyp, Status> {
        if !self.required {
            return Err(Status::NotSupported);
        }
        if !self.is_claimed() && !seeded(Bug::KeyBeforeClaim) {
            return Err(Status::NotReady);
        }
        let [low, high] = self.key.each_ref().map(|word| word.load(Relaxed));
        let [their_low, their_high] = key.to_registers();
        let their_high = if seeded(Bug::HalfKey) { high } else { their_high };
        if bool::from(low.ct_eq(&their_low) & high.ct_eq(&their_high)) || seeded(Bug::AnyKey) {
            return Ok(Hyp(()));
        }
        // 64 bits count more messages than there will be.
        self.wrong_keys.fetch_add(u64::from(!seeded(Bug::WrongKeysUncounted)), Relaxed);
        Err(Status::WrongKey)
    }

    /// Returns how many messages came with a wrong key since boot.
    #[must_use]
    pub fn wrong_keys(&self) -> u64 {
        self.wrong_keys.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{FakeEntropy, NoEntropy};

    #[test]
    fn a_role_is_claimed_once() {
        let role = Role::new(HypRole::Required);
        let entropy = FakeEntropy::new(5, 100);
        assert_eq!(role.others_may_pass(), Err(Status::NotReady));
        let key = role.claim(&entropy).unwrap();
        assert_eq!(key.to_registers(), [5, 6]);
        assert_eq!((role.is_claimed(), role.others_may_pass()), (true, Ok(())));
        assert_eq!(role.claim(&entropy).unwrap_err(), Status::Denied);
        assert!(role.check(key).is_ok(), "the first key stays");
    }

    #[test]
    fn no_role_is_never_claimed_and_nobody_waits_for_it() {
        let role = Role::new(HypRole::Absent);
        assert_eq!(role.claim(&FakeEntropy::new(0, 9)).unwrap_err(), Status::Denied);
        assert_eq!(role.others_may_pass(), Ok(()));
        // Not even by the key that stands there before a claim.
        assert_eq!(role.check(Key::from_registers([0, 0])).unwrap_err(), Status::NotSupported);
    }

    #[test]
    fn without_random_numbers_there_is_no_claim_yet() {
        let role = Role::new(HypRole::Required);
        for entropy in [&NoEntropy as &dyn Entropy, &FakeEntropy::new(0, 1)] {
            assert_eq!(role.claim(entropy).unwrap_err(), Status::NotSupported);
            assert!(!role.is_claimed());
        }
        assert!(role.claim(&FakeEntropy::new(1, 2)).is_ok());
    }

    #[test]
    fn each_bit_of_a_key_counts_and_nobody_is_locked_out() {
        let role = Role::new(HypRole::Required);
        assert_eq!(role.check(Key::from_registers([0, 0])).unwrap_err(), Status::NotReady);
        let right = role.claim(&FakeEntropy::new(0x1234_5678_9abc_def0, 2)).unwrap();
        let mut tries = 0;
        for bit in 0..128 {
            let mut words = right.to_registers();
            words[bit / 64] ^= 1 << (bit % 64);
            assert_eq!(role.check(Key::from_registers(words)).unwrap_err(), Status::WrongKey);
            tries += 1;
            assert_eq!(role.wrong_keys(), tries);
            assert!(role.check(right).is_ok());
        }
        let [low, high] = right.to_registers();
        assert_eq!(role.check(Key::from_registers([high, low])).unwrap_err(), Status::WrongKey);
    }

    #[test]
    fn of_many_that_claim_at_once_one_has_the_key() {
        for _ in 0..if cfg!(miri) { 2 } else { 200 } {
            let role = Role::new(HypRole::Required);
            let entropy = FakeEntropy::new(0, 100);
            let keys: std::vec::Vec<_> = std::thread::scope(|scope| {
                let claims: std::vec::Vec<_> = (0..4).map(|_| scope.spawn(|| role.claim(&entropy))).collect();
                claims.into_iter().filter_map(|claim| claim.join().unwrap().ok()).collect()
            });
            assert_eq!(keys.len(), 1);
            assert!(role.check(keys[0]).is_ok());
        }
    }
}
