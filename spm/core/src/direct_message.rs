// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MSG_SEND_DIRECT_REQ and FFA_MSG_SEND_DIRECT_RESP, 32 and 64 bit, and FFA_MSG_SEND_DIRECT_REQ2 and
//! FFA_MSG_SEND_DIRECT_RESP2 (FF-A 1.3 §8.3, §15.2–15.5).
//!
//! The path that every request takes: it works on the registers in place and decodes nothing that it does not need.

use core::sync::atomic::{Ordering, compiler_fence};

use arm_ffa::{FfaError, UuidHelper};

use crate::endpoint::{EndpointId, sender_and_receiver, w1};
use crate::function::{self, REQUEST_32, REQUEST_64, REQUEST2, RESPONSE_32, RESPONSE_64, RESPONSE2};
use crate::manifest::messaging::MessagingMethod;
use crate::partition::{CoreIndex, Partition};
use crate::registers::MessageRegisters;
use crate::seeded::{Bug, seeded};
use crate::vcpu::{Vcpu, VcpuState};
use crate::work::{OpenRequest, RequestKind, Requester, Work};

/// Bit 31 of w2: a message of the framework, not of a partition.
pub const FRAMEWORK_MESSAGE: u64 = 1 << 31;
/// What must be zero of w2 in a partition's message (FF-A 1.3 table 15.7): that bit, and the type of a framework message.
const FLAGS_MUST_BE_ZERO: u64 = FRAMEWORK_MESSAGE | 0xff;
/// w2 of the response to a power management message (FF-A 1.3 table 18.8).
const POWER_RESPONSE: u64 = FRAMEWORK_MESSAGE | 2;

/// A vCPU: places of its partition in spm's list and of itself in the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuRef {
    /// The partition.
    pub partition: usize,
    /// The vCPU.
    pub vcpu: usize,
}

/// Returns the kind of request that a function is.
#[inline(always)]
#[must_use]
pub const fn request_kind(function: u32) -> Option<RequestKind> {
    match function {
        REQUEST_64 => Some(RequestKind::Direct64),
        REQUEST_32 => Some(RequestKind::Direct32),
        REQUEST2 => Some(RequestKind::Direct2),
        _ => None,
    }
}

/// Tells whether a function is a response.
#[inline(always)]
#[must_use]
pub const fn is_response(function: u32) -> bool {
    matches!(function, RESPONSE_64 | RESPONSE_32 | RESPONSE2)
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
    kind: RequestKind,
    requester: Requester,
) -> Result<VcpuRef, FfaError> {
    let (sender, receiver) = sender_and_receiver(registers[1]);
    let Some((place, partition)) =
        partitions.iter().enumerate().find(|(_, partition)| partition.id() == receiver)
    else {
        return Err(FfaError::InvalidParameters);
    };
    if kind == RequestKind::Direct2 {
        check_service(partition, registers)?;
    } else if registers[2] & FLAGS_MUST_BE_ZERO != 0 {
        return Err(FfaError::InvalidParameters);
    } else if !partition.messaging().allows(MessagingMethod::RECEIVES_DIRECT) {
        return Err(if partition.is_destroyed() { FfaError::InvalidParameters } else { FfaError::Denied });
    }
    let index = partition.vcpu_for(core);
    let Some(vcpu) = partition.vcpu(index) else {
        return Err(FfaError::Denied);
    };
    match vcpu.transition(VcpuState::Waiting, VcpuState::Running) {
        Ok(()) => {
            vcpu.set_work(Work::Request(OpenRequest { sender, requester, kind }));
            Ok(VcpuRef { partition: place, vcpu: index })
        }
        Err(
            VcpuState::Running
            | VcpuState::Blocked
            | VcpuState::Yielded
            | VcpuState::Preempted
            | VcpuState::Waiting
            // It starts again.
            | VcpuState::Off,
        ) => Err(FfaError::Busy),
        Err(VcpuState::Aborted | VcpuState::Stopped) => Err(partition.refusal()),
    }
}

/// Checks the UUID of FFA_MSG_SEND_DIRECT_REQ2: a service of the receiver, or nil for any (FF-A 1.3 §6.2.3).
#[inline(never)]
fn check_service(partition: &Partition, registers: &MessageRegisters) -> Result<(), FfaError> {
    let uuid = UuidHelper::from_u64_regs([registers[2], registers[3]]);
    if partition.is_destroyed() {
        return Err(FfaError::InvalidParameters);
    }
    match partition.service_allows(uuid, MessagingMethod::RECEIVES_DIRECT2) {
        Some(true) => Ok(()),
        Some(false) => Err(FfaError::Denied),
        None => Err(FfaError::InvalidParameters),
    }
}

/// Checks a response of a partition's vCPU and closes the request that it works on.
///
/// # Errors
/// `InvalidParameters` if it does not speak for itself or has wrong flags, `Denied` if it works on no request, or on one of
/// another sender or kind; `Aborted` if the sender has. A 64-bit request may get a 32-bit response (FF-A 1.3 table 15.11).
#[inline]
pub fn close_request(
    partition: &Partition,
    vcpu: &Vcpu,
    registers: &MessageRegisters,
    function: u32,
) -> Result<(), FfaError> {
    let Work::Request(request) = vcpu.work() else { return Err(no_request(vcpu)) };
    let (sender, receiver) = sender_and_receiver(registers[1]);
    let flags = match request.kind {
        RequestKind::Framework => POWER_RESPONSE,
        RequestKind::Direct32 | RequestKind::Direct64 | RequestKind::Direct2 => 0,
    };
    if sender != partition.id() || (function != RESPONSE2 && registers[2] & FLAGS_MUST_BE_ZERO != flags) {
        return Err(FfaError::InvalidParameters);
    }
    let belongs = match request.kind {
        RequestKind::Direct64 => function != RESPONSE2,
        RequestKind::Direct32 | RequestKind::Framework => function == RESPONSE_32,
        RequestKind::Direct2 => function == RESPONSE2,
    };
    if !belongs || (receiver != request.sender && !seeded(Bug::StrayResponse)) {
        return Err(FfaError::Denied);
    }
    vcpu.set_work(Work::Nothing);
    Ok(())
}

/// Returns what is told to a vCPU that responds and has no request. Of one whose requester has aborted nobody wants anything any
/// more: it goes on as if the normal world had run it.
#[cold]
fn no_request(vcpu: &Vcpu) -> FfaError {
    match vcpu.work() {
        Work::Abandoned => {
            vcpu.set_work(Work::Run);
            FfaError::Aborted
        }
        Work::Start | Work::Nothing | Work::Run | Work::Interrupt | Work::Request(_) => FfaError::Denied,
    }
}

/// Copies a request or a response to its receiver: x0–x7, or x0–x17 of FFA_MSG_SEND_DIRECT_REQ2 and its response, and
/// nothing else. What a message does not define of them is zero.
#[inline]
pub fn deliver(function: u32, from: &MessageRegisters, to: &mut MessageRegisters) {
    let (sender, receiver) = sender_and_receiver(from[1]);
    to[0] = u64::from(function);
    to[1] = u64::from(w1(sender, receiver));
    if seeded(Bug::LeakedRegisters) {
        to.iter_mut().zip(from).skip(8).for_each(|(to, from)| *to = *from);
    }
    match function {
        REQUEST_64 | RESPONSE_64 => {
            to[2] = 0;
            to[3] = from[3];
            to[4] = from[4];
            to[5] = from[5];
            to[6] = from[6];
            to[7] = from[7];
        }
        REQUEST2 | RESPONSE2 => deliver_extended(function, from, to),
        _ => {
            const LOW: u64 = 0xffff_ffff;
            to[2] = 0;
            to[3] = from[3] & LOW;
            to[4] = from[4] & LOW;
            to[5] = from[5] & LOW;
            to[6] = from[6] & LOW;
            to[7] = from[7] & LOW;
        }
    }
}

/// As [`deliver`], for a request to a partition. One that speaks FF-A 1.2 finds zeros in x8–x17 of a 64-bit request, which that
/// does not define (FF-A 1.2 tables 8.2 and 15.7, §11.2); an older one finds them as it left them, as before.
#[inline]
pub fn deliver_request(
    function: u32,
    from: &MessageRegisters,
    to: &mut MessageRegisters,
    receiver: &Partition,
) {
    deliver(function, from, to);
    if function == REQUEST_64 && receiver.version.has_extended_registers() {
        let [_, _, _, _, _, _, _, _, most @ .., x16, x17] = to;
        *most = [0; 8];
        // Ten words at once would be left to memset, which takes five times as long as all these stores.
        compiler_fence(Ordering::Release);
        (*x16, *x17) = (0, 0);
    }
}

/// A request carries the UUID in x2 and x3, a response nothing.
#[inline(never)]
fn deliver_extended(function: u32, from: &MessageRegisters, to: &mut MessageRegisters) {
    for (to, from) in to.iter_mut().zip(from).skip(2) {
        *to = *from;
    }
    if function == function::RESPONSE2 {
        (to[2], to[3]) = (0, 0);
    }
}

/// Checks that a partition speaks for itself and may send requests of this kind at all.
///
/// # Errors
/// `InvalidParameters` or `Denied`: the partition is to blame.
pub fn check_partition_sender(
    partition: &Partition,
    registers: &MessageRegisters,
    kind: RequestKind,
) -> Result<(), FfaError> {
    let (sender, receiver) = sender_and_receiver(registers[1]);
    // A partition can neither send to the normal world nor to itself.
    let own = sender == partition.id() || seeded(Bug::FalseSender);
    if !own || receiver == sender || !receiver.is_secure() {
        return Err(FfaError::InvalidParameters);
    }
    let method = match kind {
        RequestKind::Direct32 | RequestKind::Direct64 | RequestKind::Framework => {
            MessagingMethod::SENDS_DIRECT
        }
        RequestKind::Direct2 => MessagingMethod::SENDS_DIRECT2,
    };
    if partition.messaging().allows(method) { Ok(()) } else { Err(FfaError::Denied) }
}

/// Checks that a message of the normal world does not claim a secure sender.
///
/// # Errors
/// `InvalidParameters`.
#[inline(always)]
pub fn check_normal_world_sender(registers: &MessageRegisters) -> Result<(), FfaError> {
    let (sender, _): (EndpointId, _) = sender_and_receiver(registers[1]);
    if sender.is_secure() && !seeded(Bug::FalseSender) { Err(FfaError::InvalidParameters) } else { Ok(()) }
}
