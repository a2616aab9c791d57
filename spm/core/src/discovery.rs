// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_PARTITION_INFO_GET: which partitions and services there are (FF-A 1.2 §6.2, §13.8).
//!
//! One descriptor for each service of each partition. Stopped partitions are listed too: they exist, and a caller learns
//! from the status of its request that they are gone.

use arm_ffa::partition_info::{PartitionInfo, PartitionInfoGetFlags, SuccessArgsPartitionInfoGet};
use arm_ffa::{FfaError, Uuid, Version};

use crate::hardware::Hardware;
use crate::mailbox::{Mailbox, MailboxOwner};
use crate::manifest::partition::Service;
use crate::partition::Partition;

/// Size of a descriptor before UUIDs were part of it (FF-A 1.0), in bytes.
const DESCRIPTOR_BYTES_V1_0: usize = 8;

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
    let mut count = 0_u32;
    visit(partitions, uuid, |_, _| count += 1);
    if count == 0 && !uuid.is_nil() {
        return Err(FfaError::InvalidParameters);
    }
    if flags.count_only {
        return Ok(SuccessArgsPartitionInfoGet { count, size: None });
    }
    let old = inquiry.version < Version(1, 1);
    let size = if old { DESCRIPTOR_BYTES_V1_0 } else { PartitionInfo::DESC_SIZE };
    let number = usize::try_from(count).map_err(|_| FfaError::NoMemory)?;
    inquiry.mailbox.deliver(number.saturating_mul(size), || {
        let mut offset = 0;
        visit(partitions, uuid, |partition, service| {
            let bytes = descriptor(partition, service, uuid.is_nil(), old);
            hardware.write_receive_buffer(inquiry.owner, offset, bytes.get(..size).unwrap_or_default());
            offset += size;
        });
    })?;
    Ok(SuccessArgsPartitionInfoGet { count, size: if old { None } else { u32::try_from(size).ok() } })
}

/// Visits each service that has `uuid`, or all if it is nil.
fn visit(partitions: &[Partition], uuid: Uuid, mut found: impl FnMut(&Partition, &Service)) {
    for partition in partitions {
        for service in partition.services() {
            if uuid.is_nil() || service.uuid == uuid {
                found(partition, service);
            }
        }
    }
}

/// Bits of a descriptor's properties (FF-A 1.2 table 6.2).
mod property {
    pub(super) const RECEIVES_DIRECT: u64 = 1;
    pub(super) const SENDS_DIRECT: u64 = 1 << 1;
    /// Since FF-A 1.1; reserved before.
    pub(super) const AARCH64: u64 = 1 << 8;
}

/// A descriptor (FF-A 1.2 table 6.1): ID, number of contexts, properties and, since FF-A 1.1, the UUID where the caller
/// did not name it.
fn descriptor(
    partition: &Partition,
    service: &Service,
    with_uuid: bool,
    old: bool,
) -> [u8; PartitionInfo::DESC_SIZE] {
    let mut properties = if old { 0 } else { property::AARCH64 };
    if service.messaging.receives_direct {
        properties |= property::RECEIVES_DIRECT;
    }
    if service.messaging.sends_direct {
        properties |= property::SENDS_DIRECT;
    }
    let head = u64::from(partition.id().0) | (partition.contexts() as u64) << 16 | properties << 32;
    let mut bytes = [0; PartitionInfo::DESC_SIZE];
    bytes[..8].copy_from_slice(&head.to_le_bytes());
    if with_uuid {
        bytes[8..].copy_from_slice(service.uuid.as_bytes());
    }
    bytes
}
