// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers that a world switch has to keep apart: filled with a pattern, and compared with it later.
//!
//! This image uses none of them itself: it runs at EL2 and is built without FP.

mod streaming;
mod system;
mod vectors;

/// A class of registers that EL1 and EL0 of both worlds share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// System registers of EL1 and EL0.
    System,
    /// Z, P and FFR of SVE, at the greatest vector length, with FPCR and FPSR.
    Vectors,
    /// EL1's physical and virtual timers.
    Timers,
    /// Pointer authentication keys.
    Keys,
    /// SVE registers in streaming mode, and ZA.
    Streaming,
}

impl Class {
    /// What test-sp is to fill on its side: EL1 registers, vectors, timers, keys, general registers, bits 0 to 4.
    pub(crate) const fn partition_mask(self) -> u64 {
        match self {
            Self::System => 1 << 0 | 1 << 4,
            Self::Vectors | Self::Streaming => 1 << 1,
            Self::Timers => 1 << 2,
            Self::Keys => 1 << 3,
        }
    }
}

/// Fills a class with a pattern. Returns how many registers that are, or `None` where this core has none.
pub(crate) fn fill(class: Class, pattern: u64) -> Option<usize> {
    match class {
        Class::System => Some(system::fill(system::SYSTEM, pattern)),
        Class::Timers => Some(system::fill(system::TIMERS, pattern)),
        Class::Keys => Some(system::fill(system::KEYS, pattern)),
        Class::Vectors => vectors::fill(pattern),
        Class::Streaming => streaming::fill(pattern),
    }
}

/// Returns the name of a register that is no longer what [`fill`] made it.
pub(crate) fn changed(class: Class, pattern: u64) -> Option<&'static str> {
    match class {
        Class::System => system::changed(system::SYSTEM, pattern),
        Class::Timers => system::changed(system::TIMERS, pattern),
        Class::Keys => system::changed(system::KEYS, pattern),
        Class::Vectors => vectors::changed(pattern),
        Class::Streaming => streaming::changed(pattern),
    }
}

/// Leaves a class as it does no harm: timers off, streaming mode off.
pub(crate) fn clear(class: Class) {
    match class {
        Class::System => {
            system::fill(system::SYSTEM, 0);
        }
        Class::Timers => {
            system::fill(system::TIMERS, 0);
        }
        Class::Keys => {
            system::fill(system::KEYS, 0);
        }
        Class::Vectors => {}
        Class::Streaming => streaming::stop(),
    }
}
