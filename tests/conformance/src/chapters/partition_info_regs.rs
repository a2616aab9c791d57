// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_PARTITION_INFO_GET_REGS (DEN0077A 13.9): partition discovery (6.2) by registers alone.

use super::descriptor::{Descriptor, UNKNOWN, listed};
use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use arm_ffa::FfaError::{InvalidParameters, Retry};
use arm_ffa::{FuncId, UuidHelper, Version};
use uuid::Uuid;

pub(super) const CASES: &[Case] = &[
    Case::alone(
        Interface::PartitionInfoGetRegs,
        "all-partitions",
        "13.9",
        Instance::LATEST,
        all_by_registers,
    ),
    Case::alone(
        Interface::PartitionInfoGetRegs,
        "by-uuid",
        "13.9; 6.2.2",
        Instance::LATEST,
        one_by_registers,
    ),
    Case::alone(Interface::PartitionInfoGetRegs, "from-an-index", "13.9.2", Instance::LATEST, from_an_index),
    Case::alone(
        Interface::PartitionInfoGetRegs,
        "bad-index-or-tag",
        "13.9; 13.9.2",
        Instance::LATEST,
        bad_index_or_tag,
    ),
    Case::alone(
        Interface::PartitionInfoGetRegs,
        "unknown-uuid",
        "13.9",
        Instance::LATEST,
        unknown_by_registers,
    ),
];

/// x2 of an answer in registers: last index, current index, tag, size of a descriptor.
fn metadata(answer: &Answer) -> [u16; 4] {
    let [a, b, c, d, e, f, g, h] = answer.x(2).to_le_bytes();
    [[a, b], [c, d], [e, f], [g, h]].map(u16::from_le_bytes)
}

fn ask_registers(endpoint: &mut dyn Endpoint, uuid: Uuid, start: u16, tag: u16) -> Answer {
    let [low, high] = UuidHelper::to_u64_regs(uuid);
    let mut registers = [0; 18];
    let [x0, x1, x2, x3, rest @ ..] = &mut registers;
    *x0 = u64::from(u32::from(FuncId::PartitionInfoGetRegs));
    (*x1, *x2, *x3) = (low, high, u64::from(start) | u64::from(tag) << 16);
    // Whatever stands in registers that the call does not use, the answer's are its own.
    rest.fill(u64::MAX);
    Answer(endpoint.call(registers))
}

/// Descriptors in an answer: as many as there are from its first to its current index.
fn in_registers(answer: &Answer, index: usize) -> Descriptor {
    let first = 3 + 3 * index;
    Descriptor::read([answer.x(first), answer.x(first + 1), answer.x(first + 2)])
}

/// Goes through the whole list, as many calls as it takes.
fn all_by_registers(endpoint: &mut dyn Endpoint) -> Outcome {
    let version = Version(1, 2);
    let (mut start, mut tag) = (0, 0);
    let mut protocols = listed(endpoint.partners(), version);
    loop {
        let answer = ask_registers(endpoint, Uuid::nil(), start, tag);
        answer.is(FuncId::Success64)?;
        same(answer.x(1), 0_u64)?;
        let [last, current, new_tag, size] = metadata(&answer);
        same(size, 24_u64)?;
        same(last, (listed(endpoint.partners(), version).count() - 1) as u64)?;
        ensure(
            current >= start && current <= last && current - start < 5,
            [start, current, last].map(u64::from),
        )?;
        let count = usize::from(current - start + 1);
        for (index, (partner, uuid)) in protocols.by_ref().take(count).enumerate() {
            in_registers(&answer, index).is(endpoint.spmc(), partner, version, uuid)?;
        }
        // Registers behind the last descriptor are reserved.
        for number in 3 + 3 * count..18 {
            same(answer.x(number), 0_u64)?;
        }
        (start, tag) = (current + 1, new_tag);
        if current == last {
            return same(protocols.count() as u64, 0_u64);
        }
    }
}

fn one_by_registers(endpoint: &mut dyn Endpoint) -> Outcome {
    for (partner, uuid) in listed(endpoint.partners(), Version(1, 2)) {
        let answer = ask_registers(endpoint, uuid, 0, 0);
        answer.is(FuncId::Success64)?;
        let [last, current, _, size] = metadata(&answer);
        same(u64::from(last) << 32 | u64::from(current) << 16 | u64::from(size), 24_u64)?;
        in_registers(&answer, 0).is(endpoint.spmc(), partner, Version(1, 2), Uuid::nil())?;
    }
    Ok(())
}

fn from_an_index(endpoint: &mut dyn Endpoint) -> Outcome {
    let first = ask_registers(endpoint, Uuid::nil(), 0, 0);
    first.is(FuncId::Success64)?;
    let [_, _, tag, _] = metadata(&first);
    for (start, (partner, uuid)) in listed(endpoint.partners(), Version(1, 2)).enumerate() {
        let answer = ask_registers(endpoint, Uuid::nil(), u16::try_from(start).unwrap_or_default(), tag);
        answer.is(FuncId::Success64)?;
        in_registers(&answer, 0).is(endpoint.spmc(), partner, Version(1, 2), uuid)?;
    }
    Ok(())
}

/// An index behind the list; a tag in a first call; a tag that is not the one that was given.
fn bad_index_or_tag(endpoint: &mut dyn Endpoint) -> Outcome {
    let first = ask_registers(endpoint, Uuid::nil(), 0, 0);
    first.is(FuncId::Success64)?;
    let [last, _, tag, _] = metadata(&first);
    ask_registers(endpoint, Uuid::nil(), last + 1, tag).error(InvalidParameters)?;
    ask_registers(endpoint, Uuid::nil(), u16::MAX, tag).error(InvalidParameters)?;
    ask_registers(endpoint, Uuid::nil(), 0, tag.wrapping_add(1)).error_of(&[InvalidParameters, Retry])?;
    ask_registers(endpoint, Uuid::nil(), 1, tag.wrapping_add(1)).error(Retry)
}

fn unknown_by_registers(endpoint: &mut dyn Endpoint) -> Outcome {
    ask_registers(endpoint, UNKNOWN, 0, 0).error(InvalidParameters)
}
