// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The runtime state of a vCPU, an execution context of a partition (FF-A 1.3 §7.2), and who may run it.
//!
//! The state is one atomic: whoever moves it to `Running` owns the vCPU's registers, and may change what it works on,
//! until it moves it on. A vCPU of a partition with several is pinned to the core of its number; the only one of a
//! partition with one runs on whichever core asks first.

use core::sync::atomic::Ordering;

use crate::endpoint::EndpointId;
use crate::interrupts::{InterruptLine, VirtualInterrupts, VirtualTimer};
use crate::partition::CoreIndex;
use crate::sync::{AtomicU8, AtomicU64};
use crate::work::Work;

/// What a vCPU does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VcpuState {
    /// It was never entered, since the boot or since its partition was made new.
    Off,
    /// It waits for a message.
    Waiting,
    /// A core runs it, or is about to.
    Running,
    /// It runs another vCPU, by a direct request or FFA_RUN, and waits for what comes of it.
    Blocked,
    /// It gave the core back by FFA_YIELD in the middle of its work.
    Yielded,
    /// An interrupt took the core from it in the middle of its work.
    Preempted,
    /// Its partition failed while a core had it. That core runs it no more, and gives it up.
    Aborted,
    /// Its partition failed, and no core has it.
    Stopped,
}

/// Its partition failed: added to the state that it was in then. All [`Vcpu::transition`]s fail from there on.
const FAILED: u8 = 1 << 3;

impl VcpuState {
    const fn encode(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Waiting => 1,
            Self::Running => 2,
            Self::Blocked => 3,
            Self::Yielded => 4,
            Self::Preempted => 5,
            Self::Aborted => FAILED | Self::Running.encode(),
            Self::Stopped => FAILED,
        }
    }

    const fn decode(value: u8) -> Self {
        match value {
            0 => Self::Off,
            1 => Self::Waiting,
            2 => Self::Running,
            3 => Self::Blocked,
            4 => Self::Yielded,
            5 => Self::Preempted,
            failed if matches!(failed & !FAILED, 2 | 3) => Self::Aborted,
            _ => Self::Stopped,
        }
    }

    /// As [`Self::decode`], apart from the way of who finds what he looks for.
    #[cold]
    fn found_instead(value: u8) -> Self {
        Self::decode(value)
    }
}

/// State of one vCPU.
#[derive(Debug)]
pub struct Vcpu {
    state: AtomicU8,
    work: AtomicU64,
    /// The core that ran it last; [`NO_CORE`] before.
    core: AtomicU8,
    /// Not 0 if its scheduler, in the normal world, does not know that another vCPU wants something of it.
    untold: AtomicU8,
    /// Its interrupts.
    pub interrupts: VirtualInterrupts,
    /// Its timer.
    pub timer: VirtualTimer,
}

const NO_CORE: u8 = u8::MAX;

impl Default for Vcpu {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(VcpuState::Off.encode()),
            work: AtomicU64::new(Work::Start.encode()),
            core: AtomicU8::new(NO_CORE),
            untold: AtomicU8::new(0),
            interrupts: VirtualInterrupts::default(),
            timer: VirtualTimer::default(),
        }
    }
}

impl Vcpu {
    /// Returns the state at this moment; another core may change it.
    #[must_use]
    pub fn state(&self) -> VcpuState {
        VcpuState::decode(self.state.load(Ordering::SeqCst))
    }

    /// Moves from one state to another.
    ///
    /// # Errors
    /// The state that it is in instead of `from`.
    #[inline(always)]
    pub fn transition(&self, from: VcpuState, to: VcpuState) -> Result<(), VcpuState> {
        self.state
            .compare_exchange(from.encode(), to.encode(), Ordering::SeqCst, Ordering::Acquire)
            .map(|_| ())
            .map_err(VcpuState::found_instead)
    }

    /// Notes that `core` runs it.
    #[inline(always)]
    pub fn set_core(&self, core: CoreIndex) {
        // SeqCst: whoever pends an interrupt and finds another core here still, has pended it before this core looks.
        self.core.store(u8::try_from(core.get()).unwrap_or(NO_CORE), Ordering::SeqCst);
    }

    /// Returns the core that ran it last.
    #[must_use]
    pub fn core(&self) -> Option<CoreIndex> {
        CoreIndex::new(u64::from(self.core.load(Ordering::SeqCst)))
    }

    /// Notes what it works on from now. Only whoever runs the vCPU.
    #[inline(always)]
    pub fn set_work(&self, work: Work) {
        self.work.store(work.encode(), Ordering::Relaxed);
    }

    /// Notes that nobody waits any more for what it works on, if that is a request of `sender`, which has aborted. Anybody
    /// may; it changes nothing of whoever has the vCPU for other work.
    pub(crate) fn abandon(&self, sender: EndpointId) {
        let word = self.work.load(Ordering::Relaxed);
        if matches!(Work::decode(word), Work::Request(request) if request.sender == sender) {
            let abandoned = Work::Abandoned.encode();
            _ = self.work.compare_exchange(word, abandoned, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Returns what it works on, or worked on last. Only whoever runs the vCPU may rely on it.
    #[inline(always)]
    #[must_use]
    pub fn work(&self) -> Work {
        Work::decode(self.work.load(Ordering::Relaxed))
    }

    /// Notes that its scheduler has to be told if it waits while [`InterruptLine::IPI`] is signalled. Before that is pended.
    pub fn tell_scheduler(&self) {
        self.untold.store(1, Ordering::SeqCst);
    }

    /// Notes that it was told.
    pub fn told_scheduler(&self) {
        self.untold.store(0, Ordering::SeqCst);
    }

    /// Tells whether it has to be told, if the vCPU waits.
    #[must_use]
    pub fn wants_scheduler(&self) -> bool {
        self.untold.load(Ordering::SeqCst) != 0 && self.interrupts.is_signalled(InterruptLine::IPI)
    }

    /// Lets nobody take it any more, since its partition failed. Returns the state that it was in. If a core has it, it is
    /// that core's until [`Vcpu::give_up`].
    pub fn abort(&self) -> VcpuState {
        VcpuState::decode(self.state.fetch_or(FAILED, Ordering::SeqCst))
    }

    /// Lets it start again. Nobody has it.
    pub(crate) fn begin_again(&self) {
        self.told_scheduler();
        self.core.store(NO_CORE, Ordering::SeqCst);
        self.set_work(Work::Start);
        self.state.store(VcpuState::Off.encode(), Ordering::SeqCst);
    }

    /// Gives it up, after its partition failed. Only the core that has it, which does not touch its registers afterwards.
    pub fn give_up(&self) {
        self.state.store(VcpuState::Stopped.encode(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_of_two_gets_it() {
        let vcpu = Vcpu::default();
        assert_eq!(vcpu.transition(VcpuState::Waiting, VcpuState::Running), Err(VcpuState::Off));
        vcpu.transition(VcpuState::Off, VcpuState::Waiting).unwrap();
        let wins: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| vcpu.transition(VcpuState::Waiting, VcpuState::Running).is_ok()))
                .collect();
            tries.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(wins, 1);
    }

    #[test]
    fn aborted_by_another_core_it_is_given_up_by_the_one_that_has_it() {
        for before in (0..6).map(VcpuState::decode) {
            let vcpu = Vcpu::default();
            vcpu.state.store(before.encode(), Ordering::SeqCst);
            assert_eq!(vcpu.abort(), before);
            let held = matches!(before, VcpuState::Running | VcpuState::Blocked);
            let after = if held { VcpuState::Aborted } else { VcpuState::Stopped };
            for from in (0..6).map(VcpuState::decode) {
                assert_eq!(vcpu.transition(from, VcpuState::Running), Err(after));
            }
            assert_eq!(vcpu.abort(), after, "once is enough");
            vcpu.give_up();
            assert_eq!((vcpu.state(), vcpu.abort()), (VcpuState::Stopped, VcpuState::Stopped));
        }
    }
}
