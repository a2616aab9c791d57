// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL1's virtual timer of the normal world, while a partition has its registers: when the normal world's interrupt would have
//! come, so that it takes the core from a partition that does not let it wait (FF-A 1.3 §9.3.1).
//!
//! The registers' values alone are here. How far the normal world's counter is behind the physical one only EL3 knows, which
//! exchanges CNTVOFF_EL2: a hypervisor's guests' timers seem to have run out.

/// CNTV_CTL_EL0 without ISTATUS, for a timer that runs and interrupts (Arm ARM D24.10.18).
const ENABLED: u64 = 0b01;
/// ENABLE and IMASK.
const CONTROL: u64 = 0b11;

/// Returns when the timer interrupts: its control register is `control`, its compare value `compare`, and the counter stands at
/// `now`; never, if it is off or masked.
///
/// One that has run out already, or seems to, counts after `grace`: each time that a partition is given the core it gets
/// somewhere, however often it is taken from it.
#[must_use]
pub fn deadline(control: u64, compare: u64, now: u64, grace: u64) -> Option<u64> {
    if control & CONTROL != ENABLED {
        return None;
    }
    Some(if compare > now { compare } else { now.saturating_add(grace) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_timer_that_interrupts_counts() {
        for control in [0, 0b10, 0b11, 0b100, 0b111] {
            assert_eq!(deadline(control, 100, 50, 7), None, "{control:#b}");
        }
        assert_eq!(deadline(0b001, 100, 50, 7), Some(100));
    }

    #[test]
    fn one_that_has_run_out_leaves_time_for_work() {
        assert_eq!(deadline(0b101, 100, 100, 7), Some(107));
        assert_eq!(deadline(0b101, 0, u64::MAX, 7), Some(u64::MAX));
    }
}
