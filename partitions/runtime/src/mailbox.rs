// SPDX-License-Identifier: Apache-2.0 OR MIT
//! This partition's buffers for messages, and the calls for memory that others share with it by way of them (FF-A Memory
//! Management Protocol 1.2, DEN 0140).
//!
//! What descriptors say is the partition's to write and to judge. What is retrieved is not mapped here.
#![expect(unsafe_code, reason = "the partition manager reads and writes the buffers")]

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use arm_ffa::FuncId;
use spin::mutex::SpinMutex;

use crate::ffa::{self, CallError, low};
use crate::mmu::PAGE_SIZE;

const WORDS: usize = PAGE_SIZE / size_of::<u64>();

/// RX and TX: pages that the manager reads and writes, too.
#[repr(C, align(4096))]
struct Buffers([[AtomicU64; WORDS]; 2]);

static BUFFERS: Buffers = Buffers([const { [const { AtomicU64::new(0) }; WORDS] }; 2]);
/// Whoever has it uses both buffers.
static IN_USE: SpinMutex<()> = SpinMutex::new(());

/// Why nothing was retrieved or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxError {
    /// Another core uses the buffers.
    InUse,
    /// The descriptor does not fit the buffer.
    TooLong,
    /// The call did not do it.
    Call(CallError),
}

impl From<CallError> for MailboxError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl fmt::Display for MailboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("the buffers are in use"),
            Self::TooLong => f.write_str("the descriptor does not fit"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

/// The buffers, which the manager knows.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox(());

impl Mailbox {
    /// Gives the manager the buffers (FF-A 1.2 §13.6). Once, before anybody else asks for them.
    ///
    /// # Errors
    /// The manager does not take them.
    pub fn map() -> Result<Self, CallError> {
        let [receive, transmit] = &BUFFERS.0;
        let [receive, transmit] = [receive, transmit].map(|buffer| buffer.as_ptr() as u64);
        // The buffers are words that others may write, and stay there for ever.
        ffa::succeed(FuncId::RxTxMap64, [transmit, receive, 1])?;
        Ok(Self(()))
    }

    /// Makes FFA_MEM_RETRIEVE_REQ with a descriptor, and copies the beginning of the response's: as much of it as the manager says
    /// it has written, and no word that an earlier response left behind. The manager may know more of it: that is for the caller
    /// to find in what was copied.
    ///
    /// # Errors
    /// [`MailboxError`]; nothing was retrieved then.
    pub fn retrieve<'r>(self, request: &[u64], response: &'r mut [u64]) -> Result<&'r [u64], MailboxError> {
        const RESPONSE: u32 = FuncId::MemRetrieveResp as u32;
        let _in_use = IN_USE.try_lock().ok_or(MailboxError::InUse)?;
        let length = write(request)?;
        let answer = ffa::send(FuncId::MemRetrieveReq32, [length, length]);
        // x2 is the status of an error, and the length of this fragment in bytes of a response (DEN 0140, 2.5).
        let [function, _, status_or_length, ..] = answer;
        if low(function) != RESPONSE {
            return Err(ffa::refusal(low(function), low(status_or_length)).into());
        }
        let written = usize::try_from(low(status_or_length)).unwrap_or(0) / size_of::<u64>();
        let [receive, _] = &BUFFERS.0;
        let mut copied = 0_usize;
        for (to, from) in response.iter_mut().zip(receive).take(written) {
            *to = from.load(Ordering::Relaxed);
            copied = copied.wrapping_add(1);
        }
        // The next response needs it; where the manager does not take it back, there will be none.
        let _: Result<_, CallError> = ffa::succeed(FuncId::RxRelease, []);
        Ok(response.get(..copied).unwrap_or_default())
    }

    /// Makes FFA_MEM_RELINQUISH with a descriptor.
    ///
    /// # Safety
    /// Nothing may use the memory any more, and it must not be mapped.
    ///
    /// # Errors
    /// [`MailboxError`]; it was not given back then.
    pub unsafe fn relinquish(self, descriptor: &[u64]) -> Result<(), MailboxError> {
        let _in_use = IN_USE.try_lock().ok_or(MailboxError::InUse)?;
        write(descriptor)?;
        ffa::succeed(FuncId::MemRelinquish, [])?;
        Ok(())
    }
}

/// Writes a descriptor to the TX buffer; returns its length in bytes.
fn write(words: &[u64]) -> Result<u64, MailboxError> {
    let [_, transmit] = &BUFFERS.0;
    let room = transmit.get(..words.len()).ok_or(MailboxError::TooLong)?;
    for (to, from) in room.iter().zip(words) {
        to.store(*from, Ordering::Relaxed);
    }
    Ok(size_of_val(words) as u64)
}
