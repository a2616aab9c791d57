// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that the FF-A logic works on.

use spm_core::hardware::{Hardware, MapFailed, NoRoute};
use spm_core::mailbox::{BufferPair, MailboxOwner};
use spm_core::partition::{CoreIndex, Partition};

use crate::arch::sysreg::MPIDR_EL1;
use crate::arch::{distributor, gic, redistributor};
use crate::cores::ROUTES;
use crate::world::WORLD;
use crate::{buffer_window, console, image_store};

/// This machine.
pub(crate) struct Machine;

impl Hardware for Machine {
    fn map_buffers(&self, owner: MailboxOwner, buffers: &BufferPair) -> Result<(), MapFailed> {
        buffer_window::map_buffers(owner, buffers)
    }

    fn unmap_buffers(&self, owner: MailboxOwner) {
        buffer_window::unmap_buffers(owner);
    }

    fn write_receive_buffer(&self, owner: MailboxOwner, offset: usize, bytes: &[u8]) {
        buffer_window::write_buffer(owner, offset, bytes);
    }

    fn clear_receive_buffer(&self, owner: MailboxOwner, offset: usize, length: usize) {
        buffer_window::clear_buffer(owner, offset, length);
    }

    fn read_send_buffer(&self, owner: MailboxOwner, offset: usize, bytes: &mut [u8]) {
        buffer_window::read_buffer(owner, offset, bytes);
    }

    fn deactivate_interrupt(&self, intid: u32) {
        gic::deactivate(intid);
    }

    fn enable_interrupt(&self, intid: u32, enable: bool) {
        if !redistributor::enable(intid, enable) {
            distributor::enable(intid, enable);
        }
    }

    fn secure_interrupt(&self, intid: u32, secure: bool) {
        if !redistributor::secure(intid, secure) {
            distributor::secure(intid, secure);
        }
    }

    fn route_interrupt(&self, intid: u32, core: CoreIndex) -> Result<(), NoRoute> {
        ROUTES.while_on(core, |affinity| distributor::route(intid, affinity)).flatten().ok_or(NoRoute)
    }

    fn kick(&self, core: CoreIndex) {
        if let Some(affinity) = ROUTES.affinity(core) {
            gic::kick(affinity);
        }
    }

    fn raise_schedule_receiver_interrupt(&self) {
        gic::raise_schedule_receiver_interrupt(MPIDR_EL1::read());
    }

    fn raise_schedule_receiver_interrupt_of(&self, core: CoreIndex) {
        if let Some(affinity) = ROUTES.affinity(core) {
            gic::raise_schedule_receiver_interrupt(affinity);
        }
    }

    fn renew(&self, place: usize, partition: &Partition, core: CoreIndex) -> Result<(), MapFailed> {
        image_store::renew(WORLD.get().ok_or(MapFailed)?, place, partition, core)
    }

    fn log(&self, partition: &Partition, line: &[u8]) {
        console::print_partition(partition.name().as_str(), line);
    }
}
