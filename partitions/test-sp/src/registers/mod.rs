// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers that the partition shares with the normal world: filled with a pattern, and compared with it later.
//!
//! What was written is read back at once and kept, so that bits that do not exist do not count as lost. Registers that
//! the running code needs (translation, vectors) are not filled, but compared too.

mod access;
mod debug;
pub(crate) mod general;
mod keys;
mod sme;
mod system;
mod timer;
mod vector;

use crate::protocol::Status;
use crate::vcpu::Vcpu;

/// Registers of one class that are told apart in an answer.
const MAX_REGISTERS: usize = 64;

/// A set of classes of registers, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Classes(u64);

impl Classes {
    /// EL1 system registers.
    const SYSTEM: Self = Self(1);
    /// FP, SIMD and SVE at the largest vector length.
    const VECTOR: Self = Self(1 << 1);
    /// EL1 timers.
    const TIMERS: Self = Self(1 << 2);
    /// Pointer authentication keys.
    const KEYS: Self = Self(1 << 3);
    /// x8 to x30.
    const GENERAL: Self = Self(1 << 4);
    /// Debug and performance monitor.
    const DEBUG: Self = Self(1 << 5);
    /// SME: ZA at the largest vector length.
    const SME: Self = Self(1 << 6);
    const ALL: [Self; 7] =
        [Self::SYSTEM, Self::VECTOR, Self::TIMERS, Self::KEYS, Self::GENERAL, Self::DEBUG, Self::SME];
    const NONE: Self = Self(0);

    /// Makes a set of the bits of a request.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    const fn contains(self, class: Self) -> bool {
        self.0 & class.0 != 0
    }

    const fn and(self, class: Self) -> Self {
        Self(self.0 | class.0)
    }

    const fn unknown(self) -> bool {
        self.0 >> Self::ALL.len() != 0
    }
}

/// A list of registers of one class: their values, in an order that the class decides.
pub(crate) type Values = [u64; MAX_REGISTERS];

/// What the registers of a vCPU were filled with.
pub(crate) struct Poisoned {
    /// Which classes hold `pattern`.
    classes: Classes,
    pattern: u64,
    system: Values,
    timers: Values,
    keys: Values,
    debug: Values,
    vector: vector::Image,
}

impl Poisoned {
    pub(crate) const fn new() -> Self {
        const ZERO: Values = [0; MAX_REGISTERS];
        Self {
            classes: Classes::NONE,
            pattern: 0,
            system: ZERO,
            timers: ZERO,
            keys: ZERO,
            debug: ZERO,
            vector: vector::Image::new(),
        }
    }
}

/// Fills the registers of `classes` with what follows from `pattern`.
pub(crate) fn poison(vcpu: &Vcpu, classes: Classes, pattern: u64) -> [u64; 5] {
    if classes.unknown() {
        return Status::NotSupported.answer();
    }
    let poisoned = &mut *vcpu.poisoned.lock();
    let (mut done, mut absent, mut length) = (Classes::NONE, Classes::NONE, 0);
    for class in Classes::ALL.into_iter().filter(|class| classes.contains(*class)) {
        let present = match class {
            Classes::SYSTEM => system::poison(pattern, &mut poisoned.system),
            Classes::VECTOR => {
                length = vector::poison(pattern, &mut poisoned.vector);
                length != 0
            }
            Classes::TIMERS => timer::poison(pattern, &mut poisoned.timers),
            Classes::KEYS => keys::poison(pattern, &mut poisoned.keys),
            Classes::GENERAL => {
                vcpu.general.arm(pattern);
                true
            }
            Classes::DEBUG => debug::poison(pattern, &mut poisoned.debug),
            Classes::SME => sme::poison(pattern),
            _ => false,
        };
        if present {
            done = done.and(class);
        } else {
            absent = absent.and(class);
        }
    }
    poisoned.classes = if poisoned.pattern == pattern { poisoned.classes.and(done) } else { done };
    poisoned.pattern = pattern;
    [done.0, absent.0, length, 0, 0]
}

/// Compares the registers of `classes` with what they were filled with. A class that was not filled with this pattern
/// counts as different.
pub(crate) fn check(vcpu: &Vcpu, classes: Classes, pattern: u64) -> [u64; 5] {
    if classes.unknown() {
        return Status::NotSupported.answer();
    }
    let poisoned = &mut *vcpu.poisoned.lock();
    let (mut differing, mut details) = (Classes::NONE, 0);
    for class in Classes::ALL.into_iter().filter(|class| classes.contains(*class)) {
        let registers = if poisoned.pattern != pattern || !poisoned.classes.contains(class) {
            u64::MAX
        } else {
            match class {
                Classes::SYSTEM => differences(&poisoned.system, system::read),
                Classes::VECTOR => vector::check(pattern, &mut poisoned.vector),
                Classes::TIMERS => differences(&poisoned.timers, timer::read),
                Classes::KEYS => differences(&poisoned.keys, keys::read),
                Classes::GENERAL => vcpu.general.differences(),
                Classes::DEBUG => differences(&poisoned.debug, debug::read),
                Classes::SME => sme::check(pattern),
                _ => u64::MAX,
            }
        };
        if registers != 0 {
            if differing == Classes::NONE {
                details = registers;
            }
            differing = differing.and(class);
        }
    }
    [differing.0, details, 0, 0, 0]
}

/// Reads a list of registers again and returns as bits which differ from `kept`.
fn differences(kept: &Values, read: fn(&mut Values)) -> u64 {
    let mut now = [0; MAX_REGISTERS];
    read(&mut now);
    let mut bits = 0;
    for (index, (before, after)) in kept.iter().zip(now).enumerate() {
        if *before != after {
            bits |= 1 << index;
        }
    }
    bits
}

/// Returns the value for the `index`th register of a class: different for each, and for each pattern.
const fn mixed(pattern: u64, index: u64) -> u64 {
    (pattern ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(23).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
