// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where context descriptors stand (IHI 0070, 3.3.2 and 5.4): one for each device of the policy, for SMMUs whose only stage
//! is stage 1. No substreams: S1CDMax is 0, and all streams of a device have the same descriptor.
//!
//! A descriptor is written while no valid entry leads to it, and no SMMU has cached it.

use super::spec::cd::CD_WORDS;
use crate::pool::{Pool, Reserved, Word};
use crate::table::ENTRIES;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::PhysAddr;

/// Bytes of a descriptor.
const CD_BYTES: u64 = 8 * CD_WORDS as u64;
/// Descriptors of a page.
pub(super) const CONTEXTS_PER_PAGE: usize = ENTRIES / CD_WORDS;

/// The descriptors of an SMMU's devices, in the order of the policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contexts<'p>(Reserved<'p>);

impl<'p> Contexts<'p> {
    /// Takes memory for so many; `None` where the pool is too small.
    pub(super) fn build(pool: &Pool<'p>, devices: usize) -> Option<Self> {
        pool.reserve(devices.div_ceil(CONTEXTS_PER_PAGE).max(1), 1).map(Self)
    }

    /// Returns of how many pages they are made.
    pub(super) const fn pages(&self) -> usize {
        self.0.words.len() / ENTRIES
    }

    /// Returns where a device's stands.
    pub(super) fn address(&self, device: usize) -> Option<PhysAddr> {
        let offset = u64::try_from(device).ok()?.checked_mul(CD_BYTES)?;
        self.words(device)?;
        self.0.base.0.checked_add(offset).map(PhysAddr)
    }

    /// Returns the words of a device's.
    pub(super) fn words(&self, device: usize) -> Option<&'p [Word]> {
        let first = device.checked_mul(CD_WORDS)?;
        self.0.words.get(first..first.checked_add(CD_WORDS)?)
    }

    /// Writes a device's.
    pub(super) fn write(&self, device: usize, values: &[u64; CD_WORDS]) -> Option<()> {
        let words = self.words(device)?;
        words.iter().zip(values).for_each(|(word, value)| word.store(*value, Relaxed));
        Some(())
    }
}
