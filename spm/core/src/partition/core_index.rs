// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cores that partitions run on, by their numbers.

/// Most cores that spm runs on, and most vCPUs of a partition.
pub const MAX_CORES: usize = 8;

/// Number of a core, below [`MAX_CORES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreIndex(usize);

impl CoreIndex {
    /// Takes EL3's linear core number.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        usize::try_from(number).ok().filter(|&index| index < MAX_CORES).map(Self)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}
