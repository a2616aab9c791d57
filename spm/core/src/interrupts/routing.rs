// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose a physical interrupt is, and who runs for what is pending (FF-A 1.3 §9.2, §9.3.2).
//!
//! An interrupt is made pending for its vCPU wherever that is. One that waits runs for it, on the core where it was
//! taken or on the vCPU's own; one that runs is told at once, on another core by a message to that core; one that is
//! blocked, or gave its core back with work undone, finds it pending when it goes on.

use crate::direct_message::VcpuRef;
use crate::hardware::Hardware;
use crate::interrupts::InterruptLine;
use crate::interrupts::virtual_timer::TimerRegister;
use crate::manifest::MAX_PARTITIONS;
use crate::partition::{CoreIndex, Partition};
use crate::spmc::Spmc;
use crate::vcpu::VcpuState;
use crate::work::Work;

/// Whose a physical interrupt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This vCPU's; it is pending there.
    Vcpu(VcpuRef),
    /// Nobody's, or a partition's that is stopped.
    Nobody,
}

impl Spmc {
    /// Makes a physical interrupt that was taken on `core` pending for whoever has it.
    pub fn take_interrupt(&self, intid: u32, core: CoreIndex, hardware: &impl Hardware) -> Owner {
        for (place, partition) in self.partitions().iter().enumerate() {
            if partition.is_stopped() {
                continue;
            }
            if let Some(line) = partition.line(intid).filter(|line| line.place().is_some()) {
                let vcpu = VcpuRef { partition: place, vcpu: partition.vcpu_for(core) };
                self.pend(vcpu, line, core, hardware);
                return Owner::Vcpu(vcpu);
            }
        }
        Owner::Nobody
    }

    /// Makes a line pending for a vCPU, on behalf of `core`, and sees to it that the vCPU's core looks at it if that is
    /// another one.
    pub fn pend(&self, target: VcpuRef, line: InterruptLine, core: CoreIndex, hardware: &impl Hardware) {
        let Some(partition) = self.partitions().get(target.partition) else { return };
        let Some(vcpu) = partition.vcpu(target.vcpu) else { return };
        vcpu.interrupts.pend(line);
        match vcpu.state() {
            // One that has no core of its own runs here.
            VcpuState::Waiting if partition.contexts() == 1 => {}
            // Only if it runs for it there: otherwise the core would be interrupted for nothing.
            VcpuState::Waiting if target.vcpu != core.get() && vcpu.interrupts.wakes() => {
                if let Some(its) = CoreIndex::new(target.vcpu as u64) {
                    hardware.kick(its);
                }
            }
            VcpuState::Running => match vcpu.core() {
                Some(its) if its != core => hardware.kick(its),
                _ => {}
            },
            VcpuState::Off
            | VcpuState::Waiting
            | VcpuState::Blocked
            | VcpuState::Yielded
            | VcpuState::Preempted
            | VcpuState::Aborted
            | VcpuState::Stopped => {}
        }
    }

    /// Writes a register of the timer that vCPU `from` sees.
    pub fn write_timer(&self, from: VcpuRef, register: TimerRegister, value: u64, now: u64) {
        let Some(vcpu) = self.partitions().get(from.partition).and_then(|it| it.vcpu(from.vcpu)) else {
            return;
        };
        // What it was told of the old value does not hold any more; another core may tell of the new one at once.
        vcpu.interrupts.withdraw(InterruptLine::TIMER);
        vcpu.timer.write(register, value, now);
    }

    /// Tells the vCPUs of `core` whose timers have run out, and returns when the next one does.
    pub fn run_timers(&self, core: CoreIndex, now: u64, hardware: &impl Hardware) -> Option<u64> {
        let mut next: Option<u64> = None;
        for (place, partition) in (0..MAX_PARTITIONS).zip(self.partitions()) {
            let target = VcpuRef { partition: place, vcpu: partition.vcpu_for(core) };
            let Some(vcpu) = partition.vcpu(target.vcpu) else { continue };
            if vcpu.timer.tell(now) {
                self.pend(target, InterruptLine::TIMER, core, hardware);
            }
            next = next.into_iter().chain(vcpu.timer.deadline()).min();
        }
        next
    }

    /// Claims a waiting vCPU that has to run on `core` for an interrupt, and that is not in `seen`, a set of places of
    /// partitions to which it is added: each is asked once, so that one that takes no interrupt does not keep the core.
    pub fn claim_for_interrupt(&self, core: CoreIndex, seen: &mut u64) -> Option<(VcpuRef, InterruptLine)> {
        for (place, partition) in (0..MAX_PARTITIONS).zip(self.partitions()) {
            let bit = 1_u64 << place;
            if *seen & bit != 0 {
                continue;
            }
            let target = VcpuRef { partition: place, vcpu: partition.vcpu_for(core) };
            if let Some(line) = claim_if_it_waits(partition, target) {
                *seen |= bit;
                return Some((target, line));
            }
        }
        None
    }
}

/// How far a core is with asking the vCPUs that wait: each once a round, and as many rounds as there are lines, so that one that takes
/// a single interrupt whenever it runs has got all of them when the normal world goes on (FF-A 1.3 §9.3.2.2, 3.1). One
/// whose interrupts never end gets its turn again when the core is interrupted next.
#[derive(Debug, Default)]
pub struct Rounds {
    /// Places of the partitions that were asked in this one.
    seen: u64,
    done: usize,
    /// Something happened since it began.
    again: bool,
}

impl Rounds {
    /// Notes that something may have become pending.
    pub const fn note(&mut self, happened: bool) {
        self.again |= happened;
    }
}

impl Spmc {
    /// Claims the next waiting vCPU that has to run on `core` for an interrupt; nothing if this is over.
    pub fn claim_next(&self, core: CoreIndex, rounds: &mut Rounds) -> Option<(VcpuRef, InterruptLine)> {
        loop {
            if let Some(next) = self.claim_for_interrupt(core, &mut rounds.seen) {
                return Some(next);
            }
            if rounds.done >= InterruptLine::COUNT || !core::mem::take(&mut rounds.again) {
                return None;
            }
            rounds.done = rounds.done.saturating_add(1);
            rounds.seen = 0;
        }
    }
}

/// Claims one vCPU for an interrupt, if it waits and has one.
fn claim_if_it_waits(partition: &Partition, target: VcpuRef) -> Option<InterruptLine> {
    let vcpu = partition.vcpu(target.vcpu)?;
    let line = vcpu.interrupts.first_waking()?;
    vcpu.transition(VcpuState::Waiting, VcpuState::Running).ok()?;
    vcpu.set_work(Work::Interrupt);
    Some(line)
}
