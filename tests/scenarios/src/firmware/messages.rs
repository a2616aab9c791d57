// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Direct messages: what goes in and comes back, and the registers that are no part of it.

use super::command;
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::World,
};
use arm_ffa::{FfaError, FuncId};
use core::sync::atomic::{AtomicU64, Ordering};
use nwd::{
    cores,
    ffa::{self, CallError},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "direct-64",
        claim: "A direct message carries five 64-bit registers to a partition and back",
        expected: "1,000 random messages come back unchanged",
        audience: Test,
        cores: 1,
        run: echo64,
    },
    Scenario {
        name: "direct-32",
        claim: "A direct message carries five 32-bit registers to a partition and back",
        expected: "random messages come back unchanged, upper halves clear",
        audience: Test,
        cores: 1,
        run: echo32,
    },
    Scenario {
        name: "unused-registers",
        claim: "Registers that a call does not use come back as they were",
        expected: "x8-x17 unchanged by calls that EL3, the SPMC and a partition answer",
        audience: Test,
        cores: 1,
        run: unused,
    },
    Scenario {
        name: "partition-calls",
        claim: "A partition gets the same answers to its calls as the specification gives",
        expected: "its own ID; version 1.2; PSCI and others unknown, without effect; refusals by their own status",
        audience: Test,
        cores: 1,
        run: partition_calls,
    },
    Scenario {
        name: "echo-all-cores",
        claim: "Each core has its own execution context in a partition",
        expected: "four cores, each with its own context, and no message mixed up",
        audience: Test,
        cores: 4,
        run: all_cores,
    },
];

/// Returns the partition for tests.
pub(super) fn test_sp(world: &World) -> Result<u16, Failure> {
    world.test_sp.ok_or_else(|| Failure::new(format_args!("the partition for tests is not there")))
}

fn echo64(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    for round in 0..1000 {
        let message = [
            command::ECHO,
            world.random.word(),
            world.random.word(),
            world.random.word(),
            world.random.word(),
        ];
        let answer = ffa::direct(to, message)?;
        ensure!(answer == message, "round {round}: {answer:#x?} for {message:#x?}");
    }
    seen!("1000 messages unchanged")
}

fn echo32(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    for round in 0..100 {
        // Word 0 is the command: an echo.
        let mut message = [0_u32; 5];
        for word in message.iter_mut().skip(1) {
            *word = u32::try_from(world.random.word() >> 32).unwrap_or(0);
        }
        let mut call = [0; 18];
        call[0] = u64::from(u32::from(FuncId::MsgSendDirectReq32));
        call[1] = u64::from(to);
        for (register, word) in call.iter_mut().skip(3).zip(message) {
            *register = u64::from(word);
        }
        let answer = ffa::registers(call);
        ensure!(
            answer[0] == u64::from(u32::from(FuncId::MsgSendDirectResp32))
                && answer[1] == u64::from(to) << 16,
            "round {round}: {:#x} {:#x} {:#x}",
            answer[0],
            answer[1],
            answer[2]
        );
        let same = answer.iter().skip(3).zip(message).all(|(seen, sent)| *seen == u64::from(sent));
        ensure!(same, "round {round}: {answer:#x?} for {message:#x?}");
    }
    seen!("100 messages unchanged")
}

fn unused(world: &mut World) -> Outcome {
    let to = u64::from(test_sp(world)?);
    let calls = [
        ("ID_GET, which EL3 answers", [u64::from(u32::from(FuncId::IdGet)), 0]),
        ("FEATURES, which the SPMC answers", [u64::from(u32::from(FuncId::Features)), 0x8400_0063]),
        ("an unknown call", [0x8400_0078, 0]),
        ("a direct message", [u64::from(u32::from(FuncId::MsgSendDirectReq64)), to]),
        ("a direct message to nobody", [u64::from(u32::from(FuncId::MsgSendDirectReq64)), 0x8abc]),
    ];
    for (what, [function, argument]) in calls {
        let mut call = [0; 18];
        (call[0], call[1]) = (function, argument);
        for register in call.iter_mut().skip(8) {
            *register = world.random.word();
        }
        let answer = ffa::registers(call);
        for (index, (seen, sent)) in answer.iter().zip(call).enumerate().skip(8) {
            ensure!(*seen == sent, "{what}: x{index} was {sent:#x}, is {seen:#x}");
        }
    }
    seen!("x8-x17 unchanged by {} calls", calls.len())
}

/// Lets the partition make a call, and returns x0–x3 of its answer.
fn call_from(to: u16, function: u64, argument: u64) -> Result<[u64; 4], Failure> {
    call_with(to, function, [argument, 0, 0])
}

/// As [`call_from`], with x1–x3.
fn call_with(to: u16, function: u64, [x1, x2, x3]: [u64; 3]) -> Result<[u64; 4], Failure> {
    let [r3, r4, r5, r6, _] = ffa::direct(to, [command::CALL, function, x1, x2, x3])?;
    Ok([r3, r4, r5, r6])
}

fn partition_calls(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let success = u64::from(u32::from(FuncId::Success32));
    let id = call_from(to, u64::from(u32::from(FuncId::IdGet)), 0)?;
    ensure!(id[0] & 0xffff_ffff == success && id[2] == u64::from(to), "ID_GET: {id:#x?}");
    let spmc = call_from(to, u64::from(u32::from(FuncId::SpmIdGet)), 0)?;
    ensure!(spmc[0] & 0xffff_ffff == success && spmc[2] == 0x8000, "SPM_ID_GET: {spmc:#x?}");
    let version = call_from(to, u64::from(u32::from(FuncId::Version)), 0x1_0002)?;
    ensure!(version[0] & 0xffff_ffff == 0x1_0002, "VERSION: {version:#x?}");
    // PSCI (CPU_OFF, SYSTEM_OFF, SYSTEM_RESET, CPU_ON), SMCCC_VERSION, a vendor's, none: SMCCC's "unknown function"
    // (DEN0028, 5.2), and all goes on.
    for function in [0x8400_0002_u64, 0x8400_0008, 0x8400_0009, 0xc400_0003, 0x8000_0000, 0xc300_0000, 0x1234]
    {
        let answer = call_from(to, function, 0)?;
        ensure!(answer[0] == u64::MAX, "{function:#x}: {answer:#x?}");
    }
    let ours = world.page(0).address().0;
    let from_another = 0x8001_u64 << 16 | u64::from(to);
    let to_another = u64::from(to) << 16 | 0x7fff;
    let refused = [
        ("MEM_OP_PAUSE", 0x8400_0078_u64, [0, 0, 0], FfaError::NotSupported),
        ("a request in another's name", 0xc400_006f, [from_another, 0, 0], FfaError::InvalidParameters),
        ("a response to another", 0xc400_0070, [to_another, 0, 0], FfaError::Denied),
        ("a wait with a request open", 0x8400_006b, [0, 0, 0], FfaError::Denied),
        ("buffers of ours", 0xc400_0066, [ours, ours + 0x1000, 1], FfaError::InvalidParameters),
    ];
    for (what, function, arguments, status) in refused {
        let answer = call_with(to, function, arguments)?;
        let is_error = answer[0] & 0xffff_ffff == u64::from(u32::from(FuncId::Error32));
        let seen = answer[2] & 0xffff_ffff;
        ensure!(is_error && seen == u64::from(i32::from(status).cast_unsigned()), "{what}: {answer:#x?}");
    }
    seen!("ID {to:#x}, SPMC 0x8000, version 1.2, refused: 7 calls outside FF-A, {} of its own", refused.len())
}

const CORES: usize = 4;
static TARGET: AtomicU64 = AtomicU64::new(0);
/// By core: messages that came back right, or a marker in the upper half.
static ECHOES: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
/// By core: the execution context and the MPIDR that the partition saw.
static CONTEXTS: [AtomicU64; CORES] = [const { AtomicU64::new(u64::MAX) }; CORES];
static AFFINITIES: [AtomicU64; CORES] = [const { AtomicU64::new(u64::MAX) }; CORES];
const MESSAGES: u64 = 200;
const WRONG: u64 = 1 << 32;
/// Aff3 to Aff0 of MPIDR_EL1 (Arm ARM, MPIDR_EL1).
const AFFINITY: u64 = 0xff_00ff_ffff;

fn echo_core(core: usize) {
    let (Some(echoes), Some(context), Some(affinity)) =
        (ECHOES.get(core), CONTEXTS.get(core), AFFINITIES.get(core))
    else {
        return;
    };
    let Ok(to) = u16::try_from(TARGET.load(Ordering::SeqCst)) else { return };
    for index in 0..MESSAGES {
        let message = [command::ECHO, index, core as u64, !index, index << 32];
        let right = ffa::direct(to, message) == Ok(message);
        echoes.fetch_add(if right { 1 } else { WRONG }, Ordering::SeqCst);
    }
    if let Ok([vcpu, mpidr, ..]) = ffa::direct(to, [command::REPORT, 0, 0, 0, 0]) {
        context.store(vcpu, Ordering::SeqCst);
        affinity.store(mpidr, Ordering::SeqCst);
    }
}

fn all_cores(world: &mut World) -> Outcome {
    TARGET.store(u64::from(test_sp(world)?), Ordering::SeqCst);
    let affinities = world.machine.cores();
    for core in 1..CORES {
        cores::run(affinities, core, echo_core)?;
    }
    echo_core(0);
    for core in 1..CORES {
        cores::wait(affinities, core, 20)?;
    }
    let mut contexts = 0_u64;
    for core in 0..CORES {
        let load = |list: &[AtomicU64; CORES]| list.get(core).map_or(0, |value| value.load(Ordering::SeqCst));
        let (echoes, context, mpidr) = (load(&ECHOES), load(&CONTEXTS), load(&AFFINITIES));
        ensure!(echoes == MESSAGES, "core {core}: {echoes:#x} right answers");
        // A context is pinned to the core of its number; the partition counts them in the order of their start.
        ensure!(mpidr & AFFINITY == core as u64, "core {core}: the partition saw MPIDR {mpidr:#x}");
        ensure!(
            context < CORES as u64 && contexts & 1 << context == 0,
            "core {core}: context {context:#x} again"
        );
        contexts |= 1 << context;
    }
    let gone = ffa::direct(0x8fff, [0; 5]);
    ensure!(gone == Err(CallError::Ffa(FfaError::InvalidParameters)), "a message to nobody: {gone:?}");
    seen!("{CORES} cores, each with its own context, {MESSAGES} messages each")
}
