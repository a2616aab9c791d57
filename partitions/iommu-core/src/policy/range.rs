// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Address ranges that cannot overflow.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A range of addresses, `base..base + size`. One that came out of a blob is sane only after [`Range::end`] said so.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Range {
    /// Makes a range, or `None` where it is empty or passes the end of the address space.
    #[must_use]
    pub fn new(base: u64, size: u64) -> Option<Self> {
        let range = Self { base, size };
        range.end().is_some().then_some(range)
    }

    /// Returns the first address behind the range, or `None` where it is empty or overflows.
    #[must_use]
    pub const fn end(&self) -> Option<u64> {
        if self.size == 0 { None } else { self.base.checked_add(self.size) }
    }

    /// Tells whether all of `other` lies inside. Ranges that are not sane contain nothing and lie in nothing.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        match (self.end(), other.end()) {
            (Some(end), Some(other_end)) => self.base <= other.base && other_end <= end,
            _ => false,
        }
    }

    /// Returns how many bytes of it there are from an address on, at least one, or `None` where the address is not in it.
    #[must_use]
    pub fn from(&self, address: u64) -> Option<u64> {
        let left = self.end()?.checked_sub(address).filter(|left| *left > 0)?;
        (address >= self.base).then_some(left)
    }

    /// Tells whether the two share an address. A range that is not sane overlaps everything.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.end(), other.end()) {
            (Some(end), Some(other_end)) => self.base < other_end && other.base < end,
            _ => true,
        }
    }

    /// Tells whether both ends are multiples of `unit`, a power of two.
    #[must_use]
    pub const fn is_aligned(&self, unit: u64) -> bool {
        (self.base | self.size) & (unit - 1) == 0
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}+{:#x}", self.base, self.size)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(base: u64, size: u64) -> Range {
        Range { base, size }
    }

    #[test]
    fn empty_and_overflowing_ranges_are_refused() {
        assert_eq!(Range::new(0, 0), None);
        assert_eq!(Range::new(u64::MAX, 2), None);
        assert!(Range::new(u64::MAX - 1, 1).is_some());
    }

    #[test]
    fn containment_and_overlap() {
        assert!(range(0, 10).contains(&range(0, 10)));
        assert!(!range(0, 10).contains(&range(5, 6)));
        assert!(!range(0, 10).contains(&range(5, u64::MAX)));
        assert!(range(0, 10).overlaps(&range(9, 1)));
        assert!(!range(0, 10).overlaps(&range(10, 1)));
        assert!(range(0, 10).overlaps(&range(50, u64::MAX)));
    }
}
