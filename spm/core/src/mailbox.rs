// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_RXTX_MAP, FFA_RXTX_UNMAP, FFA_RX_RELEASE: a caller's buffer pair and who owns its receive buffer (FF-A 1.2 §7.2,
//! §13.5–13.7, §13.9).
//!
//! The caller names addresses; they become a [`BufferPair`] only by [`BufferPair::new`], which checks them.

use arm_ffa::FfaError;
use arm_ffa::interface_args::RxTxAddr;
use spin::Mutex;

use crate::hardware::Hardware;
use crate::manifest::AddressRange;

/// Most pages of one buffer, in units of 4 KiB. Callers learn it by FFA_FEATURES. Enough for a normal world with
/// 64 KiB pages.
pub const MAX_BUFFER_PAGES: u32 = 16;
/// Bits of w3 that hold the number of pages (FF-A 1.2 table 13.28); the others must be zero.
const PAGE_COUNT_BITS: u32 = 0x3f;

/// Whose mailbox it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxOwner {
    /// The normal world's.
    NormalWorld,
    /// That of the partition at this place of the list.
    Partition(usize),
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
        if pair.receive.overlaps(pair.send) || !owned(pair.receive) || !owned(pair.send) {
            return Err(FfaError::InvalidParameters);
        }
        Ok(pair)
    }
}

#[derive(Debug)]
struct Mapped {
    buffers: BufferPair,
    /// The receive buffer holds something that the owner did not release yet.
    full: bool,
}

/// The buffers of one endpoint, if it has mapped any.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Option<Mapped>>);

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
        let mut slot = self.0.lock();
        if slot.is_some() {
            return Err(FfaError::Denied);
        }
        hardware.map_buffers(owner, &buffers).map_err(|_| FfaError::NoMemory)?;
        *slot = Some(Mapped { buffers, full: false });
        Ok(())
    }

    /// Forgets the buffers.
    ///
    /// # Errors
    /// `InvalidParameters` if there are none.
    pub fn unmap(&self, owner: MailboxOwner, hardware: &impl Hardware) -> Result<(), FfaError> {
        let mut slot = self.0.lock();
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
        match self.0.lock().as_mut() {
            Some(mapped) if mapped.full => {
                mapped.full = false;
                Ok(())
            }
            _ => Err(FfaError::Denied),
        }
    }

    /// Hands `length` bytes to the owner: `fill` writes them, and the receive buffer is the owner's from then on.
    ///
    /// # Errors
    /// `Busy` if the receive buffer is not free or there is none, `NoMemory` if it is too small.
    pub fn deliver(&self, length: usize, fill: impl FnOnce()) -> Result<(), FfaError> {
        let mut slot = self.0.lock();
        let Some(mapped) = slot.as_mut().filter(|mapped| !mapped.full) else {
            return Err(FfaError::Busy);
        };
        if u64::try_from(length).is_ok_and(|length| length <= mapped.buffers.receive.size()) {
            fill();
            mapped.full = true;
            Ok(())
        } else {
            Err(FfaError::NoMemory)
        }
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
        assert_eq!(mailbox.deliver(8, || panic!("there is no buffer")), Err(FfaError::Busy));
        assert_eq!(mailbox.release(), Err(FfaError::Denied));
        let buffers = pair(0x4000_0000, 0x4000_1000, 1).unwrap();
        mailbox.map(owner, buffers, &hardware).unwrap();
        assert_eq!(mailbox.map(owner, buffers, &hardware), Err(FfaError::Denied));
        assert_eq!(mailbox.release(), Err(FfaError::Denied), "nothing was delivered");
        assert_eq!(mailbox.deliver(4097, || panic!("too long")), Err(FfaError::NoMemory));
        let mut filled = 0;
        mailbox.deliver(4096, || filled += 1).unwrap();
        assert_eq!(mailbox.deliver(8, || filled += 1), Err(FfaError::Busy));
        mailbox.release().unwrap();
        mailbox.deliver(8, || filled += 1).unwrap();
        assert_eq!(filled, 2);
        mailbox.unmap(owner, &hardware).unwrap();
        assert_eq!(mailbox.unmap(owner, &hardware), Err(FfaError::InvalidParameters));
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
