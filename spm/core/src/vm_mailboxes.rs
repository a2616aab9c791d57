// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Buffers of VMs, which their hypervisor maps and unmaps on their behalf, so that partitions can exchange indirect messages
//! with them (FF-A 1.3 §4.10, §13.6, §13.7).
//!
//! What a VM is, and that it owns the memory, is the hypervisor's word: here it must only be the normal world's memory.

use arm_ffa::FfaError;
use arm_ffa::interface_args::RxTxAddr;

use crate::endpoint::EndpointId;
use crate::hardware::Hardware;
use crate::mailbox::{BufferPair, MAX_VMS, Mailbox, MailboxOwner};
use crate::manifest::AddressRange;
use crate::sync::RwLock;

/// The hypervisor's own ID, and so never a VM's.
const HYPERVISOR: EndpointId = EndpointId(0);
/// Size of an endpoint RX/TX descriptor (FF-A 1.3 table 13.28), in bytes.
const DESCRIPTOR: usize = 12;
/// Size of the description of a buffer: a composite memory region descriptor (DEN0140 table 1.13) with one range.
const REGION: usize = 32;
/// What offsets in the descriptor are multiples of.
const ALIGNMENT: usize = 8;

/// The VMs that have buffers.
#[derive(Debug, Default)]
pub struct VmMailboxes {
    /// Whose place each is. Whoever uses a VM's buffers holds it for reading, so that they stay that VM's.
    ids: RwLock<[Option<EndpointId>; MAX_VMS]>,
    mailboxes: [Mailbox; MAX_VMS],
}

impl VmMailboxes {
    /// Lets `work` use a VM's buffers; they stay this VM's meanwhile.
    ///
    /// # Errors
    /// `InvalidParameters` if it has none; or the one of `work`.
    pub fn with<R>(
        &self,
        vm: EndpointId,
        work: impl FnOnce(&Mailbox, MailboxOwner) -> Result<R, FfaError>,
    ) -> Result<R, FfaError> {
        let ids = self.ids.read();
        let place = ids.iter().position(|id| *id == Some(vm)).ok_or(FfaError::InvalidParameters)?;
        work(self.mailboxes.get(place).ok_or(FfaError::InvalidParameters)?, MailboxOwner::Vm(place))
    }

    /// Returns all that there can be.
    #[must_use]
    pub const fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// Maps the buffers that the hypervisor describes in its send buffer, of `room` bytes; `owned` tells whether a range is the
    /// normal world's.
    ///
    /// # Errors
    /// `InvalidParameters` for a descriptor that is not sound, `Denied` if this VM has buffers, `NoMemory` if there is no room.
    pub fn map(
        &self,
        hypervisor: MailboxOwner,
        room: usize,
        owned: impl Fn(AddressRange) -> bool,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        let descriptor: [u8; DESCRIPTOR] = read(hypervisor, 0, room, hardware)?;
        let [id, receive, send] = words(&descriptor);
        let vm = u16::try_from(id & 0xffff).map(EndpointId).map_err(|_| FfaError::InvalidParameters)?;
        if vm == HYPERVISOR || vm.is_secure() {
            return Err(FfaError::InvalidParameters);
        }
        let (rx, receive_pages) = region(hypervisor, receive, room, hardware)?;
        let (tx, send_pages) = region(hypervisor, send, room, hardware)?;
        if receive_pages != send_pages {
            return Err(FfaError::InvalidParameters);
        }
        let buffers = BufferPair::new(RxTxAddr::Addr64 { rx, tx }, receive_pages, owned)?;
        // Held until the buffers are there, so that a VM is not listed without.
        let mut ids = self.ids.write();
        if ids.contains(&Some(vm)) {
            return Err(FfaError::Denied);
        }
        let place = ids.iter().position(Option::is_none).ok_or(FfaError::NoMemory)?;
        let mailbox = self.mailboxes.get(place).ok_or(FfaError::NoMemory)?;
        mailbox.map(MailboxOwner::Vm(place), buffers, hardware)?;
        if let Some(free) = ids.get_mut(place) {
            *free = Some(vm);
        }
        Ok(())
    }

    /// Forgets the buffers of a VM.
    ///
    /// # Errors
    /// `InvalidParameters` if it has none.
    pub fn unmap(&self, vm: EndpointId, hardware: &impl Hardware) -> Result<(), FfaError> {
        let mut ids = self.ids.write();
        let place = ids.iter().position(|id| *id == Some(vm)).ok_or(FfaError::InvalidParameters)?;
        let mailbox = self.mailboxes.get(place).ok_or(FfaError::InvalidParameters)?;
        mailbox.unmap(MailboxOwner::Vm(place), hardware)?;
        if let Some(taken) = ids.get_mut(place) {
            *taken = None;
        }
        Ok(())
    }
}

/// Copies `N` bytes at `offset` of a send buffer of `room` bytes.
fn read<const N: usize>(
    owner: MailboxOwner,
    offset: usize,
    room: usize,
    hardware: &impl Hardware,
) -> Result<[u8; N], FfaError> {
    let mut bytes = [0; N];
    match offset.checked_add(N) {
        Some(end) if end <= room => hardware.read_send_buffer(owner, offset, &mut bytes),
        _ => return Err(FfaError::InvalidParameters),
    }
    Ok(bytes)
}

/// Reads the description of a buffer: where it starts, and how many pages it has. Only one range is taken.
fn region(
    owner: MailboxOwner,
    offset: u32,
    room: usize,
    hardware: &impl Hardware,
) -> Result<(u64, u32), FfaError> {
    let offset = offset as usize;
    if offset < DESCRIPTOR || !offset.is_multiple_of(ALIGNMENT) {
        return Err(FfaError::InvalidParameters);
    }
    let bytes: [u8; REGION] = read(owner, offset, room, hardware)?;
    let [total, ranges, r0, r1, low, high, pages, r2] = words(&bytes);
    if ranges != 1 || total != pages || [r0, r1, r2] != [0; 3] {
        return Err(FfaError::InvalidParameters);
    }
    Ok((u64::from(low) | u64::from(high) << 32, pages))
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::FakeHardware;

    const HYPERVISOR_BUFFERS: MailboxOwner = MailboxOwner::NormalWorld;

    /// A descriptor for VM `id` with buffers at `rx` and `tx`; the descriptions stand at 16 and 48.
    fn descriptor(id: u16, rx: u64, tx: u64) -> [u32; 20] {
        let mut words = [0; 20];
        words[..3].copy_from_slice(&[u32::from(id), 16, 48]);
        for (at, address) in [(4, rx), (12, tx)] {
            words[at..at + 2].copy_from_slice(&[1, 1]);
            words[at + 4] = u32::try_from(address & 0xffff_ffff).unwrap();
            words[at + 5] = u32::try_from(address >> 32).unwrap();
            words[at + 6] = 1;
        }
        words
    }

    fn machine() -> FakeHardware {
        let hardware = FakeHardware::default();
        let range = |start| AddressRange::new(start, 0x1000).unwrap();
        let buffers = BufferPair { receive: range(0x4000_0000), send: range(0x4000_1000) };
        hardware.map_buffers(HYPERVISOR_BUFFERS, &buffers).unwrap();
        hardware
    }

    fn map(vms: &VmMailboxes, hardware: &FakeHardware, words: &[u32]) -> Result<(), FfaError> {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        hardware.sent.lock().unwrap().push((HYPERVISOR_BUFFERS, bytes));
        let ram = AddressRange::new(0x4000_0000, 0x10_0000).unwrap();
        vms.map(HYPERVISOR_BUFFERS, 0x1000, |range| ram.contains(range), hardware)
    }

    #[test]
    fn a_vm_has_buffers_from_map_to_unmap() {
        let (vms, hardware) = (VmMailboxes::default(), machine());
        let vm = EndpointId(5);
        let acquire = |id| {
            vms.with(EndpointId(id), |mailbox, owner| {
                assert_eq!(owner, MailboxOwner::Vm(0));
                mailbox.acquire()
            })
        };
        assert_eq!(acquire(5), Err(FfaError::InvalidParameters));
        map(&vms, &hardware, &descriptor(5, 0x4000_4000, 0x4000_5000)).unwrap();
        acquire(5).unwrap();
        let again = map(&vms, &hardware, &descriptor(5, 0x4000_6000, 0x4000_7000));
        assert_eq!(again, Err(FfaError::Denied));
        map(&vms, &hardware, &descriptor(6, 0x4000_6000, 0x4000_7000)).unwrap();
        vms.unmap(vm, &hardware).unwrap();
        assert_eq!(vms.unmap(vm, &hardware), Err(FfaError::InvalidParameters));
        map(&vms, &hardware, &descriptor(7, 0x4000_4000, 0x4000_5000)).unwrap();
        assert_eq!(acquire(7), Ok(()), "the place is free again, and so is the buffer");
    }

    #[test]
    fn there_is_room_for_so_many() {
        let (vms, hardware) = (VmMailboxes::default(), machine());
        for id in 1..=5 {
            let at = 0x4001_0000 + u64::from(id) * 0x2000;
            let result = map(&vms, &hardware, &descriptor(id, at, at + 0x1000));
            let expected = if usize::from(id) <= MAX_VMS { Ok(()) } else { Err(FfaError::NoMemory) };
            assert_eq!(result, expected);
        }
    }

    #[test]
    fn descriptors_that_are_not_sound_change_nothing() {
        let (vms, hardware) = (VmMailboxes::default(), machine());
        let sound = descriptor(5, 0x4000_4000, 0x4000_5000);
        for (what, at, value) in [
            ("the hypervisor itself", 0, 0),
            ("a secure ID", 0, 0x8001),
            ("a description inside the descriptor", 1, 8),
            ("an unaligned description", 1, 18),
            ("a description behind the buffer", 2, 0xfe8),
            ("an offset that overflows", 2, u32::MAX - 7),
            ("two ranges", 5, 2),
            ("no range", 5, 0),
            ("another total", 4, 2),
            ("reserved words", 6, 1),
            ("another length of one of them", 10, 2),
            ("memory that is not the normal world's", 8, 0x0e10_0000),
            ("memory that is not made of pages", 8, 0x4000_4800),
            ("the same memory twice", 8, 0x4000_5000),
        ] {
            let mut words = sound;
            words[at] = value;
            assert_eq!(map(&vms, &hardware, &words), Err(FfaError::InvalidParameters), "{what}");
        }
        assert_eq!(vms.with(EndpointId(5), |_, _| Ok(())), Err(FfaError::InvalidParameters));
        map(&vms, &hardware, &sound).unwrap();
    }
}
