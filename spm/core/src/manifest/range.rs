// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A range of physical addresses in whole 4 KiB pages that cannot be empty or wrap around.

use core::fmt;

use super::Reason;

/// The page size in which FF-A counts memory (FF-A 1.2, `FFA_PAGE_SIZE_4K`), in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// `start..end`, both multiples of [`PAGE_SIZE`], `start < end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange {
    start: u64,
    end: u64,
}

impl AddressRange {
    /// Makes the range of `size` bytes at `start`.
    ///
    /// # Errors
    /// [`Reason::Unaligned`] if either is no multiple of a page, [`Reason::BadRange`] if it is empty or wraps.
    pub fn new(start: u64, size: u64) -> Result<Self, Reason> {
        for value in [start, size] {
            if !value.is_multiple_of(PAGE_SIZE) {
                return Err(Reason::Unaligned(value));
            }
        }
        match start.checked_add(size) {
            Some(end) if size != 0 => Ok(Self { start, end }),
            _ => Err(Reason::BadRange(start)),
        }
    }

    /// Makes the range of `pages` pages at `start`.
    ///
    /// # Errors
    /// As [`AddressRange::new`].
    pub fn from_pages(start: u64, pages: u64) -> Result<Self, Reason> {
        let size = pages.checked_mul(PAGE_SIZE).ok_or(Reason::BadRange(start))?;
        Self::new(start, size)
    }

    /// Makes a range again of what [`AddressRange::start`] and [`AddressRange::end`] of one returned.
    pub(crate) const fn again(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// Returns the first address.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Returns the address behind the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Returns the size in bytes, never 0.
    #[must_use]
    pub const fn size(self) -> u64 {
        // `start` is below `end`.
        self.end.wrapping_sub(self.start)
    }

    /// Tells whether the two have a byte in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Tells whether `inner` lies wholly in this range.
    #[must_use]
    pub const fn contains(self, inner: Self) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }

    /// Tells whether `address` lies in this range.
    #[must_use]
    pub const fn contains_address(self, address: u64) -> bool {
        self.start <= address && address < self.end
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_empty_wrapping_and_unaligned() {
        assert_eq!(AddressRange::new(0x1000, 0), Err(Reason::BadRange(0x1000)));
        assert_eq!(AddressRange::new(0x1001, 0x1000), Err(Reason::Unaligned(0x1001)));
        assert_eq!(AddressRange::new(0x1000, 0x800), Err(Reason::Unaligned(0x800)));
        assert_eq!(AddressRange::new(!0xfff, 0x1000), Err(Reason::BadRange(!0xfff)));
        assert_eq!(AddressRange::from_pages(0, 1 << 52), Err(Reason::BadRange(0)));
    }

    #[test]
    fn neighbours_do_not_overlap() {
        let low = AddressRange::new(0x1000, 0x1000).unwrap();
        let high = AddressRange::new(0x2000, 0x1000).unwrap();
        let both = AddressRange::new(0x1000, 0x2000).unwrap();
        assert!(!low.overlaps(high) && !high.overlaps(low));
        assert!(both.overlaps(low) && both.overlaps(high) && low.overlaps(both));
        assert!(both.contains(high) && !high.contains(both));
        assert!(low.contains_address(0x1fff) && !low.contains_address(0x2000));
    }
}
