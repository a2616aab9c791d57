// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the driver needs from the machine: register access, a clock, memory ordering. Nothing here knows a policy.
//!
//! The implementation for real hardware is the partition's; the fake one is `fake`, for tests.

use super::spec::registers::Register32;
use tock_registers::fields::FieldValue;
use tock_registers::{LocalRegisterCopy, RegisterLongName};

/// One SMMU's register frame, and how its memory accesses are ordered with this core's.
///
/// Offsets are those of IHI 0070, 6.2: page 0 at 0, page 1 at 64 KiB. Every register access is a single access of its
/// width, and is ordered with the other register accesses of the same core.
pub trait Hardware: Sync {
    /// Reads a 32-bit register.
    fn read32(&self, offset: usize) -> u32;
    /// Writes a 32-bit register.
    fn write32(&self, offset: usize, value: u32);
    /// Reads a 64-bit register.
    fn read64(&self, offset: usize) -> u64;
    /// Writes a 64-bit register.
    fn write64(&self, offset: usize, value: u64);
    /// Returns a counter that only grows, and at a constant rate.
    fn ticks(&self) -> u64;
    /// Returns by how much [`ticks`](Self::ticks) grows in a millisecond; not zero.
    fn ticks_per_millisecond(&self) -> u64;
    /// Makes this core's earlier memory writes visible to the SMMU before its later register writes (a DSB for
    /// stores).
    fn publish(&self);
    /// Keeps this core's later memory reads behind its earlier register reads (a DMB for loads).
    fn observe(&self);
}

/// How the partition maps the pool, and so how the SMMU has to access it: both sides must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMapping {
    /// Write-back cacheable, inner shareable: for SMMUs whose accesses are coherent (IDR0.COHACC).
    WriteBack,
    /// Normal non-cacheable: for all SMMUs. No cache maintenance is needed anywhere.
    NonCacheable,
}

/// Something did not happen within its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimedOut;

/// Reads and writes with the register's own fields.
pub(super) trait Registers: Hardware {
    fn get<R: RegisterLongName>(&self, register: Register32<R>) -> LocalRegisterCopy<u32, R> {
        LocalRegisterCopy::new(self.read32(register.offset))
    }

    fn set<R: RegisterLongName>(&self, register: Register32<R>, value: FieldValue<u32, R>) {
        self.write32(register.offset, value.value);
    }

    /// Waits until `done` holds, at most `milliseconds`.
    fn wait(&self, milliseconds: u64, mut done: impl FnMut() -> bool) -> Result<(), TimedOut> {
        let deadline = Deadline::after(self, milliseconds);
        loop {
            // The time is read before the condition: a core that was away for long still sees what happened meanwhile.
            let late = deadline.is_over(self);
            if done() {
                return Ok(());
            }
            if late {
                return Err(TimedOut);
            }
            core::hint::spin_loop();
        }
    }
}

impl<H: Hardware + ?Sized> Registers for H {}

/// A point in time, in the hardware's ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    start: u64,
    length: u64,
}

impl Deadline {
    /// Sets a deadline that many milliseconds from now.
    pub(super) fn after<H: Hardware + ?Sized>(hardware: &H, milliseconds: u64) -> Self {
        let length = hardware.ticks_per_millisecond().saturating_mul(milliseconds);
        Self { start: hardware.ticks(), length }
    }

    /// Tells whether it has passed.
    pub(super) fn is_over<H: Hardware + ?Sized>(&self, hardware: &H) -> bool {
        hardware.ticks().wrapping_sub(self.start) > self.length
    }
}
