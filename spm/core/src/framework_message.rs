// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages that the SPMD itself sends to spm: direct requests from ID 0xffff with the framework bit (FF-A 1.2 §18).

use arm_ffa::FuncId;

use crate::direct_message::FRAMEWORK_MESSAGE;
use crate::endpoint::{EndpointId, sender_and_receiver, w1};
use crate::registers::{MessageRegisters, answer, function_id, low_half};
use crate::version::Negotiation;

/// w2 of the messages: framework bit and kind (FF-A 1.2 tables 18.1, 18.2, 18.9, 18.10).
mod kind {
    pub(super) const PSCI_REQUEST: u32 = 0x8000_0000;
    pub(super) const PSCI_RESPONSE: u32 = 0x8000_0002;
    pub(super) const VERSION_REQUEST: u32 = 0x8000_0008;
    pub(super) const VERSION_RESPONSE: u32 = 0x8000_0009;
}

/// PSCI: success.
pub const PSCI_SUCCESS: u32 = 0;
/// PSCI: not supported.
const PSCI_NOT_SUPPORTED: u32 = (-1_i32).cast_unsigned();
/// PSCI CPU_OFF.
const CPU_OFF: u32 = 0x8400_0002;

/// Tells whether a direct request is a message of the SPMD to spm.
#[inline(always)]
#[must_use]
pub fn is_from_spmd(registers: &MessageRegisters) -> bool {
    let (sender, _) = sender_and_receiver(registers[1]);
    sender == EndpointId::SPMD && registers[2] & FRAMEWORK_MESSAGE != 0
}

/// Tells whether it says that this core is about to go off.
#[must_use]
pub fn is_core_off(registers: &MessageRegisters) -> bool {
    low_half(registers[2]) == kind::PSCI_REQUEST && low_half(registers[3]) == CPU_OFF
}

/// Writes the message that a partition gets then (FF-A 1.3 table 18.6).
pub fn tell_core_off(spmc: EndpointId, partition: EndpointId, to: &mut MessageRegisters) {
    let addresses = w1(spmc, partition);
    answer(to, [FuncId::MsgSendDirectReq32.into(), addresses, kind::PSCI_REQUEST, CPU_OFF, 0, 0, 0, 0]);
}

/// Returns what a partition has answered to that, if it has: a status of PSCI's.
#[must_use]
pub fn core_off_status(registers: &MessageRegisters) -> Option<u32> {
    (function_id(registers) == u32::from(FuncId::MsgSendDirectResp32)).then(|| low_half(registers[3]))
}

/// Answers it. Returns false if it is of no known kind; nothing is answered then.
#[must_use]
pub fn respond(registers: &mut MessageRegisters, spmc: EndpointId, normal_world: &Negotiation) -> bool {
    let parameter = low_half(registers[3]);
    let (kind, result) = match low_half(registers[2]) {
        kind::VERSION_REQUEST => (kind::VERSION_RESPONSE, normal_world.negotiate(parameter)),
        // Before a core goes off, when the partitions know. What spm keeps of a core is in its memory, and a partition's
        // vCPU that is pinned there waits until the core comes back.
        kind::PSCI_REQUEST => {
            let result = if parameter == CPU_OFF { PSCI_SUCCESS } else { PSCI_NOT_SUPPORTED };
            (kind::PSCI_RESPONSE, result)
        }
        _ => return false,
    };
    let addresses = w1(spmc, EndpointId::SPMD);
    answer(registers, [FuncId::MsgSendDirectResp32.into(), addresses, kind, result, 0, 0, 0, 0]);
    true
}
