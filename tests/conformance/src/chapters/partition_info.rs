// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_PARTITION_INFO_GET (DEN0077A 13.8): partition discovery (6.2) by the RX buffer, and who owns that afterwards.

use super::descriptor::{Descriptor, UNKNOWN, listed, words};
use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint, call, map_buffers};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{Busy, Denied, InvalidParameters};
use arm_ffa::{FuncId, UuidHelper, Version};
use uuid::Uuid;

pub(super) const CASES: &[Case] = &[
    Case::alone(
        Interface::PartitionInfoGet,
        "all-partitions",
        "13.8; 6.2.1, tables 6.1 and 6.2; 18.5.1",
        Instance::ALL,
        all_partitions,
    ),
    Case::alone(Interface::PartitionInfoGet, "by-uuid", "13.8; 6.2.2", Instance::ALL, by_uuid),
    Case::alone(Interface::PartitionInfoGet, "count-only", "13.8", Instance::ALL, count_only),
    Case::alone(Interface::PartitionInfoGet, "unknown-uuid", "13.8", Instance::ALL, unknown_uuid),
    Case::alone(Interface::PartitionInfoGet, "no-buffer", "13.8; 4.10", Instance::ALL, no_buffer),
    Case::alone(
        Interface::PartitionInfoGet,
        "buffer-not-released",
        "13.8; 4.10",
        Instance::ALL,
        buffer_not_released,
    ),
    Case::alone(Interface::PartitionInfoGet, "reserved-flags", "13.8", Instance::LATEST, reserved_flags),
    Case::alone(
        Interface::RxRelease,
        "after-discovery",
        "13.5; 4.10",
        Instance::ALL,
        release_after_discovery,
    ),
];

/// Flags of FFA_PARTITION_INFO_GET: bit 0 asks for the count only.
const COUNT_ONLY: u64 = 1;

/// Bytes of a descriptor in a version (18.5.1).
const fn size(version: Version) -> usize {
    if version.1 == 0 { 8 } else { 24 }
}

fn ask(endpoint: &mut dyn Endpoint, uuid: Uuid, flags: u64) -> Answer {
    let [a, b, c, d] = UuidHelper::to_u32_regs(uuid).map(u64::from);
    call(endpoint, FuncId::PartitionInfoGet, &[a, b, c, d, flags])
}

/// Requires a number of descriptors of the right size in an answer, and reads one of them.
#[track_caller]
fn counted(answer: &Answer, count: usize, version: Version) -> Outcome {
    answer.success()?;
    same(answer.w(2), count as u64)?;
    // The size came with FF-A 1.1; before, w3 was reserved.
    let told = if version >= Version(1, 1) { size(version) } else { 0 };
    same(answer.w(3), told as u64)
}

fn descriptor(endpoint: &dyn Endpoint, index: usize, version: Version) -> Descriptor {
    let mut bytes = [0; 24];
    let size = size(version);
    if let Some(part) = bytes.get_mut(..size) {
        endpoint.read((index * size) as u64, part);
    }
    Descriptor::read(words(&bytes))
}

fn all_partitions(endpoint: &mut dyn Endpoint) -> Outcome {
    let version = endpoint.instance().version;
    map_buffers(endpoint)?;
    counted(&ask(endpoint, Uuid::nil(), 0), listed(endpoint.partners(), version).count(), version)?;
    for (index, (partner, uuid)) in listed(endpoint.partners(), version).enumerate() {
        // There was no UUID in a descriptor of FF-A 1.0.
        let uuid = if version >= Version(1, 1) { uuid } else { Uuid::nil() };
        descriptor(endpoint, index, version).is(endpoint.spmc(), partner, version, uuid)?;
    }
    call(endpoint, FuncId::RxRelease, &[]).success()
}

/// The UUID field is zero where the caller named the UUID.
fn by_uuid(endpoint: &mut dyn Endpoint) -> Outcome {
    let version = endpoint.instance().version;
    map_buffers(endpoint)?;
    for (partner, uuid) in listed(endpoint.partners(), Version(1, 2)) {
        if version < Version(1, 2) && uuid != partner.uuid() {
            // Whether a caller that knows one UUID of each partition finds it by another is not said.
            continue;
        }
        counted(&ask(endpoint, uuid, 0), 1, version)?;
        descriptor(endpoint, 0, version).is(endpoint.spmc(), partner, version, Uuid::nil())?;
        call(endpoint, FuncId::RxRelease, &[]).success()?;
    }
    Ok(())
}

/// The count alone needs no buffer, and leaves it alone where there is one. The flag came with FF-A 1.1.
fn count_only(endpoint: &mut dyn Endpoint) -> Outcome {
    if endpoint.instance().version < Version(1, 1) {
        return Ok(());
    }
    let all = listed(endpoint.partners(), endpoint.instance().version).count() as u64;
    for (uuid, count) in [(Uuid::nil(), all), (Partner::PeerMp.uuid(), 1)] {
        let answer = ask(endpoint, uuid, COUNT_ONLY);
        answer.success()?;
        same(answer.w(2), count)?;
        same(answer.w(3), 0_u32)?;
    }
    map_buffers(endpoint)?;
    ask(endpoint, Uuid::nil(), COUNT_ONLY).success()?;
    // Nothing was delivered.
    call(endpoint, FuncId::RxRelease, &[]).error(Denied)
}

fn unknown_uuid(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    ask(endpoint, UNKNOWN, 0).error(InvalidParameters)?;
    ask(endpoint, Partner::PeerMp.uuid(), 0).success()
}

fn no_buffer(endpoint: &mut dyn Endpoint) -> Outcome {
    ask(endpoint, Uuid::nil(), 0).error(Busy)
}

/// The buffer is the caller's until it is released; nothing is written meanwhile.
fn buffer_not_released(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    ask(endpoint, Partner::PeerMp.uuid(), 0).success()?;
    let mut before = [0; 64];
    endpoint.read(0, &mut before);
    ask(endpoint, Uuid::nil(), 0).error(Busy)?;
    let mut after = [0; 64];
    endpoint.read(0, &mut after);
    ensure(before == after, words(&after))?;
    call(endpoint, FuncId::RxRelease, &[]).success()?;
    ask(endpoint, Uuid::nil(), 0).success()
}

/// Bits 31-1 of the flags must be zero.
fn reserved_flags(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    for flags in [2, 0x8000_0000] {
        ask(endpoint, Uuid::nil(), flags).error(InvalidParameters)?;
    }
    Ok(())
}

fn release_after_discovery(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    ask(endpoint, Uuid::nil(), 0).success()?;
    call(endpoint, FuncId::RxRelease, &[]).success()?;
    call(endpoint, FuncId::RxRelease, &[]).error(Denied)
}
