// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_PARTITION_INFO_GET and FFA_PARTITION_INFO_GET_REGS: which partitions and services there are (FF-A 1.2 §6.2, §13.8,
//! §13.9).
//!
//! Stopped partitions are listed too: they exist, and a caller learns from the status of its request that they do not answer.
//! Destroyed ones are not (FF-A 1.3 §7.2.1, R0067).

use arm_ffa::partition_info::{PartitionInfo, PartitionInfoGetFlags, SuccessArgsPartitionInfoGet};
use arm_ffa::{FfaError, Uuid, UuidHelper, Version};
use heapless::Vec;

use crate::hardware::Hardware;
use crate::mailbox::{Mailbox, MailboxOwner};
use crate::manifest::messaging::MessagingMethod;
use crate::manifest::{MAX_PARTITIONS, MAX_SERVICES};
use crate::partition::Partition;
use crate::seeded::{Bug, seeded};

/// Size of a descriptor before UUIDs were part of it (FF-A 1.0), in bytes.
const DESCRIPTOR_BYTES_V1_0: usize = 8;
/// Descriptors that x3–x17 hold.
const DESCRIPTORS_IN_REGISTERS: usize = 5;

/// The information tag of FFA_PARTITION_INFO_GET_REGS, which changes when the list does: whenever a partition is destroyed.
fn information_tag(partitions: &[Partition]) -> u16 {
    let destroyed = partitions.iter().filter(|partition| partition.is_destroyed());
    destroyed.fold(0, |count, _| 1_u16.wrapping_add(count))
}

/// A descriptor as little-endian words (FF-A 1.2 table 6.1): ID, number of contexts and properties; then the UUID.
type Descriptor = [u64; 3];

/// Who wants to know, and where the answer goes.
pub struct Inquiry<'a> {
    /// The version that the caller speaks.
    pub version: Version,
    /// The caller's buffers.
    pub mailbox: &'a Mailbox,
    /// Whose they are.
    pub owner: MailboxOwner,
}

/// Writes the descriptors of all services with `uuid`, or of all there are if it is nil, or only counts them.
///
/// # Errors
/// `InvalidParameters` if no partition has the UUID, `Busy` or `NoMemory` if the receive buffer is not free or too small.
pub fn partition_info(
    partitions: &[Partition],
    inquiry: &Inquiry<'_>,
    uuid: Uuid,
    flags: PartitionInfoGetFlags,
    hardware: &impl Hardware,
) -> Result<SuccessArgsPartitionInfoGet, FfaError> {
    let found = list(partitions, uuid, inquiry.version);
    if found.is_empty() && !uuid.is_nil() {
        return Err(FfaError::InvalidParameters);
    }
    let count = u32::try_from(found.len()).map_err(|_| FfaError::NoMemory)?;
    if flags.count_only {
        return Ok(SuccessArgsPartitionInfoGet { count, size: None });
    }
    let old = inquiry.version < Version(1, 1) && !seeded(Bug::LargeDescriptors);
    let size = if old { DESCRIPTOR_BYTES_V1_0 } else { PartitionInfo::DESC_SIZE };
    inquiry.mailbox.deliver(inquiry.owner, found.len().saturating_mul(size), hardware, || {
        let mut offset = 0;
        for descriptor in &found {
            let words = descriptor.map(u64::to_le_bytes);
            let bytes = words.as_flattened();
            hardware.write_receive_buffer(inquiry.owner, offset, bytes.get(..size).unwrap_or_default());
            // Ends at the length that fitted into the buffer.
            offset = offset.saturating_add(size);
        }
        Ok(())
    })?;
    Ok(SuccessArgsPartitionInfoGet { count, size: if old { None } else { u32::try_from(size).ok() } })
}

/// Returns x2–x17 of the answer to FFA_PARTITION_INFO_GET_REGS: descriptors of services with `uuid`, or of all if it is
/// nil, from the one on that `start_and_tag`, the call's x3, names.
///
/// # Errors
/// `InvalidParameters` if no partition has the UUID, the list ends before the index, or a first call has a tag; `Retry` if
/// the tag is not that of the list.
pub fn partition_info_registers(
    partitions: &[Partition],
    uuid: Uuid,
    start_and_tag: u64,
) -> Result<[u64; 16], FfaError> {
    let [start_0, start_1, tag_0, tag_1, ..] = start_and_tag.to_le_bytes();
    let start = usize::from(u16::from_le_bytes([start_0, start_1]));
    let tag = u16::from_le_bytes([tag_0, tag_1]);
    let current_tag = information_tag(partitions);
    if start == 0 && tag != 0 {
        return Err(FfaError::InvalidParameters);
    }
    if start != 0 && tag != current_tag {
        return Err(FfaError::Retry);
    }
    let found = list(partitions, uuid, Version(1, 2));
    let mut registers = [0; 16];
    let (metadata, contents) = registers.split_at_mut(1);
    let (places, _) = contents.as_chunks_mut();
    let told = found.get(start..).unwrap_or_default();
    let told = told.get(..DESCRIPTORS_IN_REGISTERS).unwrap_or(told);
    for (place, descriptor) in places.iter_mut().zip(told) {
        *place = *descriptor;
    }
    let after_first = told.len().checked_sub(1).ok_or(FfaError::InvalidParameters)?;
    let current = start.saturating_add(after_first) as u64;
    let last = found.len().saturating_sub(1) as u64;
    let size = PartitionInfo::DESC_SIZE as u64;
    metadata.fill(last | current << 16 | u64::from(current_tag) << 32 | size << 48);
    Ok(registers)
}

/// Lists the services that have `uuid`, or all if it is nil. Callers before FF-A 1.2 know one UUID of each partition: for
/// them it is listed once, by its first (FF-A 1.3 §6.2.2).
#[inline(never)]
fn list(
    partitions: &[Partition],
    uuid: Uuid,
    version: Version,
) -> Vec<Descriptor, { MAX_PARTITIONS * MAX_SERVICES }> {
    let mut found = Vec::new();
    let once = version < Version(1, 2);
    let all = uuid.is_nil();
    for partition in partitions.iter().filter(|partition| !partition.is_destroyed()) {
        for service in partition.services() {
            let methods = if all && once { partition.messaging() } else { service.messaging };
            let head = head(partition, methods, version);
            let descriptor = if all {
                let [low, high] = UuidHelper::to_u64_regs(service.uuid);
                [head, low, high]
            } else if service.uuid == uuid {
                // The caller knows it: reserved.
                [head, 0, 0]
            } else {
                continue;
            };
            // There is room for each service of each partition.
            _ = found.push(descriptor);
            if once {
                break;
            }
        }
    }
    found
}

/// Properties that callers of each version know (FF-A 1.2 table 6.2); the others are reserved for them. The ways of talking
/// have the bits of the manifest.
#[inline(always)]
fn properties(partition: &Partition, methods: MessagingMethod, version: Version) -> u64 {
    const RECEIVES_NOTIFICATIONS: u32 = 1 << 3;
    const AARCH64: u32 = 1 << 8;
    const DIRECT: MessagingMethod = MessagingMethod::RECEIVES_DIRECT.with(MessagingMethod::SENDS_DIRECT);
    const INDIRECT: MessagingMethod = DIRECT.with(MessagingMethod::INDIRECT);
    let notifications = if partition.notifications.is_some() { RECEIVES_NOTIFICATIONS } else { 0 };
    let since_1_1 = AARCH64 | notifications;
    let bits = match version {
        Version(1, 0) => methods.bits() & DIRECT.bits(),
        Version(1, 1) => methods.bits() & INDIRECT.bits() | since_1_1,
        _ => methods.bits() | since_1_1,
    };
    u64::from(bits)
}

/// The first word of a descriptor: all that there was in FF-A 1.0.
#[inline(always)]
fn head(partition: &Partition, methods: MessagingMethod, version: Version) -> u64 {
    let properties = properties(partition, methods, version);
    u64::from(partition.id().0) | (partition.contexts() as u64) << 16 | properties << 32
}
