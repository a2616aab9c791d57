// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is pending for one vCPU, and what of it is signalled. Any core may pend; only whoever runs the vCPU takes.

use core::sync::atomic::Ordering;

use crate::sync::AtomicU64;

/// An interrupt, as a partition's vCPUs count theirs: below [`InterruptLine::DEVICES`] those that spm itself sends, whose virtual
/// INTID it is; from there on the devices' of the partition's manifest, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptLine(u8);

impl InterruptLine {
    /// The vCPU's timer ran out (Hafnium's virtual timer INTID).
    pub const TIMER: Self = Self(3);
    /// The normal world wants the core: managed exit (FF-A 1.3 §9.3.1.2; Hafnium's INTID).
    pub const MANAGED_EXIT: Self = Self(4);
    /// A notification is pending (FF-A 1.3 §10.5; Hafnium's INTID).
    pub const NOTIFICATION: Self = Self(5);
    /// Another vCPU of the partition wants something (Hafnium's INTID).
    pub const IPI: Self = Self(9);
    /// Number of the first device's.
    pub const DEVICES: usize = 16;
    /// How many there can be.
    pub const COUNT: usize = u64::BITS as usize;

    /// Returns the line of the device interrupt at `place` of the manifest's list.
    #[must_use]
    pub fn device(place: usize) -> Option<Self> {
        let number = place.checked_add(Self::DEVICES).filter(|&number| number < Self::COUNT)?;
        u8::try_from(number).ok().map(Self)
    }

    /// Returns the place in the manifest's list, for a device's interrupt.
    #[must_use]
    pub const fn place(self) -> Option<usize> {
        (self.0 as usize).checked_sub(Self::DEVICES)
    }

    /// Returns the virtual INTID of an interrupt of spm's own.
    #[must_use]
    pub const fn own_intid(self) -> u32 {
        self.0 as u32
    }

    const fn bit(self) -> u64 {
        // Lines are few enough for a word.
        1_u64.unbounded_shl(self.0 as u32)
    }
}

/// Lines for which spm itself lets a waiting vCPU run (FF-A 1.3 §9.3.2.3): devices and the timer. For the others its
/// scheduler in the normal world does.
const WAKING: u64 = !((1 << InterruptLine::DEVICES) - 1) | InterruptLine::TIMER.bit();

/// What a vCPU is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// By its vIRQ.
    pub irq: bool,
    /// By its vFIQ.
    pub fiq: bool,
}

/// The interrupts of one vCPU.
#[derive(Debug, Default)]
pub struct VirtualInterrupts {
    pending: AtomicU64,
    enabled: AtomicU64,
    /// Of the enabled ones, those that are signalled by vFIQ.
    fiq: AtomicU64,
    /// Taken by the vCPU, and still active in the real controller.
    active: AtomicU64,
}

impl VirtualInterrupts {
    /// Makes a line pending. Any core may.
    pub fn pend(&self, line: InterruptLine) {
        // SeqCst, here and in `wakes`: whoever pends looks at the vCPU's state afterwards, and whoever changes the state
        // looks at this afterwards. One of them sees the other.
        self.pending.fetch_or(line.bit(), Ordering::SeqCst);
    }

    /// Takes back what was pended.
    pub fn withdraw(&self, line: InterruptLine) {
        self.pending.fetch_and(!line.bit(), Ordering::SeqCst);
    }

    /// Tells whether a line is pending.
    #[must_use]
    pub fn is_pending(&self, line: InterruptLine) -> bool {
        self.pending.load(Ordering::SeqCst) & line.bit() != 0
    }

    /// Lets a line be signalled, by vFIQ or vIRQ, or not.
    pub fn enable(&self, line: InterruptLine, enable: bool, by_fiq: bool) {
        let set = |word: &AtomicU64, on: bool| {
            if on {
                word.fetch_or(line.bit(), Ordering::Relaxed);
            } else {
                word.fetch_and(!line.bit(), Ordering::Relaxed);
            }
        };
        set(&self.fiq, by_fiq);
        set(&self.enabled, enable);
    }

    /// Tells whether a line would be signalled if it were pending.
    #[must_use]
    pub fn is_enabled(&self, line: InterruptLine) -> bool {
        self.enabled.load(Ordering::Relaxed) & line.bit() != 0
    }

    fn signalled(&self) -> u64 {
        self.pending.load(Ordering::SeqCst) & self.enabled.load(Ordering::Relaxed)
    }

    /// Tells whether a line is signalled.
    #[must_use]
    pub fn is_signalled(&self, line: InterruptLine) -> bool {
        self.signalled() & line.bit() != 0
    }

    /// Returns what the vCPU has to be told when it runs.
    #[inline(always)]
    #[must_use]
    pub fn signals(&self) -> Signals {
        let signalled = self.signalled();
        if signalled == 0 {
            return Signals::default();
        }
        let fiq = self.fiq.load(Ordering::Relaxed);
        Signals { irq: signalled & !fiq != 0, fiq: signalled & fiq != 0 }
    }

    /// Tells whether a waiting vCPU has to run now.
    #[inline(always)]
    #[must_use]
    pub fn wakes(&self) -> bool {
        self.signalled() & WAKING != 0
    }

    /// Returns the first line for which a waiting vCPU has to run.
    #[must_use]
    pub fn first_waking(&self) -> Option<InterruptLine> {
        lowest(self.signalled() & WAKING)
    }

    /// Tells whether any line at all could be signalled.
    #[must_use]
    pub fn any_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed) != 0
    }

    /// Takes the first signalled line: it is not pending any more. A device's is active until [`VirtualInterrupts::finish`].
    pub fn take(&self) -> Option<InterruptLine> {
        let line = lowest(self.signalled())?;
        self.accept(line);
        Some(line)
    }

    /// As [`VirtualInterrupts::take`], for a line that the vCPU was told of otherwise.
    pub fn accept(&self, line: InterruptLine) {
        self.withdraw(line);
        if line.place().is_some() {
            self.active.fetch_or(line.bit(), Ordering::Relaxed);
        }
    }

    /// Ends a device's interrupt that was taken. False if it was not.
    pub fn finish(&self, line: InterruptLine) -> bool {
        self.active.fetch_and(!line.bit(), Ordering::Relaxed) & line.bit() != 0
    }

    /// Tells whether anything is left to do when the vCPU begins to wait: something is pending, or was not ended.
    #[inline(always)]
    #[must_use]
    pub fn any_left(&self) -> bool {
        self.pending.load(Ordering::SeqCst) | self.active.load(Ordering::Relaxed) != 0
    }

    /// Ends the first of them; call it until there is none.
    pub fn finish_next(&self) -> Option<InterruptLine> {
        let line = lowest(self.active.load(Ordering::Relaxed))?;
        self.finish(line);
        Some(line)
    }

    /// Forgets everything, when the vCPU's partition is gone. Returns the device lines that were pending or active, as bits of
    /// their places, so that they can be ended in the real controller.
    pub fn clear(&self) -> u64 {
        self.enabled.store(0, Ordering::Relaxed);
        self.fiq.store(0, Ordering::Relaxed);
        let pending = self.pending.swap(0, Ordering::SeqCst);
        (pending | self.active.swap(0, Ordering::Relaxed)) >> InterruptLine::DEVICES
    }
}

fn lowest(lines: u64) -> Option<InterruptLine> {
    u8::try_from(lines.trailing_zeros())
        .ok()
        .filter(|&number| usize::from(number) < InterruptLine::COUNT)
        .map(InterruptLine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_signalled_while_it_is_pending_and_enabled() {
        let interrupts = VirtualInterrupts::default();
        let device = InterruptLine::device(0).unwrap();
        interrupts.pend(device);
        assert_eq!(interrupts.signals(), Signals::default());
        assert_eq!(interrupts.take(), None, "it is not enabled");
        assert!(!interrupts.is_enabled(device));
        interrupts.enable(device, true, false);
        assert!(interrupts.is_enabled(device) && !interrupts.is_enabled(InterruptLine::MANAGED_EXIT));
        assert_eq!(interrupts.signals(), Signals { irq: true, fiq: false });
        interrupts.enable(device, true, true);
        assert_eq!(interrupts.signals(), Signals { irq: false, fiq: true });
        assert_eq!(interrupts.take(), Some(device));
        assert_eq!(interrupts.signals(), Signals::default());
        assert_eq!(interrupts.take(), None);
    }

    #[test]
    fn what_was_taken_is_active_until_it_is_finished() {
        let interrupts = VirtualInterrupts::default();
        let lines =
            [InterruptLine::IPI, InterruptLine::device(0).unwrap(), InterruptLine::device(47).unwrap()];
        for line in lines {
            interrupts.enable(line, true, false);
            interrupts.pend(line);
        }
        for line in lines {
            assert_eq!(interrupts.take(), Some(line), "lowest first");
        }
        assert!(!interrupts.finish(InterruptLine::IPI), "spm's own are not active anywhere");
        assert!(interrupts.finish(lines[1]) && !interrupts.finish(lines[1]));
        assert!(interrupts.any_left());
        assert_eq!(interrupts.finish_next(), Some(lines[2]));
        assert_eq!(interrupts.finish_next(), None);
    }

    #[test]
    fn only_devices_and_the_timer_let_a_waiting_vcpu_run() {
        for (line, wakes) in [
            (InterruptLine::TIMER, true),
            (InterruptLine::MANAGED_EXIT, false),
            (InterruptLine::NOTIFICATION, false),
            (InterruptLine::IPI, false),
            (InterruptLine::device(0).unwrap(), true),
            (InterruptLine::device(47).unwrap(), true),
        ] {
            let interrupts = VirtualInterrupts::default();
            interrupts.enable(line, true, false);
            interrupts.pend(line);
            assert_eq!(interrupts.wakes(), wakes, "{line:?}");
            assert_eq!(interrupts.first_waking().is_some(), wakes);
        }
        assert_eq!(InterruptLine::device(48), None);
        assert_eq!(InterruptLine::device(usize::MAX), None);
    }

    #[test]
    fn clearing_tells_which_devices_are_left() {
        let interrupts = VirtualInterrupts::default();
        for place in [0, 3, 47] {
            interrupts.enable(InterruptLine::device(place).unwrap(), true, false);
            interrupts.pend(InterruptLine::device(place).unwrap());
        }
        interrupts.take();
        interrupts.pend(InterruptLine::NOTIFICATION);
        assert_eq!(interrupts.clear(), 1 | 1 << 3 | 1 << 47);
        assert_eq!(interrupts.clear(), 0);
        assert!(!interrupts.any_enabled());
    }
}
