// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Discovery by registers (DEN0077A 1.2, 13.9), and by feature ID (13.3).

use super::{command, messages::test_sp};
use crate::{
    ensure,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::World,
};
use arm_ffa::{FfaError, FuncId, UuidHelper};
use ffa_abi::HOST_SERVICE;
use nwd::ffa;
use uuid::Uuid;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "ffa-partitions-regs",
        claim: "Partitions are found by registers alone, without buffers, by the normal world and by partitions",
        expected: "the service's ID by its UUID and among all; x8-x17 zero behind; the same list for a partition",
        audience: Test,
        cores: 1,
        run: by_registers,
    },
    Scenario {
        name: "ffa-partitions-regs-wrong",
        claim: "A wrong index, tag or UUID is refused by its own status, and x8-x17 stay the caller's",
        expected: "INVALID_PARAMETERS beyond the end, for a tag at the start and an unknown UUID; RETRY for another tag",
        audience: Test,
        cores: 1,
        run: wrong_calls,
    },
    Scenario {
        name: "ffa-feature-ids",
        claim: "By feature ID the normal world learns its schedule receiver interrupt, and of no feature that is not there for it",
        expected: "SGI 8 for ID 2; NOT_SUPPORTED for 1, 3 and 4, and for numbers that are none",
        audience: Test,
        cores: 1,
        run: feature_ids,
    },
];

const SUCCESS_64: u64 = 0xc400_0061;

/// Calls FFA_PARTITION_INFO_GET_REGS with patterns in the registers that it has no use for.
fn ask(world: &mut World, uuid: Uuid, start_and_tag: u64) -> ([u64; 18], [u64; 18]) {
    let mut call = [0; 18];
    for register in call.iter_mut().skip(4) {
        *register = world.random.word();
    }
    let [low, high] = UuidHelper::to_u64_regs(uuid);
    (call[0], call[1], call[2], call[3]) =
        (u64::from(u32::from(FuncId::PartitionInfoGetRegs)), low, high, start_and_tag);
    (call, ffa::registers(call))
}

/// x2 of an answer: descriptors of 24 bytes, tag 0, the place of the last one in this answer, and of the last of all.
const fn metadata(current: u64, last: u64) -> u64 {
    24 << 48 | current << 16 | last
}

fn by_registers(world: &mut World) -> Outcome {
    let wanted = u64::from(world.iommu.partition());
    let (_, one) = ask(world, HOST_SERVICE, 0);
    ensure!(one[0] == SUCCESS_64 && one[1] == 0 && one[2] == metadata(0, 0), "by UUID: {one:#x?}");
    ensure!(one[3] & 0xffff == wanted, "by UUID: {:#x} in place of {wanted:#x}", one[3] & 0xffff);
    ensure!(one.iter().skip(4).all(|register| *register == 0), "the UUID again, or more: {one:#x?}");
    let (_, all) = ask(world, Uuid::nil(), 0);
    let last = all[2] & 0xffff;
    ensure!(all[0] == SUCCESS_64 && last < 5 && all[2] == metadata(last, last), "all: {all:#x?}");
    let mut among = false;
    let mut count = 0;
    let [_, _, _, descriptors @ ..] = all;
    for [head, low, high] in descriptors.as_chunks().0 {
        count += u64::from(*head != 0);
        among |= *head == one[3] && [*low, *high] == UuidHelper::to_u64_regs(HOST_SERVICE);
        ensure!(*head != 0 || low | high == 0, "behind the last: {low:#x} {high:#x}");
    }
    ensure!(among && count == last + 1, "{count} descriptors, the service's among them: {among}");
    let (_, rest) = ask(world, Uuid::nil(), last);
    ensure!(rest[2] == metadata(last, last) && rest[6] == 0, "from the last on: {rest:#x?}");
    // A partition gets the same list; its protocol shows x0 to x3.
    let get = u64::from(u32::from(FuncId::PartitionInfoGetRegs));
    let [x0, x1, x2, x3, _] = ffa::direct(test_sp(world)?, [command::CALL, get, 0, 0, 0])?;
    ensure!(
        [x0, x1, x2, x3] == [SUCCESS_64, 0, all[2], all[3]],
        "a partition: {x0:#x} {x1:#x} {x2:#x} {x3:#x}"
    );
    seen!("partition {wanted:#x} by UUID and among {count}; a partition sees the same")
}

fn wrong_calls(world: &mut World) -> Outcome {
    let unknown = Uuid::from_u128(0x1234_5678);
    let calls = [
        ("an index beyond the end", Uuid::nil(), 100, FfaError::InvalidParameters),
        ("the greatest index", HOST_SERVICE, 0xffff, FfaError::InvalidParameters),
        ("a tag at the start", Uuid::nil(), 1 << 16, FfaError::InvalidParameters),
        ("another tag", Uuid::nil(), 1 << 16 | 1, FfaError::Retry),
        ("an unknown UUID", unknown, 0, FfaError::InvalidParameters),
    ];
    for (what, uuid, start_and_tag, status) in calls {
        let (call, answer) = ask(world, uuid, start_and_tag);
        let status = u64::from(i32::from(status).cast_unsigned());
        ensure!(
            answer[0] & 0xffff_ffff == u64::from(u32::from(FuncId::Error32))
                && answer[2] & 0xffff_ffff == status,
            "{what}: {:#x} {:#x}",
            answer[0],
            answer[2]
        );
        let kept = call.iter().zip(answer).skip(8).all(|(sent, seen)| *sent == seen);
        ensure!(kept, "{what}: {answer:#x?} for {call:#x?}");
    }
    seen!("{} calls refused, each by its status", calls.len())
}

fn feature_ids(_: &mut World) -> Outcome {
    let error = (u64::from(u32::from(FuncId::Error32)), 0xffff_ffff_u64);
    // A partition's own interrupt for notifications, managed exit, notifications of vCPUs; then reserved ones, and bits
    // 30-8, which must be zero.
    let ids = [1_u64, 3, 4, 0, 0x42, 0xff, 0x101, 0x4000_0002, 0x7fff_ffff];
    for id in ids {
        for properties in [0, 2] {
            let mut call = [0; 18];
            (call[0], call[1], call[2]) = (u64::from(u32::from(FuncId::Features)), id, properties);
            let answer = ffa::registers(call);
            let seen = (answer[0] & 0xffff_ffff, answer[2] & 0xffff_ffff);
            ensure!(seen == error, "feature {id:#x}: {:#x} {:#x}", seen.0, seen.1);
        }
    }
    let mut call = [0; 18];
    (call[0], call[1]) = (u64::from(u32::from(FuncId::Features)), 2);
    let [function, _, interrupt, ..] = ffa::registers(call);
    ensure!(
        function & 0xffff_ffff == u64::from(u32::from(FuncId::Success32)) && interrupt == 8,
        "feature 2: {function:#x} {interrupt:#x}"
    );
    seen!("interrupt {interrupt}; {} other numbers, NOT_SUPPORTED each", ids.len())
}
