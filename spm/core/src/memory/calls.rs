// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The registers of memory management calls (MM chapter 2), and what each does under the lock.

use arm_ffa::FfaError;
use heapless::Vec;

use super::descriptor::{Descriptor, Sent, relinquished};
use super::response::{Description, Part, Reader, Receive};
use super::send::Progress;
use super::share::{Handle, Retrieval};
use super::spec::{Format, Transaction};
use super::{Caller, Memory, Owner, State, World};
use crate::common_calls::Party;
use crate::function;
use crate::hardware::Hardware;
use crate::mailbox::{Mailbox, MailboxOwner};
use crate::registers::{MessageRegisters, answer, low_half};

/// A call: its registers, who makes it, and with what.
struct Call<'a, H> {
    registers: &'a MessageRegisters,
    caller: Caller,
    /// Whether it is told by bit 6 of attributes that memory is non-secure.
    tells_security: bool,
    mailbox: &'a Mailbox,
    owner: MailboxOwner,
    hardware: &'a H,
    world: World<'a, H>,
}

/// What goes into x0–x7.
type Answer = [u32; 8];

impl Memory {
    /// Serves a memory management call, if the function is one. `vms` are mailboxes beside the caller's own that lie in memory
    /// which it speaks for.
    ///
    /// # Errors
    /// The status for the caller; `NotSupported` if the function is none.
    pub(crate) fn serve<H: Hardware>(
        &self,
        function: u32,
        party: &Party<'_>,
        vms: &[Mailbox],
        registers: &mut MessageRegisters,
        hardware: &H,
        world: World<'_, H>,
    ) -> Result<(), FfaError> {
        let owner = party.owner.into();
        let format = Format::of(party.version.agreed());
        let mut state = self.0.lock();
        let mut buffers = Vec::new();
        for pair in core::iter::once(party.mailbox).chain(vms).filter_map(Mailbox::buffers) {
            // There is room for the normal world's own and those of all its VMs.
            _ = buffers.push(pair.receive);
            _ = buffers.push(pair.send);
        }
        let call = Call {
            registers,
            caller: Caller { owner, id: party.id, format, buffers },
            tells_security: format != Format::V1_0 || party.wants_security,
            mailbox: party.mailbox,
            owner: party.owner,
            hardware,
            world,
        };
        let values = call.serve(function, &mut state)?;
        answer(registers, values);
        Ok(())
    }
}

impl<H: Hardware> Call<'_, H> {
    fn serve(&self, function: u32, state: &mut State) -> Result<Answer, FfaError> {
        match function {
            function::MEM_SHARE_32 | function::MEM_SHARE_64 => {
                self.send(Transaction::Share, function == function::MEM_SHARE_64, state)
            }
            function::MEM_LEND_32 | function::MEM_LEND_64 => {
                self.send(Transaction::Lend, function == function::MEM_LEND_64, state)
            }
            function::MEM_DONATE_32 | function::MEM_DONATE_64 => {
                self.send(Transaction::Donate, function == function::MEM_DONATE_64, state)
            }
            function::MEM_FRAG_TX => self.send_more(state),
            function::MEM_RETRIEVE_REQ_32 => self.retrieve(false, state),
            function::MEM_RETRIEVE_REQ_64 => self.retrieve(true, state),
            function::MEM_FRAG_RX => self.describe_more(state),
            function::MEM_RELINQUISH => self.relinquish(state),
            function::MEM_RECLAIM => {
                let flags = self.word(3);
                state.reclaim(self.caller.owner, self.handle(), flags, &self.world)?;
                Ok(success(0, 0))
            }
            _ => Err(FfaError::NotSupported),
        }
    }

    fn word(&self, index: usize) -> u32 {
        low_half(self.registers.get(index).copied().unwrap_or_default())
    }

    /// The handle in w1 and w2.
    fn handle(&self) -> Handle {
        Handle::from_registers(self.word(1), self.word(2))
    }

    /// Checks w1 to w4 of a call that brings a descriptor: its length, that of its first fragment, and a buffer beside the
    /// send buffer, which is not offered (FFA_FEATURES says so).
    fn lengths(&self, is_64bit: bool) -> Result<(u32, usize), FfaError> {
        let (total, fragment) = (self.word(1), self.word(2));
        let address = if is_64bit { self.registers[3] } else { u64::from(self.word(3)) };
        if address != 0 || self.word(4) != 0 || fragment > total {
            return Err(FfaError::InvalidParameters);
        }
        Ok((total, usize::try_from(fragment).map_err(|_| FfaError::InvalidParameters)?))
    }

    /// Lets `work` read `length` bytes of the send buffer.
    fn read<R>(
        &self,
        length: usize,
        work: impl FnOnce(&Sent<'_, H>) -> Result<R, FfaError>,
    ) -> Result<R, FfaError> {
        self.mailbox.with_send_buffer(|size| {
            if length > size {
                return Err(FfaError::InvalidParameters);
            }
            work(&Sent { hardware: self.hardware, owner: self.owner, length })
        })
    }

    fn send(&self, transaction: Transaction, is_64bit: bool, state: &mut State) -> Result<Answer, FfaError> {
        let (total, fragment) = self.lengths(is_64bit)?;
        let progress =
            self.read(fragment, |sent| state.send(transaction, &self.caller, total, sent, &self.world))?;
        Ok(self.progressed(progress))
    }

    fn send_more(&self, state: &mut State) -> Result<Answer, FfaError> {
        let handle = self.handle();
        self.check_endpoint(handle, state)?;
        let fragment = usize::try_from(self.word(3)).map_err(|_| FfaError::InvalidParameters)?;
        let progress =
            self.read(fragment, |sent| state.send_more(handle, &self.caller, sent, &self.world))?;
        Ok(self.progressed(progress))
    }

    fn progressed(&self, progress: Progress) -> Answer {
        match progress {
            Progress::Done(handle) => {
                let (low, high) = handle.registers();
                success(low, high)
            }
            Progress::More { handle, offset, sender } => {
                let (low, high) = handle.registers();
                [function::MEM_FRAG_RX, low, high, offset, self.endpoint(sender), 0, 0, 0]
            }
        }
    }

    fn retrieve(&self, is_64bit: bool, state: &mut State) -> Result<Answer, FfaError> {
        let (total, fragment) = self.lengths(is_64bit)?;
        if total != self.word(2) {
            // No request is longer than the smallest buffer.
            return Err(FfaError::InvalidParameters);
        }
        let request = self.read(fragment, |sent| {
            let request = Descriptor::parse(sent, self.caller.format)?;
            // A hypervisor may send the larger header of a later version, and zeros.
            let whole = request.end == fragment || request.access.is_empty();
            if whole { Ok(request) } else { Err(FfaError::InvalidParameters) }
        })?;
        match self.caller.owner {
            Owner::NormalWorld => {
                let place = state.find_for_hypervisor(&request)?;
                let description = self.description(place, Reader::Hypervisor);
                let part = state.part(description, 0, self.room()?)?;
                self.deliver(part, |buffer| {
                    state.describe(description, part, buffer);
                    Ok(())
                })?;
                Ok(response(part))
            }
            Owner::Partition(receiver) => {
                let grant = state.check_retrieval(receiver, &self.caller, &request, &self.world)?;
                let description = self.description(grant.place, Reader::Receiver(receiver));
                let part = state.part(description, 0, self.room()?)?;
                self.deliver(part, |buffer| {
                    state.retrieve(receiver, grant, &self.world)?;
                    state.describe(description, part, buffer);
                    Ok(())
                })?;
                Ok(response(part))
            }
        }
    }

    /// FFA_MEM_FRAG_RX: the next part of what a retrieve request is answered by.
    fn describe_more(&self, state: &State) -> Result<Answer, FfaError> {
        let handle = self.handle();
        self.check_endpoint(handle, state)?;
        let place = state.shares.find(handle)?;
        let share = state.shares.get(place);
        let reader = match self.caller.owner {
            Owner::NormalWorld if share.owner == Owner::NormalWorld => Reader::Hypervisor,
            Owner::Partition(receiver)
                if share
                    .receiver_at(receiver)
                    .is_some_and(|entry| matches!(entry.retrieval, Retrieval::Retrieved(_))) =>
            {
                Reader::Receiver(receiver)
            }
            Owner::NormalWorld | Owner::Partition(_) => return Err(FfaError::InvalidParameters),
        };
        let description = self.description(place, reader);
        let offset = usize::try_from(self.word(3)).map_err(|_| FfaError::InvalidParameters)?;
        if offset == 0 {
            return Err(FfaError::InvalidParameters);
        }
        let part = state.part(description, offset, self.room()?)?;
        self.deliver(part, |buffer| {
            state.describe(description, part, buffer);
            Ok(())
        })?;
        let (low, high) = handle.registers();
        Ok([function::MEM_FRAG_TX, low, high, narrow(part.length), self.endpoint(share.sender), 0, 0, 0])
    }

    fn relinquish(&self, state: &mut State) -> Result<Answer, FfaError> {
        let Owner::Partition(borrower) = self.caller.owner else {
            return Err(FfaError::NotSupported);
        };
        let (handle, flags, endpoint) = self.mailbox.with_send_buffer(|size| {
            relinquished(&Sent { hardware: self.hardware, owner: self.owner, length: size })
        })?;
        if endpoint != self.caller.id.0 {
            return Err(FfaError::InvalidParameters);
        }
        state.relinquish(borrower, handle, flags, &self.world)?;
        Ok(success(0, 0))
    }

    const fn description(&self, place: usize, reader: Reader) -> Description {
        Description { place, reader, format: self.caller.format, tells_security: self.tells_security }
    }

    /// Size of the receive buffer.
    fn room(&self) -> Result<usize, FfaError> {
        let pair = self.mailbox.buffers().ok_or(FfaError::Denied)?;
        usize::try_from(pair.receive.size()).map_err(|_| FfaError::NoMemory)
    }

    fn deliver(
        &self,
        part: Part,
        fill: impl FnOnce(&Receive<'_, H>) -> Result<(), FfaError>,
    ) -> Result<(), FfaError> {
        self.mailbox.deliver(self.owner, part.length, self.hardware, || {
            fill(&Receive { hardware: self.hardware, owner: self.owner })
        })
    }

    /// Checks w4 of a fragment: nothing, or the sender's ID in bits 31–16.
    fn check_endpoint(&self, handle: Handle, state: &State) -> Result<(), FfaError> {
        let sender = state.shares.get(state.shares.find(handle)?).sender;
        let named = self.word(4);
        if named == 0 || named == u32::from(sender) << 16 { Ok(()) } else { Err(FfaError::InvalidParameters) }
    }

    /// What w4 of a fragment tells: the sender's ID in bits 31–16, to the normal world alone.
    fn endpoint(&self, sender: u16) -> u32 {
        match self.caller.owner {
            Owner::NormalWorld => u32::from(sender) << 16,
            Owner::Partition(_) => 0,
        }
    }
}

fn success(w2: u32, w3: u32) -> Answer {
    [function::SUCCESS_32, 0, w2, w3, 0, 0, 0, 0]
}

fn response(part: Part) -> Answer {
    [function::MEM_RETRIEVE_RESP, narrow(part.total), narrow(part.length), 0, 0, 0, 0, 0]
}

#[expect(clippy::cast_possible_truncation, reason = "lengths of descriptors whose parts were counted by u32")]
const fn narrow(value: usize) -> u32 {
    value as u32
}
