// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Indices of the SMMU's circular queues (IHI 0070, 3.5.1): a position, and above it a bit that flips at each wrap.
//!
//! An index that was read from a register is masked before anything else is done with it, so that it always names an
//! entry of the queue; whether it makes sense is the caller's question.

/// The size of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    log2: u8,
    /// Bits of an index, the wrap bit included.
    mask: u32,
}

/// A place in a queue, wrap bit included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(u32);

impl Index {
    /// The start of an empty queue.
    pub(super) const START: Self = Self(0);

    /// Returns the register form.
    pub(super) const fn raw(self) -> u32 {
        self.0
    }
}

impl Ring {
    /// The largest size in the architecture (6.3.2).
    pub(super) const MAX_LOG2: u8 = 19;

    /// Names a queue of `2^log2` entries; larger ones than the architecture's do not exist.
    pub(super) const fn new(log2: u8) -> Self {
        let log2 = if log2 > Self::MAX_LOG2 { Self::MAX_LOG2 } else { log2 };
        Self { log2, mask: (2 << log2) - 1 }
    }

    /// Returns log2 of the number of entries.
    pub(super) const fn log2(self) -> u8 {
        self.log2
    }

    /// Returns the number of entries.
    #[inline]
    pub(super) const fn entries(self) -> u32 {
        self.position_mask() + 1
    }

    #[inline]
    const fn position_mask(self) -> u32 {
        self.mask >> 1
    }

    /// Reads an index out of a register, ignoring what is above it.
    #[inline]
    pub(super) const fn index(self, register: u32) -> Index {
        Index(register & self.mask)
    }

    /// Returns the index `count` entries further on.
    #[inline]
    pub(super) const fn advance(self, index: Index, count: u32) -> Index {
        self.index(index.0.wrapping_add(count))
    }

    /// Returns how many entries lie from `from` up to `to`, or `None` where that is more than the queue has.
    pub(super) const fn distance(self, from: Index, to: Index) -> Option<u32> {
        let distance = self.index(to.0.wrapping_sub(from.0)).0;
        if distance > self.entries() { None } else { Some(distance) }
    }

    /// Returns the entry that an index names, always below [`entries`](Self::entries).
    #[inline]
    pub(super) const fn position(self, index: Index) -> usize {
        (index.0 & self.position_mask()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn full_and_empty_differ_by_the_wrap_bit() {
        let ring = Ring::new(3);
        let start = ring.index(5);
        assert_eq!(ring.distance(start, start), Some(0));
        let full = ring.advance(start, 8);
        assert_eq!(ring.distance(start, full), Some(8));
        assert_eq!(ring.position(full), 5);
        assert_eq!(ring.distance(start, ring.advance(start, 9)), None);
    }

    proptest! {
        #[test]
        fn any_register_names_an_entry(log2: u8, register: u32, other: u32) {
            let ring = Ring::new(log2);
            let index = ring.index(register);
            prop_assert!(ring.position(index) < 1 << ring.log2());
            if let Some(distance) = ring.distance(index, ring.index(other)) {
                prop_assert!(distance <= ring.entries());
                prop_assert_eq!(ring.advance(index, distance), ring.index(other));
            }
        }
    }
}
