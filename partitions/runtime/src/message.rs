// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The message loop: wait, handle a direct request, answer, wait again.
//!
//! A request and its answer stay in registers: `direct_request` is inlined between one SMC and the next.
#![expect(unsafe_code, reason = "the SMC that ends one message and begins the next")]

use core::arch::asm;
use core::fmt;

use arm_ffa::{FfaError, FuncId};

use crate::boot::{BootInfo, Manifest};
use crate::ffa::{self, CallError, EndpointId, low};
use crate::vcpu::VcpuId;
use crate::{log, stop};

/// What a partition does.
pub trait Partition: Sized + Sync + 'static {
    /// Why it could not start.
    type Error: fmt::Display;

    /// Prepares the partition, on its first vCPU, before the normal world runs.
    ///
    /// # Errors
    /// Whatever keeps it from its work; the partition then ends with FFA_ERROR.
    fn start(boot: &BootInfo) -> Result<Self, Self::Error>;

    /// Prepares another vCPU than the first, or one whose core was off, before it waits for its first message. By default
    /// there is nothing to do.
    fn vcpu_started(&self, vcpu: VcpuId) {
        let _ = vcpu;
    }

    /// Agrees on a version of FF-A, before any other call. By default on the one that this runtime is written for; a
    /// partition that replaces it speaks for itself.
    ///
    /// # Errors
    /// There is no common version; the partition then ends with FFA_ERROR.
    fn negotiate_version(manifest: &Manifest) -> Result<(), CallError> {
        let _ = manifest;
        ffa::negotiate_version()
    }

    /// Answers a 64-bit direct request: x3 to x7 in, x3 to x7 out. Several vCPUs call it at once.
    fn direct_request(&self, vcpu: VcpuId, from: EndpointId, arguments: [u64; 5]) -> [u64; 5];

    /// Answers a 32-bit direct request: w3 to w7 in, w3 to w7 out. By default with NOT_SUPPORTED in w3.
    fn direct_request_32(&self, vcpu: VcpuId, from: EndpointId, arguments: [u32; 5]) -> [u32; 5] {
        let _ = (vcpu, from, arguments);
        [i32::from(FfaError::NotSupported).cast_unsigned(), 0, 0, 0, 0]
    }

    /// Serves the interrupts of this vCPU ([`crate::interrupts`]), which waited for a message. By default there are none.
    fn interrupted(&self, vcpu: VcpuId) {
        let _ = vcpu;
    }

    /// Takes note that this vCPU's core goes off, before it does: nothing comes to it until the vCPU begins anew, or goes on.
    /// Only a partition is told whose manifest asks for that. By default there is nothing to do.
    fn core_goes_off(&self, vcpu: VcpuId) {
        let _ = vcpu;
    }

    /// Answers FFA_MSG_SEND_DIRECT_REQ2, which only a partition gets whose manifest says so: the service's UUID as in x2 and x3
    /// ([`Extended`]) and x4 to x17 in, x4 to x17 out. By default with NOT_SUPPORTED in x4.
    fn direct_request2(
        &self,
        vcpu: VcpuId,
        from: EndpointId,
        service: [u64; 2],
        arguments: Extended,
    ) -> Extended {
        let _ = (vcpu, from, service, arguments);
        let mut answer = [0; 14];
        let [x4, ..] = &mut answer;
        *x4 = i64::from(i32::from(FfaError::NotSupported)).cast_unsigned();
        answer
    }

    /// Answers what is neither a direct request nor an interrupt: FFA_RUN. x0 to x7 in, x0 to x7 of the call that gives the
    /// core back out. By default the partition waits on.
    fn other(&self, vcpu: VcpuId, registers: [u64; 8]) -> [u64; 8] {
        let _ = (vcpu, registers);
        WAIT
    }

    /// Gives the core back and returns what comes next, as [`exchange`] does. A partition replaces it only if it wants to
    /// see what the other registers hold before and after.
    #[inline(always)]
    fn exchange(&self, vcpu: VcpuId, registers: [u64; 8]) -> Received {
        let _ = vcpu;
        exchange(registers)
    }
}

/// x4 to x17 of a message by FFA_MSG_SEND_DIRECT_REQ2, or of its answer (FF-A 1.2 §15.4, §15.5). Its service is named by two
/// registers, the first byte of the UUID in bits 7:0 of the first.
pub type Extended = [u64; 14];

/// x0 to x17 as they are when the partition goes on. x8 to x17 say something in FFA_MSG_SEND_DIRECT_REQ2 alone.
pub type Received = [u64; 18];

/// x2 of a direct message between the partition manager and a partition (FF-A 1.2, table 16.3): bit 31.
const FRAMEWORK_MESSAGE: u64 = 1 << 31;

const DIRECT_REQ_64: u32 = FuncId::MsgSendDirectReq64 as u32;
const DIRECT_REQ_32: u32 = FuncId::MsgSendDirectReq32 as u32;
const DIRECT_REQ2: u32 = FuncId::MsgSendDirectReq64_2 as u32;
const INTERRUPT: u32 = FuncId::Interrupt32 as u32;
const ERROR: u32 = FuncId::Error32 as u32;
const ABORTED: u32 = (FfaError::Aborted as i32).cast_unsigned();
const DIRECT_RESP_64: u64 = FuncId::MsgSendDirectResp64 as u64;
const DIRECT_RESP_32: u64 = FuncId::MsgSendDirectResp32 as u64;
const DIRECT_RESP2: u64 = FuncId::MsgSendDirectResp64_2 as u64;
/// x0 to x7 of FFA_MSG_WAIT.
pub const WAIT: [u64; 8] = [FuncId::MsgWait32 as u64, 0, 0, 0, 0, 0, 0, 0];

/// Serves requests on this vCPU for ever.
pub(crate) fn serve<P: Partition>(partition: &P, vcpu: VcpuId) -> ! {
    let mut received = partition.exchange(vcpu, WAIT);
    loop {
        let [function, ids, flags, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17] =
            received;
        received = if low(function) == DIRECT_REQ_64 && flags & FRAMEWORK_MESSAGE == 0 {
            let [r3, r4, r5, r6, r7] = partition.direct_request(vcpu, sender(ids), [a3, a4, a5, a6, a7]);
            partition.exchange(vcpu, [DIRECT_RESP_64, answer_ids(ids), 0, r3, r4, r5, r6, r7])
        } else {
            // Values of its own, both ways: what passes through memory would do so for every request.
            let [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17] =
                serve_other(
                    partition,
                    vcpu,
                    [
                        function, ids, flags, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16,
                        a17,
                    ],
                );
            [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17]
        };
    }
}

/// Answers what is no 64-bit direct request of an endpoint, gives the core back, and returns what comes next.
#[cold]
#[inline(never)]
fn serve_other<P: Partition>(partition: &P, vcpu: VcpuId, received: Received) -> Received {
    let [function, ids, flags, a3, a4, a5, a6, a7, ..] = received;
    let from = sender(ids);
    let answer = match low(function) {
        DIRECT_REQ_32 if flags & FRAMEWORK_MESSAGE == 0 => {
            let answer = partition.direct_request_32(vcpu, from, [a3, a4, a5, a6, a7].map(low));
            let [r3, r4, r5, r6, r7] = answer.map(u64::from);
            [DIRECT_RESP_32, answer_ids(ids), 0, r3, r4, r5, r6, r7]
        }
        DIRECT_REQ_64 | DIRECT_REQ_32 => {
            let (kind, status) = framework_message(partition, vcpu, flags, low(a3));
            [DIRECT_RESP_32, answer_ids(ids), FRAMEWORK_MESSAGE | kind, status, 0, 0, 0, 0]
        }
        DIRECT_REQ2 => {
            let [_, _, _, _, arguments @ ..] = received;
            let answer = partition.direct_request2(vcpu, from, [flags, a3], arguments);
            return exchange_extended([DIRECT_RESP2, answer_ids(ids), 0, 0], answer);
        }
        // Whoever asked has aborted, so that nobody wants the answer (FF-A 1.2 table 15.12).
        ERROR if low(flags) == ABORTED => WAIT,
        ERROR => refused(low(flags)),
        INTERRUPT => {
            partition.interrupted(vcpu);
            WAIT
        }
        _ => partition.other(vcpu, [function, ids, flags, a3, a4, a5, a6, a7]),
    };
    partition.exchange(vcpu, answer)
}

/// Gives the core back with x0 to x7 = `registers`, and returns x0 to x17 of what comes next. For
/// [`Partition::exchange`] only.
#[inline(always)]
#[must_use]
pub fn exchange(registers: [u64; 8]) -> Received {
    let [mut x0, mut x1, mut x2, mut x3, mut x4, mut x5, mut x6, mut x7] = registers;
    let (x8, x9, x10, x11, x12, x13, x14, x15, x16, x17);
    // SAFETY: 1. By SMCCC 1.4 §2.6 and FF-A 1.2 §11.1 only x0 to x17 change. 2. The calls made are FFA_MSG_WAIT and
    // FFA_MSG_SEND_DIRECT_RESP, which change no memory of this partition.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") x0, inout("x1") x1, inout("x2") x2, inout("x3") x3,
            inout("x4") x4, inout("x5") x5, inout("x6") x6, inout("x7") x7,
            out("x8") x8, out("x9") x9, out("x10") x10, out("x11") x11, out("x12") x12,
            out("x13") x13, out("x14") x14, out("x15") x15, out("x16") x16, out("x17") x17,
            options(nostack),
        );
    }
    [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17]
}

/// As [`exchange`], with x0 to x3 = `head` and x4 to x17 = `body`: FFA_MSG_SEND_DIRECT_RESP2, which no other answer pays for.
#[cold]
#[inline(never)]
fn exchange_extended(head: [u64; 4], body: Extended) -> Received {
    let [mut x0, mut x1, mut x2, mut x3] = head;
    let [mut x4, mut x5, mut x6, mut x7, mut x8, mut x9, mut x10, ..] = body;
    let [.., mut x11, mut x12, mut x13, mut x14, mut x15, mut x16, mut x17] = body;
    // SAFETY: 1. By SMCCC 1.4 §2.6 and FF-A 1.2 §11.1 only x0 to x17 change. 2. The call made is
    // FFA_MSG_SEND_DIRECT_RESP2, which changes no memory of this partition.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") x0, inout("x1") x1, inout("x2") x2, inout("x3") x3,
            inout("x4") x4, inout("x5") x5, inout("x6") x6, inout("x7") x7,
            inout("x8") x8, inout("x9") x9, inout("x10") x10, inout("x11") x11, inout("x12") x12,
            inout("x13") x13, inout("x14") x14, inout("x15") x15, inout("x16") x16, inout("x17") x17,
            options(nostack),
        );
    }
    [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17]
}

/// Answers a message of the partition manager itself (FF-A 1.2 §16.3, §16.4), with its first parameter: kind of the answer, and
/// its status.
#[cold]
#[inline(never)]
fn framework_message<P: Partition>(partition: &P, vcpu: VcpuId, flags: u64, parameter: u32) -> (u64, u64) {
    const SUCCESS: u64 = 0;
    // PSCI (DEN0022), CPU_OFF.
    const CPU_OFF: u32 = 0x8400_0002;
    match flags & 0xff {
        0 => {
            if parameter == CPU_OFF {
                partition.core_goes_off(vcpu);
            }
            (2, SUCCESS)
        }
        // A core comes back: nothing that this runtime holds depends on it.
        1 => (2, SUCCESS),
        // A VM was created or destroyed: the manifest does not ask for these messages.
        kind @ (4 | 6) => (kind + 1, ffa::status_bits(FfaError::NotSupported)),
        kind => (kind, ffa::status_bits(FfaError::NotSupported)),
    }
}

/// The partition manager did not take an answer or a wait: trying again would not end.
#[cold]
fn refused(status: u32) -> ! {
    log!("the partition manager refused to wait: {}", status.cast_signed());
    stop()
}

/// Swaps sender and receiver.
const fn answer_ids(ids: u64) -> u64 {
    (low(ids).rotate_right(16)) as u64
}

#[expect(clippy::cast_possible_truncation, reason = "takes 16 bits of 64 on purpose")]
const fn sender(ids: u64) -> EndpointId {
    EndpointId((ids >> 16) as u16)
}
