// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_ID_GET, FFA_SPM_ID_GET and FFA_CONSOLE_LOG (DEN0077A 13.10 to 13.12).

use crate::case::{Case, Instance};
use crate::endpoint::{Endpoint, call};
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use arm_ffa::FfaError::InvalidParameters;
use arm_ffa::{FuncId, Version};

/// The SPMC's ID, as its manifest has it.
const SPMC: u32 = 0x8000;

pub(super) const CASES: &[Case] = &[
    Case::alone(Interface::IdGet, "own-id", "13.10; 6.1", Instance::ALL, own_id),
    Case::alone(Interface::SpmIdGet, "spmc-id", "13.11; 6.3", Instance::ALL, spmc_id),
    Case::alone(Interface::ConsoleLog, "characters", "13.12", Instance::SECURE, characters),
    Case::alone(Interface::ConsoleLog, "bad-counts", "13.12", Instance::SECURE, bad_counts),
];

/// The hypervisor, or a kernel without one, is endpoint 0; bits 31-16 of w2 are reserved.
fn own_id(endpoint: &mut dyn Endpoint) -> Outcome {
    let answer = call(endpoint, FuncId::IdGet, &[]);
    answer.success()?;
    same(answer.w(2), u32::from(endpoint.id()))
}

fn spmc_id(endpoint: &mut dyn Endpoint) -> Outcome {
    let answer = call(endpoint, FuncId::SpmIdGet, &[]);
    if endpoint.instance().version < Version(1, 1) && answer.success().is_err() {
        // It came with FF-A 1.1.
        return answer.error(arm_ffa::FfaError::NotSupported);
    }
    answer.success()?;
    same(answer.w(2), SPMC)
}

/// Four characters a register in the 32-bit call, eight in the 64-bit one, up to the last register.
fn characters(endpoint: &mut dyn Endpoint) -> Outcome {
    const FULL: u64 = u64::from_le_bytes(*b"........");
    const LAST: u64 = u64::from_le_bytes(*b".......\n");
    let mut wide = [FULL; 17];
    let [count, .., last] = &mut wide;
    (*count, *last) = (128, LAST);
    call(endpoint, FuncId::ConsoleLog64, &wide).success()?;
    call(endpoint, FuncId::ConsoleLog64, &[2, u64::from_le_bytes(*b".\n\0\0\0\0\0\0")]).success()?;
    let narrow = u64::from(u32::from_le_bytes(*b"...."));
    let end = u64::from(u32::from_le_bytes(*b"...\n"));
    call(endpoint, FuncId::ConsoleLog32, &[24, narrow, narrow, narrow, narrow, narrow, end]).success()
}

/// No characters, or more than the registers hold.
fn bad_counts(endpoint: &mut dyn Endpoint) -> Outcome {
    for count in [0_u64, 25, 0xff] {
        call(endpoint, FuncId::ConsoleLog32, &[count]).error(InvalidParameters)?;
    }
    for count in [0_u64, 129, 0xffff_ffff] {
        call(endpoint, FuncId::ConsoleLog64, &[count]).error(InvalidParameters)?;
    }
    Ok(())
}
