// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FF-A calls that are not messages (DEN0077A 1.2, chapters 13 and 14).

use crate::{
    ensure, platform,
    scenario::{
        Audience::{Everyone, Test},
        Failure, Outcome, Scenario,
    },
    seen,
    world::World,
};
use arm_ffa::{FfaError, FuncId, Version};
use ffa_abi::HOST_SERVICE;
use nwd::{
    ffa::{self, CallError},
    ram::Ram,
};
use uuid::Uuid;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "ffa-version",
        claim: "FF-A 1.2 is agreed on, and what is not compatible is refused",
        expected: "1.2 for 1.2; NOT_SUPPORTED for 2.0 and for bit 31; 1.2 still in force",
        audience: Test,
        cores: 1,
        run: version,
    },
    Scenario {
        name: "ffa-ids",
        claim: "The normal world is endpoint 0, and the SPMC has an ID of the secure world",
        expected: "0 and 0x8000",
        audience: Test,
        cores: 1,
        run: ids,
    },
    Scenario {
        name: "ffa-features",
        claim: "FFA_FEATURES knows the interfaces that are there, and no others",
        expected: "success for each that is there, NOT_SUPPORTED for those that are not",
        audience: Test,
        cores: 1,
        run: features,
    },
    Scenario {
        name: "ffa-rxtx",
        claim: "A pair of buffers is mapped once, only where it may stand, and unmapped",
        expected: "mapped; DENIED a second time; secure, unaligned, equal and missing memory refused; unmapped",
        audience: Test,
        cores: 1,
        run: rxtx,
    },
    Scenario {
        name: "ffa-partitions",
        claim: "The service's partition is found by its UUID, and no partition by an unknown one",
        expected: "one partition with the service's ID; the same among all; INVALID_PARAMETERS for an unknown UUID",
        audience: Everyone,
        cores: 1,
        run: partitions,
    },
    Scenario {
        name: "ffa-unknown",
        claim: "Calls that are not there answer NOT_SUPPORTED",
        expected: "FFA_ERROR NOT_SUPPORTED for each",
        audience: Test,
        cores: 1,
        run: unknown,
    },
    Scenario {
        name: "ffa-misuse",
        claim: "Calls that only a partition may make are refused to the normal world",
        expected: "FFA_ERROR for each, and calls work afterwards",
        audience: Test,
        cores: 1,
        run: misuse,
    },
];

/// FFA_VERSION's only error, in w0 (DEN0077A, 13.2.2).
const VERSION_NOT_SUPPORTED: u64 = 0xffff_ffff;

fn version(_: &mut World) -> Outcome {
    let agreed = 0x1_0002;
    let mut seen = [0; 4];
    let bit31 = u64::from(u32::from(FuncId::Version));
    let mut raw = [0; 18];
    (raw[0], raw[1]) = (bit31, 0x8001_0002);
    for (seen, answer) in seen.iter_mut().zip([
        ffa::version(ffa::VERSION),
        ffa::version(Version(2, 0)),
        ffa::registers(raw)[0],
        ffa::version(ffa::VERSION),
    ]) {
        *seen = answer & 0xffff_ffff;
    }
    ensure!(seen == [agreed, VERSION_NOT_SUPPORTED, VERSION_NOT_SUPPORTED, agreed], "{seen:#x?}");
    seen!("{:#x}, {:#x} for 2.0, {:#x} for bit 31, {:#x}", seen[0], seen[1], seen[2], seen[3])
}

fn ids(_: &mut World) -> Outcome {
    let (own, spmc) = (ffa::id_get()?, ffa::spm_id_get()?);
    ensure!(own == ffa::SELF && spmc == 0x8000, "{own:#x} and {spmc:#x}");
    seen!("{own:#x} and {spmc:#x}")
}

fn features(_: &mut World) -> Outcome {
    let there = [
        FuncId::Error32,
        FuncId::Success32,
        FuncId::Version,
        FuncId::Features,
        FuncId::RxRelease,
        FuncId::RxTxMap64,
        FuncId::RxTxUnmap,
        FuncId::PartitionInfoGet,
        FuncId::PartitionInfoGetRegs,
        FuncId::IdGet,
        FuncId::SpmIdGet,
        FuncId::MsgSendDirectReq32,
        FuncId::MsgSendDirectReq64,
        FuncId::MsgSendDirectReq64_2,
        FuncId::MsgSend2,
        FuncId::Run32,
        FuncId::RxAcquire,
    ];
    for function in there {
        if let Err(error) = ffa::features(function) {
            return Err(Failure::new(format_args!("{function:?}: {error}")));
        }
    }
    let missing = [FuncId::MemOpPause, FuncId::MemOpResume, FuncId::MsgWait32, FuncId::MsgSendDirectResp64_2];
    for function in missing {
        let answer = ffa::features(function);
        ensure!(answer == Err(CallError::Ffa(FfaError::NotSupported)), "{function:?}: {answer:?}");
    }
    seen!("{} interfaces there, {} not", there.len(), missing.len())
}

/// Calls FFA_RXTX_MAP with addresses that need not be memory.
fn map_raw(receive: u64, transmit: u64, pages: u64) -> (u64, u64) {
    let mut call = [0; 18];
    (call[0], call[1], call[2], call[3]) =
        (u64::from(u32::from(FuncId::RxTxMap64)), transmit, receive, pages);
    let answer = ffa::registers(call);
    (answer[0] & 0xffff_ffff, answer[2] & 0xffff_ffff)
}

/// The two pages that this client gives the SPMC.
fn buffers(world: &World) -> (Ram, Ram) {
    (world.page(100), world.page(101))
}

fn rxtx(world: &mut World) -> Outcome {
    let (receive, transmit) = buffers(world);
    let (rx, tx) = (receive.address().0, transmit.address().0);
    ffa::rxtx_map(&receive, &transmit)?;
    let again = ffa::rxtx_map(&receive, &transmit);
    ensure!(again == Err(CallError::Ffa(FfaError::Denied)), "a second time: {again:?}");
    ffa::rxtx_unmap()?;
    let twice = ffa::rxtx_unmap();
    ensure!(twice == Err(CallError::Ffa(FfaError::InvalidParameters)), "unmapped a second time: {twice:?}");
    let error = u64::from(u32::from(FuncId::Error32));
    for (what, rx, tx, pages) in [
        ("secure memory to receive", platform::SECURE_RAM.0, tx, 1),
        ("secure memory to send", rx, platform::SECURE_RAM.0, 1),
        ("registers", rx, platform::SMMU_FRAME.0, 1),
        ("a hole", platform::HOLE.0, tx, 1),
        ("one page for both", rx, rx, 1),
        ("an odd address", rx + 8, tx, 1),
        ("no pages", rx, tx, 0),
        ("addresses that wrap", !0xfff, tx, 1),
        ("more pages than there may be", rx, tx, 63),
    ] {
        let (function, code) = map_raw(rx, tx, pages);
        ensure!(function == error, "{what}: {function:#x} {code:#x}");
    }
    ffa::rxtx_map(&receive, &transmit)?;
    ffa::rxtx_unmap()?;
    seen!("mapped, DENIED again, nine bad pairs refused, unmapped")
}

fn partitions(world: &mut World) -> Outcome {
    world.say(format_args!(
        "   The client does not know who offers the service: it asks firmware by the service's UUID."
    ));
    let (receive, transmit) = buffers(world);
    ffa::rxtx_map(&receive, &transmit)?;
    let result = list(world, &receive);
    ffa::rxtx_unmap()?;
    result
}

fn list(world: &World, receive: &Ram) -> Outcome {
    let wanted = world.iommu.partition();
    let mut found = 0;
    let count = ffa::partitions(receive, HOST_SERVICE, |info| found = info.partition_id)?;
    // While the buffer is ours, the SPMC must not write to it.
    let busy = ffa::partitions(receive, HOST_SERVICE, |_| {});
    ffa::rx_release()?;
    ensure!(busy == Err(CallError::Ffa(FfaError::Busy)), "asked while the buffer is full: {busy:?}");
    ensure!(count == 1 && found == wanted, "{count} partitions, the last {found:#x}");
    let mut among = false;
    let all = ffa::partitions(receive, Uuid::nil(), |info| {
        among |= info.partition_id == wanted && info.uuid == HOST_SERVICE;
    })?;
    ffa::rx_release()?;
    ensure!(among, "{all} partitions, none of them the service's with its UUID");
    let again = ffa::rx_release();
    ensure!(again == Err(CallError::Ffa(FfaError::Denied)), "released a second time: {again:?}");
    let unknown = ffa::partitions(receive, Uuid::from_u128(0x1234_5678), |_| {});
    ensure!(unknown == Err(CallError::Ffa(FfaError::InvalidParameters)), "an unknown UUID: {unknown:?}");
    seen!("partition {wanted:#x} offers it; {all} partitions in all; an unknown UUID is refused")
}

fn unknown(world: &mut World) -> Outcome {
    let error = (u64::from(u32::from(FuncId::Error32)), 0xffff_ffff_u64);
    // FFA_MEM_OP_PAUSE and FFA_MEM_OP_RESUME, FFA_MSG_SEND and FFA_MSG_POLL of FF-A 1.0.
    let calls = [0x8400_0078_u64, 0x8400_0079, 0x8400_006e, 0x8400_006a];
    for function in calls {
        let mut call = [0; 18];
        // From us to the service, for those that carry endpoints.
        (call[0], call[1]) = (function, u64::from(world.iommu.partition()));
        let answer = ffa::registers(call);
        let seen = (answer[0] & 0xffff_ffff, answer[2] & 0xffff_ffff);
        ensure!(seen == error, "{function:#x}: {:#x} {:#x}", seen.0, seen.1);
    }
    ffa::id_get()?;
    seen!("{} calls, NOT_SUPPORTED each", calls.len())
}

fn misuse(world: &mut World) -> Outcome {
    let error = u64::from(u32::from(FuncId::Error32));
    let secure = u64::from(world.iommu.partition());
    let calls: [(&str, [u64; 3]); 7] = [
        ("MSG_WAIT", [0x8400_006b, 0, 0]),
        ("a response to nobody", [0xc400_0070, 0, 0]),
        ("a response in a partition's name", [0xc400_0070, secure << 16, 0]),
        ("a request in a partition's name", [0xc400_006f, secure << 16 | secure, 0]),
        ("a request to oneself", [0xc400_006f, 0, 0]),
        ("a request to nobody", [0xc400_006f, 0x8fff, 0]),
        ("a framework message", [0x8400_006f, 0x8000, 0x8000_0000]),
    ];
    for (what, registers) in calls {
        let mut call = [0; 18];
        for (register, value) in call.iter_mut().zip(registers) {
            *register = value;
        }
        let answer = ffa::registers(call);
        ensure!(answer[0] & 0xffff_ffff == error, "{what}: {:#x} {:#x}", answer[0], answer[2]);
    }
    world.iommu.version()?;
    seen!("{} calls refused; the service answers", calls.len())
}
