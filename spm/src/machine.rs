// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that the FF-A logic works on.

use spm_core::hardware::{Hardware, MapFailed};
use spm_core::mailbox::{BufferPair, MailboxOwner};
use spm_core::partition::Partition;

use crate::{console, mmu};

/// This machine.
pub(crate) struct Machine;

impl Hardware for Machine {
    fn map_buffers(&self, owner: MailboxOwner, buffers: &BufferPair) -> Result<(), MapFailed> {
        // No interface reads a send buffer, so that one stays unmapped.
        mmu::map_buffer(owner, buffers.receive)
    }

    fn unmap_buffers(&self, owner: MailboxOwner) {
        mmu::unmap_buffer(owner);
    }

    fn write_receive_buffer(&self, owner: MailboxOwner, offset: usize, bytes: &[u8]) {
        mmu::write_buffer(owner, offset, bytes);
    }

    fn log(&self, partition: &Partition, line: &[u8]) {
        console::print_partition(partition.name().as_str(), line);
    }
}
