// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The EL1 physical timer that a partition sees: CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTP_TVAL_EL0 (Arm ARM D24.10), kept in memory.
//! When it runs out, [`super::InterruptLine::TIMER`] becomes pending.
//!
//! Only the vCPU itself writes it; other cores read when it runs out.

use core::sync::atomic::Ordering;

use crate::sync::{AtomicU32, AtomicU64};

/// CNTP_CTL_EL0.
mod control {
    pub(super) const ENABLE: u64 = 1;
    pub(super) const IMASK: u64 = 1 << 1;
    pub(super) const ISTATUS: u64 = 1 << 2;
}

/// A register of the timer, by op2 of S3_3_C14_C2_op2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerRegister {
    /// CNTP_TVAL_EL0.
    Value,
    /// CNTP_CTL_EL0.
    Control,
    /// CNTP_CVAL_EL0.
    CompareValue,
}

impl TimerRegister {
    /// Takes op2.
    #[must_use]
    pub const fn from_op2(op2: u64) -> Option<Self> {
        match op2 {
            0 => Some(Self::Value),
            1 => Some(Self::Control),
            2 => Some(Self::CompareValue),
            _ => None,
        }
    }
}

/// The timer of one vCPU.
#[derive(Debug, Default)]
pub struct VirtualTimer {
    control: AtomicU64,
    compare: AtomicU64,
    /// How often it was written. Who writes 2^32 times between two looks loses a timer of its own.
    written: AtomicU32,
    /// How often it had been written when it was last told that it had run out.
    told: AtomicU32,
}

impl VirtualTimer {
    /// Returns what a register reads as when the counter stands at `now`.
    #[must_use]
    pub fn read(&self, register: TimerRegister, now: u64) -> u64 {
        let (control, compare) = (self.control.load(Ordering::Relaxed), self.compare.load(Ordering::Relaxed));
        match register {
            TimerRegister::Value => compare.wrapping_sub(now) & 0xffff_ffff,
            TimerRegister::Control if control & control::ENABLE != 0 && now >= compare => {
                control | control::ISTATUS
            }
            TimerRegister::Control => control,
            TimerRegister::CompareValue => compare,
        }
    }

    /// Writes a register.
    pub fn write(&self, register: TimerRegister, value: u64, now: u64) {
        match register {
            TimerRegister::Value => {
                #[expect(clippy::cast_possible_truncation, reason = "the register has 32 bits, with a sign")]
                let distance = i64::from((value as u32).cast_signed());
                self.compare.store(now.wrapping_add_signed(distance), Ordering::Relaxed);
            }
            TimerRegister::Control => {
                self.control.store(value & (control::ENABLE | control::IMASK), Ordering::Relaxed);
            }
            TimerRegister::CompareValue => self.compare.store(value, Ordering::Relaxed),
        }
        self.written.fetch_add(1, Ordering::Release);
    }

    /// Returns when it runs out, if that is to be told, and was not told since it was last written.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.untold(self.written.load(Ordering::Acquire), self.told.load(Ordering::Relaxed))
    }

    fn untold(&self, written: u32, told: u32) -> Option<u64> {
        let runs = self.control.load(Ordering::Relaxed) == control::ENABLE;
        (runs && told != written).then(|| self.compare.load(Ordering::Relaxed))
    }

    /// Tells whether it has run out when the counter stands at `now`, and to nobody else before it is written again.
    #[must_use]
    pub fn tell(&self, now: u64) -> bool {
        // What is written after this is told anew, even if it is seen here.
        let written = self.written.load(Ordering::Acquire);
        let told = self.told.load(Ordering::Relaxed);
        self.untold(written, told).is_some_and(|deadline| deadline <= now)
            && self.told.compare_exchange(told, written, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Switches it off, and forgets what was written.
    pub fn reset(&self) {
        self.control.store(0, Ordering::Relaxed);
        self.compare.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_out_when_the_counter_gets_there() {
        let timer = VirtualTimer::default();
        assert_eq!(timer.deadline(), None);
        timer.write(TimerRegister::CompareValue, 1000, 0);
        timer.write(TimerRegister::Control, 1, 0);
        assert_eq!(timer.deadline(), Some(1000));
        assert_eq!(timer.read(TimerRegister::Control, 999), 1);
        assert_eq!(timer.read(TimerRegister::Control, 1000), 5);
        timer.write(TimerRegister::Control, 7, 0);
        assert_eq!(timer.read(TimerRegister::Control, 1000), 7, "masked, and run out");
        assert_eq!(timer.deadline(), None, "nobody is to be told");
    }

    #[test]
    fn that_it_ran_out_is_told_once() {
        let timer = VirtualTimer::default();
        timer.write(TimerRegister::CompareValue, 1000, 0);
        timer.write(TimerRegister::Control, 1, 0);
        assert!(!timer.tell(999) && timer.tell(1000) && !timer.tell(1001));
        assert_eq!(timer.deadline(), None);
        timer.write(TimerRegister::CompareValue, 2000, 0);
        assert_eq!(timer.deadline(), Some(2000));
        assert!(!timer.tell(1500) && timer.tell(2000));
        timer.reset();
        assert!(!timer.tell(u64::MAX));
    }

    #[test]
    fn the_value_is_a_signed_distance() {
        let timer = VirtualTimer::default();
        timer.write(TimerRegister::Value, 100, 50);
        assert_eq!(timer.read(TimerRegister::CompareValue, 0), 150);
        assert_eq!(timer.read(TimerRegister::Value, 60), 90);
        assert_eq!(timer.read(TimerRegister::Value, 160), 0xffff_fff6);
        timer.write(TimerRegister::Value, 0xffff_ffff, 10);
        assert_eq!(timer.read(TimerRegister::CompareValue, 0), 9);
        timer.write(TimerRegister::Value, 0x7fff_ffff, u64::MAX);
        assert_eq!(timer.read(TimerRegister::CompareValue, 0), 0x7fff_fffe);
    }
}
