// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MSG_SEND_DIRECT_REQ and FFA_MSG_SEND_DIRECT_RESP, 32 and 64 bit (FF-A 1.2 §7.3, §15.1, §15.2).
//!
//! The path that every request takes: it works on the registers in place and decodes nothing that it does not need.

use arm_ffa::FfaError;

use crate::endpoint::{EndpointId, sender_and_receiver, w1};
use crate::function::{REQUEST_64, RESPONSE_64};
use crate::partition::{CoreIndex, Partition};
use crate::registers::MessageRegisters;
use crate::vcpu::{OpenRequest, VcpuState};

/// Bit 31 of w2: a message of the framework, not of a partition.
pub const FRAMEWORK_MESSAGE: u64 = 1 << 31;

/// A vCPU: places of its partition in spm's list and of itself in the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuRef {
    /// The partition.
    pub partition: usize,
    /// The vCPU.
    pub vcpu: usize,
}

/// Checks a request and claims the vCPU that has to work on it: it is `Running` from now, and the caller's core owns it.
///
/// # Errors
/// The status for the sender: it is to blame for all but `Busy` and `Aborted`.
#[inline]
pub fn claim_receiver(
    partitions: &[Partition],
    registers: &MessageRegisters,
    core: CoreIndex,
    is_64bit: bool,
) -> Result<VcpuRef, FfaError> {
    let (sender, receiver) = sender_and_receiver(registers[1]);
    if registers[2] & FRAMEWORK_MESSAGE != 0 {
        return Err(FfaError::InvalidParameters);
    }
    let Some((place, partition)) =
        partitions.iter().enumerate().find(|(_, partition)| partition.id() == receiver)
    else {
        return Err(FfaError::InvalidParameters);
    };
    if !partition.receives_direct() {
        return Err(FfaError::Denied);
    }
    let index = partition.vcpu_for(core);
    let Some(vcpu) = partition.vcpu(index) else {
        return Err(FfaError::Denied);
    };
    match vcpu.transition(VcpuState::Waiting, VcpuState::Running) {
        Ok(()) => {
            vcpu.set_request(Some(OpenRequest { sender, is_64bit }));
            Ok(VcpuRef { partition: place, vcpu: index })
        }
        Err(VcpuState::Running | VcpuState::Blocked | VcpuState::Waiting) => Err(FfaError::Busy),
        Err(VcpuState::Off) => Err(FfaError::Denied),
        Err(VcpuState::Stopped) => Err(FfaError::Aborted),
    }
}

/// Checks a response of the partition that works on vCPU `index` and closes its request.
///
/// # Errors
/// `Denied` if it works on no request, `InvalidParameters` if the response does not belong to it.
#[inline]
pub fn close_request(
    partition: &Partition,
    index: usize,
    registers: &MessageRegisters,
    is_64bit: bool,
) -> Result<(), FfaError> {
    let vcpu = partition.vcpu(index).ok_or(FfaError::Denied)?;
    let request = vcpu.request().ok_or(FfaError::Denied)?;
    let addressed = sender_and_receiver(registers[1]) == (partition.id(), request.sender);
    if !addressed || is_64bit != request.is_64bit || registers[2] & FRAMEWORK_MESSAGE != 0 {
        return Err(FfaError::InvalidParameters);
    }
    vcpu.set_request(None);
    Ok(())
}

/// Copies a request or a response to its receiver: x0–x7, and nothing else. What a 32-bit message does not define of
/// them is zero.
#[inline]
pub fn deliver(function: u32, from: &MessageRegisters, to: &mut MessageRegisters) {
    let (sender, receiver) = sender_and_receiver(from[1]);
    let is_64bit = function == REQUEST_64 || function == RESPONSE_64;
    to[0] = u64::from(function);
    to[1] = u64::from(w1(sender, receiver));
    to[2] = 0;
    if is_64bit {
        to[3] = from[3];
        to[4] = from[4];
        to[5] = from[5];
        to[6] = from[6];
        to[7] = from[7];
    } else {
        const LOW: u64 = 0xffff_ffff;
        to[3] = from[3] & LOW;
        to[4] = from[4] & LOW;
        to[5] = from[5] & LOW;
        to[6] = from[6] & LOW;
        to[7] = from[7] & LOW;
    }
}

/// Checks that a partition speaks for itself and may send requests at all.
///
/// # Errors
/// `InvalidParameters` or `Denied`: the partition is to blame.
pub fn check_partition_sender(partition: &Partition, registers: &MessageRegisters) -> Result<(), FfaError> {
    let (sender, receiver) = sender_and_receiver(registers[1]);
    // A partition can neither send to the normal world nor to itself.
    if sender != partition.id() || receiver == sender || !receiver.is_secure() {
        return Err(FfaError::InvalidParameters);
    }
    if !partition.sends_direct() {
        return Err(FfaError::Denied);
    }
    Ok(())
}

/// Checks that a message of the normal world does not claim a secure sender.
///
/// # Errors
/// `InvalidParameters`.
#[inline(always)]
pub fn check_normal_world_sender(registers: &MessageRegisters) -> Result<(), FfaError> {
    let (sender, _): (EndpointId, _) = sender_and_receiver(registers[1]);
    if sender.is_secure() { Err(FfaError::InvalidParameters) } else { Ok(()) }
}
