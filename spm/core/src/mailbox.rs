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
mod tests;
