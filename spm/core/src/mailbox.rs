// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_RXTX_MAP, FFA_RXTX_UNMAP, FFA_RX_RELEASE: a caller's buffer pair and who owns its receive buffer (FF-A 1.2 §7.2,
//! §13.5–13.7, §13.9).
//!
//! The caller names addresses; they become a [`BufferPair`] only by [`BufferPair::new`], which checks them.

use core::sync::atomic::Ordering;

use arm_ffa::FfaError;
use arm_ffa::interface_args::RxTxAddr;

use crate::hardware::Hardware;
use crate::manifest::AddressRange;
use crate::seeded::{Bug, seeded};
use crate::sync::{AtomicU8, AtomicUsize, RwLock};

/// Most pages of one buffer, in units of 4 KiB. Callers learn it by FFA_FEATURES. Enough for a normal world with
/// 64 KiB pages.
pub const MAX_BUFFER_PAGES: u32 = 16;
/// Most VMs whose buffers a hypervisor can map.
pub const MAX_VMS: usize = 4;
/// Bits of w3 that hold the number of pages (FF-A 1.2 table 13.28); the others must be zero.
const PAGE_COUNT_BITS: u32 = 0x3f;

/// Whose mailbox it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxOwner {
    /// The normal world's.
    NormalWorld,
    /// That of the partition at this place of the list.
    Partition(usize),
    /// That of the VM at this place of the list of VMs, below [`MAX_VMS`].
    Vm(usize),
}

/// Two buffers of equal size that do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferPair {
    /// What spm writes and the owner reads.
    pub receive: AddressRange,
    /// What the owner writes and spm reads.
    pub send: AddressRange,
}

impl BufferPair {
    /// Checks the addresses and the page count of FFA_RXTX_MAP; `owned` tells whether the caller owns a range.
    ///
    /// # Errors
    /// `InvalidParameters`: the caller is to blame.
    pub fn new(
        addresses: RxTxAddr,
        page_count: u32,
        owned: impl Fn(AddressRange) -> bool,
    ) -> Result<Self, FfaError> {
        let (receive, send) = match addresses {
            RxTxAddr::Addr32 { rx, tx } => (u64::from(rx), u64::from(tx)),
            RxTxAddr::Addr64 { rx, tx } => (rx, tx),
        };
        if page_count & !PAGE_COUNT_BITS != 0 || page_count > MAX_BUFFER_PAGES {
            return Err(FfaError::InvalidParameters);
        }
        let range = |start| {
            AddressRange::from_pages(start, u64::from(page_count)).map_err(|_| FfaError::InvalidParameters)
        };
        let pair = Self { receive: range(receive)?, send: range(send)? };
        let owned = (owned(pair.receive) && owned(pair.send)) || seeded(Bug::ForeignBuffers);
        if pair.receive.overlaps(pair.send) || !owned {
            return Err(FfaError::InvalidParameters);
        }
        Ok(pair)
    }
}

/// Who may write into a receive buffer (FF-A 1.3 §4.10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// spm: nothing is in it.
    Spm,
    /// spm, which is writing a message into it.
    Filling,
    /// Its endpoint, which did not give the last message back yet.
    Endpoint,
    /// The hypervisor of the VM that the buffer is of.
    Hypervisor,
}

impl Holder {
    const fn encode(self) -> u8 {
        match self {
            Self::Spm => 0,
            Self::Filling => 1,
            Self::Endpoint => 2,
            Self::Hypervisor => 3,
        }
    }
}

/// The buffers of one endpoint, if it has mapped any.
///
/// Who uses a buffer holds `buffers` for reading, so that it stays mapped; a send buffer and a receive buffer can be used at
/// once, by any number of cores, and nobody waits for anybody but [`Mailbox::unmap`].
#[derive(Debug)]
pub struct Mailbox {
    buffers: RwLock<Option<BufferPair>>,
    holder: AtomicU8,
    /// Length of the last message in the receive buffer, in bytes.
    last: AtomicUsize,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            buffers: RwLock::new(None),
            holder: AtomicU8::new(Holder::Spm.encode()),
            last: AtomicUsize::new(0),
        }
    }
}

impl Mailbox {
    /// Maps `buffers`.
    ///
    /// # Errors
    /// `Denied` if there are buffers already, `NoMemory` if spm has no room for the mapping.
    pub fn map(
        &self,
        owner: MailboxOwner,
        buffers: BufferPair,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        let mut slot = self.buffers.write();
        if slot.is_some() {
            return Err(FfaError::Denied);
        }
        hardware.map_buffers(owner, &buffers).map_err(|_| FfaError::NoMemory)?;
        self.holder.store(Holder::Spm.encode(), Ordering::Release);
        self.last.store(0, Ordering::Relaxed);
        *slot = Some(buffers);
        Ok(())
    }

    /// Forgets the buffers.
    ///
    /// # Errors
    /// `InvalidParameters` if there are none.
    pub fn unmap(&self, owner: MailboxOwner, hardware: &impl Hardware) -> Result<(), FfaError> {
        let mut slot = self.buffers.write();
        if slot.take().is_none() {
            return Err(FfaError::InvalidParameters);
        }
        hardware.unmap_buffers(owner);
        Ok(())
    }

    /// Gives the receive buffer back to spm.
    ///
    /// # Errors
    /// `Denied` if the caller does not own it.
    pub fn release(&self) -> Result<(), FfaError> {
        let buffers = self.buffers.read();
        if (buffers.is_some() && self.pass(Holder::Endpoint, Holder::Spm)) || seeded(Bug::EmptyRelease) {
            Ok(())
        } else {
            Err(FfaError::Denied)
        }
    }

    /// Gives the receive buffer of a VM to its hypervisor, which wants to write into it (FFA_RX_ACQUIRE).
    ///
    /// # Errors
    /// `Denied` if it is not spm's, or there is none.
    pub fn acquire(&self) -> Result<(), FfaError> {
        let buffers = self.buffers.read();
        if buffers.is_some() && self.pass(Holder::Spm, Holder::Hypervisor) {
            Ok(())
        } else {
            Err(FfaError::Denied)
        }
    }

    /// As [`Mailbox::release`], by the hypervisor for its VM: it may hold the buffer itself.
    ///
    /// # Errors
    /// `Denied` if the buffer is spm's already.
    pub fn release_for_vm(&self) -> Result<(), FfaError> {
        self.release().or_else(
            |status| {
                if self.pass(Holder::Hypervisor, Holder::Spm) { Ok(()) } else { Err(status) }
            },
        )
    }

    fn pass(&self, from: Holder, to: Holder) -> bool {
        self.holder.compare_exchange(from.encode(), to.encode(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Hands `length` bytes to the owner: `fill` writes them, what an earlier message has left behind them is cleared, and
    /// the receive buffer is the owner's from then on.
    ///
    /// # Errors
    /// `Busy` if the receive buffer is not free or there is none, `NoMemory` if it is too small; or the one of `fill`, and
    /// the buffer stays spm's.
    pub fn deliver(
        &self,
        owner: MailboxOwner,
        length: usize,
        hardware: &impl Hardware,
        fill: impl FnOnce() -> Result<(), FfaError>,
    ) -> Result<(), FfaError> {
        let buffers = self.buffers.read();
        let pair = buffers.as_ref().ok_or(FfaError::Busy)?;
        if !u64::try_from(length).is_ok_and(|length| length <= pair.receive.size()) {
            return Err(FfaError::NoMemory);
        }
        if !self.pass(Holder::Spm, Holder::Filling) && !seeded(Bug::FullBuffer) {
            return Err(FfaError::Busy);
        }
        let filled = fill();
        let last = self.last.load(Ordering::Relaxed);
        if last > length {
            hardware.clear_receive_buffer(owner, length, last - length);
        }
        // What `fill` wrote before it failed stands up to `length`, too.
        self.last.store(length, Ordering::Relaxed);
        let next = if filled.is_ok() { Holder::Endpoint } else { Holder::Spm };
        self.holder.store(next.encode(), Ordering::Release);
        filled
    }

    /// Returns the buffers that are mapped.
    #[must_use]
    pub fn buffers(&self) -> Option<BufferPair> {
        *self.buffers.read()
    }

    /// Lets `work` read the send buffer, whose size in bytes it gets; it stays mapped meanwhile.
    ///
    /// # Errors
    /// `Denied` if there is none; or the one of `work`.
    pub fn with_send_buffer<R>(
        &self,
        work: impl FnOnce(usize) -> Result<R, FfaError>,
    ) -> Result<R, FfaError> {
        let buffers = self.buffers.read();
        let pair = buffers.as_ref().ok_or(FfaError::Denied)?;
        work(usize::try_from(pair.send.size()).map_err(|_| FfaError::InvalidParameters)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::FakeHardware;

    fn pair(rx: u64, tx: u64, pages: u32) -> Result<BufferPair, FfaError> {
        let ram = AddressRange::new(0x4000_0000, 0x10_0000).unwrap();
        BufferPair::new(RxTxAddr::Addr64 { rx, tx }, pages, |range| ram.contains(range))
    }

    #[test]
    fn sound_buffers_are_taken() {
        let buffers = pair(0x4000_0000, 0x4000_1000, 1).unwrap();
        assert_eq!(buffers.receive.start(), 0x4000_0000);
        assert_eq!(buffers.send.start(), 0x4000_1000);
        assert!(pair(0x4000_0000, 0x4001_0000, 16).is_ok());
    }

    #[test]
    fn unsound_buffers_are_not() {
        for (what, rx, tx, pages) in [
            ("unaligned", 0x4000_0800, 0x4000_1000, 1),
            ("the same", 0x4000_0000, 0x4000_0000, 1),
            ("overlapping", 0x4000_0000, 0x4000_1000, 2),
            ("no pages", 0x4000_0000, 0x4000_1000, 0),
            ("too many pages", 0x4000_0000, 0x4008_0000, 17),
            ("reserved bits", 0x4000_0000, 0x4000_1000, 0x41),
            ("not the caller's", 0x0e10_0000, 0x4000_1000, 1),
            ("partly not the caller's", 0x400f_f000, 0x4000_1000, 2),
            ("wrapping", 0xffff_ffff_ffff_f000, 0x4000_1000, 2),
        ] {
            assert_eq!(pair(rx, tx, pages), Err(FfaError::InvalidParameters), "{what}");
        }
    }

    #[test]
    fn a_receive_buffer_is_filled_once_until_it_is_released() {
        let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
        let owner = MailboxOwner::NormalWorld;
        let deliver = |length: usize, byte: u8| {
            mailbox.deliver(owner, length, &hardware, || {
                hardware.write_receive_buffer(owner, 0, &vec![byte; length]);
                Ok(())
            })
        };
        assert_eq!(deliver(8, 1), Err(FfaError::Busy), "there is no buffer");
        assert_eq!(mailbox.release(), Err(FfaError::Denied));
        let buffers = pair(0x4000_0000, 0x4000_1000, 1).unwrap();
        mailbox.map(owner, buffers, &hardware).unwrap();
        assert_eq!(mailbox.map(owner, buffers, &hardware), Err(FfaError::Denied));
        assert_eq!(mailbox.release(), Err(FfaError::Denied), "nothing was delivered");
        assert_eq!(deliver(4097, 2), Err(FfaError::NoMemory));
        deliver(4096, 3).unwrap();
        assert_eq!(deliver(8, 4), Err(FfaError::Busy));
        mailbox.release().unwrap();
        deliver(8, 5).unwrap();
        let contents = hardware.mapped.lock().unwrap()[0].2.clone();
        assert_eq!(contents[..8], [5; 8]);
        assert_eq!(contents[8..], [0; 4088], "nothing is left of the longer message");
        mailbox.unmap(owner, &hardware).unwrap();
        assert_eq!(mailbox.unmap(owner, &hardware), Err(FfaError::InvalidParameters));
    }

    #[test]
    fn a_delivery_that_fails_leaves_the_buffer_free() {
        let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
        let owner = MailboxOwner::Partition(0);
        mailbox.map(owner, pair(0x4000_0000, 0x4000_1000, 1).unwrap(), &hardware).unwrap();
        let refused = mailbox.deliver(owner, 8, &hardware, || Err(FfaError::InvalidParameters));
        assert_eq!(refused, Err(FfaError::InvalidParameters));
        assert_eq!(mailbox.release(), Err(FfaError::Denied));
        mailbox.deliver(owner, 8, &hardware, || Ok(())).unwrap();
    }

    #[test]
    fn a_hypervisor_takes_and_returns_the_buffer_of_its_vm() {
        let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
        let owner = MailboxOwner::Vm(1);
        assert_eq!(mailbox.acquire(), Err(FfaError::Denied), "there is none");
        mailbox.map(owner, pair(0x4000_0000, 0x4000_1000, 1).unwrap(), &hardware).unwrap();
        mailbox.acquire().unwrap();
        assert_eq!(mailbox.acquire(), Err(FfaError::Denied));
        assert_eq!(mailbox.deliver(owner, 8, &hardware, || Ok(())), Err(FfaError::Busy));
        mailbox.release_for_vm().unwrap();
        assert_eq!(mailbox.release_for_vm(), Err(FfaError::Denied));
        mailbox.deliver(owner, 8, &hardware, || Ok(())).unwrap();
        assert_eq!(mailbox.acquire(), Err(FfaError::Denied), "the VM holds it");
        mailbox.release_for_vm().unwrap();
    }

    #[test]
    fn a_failed_mapping_leaves_nothing() {
        let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
        hardware.full.store(true, core::sync::atomic::Ordering::Relaxed);
        let buffers = pair(0x4000_0000, 0x4000_1000, 1).unwrap();
        assert_eq!(mailbox.map(MailboxOwner::Partition(0), buffers, &hardware), Err(FfaError::NoMemory));
        assert_eq!(mailbox.unmap(MailboxOwner::Partition(0), &hardware), Err(FfaError::InvalidParameters));
    }
}
