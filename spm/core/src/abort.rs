// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition aborts (FF-A 1.3 §7.2.3, §7.2.4, §7.4.4): first nobody may take its vCPUs any more, and cores that have one leave
//! it; the last of them cleans up. From then on its interrupts are off, nobody has notifications of it or for it, its buffers
//! are unmapped, and what it borrowed is its owner's again. Then its manifest's `abort-action` decides; how one starts again is in
//! [`crate::restart`].
//!
//! Nothing is cleaned up before, so that no call of a vCPU that still runs can come behind the cleaning.

use core::fmt;

use crate::direct_message::VcpuRef;
use crate::hardware::Hardware;
use crate::life::{MAX_RESTARTS, Phase};
use crate::mailbox::MailboxOwner;
use crate::manifest::actions::AbortAction;
use crate::memory::Remainder;
use crate::partition::{CoreIndex, Partition};
use crate::spmc::Spmc;
use crate::vcpu::VcpuState;
use crate::work::Work;

/// What became of a partition that aborted, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is stopped for good, as its manifest wants it.
    Stopped,
    /// It is gone.
    Destroyed,
    /// It starts again, for this many times so far.
    Restarts(u8),
    /// It was to start again, and is stopped for good.
    Lost(Loss),
    /// It starts again as soon as others have given its memory back.
    Waits(Remainder),
}

/// Why a partition cannot start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It failed while it started.
    Start,
    /// It has started again too often.
    TooOften,
    /// It has donated memory that it needs, or there are no tables to map it.
    Memory,
    /// Its image could not be written anew.
    Image,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stays stopped"),
            Self::Destroyed => f.write_str("is destroyed"),
            Self::Restarts(count) => write!(f, "starts again, {count} of {MAX_RESTARTS} times"),
            Self::Lost(Loss::Start) => f.write_str("stays stopped: it failed while it started"),
            Self::Lost(Loss::TooOften) => f.write_str("stays stopped: it has started again too often"),
            Self::Lost(Loss::Memory) => f.write_str("stays stopped: not all of its memory is its own"),
            Self::Lost(Loss::Image) => f.write_str("stays stopped: its image cannot be written anew"),
            Self::Waits(Remainder { lent, borrowed }) => {
                write!(f, "waits: {lent} loan(s) of its memory and {borrowed} to it are not given back")
            }
        }
    }
}

impl Spmc {
    /// Aborts the partition of vCPU `from`, which the caller's core has and which cannot go on. Other cores that run its vCPUs
    /// are made to leave them. Returns what its manifest wants done; nothing if another core has aborted it already.
    pub fn abort(&self, from: VcpuRef, hardware: &impl Hardware) -> Option<AbortAction> {
        let partition = self.partitions().get(from.partition)?;
        let before = partition.abort()?;
        if partition.vcpu(from.vcpu).is_none_or(|vcpu| vcpu.work() == Work::Start) {
            partition.life().give_up_hope();
        }
        for (core, before) in (0..).zip(before) {
            // A partition with several vCPUs has each on the core of its number; the only one is `from`.
            if before == VcpuState::Running
                && let Some(core) = CoreIndex::new(core).filter(|core| core.get() != from.vcpu)
            {
                hardware.kick(core);
            }
        }
        Some(partition.abort_action())
    }

    /// Ends the partition at `place`, if it was aborted and no core has any vCPU of it, and lets it start again if its manifest
    /// says so: on `core`, which asks. Whoever gives a vCPU up after an abort asks for it. Returns nothing if it is not the
    /// time yet, or another core does it.
    pub fn end(&self, place: usize, core: CoreIndex, hardware: &impl Hardware) -> Option<End> {
        let partition = self.partitions().get(place)?;
        let mut vcpus = (0..partition.contexts()).filter_map(|index| partition.vcpu(index));
        if !vcpus.all(|vcpu| vcpu.state() == VcpuState::Stopped)
            || !partition.life().pass(Phase::Aborted, Phase::Ending)
        {
            return None;
        }
        let remainder = self.clean_up(place, partition, hardware);
        let end = match partition.abort_action() {
            // Who propagates has ended all of spm when it aborted.
            AbortAction::Stop | AbortAction::Propagate => End::Stopped,
            AbortAction::Destroy => End::Destroyed,
            AbortAction::Restart => self.restart(place, partition, remainder, core, hardware),
        };
        let next = match end {
            End::Stopped | End::Lost(_) => Phase::Stopped,
            End::Destroyed => Phase::Destroyed,
            End::Restarts(_) => Phase::Alive,
            End::Waits(_) => Phase::Aborted,
        };
        // Nobody else leaves this phase.
        _ = partition.life().pass(Phase::Ending, next);
        Some(end)
    }

    fn clean_up(&self, place: usize, partition: &Partition, hardware: &impl Hardware) -> Remainder {
        partition.log.lock().flush(|line| hardware.log(partition, line));
        self.forget_notifications(partition);
        // It may have had none.
        _ = partition.mailbox.unmap(MailboxOwner::Partition(place), hardware);
        // Whom it had called, and who is not done, would wait for its FFA_RUN for ever.
        for other in self.partitions() {
            for vcpu in (0..other.contexts()).filter_map(|index| other.vcpu(index)) {
                vcpu.abandon(partition.id());
            }
        }
        let remainder = self.memory().release(place, &self.memory_world(hardware));
        for interrupt in partition.interrupts() {
            hardware.enable_interrupt(interrupt.intid, false);
        }
        for vcpu in (0..partition.contexts()).filter_map(|index| partition.vcpu(index)) {
            vcpu.timer.reset();
            let devices = vcpu.interrupts.clear();
            for (place, interrupt) in (0..u64::BITS).zip(partition.interrupts()) {
                if devices >> place & 1 != 0 {
                    hardware.deactivate_interrupt(interrupt.intid);
                }
            }
        }
        remainder
    }
}
