// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Notifications (FF-A 1.2 §10, §16): doorbells that partitions and VMs ring at each other, and spm at them, without
//! waiting for an answer.
//!
//! [`Receivers`] takes each call to the notifications of its receiver, and says who has to be interrupted for it. It
//! raises no interrupt, and does not know who runs where.

mod call;
mod doorbells;
mod info;
mod receiver;
#[cfg(test)]
mod tests;
mod vcpus;
mod vms;

use core::array;

use arm_ffa::FfaError;

use self::call::{Binding, Get, Set};
use self::doorbells::{Doorbells, Kind, Target};
use self::info::Info;
use self::receiver::{PendingFor, State, Taken};
use self::vcpus::MOST_VCPUS;
use crate::direct_message::VcpuRef;
use crate::endpoint::EndpointId;
use crate::function;
use crate::partition::{CoreIndex, Partition, find};
use crate::registers::{MessageRegisters, success};
use crate::vcpu::{Vcpu, VcpuState};

pub use self::call::Speaker;
pub use self::receiver::Receiver;
pub use self::vcpus::Vcpus;
pub use self::vms::{MAX_VMS, Vms};

/// When the normal world gets its schedule receiver interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleReceiver {
    /// At once: its core may leave a partition for it.
    Now,
    /// When this core goes back to the normal world: the sender wants to go on until then (§16.5.1).
    OnReturn,
}

/// Who has to be interrupted, since there are notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Effects {
    /// The normal world, on this core, since it decides who runs.
    pub schedule_receiver: Option<ScheduleReceiver>,
    /// The receiver, if it is a partition: a vCPU gets its notification pending interrupt when it runs next.
    pub notification_pending: Option<VcpuRef>,
    /// The place of a partition that got notifications, and those of its vCPUs whose interrupt would be for nothing now.
    pub nothing_pending: Option<(usize, Vcpus)>,
}

/// What is done to a receiver's notifications; the number is that of its vCPUs. Not generic, to keep spm small.
type Operation<'a> = &'a mut dyn FnMut(&mut State, usize) -> Result<(), FfaError>;

/// All who can receive notifications.
#[derive(Clone, Copy, Debug)]
pub struct Receivers<'a> {
    /// The partitions; some take no notifications.
    pub partitions: &'a [Partition],
    /// The normal world's VMs.
    pub vms: &'a Vms,
}

impl Receivers<'_> {
    /// Serves a call of `speaker` on `core`, and writes its answer.
    ///
    /// # Errors
    /// The status for the caller, who is to blame. Nothing has changed then.
    pub fn serve(
        &self,
        function: u32,
        speaker: Speaker,
        core: CoreIndex,
        registers: &mut MessageRegisters,
    ) -> Result<Effects, FfaError> {
        let mut effects = Effects::default();
        match (function, speaker) {
            (function::NOTIFICATION_BITMAP_CREATE, Speaker::NormalWorld) => {
                let (vm, vcpus) = call::creation(registers)?;
                self.vms.create(vm, vcpus)?;
            }
            (function::NOTIFICATION_BITMAP_DESTROY, Speaker::NormalWorld) => {
                self.vms.destroy(call::vm(registers)?)?;
            }
            (function::NOTIFICATION_INFO_GET_32, Speaker::NormalWorld) => {
                return self.info(false, registers).map(|()| effects);
            }
            (function::NOTIFICATION_INFO_GET_64, Speaker::NormalWorld) => {
                return self.info(true, registers).map(|()| effects);
            }
            (function::NOTIFICATION_BIND, _) => {
                let (binding, kind) = Binding::bind(speaker, registers)?;
                self.change(&binding, &mut |doorbells, vcpus| {
                    if kind == Kind::PerVcpu && vcpus > MOST_VCPUS {
                        return Err(FfaError::InvalidParameters);
                    }
                    doorbells.bind(binding.bitmap, binding.sender, kind)
                })?;
            }
            (function::NOTIFICATION_UNBIND, _) => {
                let binding = Binding::unbind(speaker, registers)?;
                self.change(&binding, &mut |doorbells, _| doorbells.unbind(binding.bitmap, binding.sender))?;
            }
            (function::NOTIFICATION_SET, _) => effects = self.set(&Set::read(speaker, registers)?, core)?,
            (function::NOTIFICATION_GET, _) => {
                let Get { receiver, vcpu, wanted } = Get::read(speaker, registers)?;
                let (mut taken, mut idle) = (Taken::default(), Vcpus::default());
                self.with(receiver, FfaError::NotSupported, &mut |state, vcpus| {
                    if usize::from(vcpu) >= vcpus {
                        return Err(FfaError::InvalidParameters);
                    }
                    (taken, idle) = (state.take(wanted, vcpu), state.pending().idle());
                    Ok(())
                })?;
                Get::answer(registers, taken);
                effects.nothing_pending = self.partition(receiver).map(|(place, _)| (place, idle));
                return Ok(effects);
            }
            _ => return Err(FfaError::NotSupported),
        }
        success(registers, 0, 0);
        Ok(effects)
    }

    /// Tells the receiver of an indirect message that its receive buffer is full (§10.8.1). Does nothing if it takes no
    /// notifications: then it has to look at its buffer by itself.
    pub fn set_buffer_full(
        &self,
        sender: EndpointId,
        receiver: EndpointId,
        delay: bool,
        core: CoreIndex,
    ) -> Effects {
        let (mut fresh, mut unreported) = (false, false);
        let set = self.with(receiver, FfaError::NotSupported, &mut |state, _| {
            fresh = state.set_buffer_full(sender);
            unreported = state.unreported().is_any();
            Ok(())
        });
        match set {
            Ok(()) => self.effects(receiver, fresh.then_some(Target::Receiver), unreported, delay, core),
            Err(_) => Effects::default(),
        }
    }

    /// Tells what a partition did not get yet.
    #[must_use]
    pub(crate) fn pending(partition: &Partition) -> PendingFor {
        let notifications = partition.notifications.as_ref();
        notifications.map(|receiver| receiver.with(|state| state.pending())).unwrap_or_default()
    }

    /// Forgets whatever a partition that was stopped has to do with notifications: its own, what it has set for others, and
    /// what it might set. It has to be marked as stopped before.
    pub fn forget(&self, stopped: &Partition) {
        let id = stopped.id();
        for partition in self.partitions {
            if let Some(receiver) = &partition.notifications {
                receiver.with(|state| {
                    if partition.id() == id {
                        *state = State::default();
                    } else {
                        state.doorbells(id).forget(id);
                    }
                });
            }
        }
        self.vms.each(|_, state| state.doorbells(id).forget(id));
    }

    fn set(&self, set: &Set, core: CoreIndex) -> Result<Effects, FfaError> {
        let Binding { sender, receiver, bitmap } = set.binding;
        let (mut fresh, mut unreported) = (false, false);
        self.with(receiver, FfaError::Denied, &mut |state, vcpus| {
            if let Target::Vcpu(vcpu) = set.target
                && usize::from(vcpu) >= vcpus
            {
                return Err(FfaError::InvalidParameters);
            }
            fresh = state.doorbells(sender).set(bitmap, sender, set.target)?;
            unreported = state.unreported().is_any();
            Ok(())
        })?;
        Ok(self.effects(receiver, fresh.then_some(set.target), unreported, set.delay, core))
    }

    /// Says whom to interrupt for a receiver for which a notification was set. For a target for which it was not pending yet, a
    /// vCPU gets an interrupt: the one that it is for, or the one on this core, since that is where the normal world learns of
    /// it. The scheduler gets one as long as there is something that it does not know of: it may have missed an earlier one
    /// (§10.4.1.1).
    fn effects(
        &self,
        receiver: EndpointId,
        fresh: Option<Target>,
        unreported: bool,
        delay: bool,
        core: CoreIndex,
    ) -> Effects {
        let when = if delay { ScheduleReceiver::OnReturn } else { ScheduleReceiver::Now };
        let vcpu = fresh.zip(self.partition(receiver)).map(|(target, (place, partition))| {
            let vcpu = match target {
                Target::Receiver => partition.vcpu_for(core),
                Target::Vcpu(vcpu) => usize::from(vcpu),
            };
            VcpuRef { partition: place, vcpu }
        });
        Effects {
            schedule_receiver: unreported.then_some(when),
            notification_pending: vcpu,
            nothing_pending: None,
        }
    }

    /// Changes what a sender may set for a receiver.
    fn change(
        &self,
        binding: &Binding,
        change: &mut dyn FnMut(&mut Doorbells, usize) -> Result<(), FfaError>,
    ) -> Result<(), FfaError> {
        let Binding { sender, receiver, .. } = *binding;
        self.with(receiver, FfaError::NotSupported, &mut |state, vcpus| {
            // With the receiver's lock held, so that `forget` comes either before this or after the change.
            if sender.is_secure() {
                let (_, partition) = self.partition(sender).ok_or(FfaError::InvalidParameters)?;
                require_running(partition)?;
            }
            change(state.doorbells(sender), vcpus)
        })
    }

    /// Does one operation on the notifications of `receiver`, which also gets to know how many vCPUs it has. `without` is
    /// the status where it takes no notifications.
    #[inline(never)]
    fn with(
        &self,
        receiver: EndpointId,
        without: FfaError,
        operation: Operation<'_>,
    ) -> Result<(), FfaError> {
        if receiver.is_secure() {
            let (_, partition) = self.partition(receiver).ok_or(FfaError::InvalidParameters)?;
            let notifications = partition.notifications.as_ref().ok_or(without)?;
            return notifications.with(|state| {
                require_running(partition)?;
                operation(state, partition.contexts())
            });
        }
        // Which other VMs there are spm cannot know; ID 0 is always somebody (§6.1).
        let unknown = if receiver == EndpointId(0) { without } else { FfaError::InvalidParameters };
        let found = self.vms.with(receiver, |state, vcpus| operation(state, usize::from(vcpus.get())));
        found.unwrap_or(Err(unknown))
    }

    /// FFA_NOTIFICATION_INFO_GET: tells who has notifications that were not told of before, or waits with an interrupt that
    /// another vCPU sent it.
    fn info(&self, is_64bit: bool, registers: &mut MessageRegisters) -> Result<(), FfaError> {
        let mut info = Info::new(is_64bit);
        for partition in self.partitions.iter().filter(|partition| !partition.is_stopped()) {
            let waiting = scheduled_by_normal_world(partition);
            let each = |vcpus: Vcpus, note: fn(&Vcpu)| {
                for vcpu in vcpus.numbers().filter_map(|number| partition.vcpu(usize::from(number))) {
                    note(vcpu);
                }
            };
            // Before it is told: what another core sends from here on is news.
            each(waiting, Vcpu::told_scheduler);
            let mut tell = |state: Option<&mut State>| info.tell(partition.id(), state, waiting);
            let told = match &partition.notifications {
                Some(receiver) => receiver.with(|state| tell(Some(state))),
                None => tell(None),
            };
            each(waiting.and(told.others()), Vcpu::tell_scheduler);
        }
        self.vms.each(|id, state| {
            info.tell(id, Some(state), Vcpus::NONE);
        });
        if info.answer(registers) { Ok(()) } else { Err(FfaError::NoData) }
    }

    fn partition(&self, id: EndpointId) -> Option<(usize, &Partition)> {
        find(self.partitions, id)
    }
}

/// Returns the vCPUs that wait, and have an interrupt for which their scheduler lets them run.
fn scheduled_by_normal_world(partition: &Partition) -> Vcpus {
    // It has the first ones alone.
    let waits = |number| {
        let vcpu = partition.vcpu(number);
        vcpu.is_some_and(|vcpu| vcpu.wants_scheduler() && vcpu.state() == VcpuState::Waiting)
    };
    Vcpus::where_true(array::from_fn(waits))
}

fn require_running(partition: &Partition) -> Result<(), FfaError> {
    if partition.is_stopped() { Err(FfaError::Aborted) } else { Ok(()) }
}
