// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_PARTITION_INFO_GET: which partitions and services there are (FF-A 1.2 §6.2, §13.8).
//!
//! One descriptor for each service of each partition. Stopped partitions are listed too: they exist, and a caller learns
//! from the status of its request that they are gone.

use arm_ffa::partition_info::{
    PartitionIdType, PartitionInfo, PartitionInfoGetFlags, PartitionProperties, SuccessArgsPartitionInfoGet,
};
use arm_ffa::{FfaError, Uuid, Version};

use crate::hardware::Hardware;
use crate::mailbox::{Mailbox, MailboxOwner};
use crate::manifest::partition::Service;
use crate::partition::Partition;
use crate::version::OURS;

/// Size of a descriptor before UUIDs were part of it (FF-A 1.0), in bytes.
const DESCRIPTOR_BYTES_V1_0: usize = 8;
/// The bits that FF-A 1.0 defines of a descriptor's properties: direct messages received and sent, indirect messages.
const PROPERTIES_V1_0: u8 = 0b111;

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
    let found = || {
        partitions.iter().flat_map(move |partition| {
            let wanted = move |service: &&Service| uuid.is_nil() || service.uuid == uuid;
            partition.services().iter().filter(wanted).map(move |service| (partition, service))
        })
    };
    let number = found().count();
    let count = u32::try_from(number).map_err(|_| FfaError::NoMemory)?;
    if count == 0 && !uuid.is_nil() {
        return Err(FfaError::InvalidParameters);
    }
    if flags.count_only {
        return Ok(SuccessArgsPartitionInfoGet { count, size: None });
    }
    let old = inquiry.version < Version(1, 1);
    let size = if old { DESCRIPTOR_BYTES_V1_0 } else { PartitionInfo::DESC_SIZE };
    inquiry.mailbox.deliver(number.saturating_mul(size), || {
        for (place, (partition, service)) in found().enumerate() {
            let bytes = descriptor(partition, service, uuid.is_nil(), old);
            let bytes = bytes.get(..size).unwrap_or_default();
            hardware.write_receive_buffer(inquiry.owner, place.saturating_mul(size), bytes);
        }
    })?;
    Ok(SuccessArgsPartitionInfoGet { count, size: if old { None } else { u32::try_from(size).ok() } })
}

fn descriptor(
    partition: &Partition,
    service: &Service,
    with_uuid: bool,
    old: bool,
) -> [u8; PartitionInfo::DESC_SIZE] {
    let info = PartitionInfo {
        uuid: service.uuid,
        partition_id: partition.id().0,
        partition_id_type: PartitionIdType::PeEndpoint {
            execution_ctx_count: u16::try_from(partition.contexts()).unwrap_or(u16::MAX),
        },
        props: PartitionProperties {
            support_direct_req_rec: service.messaging.receives_direct,
            support_direct_req_send: service.messaging.sends_direct,
            support_direct_req2_rec: Some(false),
            support_direct_req2_send: Some(false),
            is_aarch64: true,
            ..PartitionProperties::default()
        },
    };
    let mut bytes = [0; PartitionInfo::DESC_SIZE];
    PartitionInfo::pack(OURS, &[info], &mut bytes, with_uuid);
    if old {
        // Bytes 4-7 are the properties; what 1.0 reserves must be zero.
        bytes[4] &= PROPERTIES_V1_0;
        bytes[5..8].fill(0);
    }
    bytes
}
