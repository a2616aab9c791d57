// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How calls come to the notifications ([`crate::notifications`]), and which interrupts come of them: the receiver's own, and
//! the schedule receiver interrupt, now or when a core goes back to the normal world.

use core::sync::atomic::{AtomicBool, Ordering};

use arm_ffa::FfaError;

use crate::common_calls::Party;
use crate::direct_message::VcpuRef;
use crate::features::Caller;
use crate::hardware::Hardware;
use crate::indirect_message::Header;
use crate::interrupts::InterruptLine;
use crate::manifest::partition::ExceptionLevel;
use crate::notifications::{Effects, Receivers, ScheduleReceiver, Speaker, Vcpus, Vms};
use crate::partition::{CoreIndex, MAX_CORES, Partition};
use crate::registers::{MessageRegisters, low_half};
use crate::spmc::Spmc;

/// What the SPMC keeps of notifications beside those of its partitions.
#[derive(Debug, Default)]
pub(crate) struct NotificationState {
    vms: Vms,
    /// Cores that owe the normal world a schedule receiver interrupt. Each one is used by its core alone.
    due: [AtomicBool; MAX_CORES],
}

/// Bit 1 of the flags of FFA_MSG_SEND2 (FF-A 1.3 table 15.3): the schedule receiver interrupt has to wait.
const DELAY: u32 = 1 << 1;

/// Tells whether whoever calls may set it: it is ignored by the SVC conduit, and at the physical instance.
const fn may_delay(caller: Caller) -> bool {
    match caller {
        Caller::NormalWorld | Caller::Partition { level: ExceptionLevel::SEl0, .. } => false,
        Caller::Partition { level: ExceptionLevel::SEl1, .. } => true,
    }
}

impl Spmc {
    fn receivers(&self) -> Receivers<'_> {
        Receivers { partitions: self.partitions(), vms: &self.notifications().vms }
    }

    /// Serves the notification interfaces.
    pub(crate) fn notify(
        &self,
        function: u32,
        party: &Party<'_>,
        registers: &mut MessageRegisters,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        let speaker = match party.caller {
            Caller::NormalWorld => Speaker::NormalWorld,
            Caller::Partition { .. } => Speaker::Partition(party.id),
        };
        let effects = self.receivers().serve(function, speaker, party.core, registers)?;
        self.interrupt(effects, party.core, hardware);
        Ok(())
    }

    /// Notifies the receiver of an indirect message that it is there.
    pub(crate) fn notify_of_message(
        &self,
        message: &Header,
        party: &Party<'_>,
        registers: &MessageRegisters,
        hardware: &impl Hardware,
    ) {
        let delay = may_delay(party.caller) && low_half(registers[2]) & DELAY != 0;
        let effects = self.receivers().set_buffer_full(message.sender, message.receiver, delay, party.core);
        self.interrupt(effects, party.core, hardware);
    }

    fn interrupt(&self, effects: Effects, core: CoreIndex, hardware: &impl Hardware) {
        match effects.schedule_receiver {
            Some(ScheduleReceiver::Now) => hardware.raise_schedule_receiver_interrupt(),
            Some(ScheduleReceiver::OnReturn) => {
                if let Some(due) = self.notifications().due.get(core.get()) {
                    due.store(true, Ordering::Relaxed);
                }
            }
            None => {}
        }
        if let Some(vcpu) = effects.notification_pending {
            self.pend(vcpu, InterruptLine::NOTIFICATION, core, hardware);
        }
        if let Some((place, idle)) = effects.nothing_pending {
            self.withdraw(place, idle, core, hardware);
        }
    }

    /// Takes the notification pending interrupt back from those of a partition's vCPUs that have nothing to get.
    fn withdraw(&self, place: usize, idle: Vcpus, core: CoreIndex, hardware: &impl Hardware) {
        let Some(partition) = self.partitions().get(place) else { return };
        if idle.is_empty() {
            return;
        }
        for vcpu in idle.numbers().filter_map(|index| partition.vcpu(usize::from(index))) {
            vcpu.interrupts.withdraw(InterruptLine::NOTIFICATION);
        }
        // What another core set meanwhile may have been taken back, too. It sets first and pends then.
        let pending = Receivers::pending(partition);
        let on_this_core = pending.receiver.then(|| partition.vcpu_for(core));
        for vcpu in idle.and(pending.vcpus).numbers().map(usize::from).chain(on_this_core) {
            self.pend(VcpuRef { partition: place, vcpu }, InterruptLine::NOTIFICATION, core, hardware);
        }
    }

    /// Raises the schedule receiver interrupt if it was put off until `core`, which asks, goes back to the normal world.
    #[inline(always)]
    pub fn raise_what_is_due(&self, core: CoreIndex, hardware: &impl Hardware) {
        if let Some(due) = self.notifications().due.get(core.get())
            && due.load(Ordering::Relaxed)
        {
            due.store(false, Ordering::Relaxed);
            hardware.raise_schedule_receiver_interrupt();
        }
    }

    /// Forgets whatever a partition that was stopped has to do with notifications.
    pub(crate) fn forget_notifications(&self, stopped: &Partition) {
        self.receivers().forget(stopped);
    }
}
