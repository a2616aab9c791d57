// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the FF-A logic needs from the machine, and the fake that its tests use.

use crate::mailbox::{BufferPair, MailboxOwner};
use crate::memory::AddressSpaces;
use crate::partition::{CoreIndex, Partition};

#[cfg(any(test, feature = "fakes"))]
extern crate std;
#[cfg(any(test, feature = "fakes"))]
use std::vec::Vec;

/// The buffers could not be mapped: no room in spm's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFailed;

/// An interrupt cannot be sent where it was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoute;

/// The machine, as the FF-A logic sees it.
pub trait Hardware: AddressSpaces {
    /// Makes the buffers of `owner` reachable for spm. Called at most once until [`Hardware::unmap_buffers`].
    ///
    /// # Errors
    /// [`MapFailed`]; nothing is mapped then.
    fn map_buffers(&self, owner: MailboxOwner, buffers: &BufferPair) -> Result<(), MapFailed>;

    /// Takes the buffers of `owner` out of spm's reach.
    fn unmap_buffers(&self, owner: MailboxOwner);

    /// Writes `bytes` into the receive buffer of `owner`, which is mapped and large enough. The other side may read and
    /// write it at any time.
    fn write_receive_buffer(&self, owner: MailboxOwner, offset: usize, bytes: &[u8]);

    /// Writes zeros into the receive buffer of `owner`, as [`Hardware::write_receive_buffer`].
    fn clear_receive_buffer(&self, owner: MailboxOwner, offset: usize, length: usize);

    /// Copies from the send buffer of `owner`, which is mapped and large enough, into `bytes`. The other side may write it
    /// meanwhile: what was read counts, and is read once.
    fn read_send_buffer(&self, owner: MailboxOwner, offset: usize, bytes: &mut [u8]);

    /// Ends a physical interrupt that was taken: it can be signalled again.
    fn deactivate_interrupt(&self, intid: u32);

    /// Lets a physical interrupt be signalled, or not.
    fn enable_interrupt(&self, intid: u32, enable: bool);

    /// Sends a physical interrupt to the secure world, or to the normal world.
    fn secure_interrupt(&self, intid: u32, secure: bool);

    /// Sends a physical interrupt to `core` from now on.
    ///
    /// # Errors
    /// [`NoRoute`]: the interrupt is none that can be sent anywhere, or the core is off.
    fn route_interrupt(&self, intid: u32, core: CoreIndex) -> Result<(), NoRoute>;

    /// Makes `core`, another one, look at its partitions' interrupts.
    fn kick(&self, core: CoreIndex);

    /// Interrupts this core for the normal world, which is to run receivers of notifications.
    fn raise_schedule_receiver_interrupt(&self);

    /// Likewise `core`, if it is on.
    fn raise_schedule_receiver_interrupt_of(&self, core: CoreIndex);

    /// Makes a partition new that starts again, and that no core has: its memory holds its package and else zeros, its vCPUs'
    /// registers are as at reset and those of the one for `core` as at its first start, its devices' interrupts are on.
    ///
    /// # Errors
    /// [`MapFailed`]: its memory cannot be reached, or nothing was kept of it.
    fn renew(&self, place: usize, partition: &Partition, core: CoreIndex) -> Result<(), MapFailed>;

    /// Prints a line that a partition logs. The bytes are the partition's: anything.
    fn log(&self, partition: &Partition, line: &[u8]);
}

/// What was done to the interrupt controller.
#[cfg(any(test, feature = "fakes"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptAction {
    /// It was ended.
    Deactivate(u32),
    /// It was switched on or off.
    Enable(u32, bool),
    /// It was given to the secure world, or not.
    Secure(u32, bool),
    /// It was sent to a core.
    Route(u32, usize),
    /// A core was made to look.
    Kick(usize),
    /// The normal world was made to run receivers of notifications.
    ScheduleReceiver,
    /// Likewise on this core.
    ScheduleReceiverOf(usize),
}

/// A machine that only remembers.
#[cfg(any(test, feature = "fakes"))]
#[derive(Default)]
pub struct FakeHardware {
    /// What is mapped, and what was written into each receive buffer.
    pub mapped: std::sync::Mutex<Vec<(MailboxOwner, BufferPair, Vec<u8>)>>,
    /// What endpoints have written into their send buffers, which are zero behind it.
    pub sent: std::sync::Mutex<Vec<(MailboxOwner, Vec<u8>)>>,
    /// What was done to the interrupt controller.
    pub interrupts: std::sync::Mutex<Vec<InterruptAction>>,
    /// What was logged, by partition.
    pub logged: std::sync::Mutex<Vec<(u16, Vec<u8>)>>,
    /// Which partitions were made new, and for which core.
    pub renewed: std::sync::Mutex<Vec<(usize, usize)>>,
    /// Lets the next mapping fail, and what else needs one.
    pub full: std::sync::atomic::AtomicBool,
    /// Partitions' stage 2.
    pub spaces: crate::memory::fake::FakeSpaces,
}

#[cfg(any(test, feature = "fakes"))]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what a caller does wrong ends a test"
)]
impl Hardware for FakeHardware {
    fn map_buffers(&self, owner: MailboxOwner, buffers: &BufferPair) -> Result<(), MapFailed> {
        if self.full.load(core::sync::atomic::Ordering::Relaxed) {
            return Err(MapFailed);
        }
        let mut mapped = self.mapped.lock().unwrap();
        assert!(mapped.iter().all(|(other, _, _)| *other != owner), "mapped twice");
        let bytes = usize::try_from(buffers.receive.size()).unwrap();
        mapped.push((owner, *buffers, std::vec![0; bytes]));
        Ok(())
    }

    fn unmap_buffers(&self, owner: MailboxOwner) {
        let mut mapped = self.mapped.lock().unwrap();
        let before = mapped.len();
        mapped.retain(|(other, _, _)| *other != owner);
        assert_eq!(mapped.len() + 1, before, "was not mapped");
    }

    fn write_receive_buffer(&self, owner: MailboxOwner, offset: usize, bytes: &[u8]) {
        let mut mapped = self.mapped.lock().unwrap();
        let (_, _, contents) = mapped.iter_mut().find(|(other, _, _)| *other == owner).expect("is mapped");
        contents[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn clear_receive_buffer(&self, owner: MailboxOwner, offset: usize, length: usize) {
        self.write_receive_buffer(owner, offset, &std::vec![0; length]);
    }

    fn read_send_buffer(&self, owner: MailboxOwner, offset: usize, bytes: &mut [u8]) {
        let mapped = self.mapped.lock().unwrap();
        let (_, buffers, _) = mapped.iter().find(|(other, _, _)| *other == owner).expect("is mapped");
        assert!((offset + bytes.len()) as u64 <= buffers.send.size(), "reads behind the buffer");
        let sent = self.sent.lock().unwrap();
        let contents =
            sent.iter().rev().find(|(other, _)| *other == owner).map(|(_, contents)| &contents[..]);
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = contents.and_then(|contents| contents.get(offset + index)).copied().unwrap_or(0);
        }
    }

    fn deactivate_interrupt(&self, intid: u32) {
        self.interrupts.lock().unwrap().push(InterruptAction::Deactivate(intid));
    }

    fn enable_interrupt(&self, intid: u32, enable: bool) {
        self.interrupts.lock().unwrap().push(InterruptAction::Enable(intid, enable));
    }

    fn secure_interrupt(&self, intid: u32, secure: bool) {
        self.interrupts.lock().unwrap().push(InterruptAction::Secure(intid, secure));
    }

    fn route_interrupt(&self, intid: u32, core: CoreIndex) -> Result<(), NoRoute> {
        self.interrupts.lock().unwrap().push(InterruptAction::Route(intid, core.get()));
        Ok(())
    }

    fn kick(&self, core: CoreIndex) {
        self.interrupts.lock().unwrap().push(InterruptAction::Kick(core.get()));
    }

    fn raise_schedule_receiver_interrupt(&self) {
        self.interrupts.lock().unwrap().push(InterruptAction::ScheduleReceiver);
    }

    fn raise_schedule_receiver_interrupt_of(&self, core: CoreIndex) {
        self.interrupts.lock().unwrap().push(InterruptAction::ScheduleReceiverOf(core.get()));
    }

    fn renew(&self, place: usize, _partition: &Partition, core: CoreIndex) -> Result<(), MapFailed> {
        if self.full.load(core::sync::atomic::Ordering::Relaxed) {
            return Err(MapFailed);
        }
        self.renewed.lock().unwrap().push((place, core.get()));
        Ok(())
    }

    fn log(&self, partition: &Partition, line: &[u8]) {
        self.logged.lock().unwrap().push((partition.id().0, line.to_vec()));
    }
}
