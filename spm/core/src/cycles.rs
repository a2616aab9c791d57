// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MSG_WAIT, FFA_YIELD and FFA_RUN: how a vCPU gives its core back and how it gets one again (FF-A 1.3 §7.2, §9.2, §14.1–
//! §14.3).
//!
//! A vCPU that yields, or that an interrupt preempts, gives the core back to whoever gave it: the normal world, or the
//! vCPU that sent it the request. Only that one may let it go on; the normal world, if that one's partition has aborted. What is done with the core is not here.

use arm_ffa::{FfaError, Version};

use crate::direct_message::VcpuRef;
use crate::endpoint::{EndpointId, sender_and_receiver, w1};
use crate::partition::{CoreIndex, Partition, find};
use crate::registers::{MessageRegisters, answer, low_half};
use crate::seeded::{Bug, seeded};
use crate::vcpu::{Vcpu, VcpuState};
use crate::work::{OpenRequest, Requester, Work};

/// Who calls FFA_RUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The normal world.
    NormalWorld,
    /// A vCPU of the partition with this ID.
    Partition(EndpointId, usize),
}

/// What a vCPU finds when it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// FFA_RUN, as the answer to its FFA_MSG_WAIT or FFA_YIELD.
    Run,
    /// All as it was when the interrupt came.
    Untouched,
}

impl Resume {
    /// Returns the state that a vCPU goes on from like this, if it had begun something.
    #[must_use]
    pub const fn left(self) -> VcpuState {
        match self {
            Self::Run => VcpuState::Yielded,
            Self::Untouched => VcpuState::Preempted,
        }
    }
}

/// Checks FFA_RUN and claims the vCPU that it names: it is `Running` from now, and the caller's core owns it.
///
/// # Errors
/// `InvalidParameters` for no such vCPU, or one of another core; `Busy` if it runs; `Denied` if there is nothing to go on with,
/// or not at the word of this caller; `Aborted` if it was stopped.
pub fn claim_for_run(
    partitions: &[Partition],
    registers: &MessageRegisters,
    core: CoreIndex,
    runner: Runner,
) -> Result<(VcpuRef, Resume), FfaError> {
    let (target, EndpointId(index)) = sender_and_receiver(registers[1]);
    let (place, partition) = find(partitions, target).ok_or(FfaError::InvalidParameters)?;
    let index = usize::from(index);
    if index >= partition.contexts() || index != partition.vcpu_for(core) {
        return Err(FfaError::InvalidParameters);
    }
    let vcpu = partition.vcpu(index).ok_or(FfaError::InvalidParameters)?;
    let claimed = VcpuRef { partition: place, vcpu: index };
    if runner == Runner::NormalWorld && vcpu.transition(VcpuState::Waiting, VcpuState::Running).is_ok() {
        vcpu.set_work(Work::Run);
        return Ok((claimed, Resume::Run));
    }
    let resume = match vcpu.state() {
        VcpuState::Yielded => Resume::Run,
        VcpuState::Preempted => Resume::Untouched,
        // A waiting one was just asked for, unless a partition asks, which may not begin anything by FFA_RUN.
        VcpuState::Waiting | VcpuState::Blocked => return Err(FfaError::Denied),
        // One that is off starts again.
        VcpuState::Running | VcpuState::Off => return Err(FfaError::Busy),
        VcpuState::Aborted | VcpuState::Stopped => return Err(FfaError::Aborted),
    };
    take_up_again(vcpu, resume, runner)?;
    Ok((claimed, resume))
}

/// Claims a vCPU that left work behind, if `runner` had given it that work. Whoever may not has no effect on others.
fn take_up_again(vcpu: &Vcpu, resume: Resume, runner: Runner) -> Result<(), FfaError> {
    if !may_run(runner, vcpu.work()) {
        return Err(FfaError::Denied);
    }
    let left = resume.left();
    match vcpu.transition(left, VcpuState::Running) {
        Ok(()) => {}
        Err(VcpuState::Aborted | VcpuState::Stopped) => return Err(FfaError::Aborted),
        Err(_) => return Err(FfaError::Busy),
    }
    // It may have gone on and have left something else behind since then; now this core owns it.
    if may_run(runner, vcpu.work()) {
        return Ok(());
    }
    if vcpu.transition(VcpuState::Running, left).is_err() {
        // Its partition failed meanwhile.
        vcpu.give_up();
    }
    Err(FfaError::Denied)
}

/// Tells whether `runner` has given a vCPU this work, or has to let it go on in the place of who did.
fn may_run(runner: Runner, work: Work) -> bool {
    if seeded(Bug::AnybodyRuns) {
        return true;
    }
    match (runner, work) {
        (Runner::NormalWorld, Work::Run | Work::Abandoned) => true,
        (Runner::NormalWorld, Work::Request(request)) => request.requester == Requester::NormalWorld,
        (Runner::Partition(id, number), Work::Request(OpenRequest { sender, requester, .. })) => {
            sender == id
                && matches!(requester, Requester::Partition { vcpu, .. } if usize::from(vcpu) == number)
        }
        (Runner::NormalWorld | Runner::Partition(..), _) => false,
    }
}

/// Checks FFA_YIELD.
///
/// # Errors
/// `Denied` while a vCPU starts, and on cycles of spm, which it may not leave with work behind (FF-A 1.3 §7.2.5, §9.2.4).
pub fn check_yield(vcpu: &Vcpu) -> Result<(), FfaError> {
    match vcpu.work() {
        Work::Nothing => Err(FfaError::Denied),
        work if work.is_spmc_scheduled() => Err(FfaError::Denied),
        Work::Start | Work::Interrupt | Work::Run | Work::Abandoned | Work::Request(_) => Ok(()),
    }
}

/// Bit 0 of the flags of FFA_MSG_WAIT, from 1.2 on (FF-A 1.3 table 14.3).
const RETAIN_RX_BUFFER: u32 = 1;

/// FFA_MSG_WAIT: gives the receive buffer back unless the partition asks to keep it, for which it has to speak 1.2.
///
/// # Errors
/// `Denied` if there is a request to answer; `InvalidParameters` for flags that there are not.
pub fn wait(partition: &Partition, vcpu: &Vcpu, registers: &MessageRegisters) -> Result<(), FfaError> {
    let known = if partition.version.agreed() >= Version(1, 2) { RETAIN_RX_BUFFER } else { 0 };
    let flags = low_half(registers[2]);
    if flags & !known != 0 {
        return Err(FfaError::InvalidParameters);
    }
    if matches!(vcpu.work(), Work::Request(_)) && !seeded(Bug::EarlyWait) {
        return Err(FfaError::Denied);
    }
    if flags & RETAIN_RX_BUFFER == 0 {
        // Not owning it is no error here.
        _ = partition.mailbox.release();
    }
    Ok(())
}

/// Tells a caller that its callee gave the core back before it was done: `function` is FFA_YIELD or FFA_INTERRUPT (FF-A 1.3
/// tables 14.9 and 14.17).
pub fn tell_unfinished(function: u32, callee: EndpointId, vcpu: usize, to: &mut MessageRegisters) {
    answer(to, [function, target(callee, vcpu), 0, 0, 0, 0, 0, 0]);
}

/// Tells a vCPU that it runs again by FFA_RUN (FF-A 1.3 table 14.13).
pub fn tell_run(partition: EndpointId, vcpu: usize, to: &mut MessageRegisters) {
    answer(to, [crate::function::RUN, target(partition, vcpu), 0, 0, 0, 0, 0, 0]);
}

/// Tells a waiting vCPU that it runs for an interrupt (FF-A 1.3 table 14.17, §14.4.1).
pub fn tell_interrupt(intid: u32, to: &mut MessageRegisters) {
    answer(to, [crate::function::INTERRUPT, 0, intid, 0, 0, 0, 0, 0]);
}

/// A vCPU, as w1 of these calls holds it.
fn target(partition: EndpointId, vcpu: usize) -> u32 {
    // There are not as many vCPUs.
    w1(partition, EndpointId(u16::try_from(vcpu).unwrap_or(u16::MAX)))
}
