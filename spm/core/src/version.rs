// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_VERSION: which version spm and one caller agreed on (FF-A 1.2 §13.2).
//!
//! A caller may ask again until it calls anything else; from then on it may only repeat itself.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arm_ffa::Version;

use crate::seeded::{Bug, seeded};

/// What spm implements.
pub const OURS: Version = Version(1, 2);
/// FFA_VERSION's answer where there is no common version (FF-A 1.2 table 13.4): NOT_SUPPORTED, as a bare value in w0.
pub const NOT_SUPPORTED: u32 = (-1_i32).cast_unsigned();
/// Bit 31 of a version must be zero.
const MUST_BE_ZERO: u32 = 1 << 31;

/// The agreement with one caller.
#[derive(Debug)]
pub struct Negotiation {
    /// What spm does for the caller, as FFA_VERSION encodes it.
    agreed: AtomicU32,
    /// Set by the first call of anything else.
    settled: AtomicBool,
}

impl Negotiation {
    /// Starts with `version`, which holds until the caller asks for another.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self { agreed: AtomicU32::new(encode(version)), settled: AtomicBool::new(false) }
    }

    /// Starts anew, for a caller that starts again. It makes no call meanwhile.
    pub fn reset(&self, version: Version) {
        self.agreed.store(encode(version), Ordering::Relaxed);
        self.settled.store(false, Ordering::Relaxed);
    }

    /// Answers FFA_VERSION for a caller that speaks `requested`; returns what goes into w0.
    pub fn negotiate(&self, requested: u32) -> u32 {
        let ours = encode(OURS);
        if requested & MUST_BE_ZERO != 0 {
            return NOT_SUPPORTED;
        }
        // Another major version has nothing in common with ours. A newer minor version may come down to ours: its caller
        // learns ours, and nothing is agreed yet.
        if requested >> 16 != ours >> 16 {
            return NOT_SUPPORTED;
        }
        if requested > ours {
            return ours;
        }
        let in_use = self.settled.load(Ordering::Relaxed) && !seeded(Bug::LateVersion);
        if in_use && requested != self.agreed.load(Ordering::Relaxed) {
            return NOT_SUPPORTED;
        }
        self.agreed.store(requested, Ordering::Relaxed);
        ours
    }

    /// Notes that the caller called something else than FFA_VERSION.
    #[inline(always)]
    pub fn settle(&self) {
        if !self.settled.load(Ordering::Relaxed) {
            self.settled.store(true, Ordering::Relaxed);
        }
    }

    /// Tells whether the caller speaks a version that knows of parameters in x8–x17: 1.2 or later.
    #[inline(always)]
    #[must_use]
    pub fn has_extended_registers(&self) -> bool {
        // No other major version is ever agreed on.
        self.agreed.load(Ordering::Relaxed) & 0xffff >= 2
    }

    /// Returns the version that spm has to behave like towards this caller.
    #[must_use]
    pub fn agreed(&self) -> Version {
        let value = self.agreed.load(Ordering::Relaxed);
        Version::try_from(value).unwrap_or(OURS)
    }
}

fn encode(version: Version) -> u32 {
    u32::from(version.0) << 16 | u32::from(version.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_0: u32 = 0x1_0000;
    const V1_1: u32 = 0x1_0001;
    const V1_2: u32 = 0x1_0002;

    #[test]
    fn an_older_minor_version_is_agreed_and_ours_is_answered() {
        let caller = Negotiation::new(OURS);
        assert_eq!(caller.negotiate(V1_1), V1_2);
        assert_eq!(caller.agreed(), Version(1, 1));
        assert_eq!(caller.negotiate(V1_0), V1_2);
        assert_eq!(caller.agreed(), Version(1, 0));
    }

    #[test]
    fn a_newer_minor_version_changes_nothing() {
        let caller = Negotiation::new(Version(1, 0));
        for requested in [0x1_0003, 0x1_ffff] {
            assert_eq!(caller.negotiate(requested), V1_2);
            assert_eq!(caller.agreed(), Version(1, 0));
        }
    }

    #[test]
    fn another_major_version_or_bit_31_is_refused() {
        let caller = Negotiation::new(OURS);
        for requested in [0, 0x0_ffff, 0x2_0000, 0x7fff_ffff, 0x8000_0000, 0x8001_0002, u32::MAX] {
            assert_eq!(caller.negotiate(requested), NOT_SUPPORTED);
        }
        assert_eq!(caller.agreed(), OURS);
    }

    #[test]
    fn after_another_call_only_the_same_again() {
        let caller = Negotiation::new(OURS);
        assert_eq!(caller.negotiate(V1_1), V1_2);
        caller.settle();
        assert_eq!(caller.negotiate(V1_1), V1_2);
        assert_eq!(caller.negotiate(V1_2), NOT_SUPPORTED);
        assert_eq!(caller.agreed(), Version(1, 1));
    }
}
