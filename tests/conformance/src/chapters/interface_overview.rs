// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What holds for every call (DEN0077A chapters 11 and 12): which registers come back, and numbers that are no function.

use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint, Registers, call_id};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, same};
use arm_ffa::FfaError::{InvalidParameters, NotSupported};
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::alone(
        Interface::AnyCall,
        "x8-to-x17-kept",
        "11.1.2, I0178; SMCCC 1.2, 2.6",
        Instance::ALL,
        x8_to_x17_kept,
    ),
    Case::alone(Interface::AnyCall, "reserved-ids", "chapter 11, rules 4 and 6", Instance::ALL, reserved_ids),
    Case::alone(Interface::AnyCall, "undefined-ids", "chapter 11, rule 6", Instance::ALL, undefined_ids),
    Case::alone(Interface::AnyCall, "other-services", "SMCCC 1.2, 5.2", Instance::ALL_SECURE, other_services),
    Case::alone(Interface::AnyCall, "sve-hint", "SMCCC 1.3, 2.5.4", Instance::ALL, sve_hint),
    Case::alone(
        Interface::AnyCall,
        "upper-halves",
        "SMCCC 1.2, 2.5; table 12.4",
        Instance::ALL,
        upper_halves,
    ),
    Case::alone(Interface::Error, "registers", "12.2, table 12.4", Instance::ALL, error_registers),
    Case::alone(Interface::Success, "registers", "12.3, table 12.7", Instance::ALL, success_registers),
];

const fn id(function: FuncId) -> u64 {
    function as u64
}

/// Makes a call with random values in x8 to x17, and requires them back.
#[track_caller]
fn keeps(endpoint: &mut dyn Endpoint, arguments: [u64; 8]) -> Outcome<Answer> {
    let mut registers: Registers = [0; 18];
    registers.iter_mut().zip(arguments).for_each(|(register, value)| *register = value);
    for register in registers.iter_mut().skip(8) {
        *register = endpoint.random();
    }
    let answer = endpoint.call(registers);
    for (number, (seen, sent)) in answer.iter().zip(registers).enumerate().skip(8) {
        if *seen != sent {
            return Err(Failure::here([number as u64, *seen, sent]));
        }
    }
    Ok(Answer(answer))
}

/// 32-bit calls that are answered at once change x0 to x7 only.
fn x8_to_x17_kept(endpoint: &mut dyn Endpoint) -> Outcome {
    keeps(endpoint, [id(FuncId::IdGet), 0, 0, 0, 0, 0, 0, 0])?.success()?;
    keeps(endpoint, [id(FuncId::Features), id(FuncId::Features), 0, 0, 0, 0, 0, 0])?.success()?;
    keeps(endpoint, [id(FuncId::RxTxUnmap), 0, 0, 0, 0, 0, 0, 0])?.error(InvalidParameters)?;
    keeps(endpoint, [id(FuncId::PartitionInfoGet), 1, 2, 3, 4, 0, 0, 0])?.error(InvalidParameters)?;
    let version = u64::from(u32::from(endpoint.instance().version));
    keeps(endpoint, [id(FuncId::Version), version, 0, 0, 0, 0, 0, 0])?;
    keeps(endpoint, [0x8400_0079, 1, 2, 3, 4, 5, 6, 7])?.error(NotSupported)
}

/// Numbers behind the last function of any version.
fn reserved_ids(endpoint: &mut dyn Endpoint) -> Outcome {
    for function in [0x8400_00a0, 0x8400_00ff, 0xc400_00a0, 0xc400_00ff] {
        call_id(endpoint, function, &[1, 2, 3]).error(NotSupported)?;
    }
    Ok(())
}

/// Numbers between those of functions: withdrawn ones, and 64-bit and 32-bit forms that a function does not have.
fn undefined_ids(endpoint: &mut dyn Endpoint) -> Outcome {
    for function in [0x8400_0078, 0x8400_0079, 0xc400_0064, 0xc400_0069, 0x8400_008b, 0x8400_008d] {
        call_id(endpoint, function, &[1, 2, 3]).error(NotSupported)?;
    }
    Ok(())
}

/// PSCI and others are not a partition's: SMCCC's "unknown function", and all goes on.
fn other_services(endpoint: &mut dyn Endpoint) -> Outcome {
    for function in [0x8400_0002, 0x8400_0008, 0x8400_0009, 0xc400_0003, 0x8000_0000, 0xc300_0000, 0x1234] {
        same(call_id(endpoint, function, &[]).x(0), u64::MAX)?;
    }
    call_id(endpoint, u32::from(FuncId::IdGet), &[]).success()
}

/// Bit 16 of a function ID says that no SVE state is live, and is no part of the ID.
fn sve_hint(endpoint: &mut dyn Endpoint) -> Outcome {
    const HINT: u32 = 1 << 16;
    let answer = call_id(endpoint, u32::from(FuncId::IdGet) | HINT, &[]);
    answer.success()?;
    same(answer.w(2), u32::from(endpoint.id()))?;
    call_id(endpoint, u32::from(FuncId::Features) | HINT, &[id(FuncId::RxTxMap64)]).success()?;
    call_id(endpoint, u32::from(FuncId::RxTxUnmap) | HINT, &[]).error(InvalidParameters)
}

/// 32-bit parameters stand in the lower half of a register; what is above is no part of them.
fn upper_halves(endpoint: &mut dyn Endpoint) -> Outcome {
    const ABOVE: u64 = 0xdead_beef_0000_0000;
    call_id(endpoint, u32::from(FuncId::Features), &[ABOVE | id(FuncId::Features)]).success()?;
    let version = u64::from(u32::from(endpoint.instance().version));
    same(call_id(endpoint, u32::from(FuncId::Version), &[ABOVE | version]).w(0), 0x1_0002_u32)
}

fn error_registers(endpoint: &mut dyn Endpoint) -> Outcome {
    let mut registers = [u64::MAX; 18];
    let [x0, x1, ..] = &mut registers;
    (*x0, *x1) = (id(FuncId::Features), 0x8400_00a0);
    // `error` looks at w1 and w3 to w7.
    Answer(endpoint.call(registers)).error(NotSupported)
}

fn success_registers(endpoint: &mut dyn Endpoint) -> Outcome {
    let mut registers = [u64::MAX; 18];
    let [x0, ..] = &mut registers;
    *x0 = id(FuncId::IdGet);
    let answer = Answer(endpoint.call(registers));
    answer.success()?;
    for number in 3..8 {
        same(answer.w(number), 0_u32)?;
    }
    Ok(())
}
