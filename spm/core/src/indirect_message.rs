// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MSG_SEND2: a message from the send buffer of one endpoint into the receive buffer of another (FF-A 1.3 §8.2, §15.1).
//!
//! The header is copied once, checked, and written anew; the payload goes from buffer to buffer in pieces, as it is.

use arm_ffa::{FfaError, Uuid};

use crate::common_calls::Party;
use crate::endpoint::{EndpointId, sender_and_receiver, w1};
use crate::hardware::Hardware;
use crate::mailbox::{Mailbox, MailboxOwner};
use crate::manifest::messaging::MessagingMethod;
use crate::partition::find;
use crate::registers::MessageRegisters;
use crate::seeded::{Bug, seeded};
use crate::spmc::Spmc;

/// Size of a message's header without the protocol's UUID, as before FF-A 1.2, in bytes.
const SHORT_HEADER: usize = 24;
/// Size with it.
const HEADER: usize = 40;
/// Pieces in which a payload is copied, in bytes.
const PIECE: usize = 256;

/// The header of a message (FF-A 1.3 table 8.1), as it was found in a send buffer. Everything in it is the sender's claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where the payload starts, in bytes from the start of the buffer.
    pub offset: usize,
    /// Who sends.
    pub sender: EndpointId,
    /// Who is to receive.
    pub receiver: EndpointId,
    /// Size of the payload in bytes.
    pub size: usize,
    /// The protocol; nil where the header is too short to name it.
    pub uuid: Uuid,
}

impl Header {
    /// Reads the header at the start of the send buffer of `owner`, which has `room` bytes, and checks that the message lies
    /// in the buffer.
    ///
    /// # Errors
    /// `InvalidParameters`: the sender is to blame.
    fn read(owner: MailboxOwner, room: usize, hardware: &impl Hardware) -> Result<Self, FfaError> {
        let mut bytes = [0; HEADER];
        hardware.read_send_buffer(owner, 0, &mut bytes);
        let [_, _, offset, ids, size, _, u0, u1, u2, u3] = words(&bytes);
        let (offset, size) = (offset as usize, size as usize);
        let end = offset.checked_add(size).ok_or(FfaError::InvalidParameters)?;
        if offset < SHORT_HEADER || end > room {
            return Err(FfaError::InvalidParameters);
        }
        let uuid = [u0, u1, u2, u3].map(u32::to_le_bytes);
        let uuid = uuid.as_flattened().first_chunk().filter(|_| offset >= HEADER);
        let (sender, receiver) = sender_and_receiver(u64::from(ids));
        Ok(Self {
            offset,
            sender,
            receiver,
            size,
            uuid: uuid.map_or(Uuid::nil(), |uuid| Uuid::from_bytes(*uuid)),
        })
    }

    /// Returns it as bytes, as many as there are before the payload, or all that are defined.
    fn bytes(&self) -> ([u8; HEADER], usize) {
        let mut bytes = [0; HEADER];
        let (words, _) = bytes.as_chunks_mut::<4>();
        let [_, _, offset, ids, size, ..] = words else { return (bytes, 0) };
        // Both are below the size of a buffer.
        *offset = u32::try_from(self.offset).unwrap_or_default().to_le_bytes();
        *ids = w1(self.sender, self.receiver).to_le_bytes();
        *size = u32::try_from(self.size).unwrap_or_default().to_le_bytes();
        let (_, uuid) = bytes.split_at_mut(SHORT_HEADER);
        uuid.copy_from_slice(self.uuid.as_bytes());
        (bytes, self.offset.min(HEADER))
    }
}

fn words(bytes: &[u8; HEADER]) -> [u32; HEADER / 4] {
    let mut words = [0; HEADER / 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// Where a message goes.
struct Destination<'a> {
    /// The receiver's buffers.
    mailbox: &'a Mailbox,
    /// Whose they are.
    owner: MailboxOwner,
}

/// Copies the message with this header, which is checked, from the send buffer of `from`.
fn copy(
    header: &Header,
    from: MailboxOwner,
    to: &Destination<'_>,
    hardware: &impl Hardware,
) -> Result<(), FfaError> {
    // Checked not to overflow.
    let length = header.offset.saturating_add(header.size);
    to.mailbox.deliver(to.owner, length, hardware, || {
        let (head, defined) = header.bytes();
        hardware.write_receive_buffer(to.owner, 0, head.get(..defined).unwrap_or_default());
        for start in (defined..length).step_by(PIECE) {
            let mut piece = [0; PIECE];
            let piece = piece.get_mut(..PIECE.min(length.saturating_sub(start))).unwrap_or_default();
            hardware.read_send_buffer(from, start, piece);
            hardware.write_receive_buffer(to.owner, start, piece);
        }
        Ok(())
    })
}

impl Spmc {
    /// FFA_MSG_SEND2, for whom the normal world and partitions are alike but for the question in whose name they send.
    pub(crate) fn send_indirect(
        &self,
        party: &Party<'_>,
        registers: &MessageRegisters,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        let (vm, _) = sender_and_receiver(registers[1]);
        let message = match party.on_behalf_of(vm)? {
            None => self.send_from(party.id, party.owner, party.mailbox, hardware)?,
            Some(vm) => self.vms().with(vm, |mailbox, owner| self.send_from(vm, owner, mailbox, hardware))?,
        };
        self.notify_of_message(&message, party, registers, hardware);
        Ok(())
    }

    /// Sends the message in the send buffer of `sender`. Returns its header.
    ///
    /// # Errors
    /// `InvalidParameters` or `Denied` for what may not be sent, or no buffer to send from; `Busy` if the receiver's is not
    /// free, `NoMemory` if it is too small.
    fn send_from(
        &self,
        sender: EndpointId,
        from: MailboxOwner,
        mailbox: &Mailbox,
        hardware: &impl Hardware,
    ) -> Result<Header, FfaError> {
        mailbox.with_send_buffer(|room| {
            let header = Header::read(from, room, hardware)?;
            self.check_sender(sender, &header)?;
            if header.receiver.is_secure() {
                copy(&header, from, &self.receiving_partition(&header)?, hardware)?;
            } else if !sender.is_secure() {
                // Between VMs, it is their hypervisor that carries messages.
                return Err(FfaError::InvalidParameters);
            } else if header.receiver == EndpointId(0) {
                let to = Destination { mailbox: self.normal_mailbox(), owner: MailboxOwner::NormalWorld };
                copy(&header, from, &to, hardware)?;
            } else {
                self.vms().with(header.receiver, |mailbox, owner| {
                    copy(&header, from, &Destination { mailbox, owner }, hardware)
                })?;
            }
            Ok(header)
        })
    }

    /// Checks that a message comes from whom its header says, who may send it.
    fn check_sender(&self, sender: EndpointId, header: &Header) -> Result<(), FfaError> {
        let own = header.sender == sender || seeded(Bug::FalseHeader);
        if !own || header.receiver == sender {
            return Err(FfaError::InvalidParameters);
        }
        if let Some(partition) = self.partitions().iter().find(|partition| partition.id() == sender)
            && !partition.messaging().allows(MessagingMethod::INDIRECT)
        {
            return Err(FfaError::Denied);
        }
        Ok(())
    }

    /// Finds the partition that is to receive a message, and checks that it takes such ones and is there to take them.
    fn receiving_partition(&self, header: &Header) -> Result<Destination<'_>, FfaError> {
        let (place, partition) =
            find(self.partitions(), header.receiver).ok_or(FfaError::InvalidParameters)?;
        if partition.is_stopped() {
            // Table 15.4 has no ABORTED.
            return Err(FfaError::Denied);
        }
        match partition.service_allows(header.uuid, MessagingMethod::INDIRECT) {
            Some(true) => {
                Ok(Destination { mailbox: &partition.mailbox, owner: MailboxOwner::Partition(place) })
            }
            Some(false) => Err(FfaError::Denied),
            None => Err(FfaError::InvalidParameters),
        }
    }
}
