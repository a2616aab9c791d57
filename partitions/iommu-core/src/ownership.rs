// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose memory is whose. Managed memory is the host's; everything else (the pool, secure memory, registers, holes)
//! is nobody's and cannot be mapped.

use crate::client::Client;
use crate::policy::{MAX_MANAGED, Policy, Range};
use ffa_abi::PhysAddr;
use heapless::Vec;

/// Memory that a client may map, as [`Ownership::check`] found. Only that makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    base: PhysAddr,
    size: u64,
}

impl Owned {
    /// Returns the first address.
    #[must_use]
    pub const fn base(&self) -> PhysAddr {
        self.base
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// Owners of pages.
#[derive(Debug)]
pub struct Ownership {
    /// First and last address of each managed range. They do not overlap each other or the pool: the policy was checked.
    managed: Vec<(u64, u64), MAX_MANAGED>,
}

impl Ownership {
    /// Reads who owns what at boot out of a checked policy.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let bounds = |range: &Range| range.end().map(|end| (range.base, end - 1));
        Self { managed: policy.managed.iter().filter_map(bounds).collect() }
    }

    /// Returns the memory as one that may be mapped, or `None` where any byte of it is not the client's.
    ///
    /// Takes a step for each managed range, eight at most. A range of memory that spans two of them is refused even
    /// where they touch: the policy would have made one of them.
    #[must_use]
    pub fn check(&self, client: Client, base: PhysAddr, size: u64) -> Option<Owned> {
        let last = base.0.checked_add(size.checked_sub(1)?)?;
        match client {
            Client::Host => {}
        }
        self.managed
            .iter()
            .any(|(first, end)| *first <= base.0 && last <= *end)
            .then_some(Owned { base, size })
    }

    /// Returns the first address behind all managed memory.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.managed.iter().map(|(_, last)| last.saturating_add(1)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ownership() -> Ownership {
        Ownership {
            managed: [(0x8000_0000, 0x8fff_ffff), (u64::MAX - 0xfff, u64::MAX)].into_iter().collect(),
        }
    }

    fn may(base: u64, size: u64) -> bool {
        ownership().check(Client::Host, PhysAddr(base), size).is_some()
    }

    #[test]
    fn managed_memory_up_to_its_last_byte() {
        assert!(may(0x8000_0000, 0x1000_0000));
        assert!(may(0x8fff_f000, 0x1000));
        assert!(may(u64::MAX - 0xfff, 0x1000));
    }

    #[test]
    fn nothing_that_leaves_it() {
        assert!(!may(0x8fff_f000, 0x1001));
        assert!(!may(0x7fff_f000, 0x2000));
        assert!(!may(0x7fff_f000, 0x1000));
        assert!(!may(0x9000_0000, 0x1000));
        assert!(!may(0x8000_0000, 0));
        assert!(!may(u64::MAX - 0xfff, 0x2000));
        assert!(!may(0x8000_0000, u64::MAX));
    }
}
