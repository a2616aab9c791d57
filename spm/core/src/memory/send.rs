// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_SHARE, FFA_MEM_LEND, FFA_MEM_DONATE and FFA_MEM_FRAG_TX (MM §2.1 to §2.3, §2.8.2): from a descriptor to a
//! transaction in force.
//!
//! Constituents are stored while they arrive, which changes nobody's access. When the last one is there, all are checked
//! against the sender's memory, put in force, and then, where the sender loses access, taken from its stage 2.

use arm_ffa::FfaError;

use super::constituents::Overlap;
use super::descriptor::{Access, Composite, Descriptor, Sent, constituent};
use super::ownership::Owner;
use super::share::{Handle, Phase, Receiver, Retrieval, Share, Shares};
use super::spec::{Attributes, DataAccess, InstructionAccess, Transaction, composite, flag};
use super::{AddressSpaces, Caller, MAX_ZEROED_PAGES, State, World, narrow_place, pages_of};
use crate::endpoint::EndpointId;
use crate::hardware::Hardware;
use crate::partition::find;
use crate::stage2::{Grain, Rights};

/// Constituents that are copied at a time.
const CHUNK: usize = 32;

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is in force.
    Done(Handle),
    /// Its descriptor goes on at `offset`.
    More { handle: Handle, offset: u32, sender: u16 },
}

impl State {
    /// Begins a transaction with the first fragment, or all, of its descriptor of `total` bytes.
    pub(super) fn send(
        &mut self,
        transaction: Transaction,
        caller: &Caller,
        total: u32,
        sent: &Sent<'_, impl Hardware>,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<Progress, FfaError> {
        let descriptor = Descriptor::parse(sent, caller.format)?;
        let zeroed = check_sender(transaction, caller, &descriptor)?;
        let mut share = Shares::new_share(transaction, caller.owner, descriptor.sender);
        share.attributes = descriptor.raw_attributes;
        share.tag = descriptor.tag;
        share.zeroed = zeroed;
        let mut composite_offset = None;
        for access in &descriptor.access {
            let receiver = receiver(transaction, caller, access, world)?;
            // One region for all: each entry names the same composite descriptor.
            if *composite_offset.get_or_insert(access.composite_offset) != access.composite_offset {
                return Err(FfaError::InvalidParameters);
            }
            share.receivers.push(receiver).map_err(|_| FfaError::InvalidParameters)?;
        }
        let offset = composite_offset.ok_or(FfaError::InvalidParameters)?;
        let composite = Composite::parse(sent, offset, descriptor.end, total)?;
        if zeroed && composite.pages > MAX_ZEROED_PAGES {
            return Err(FfaError::Denied);
        }
        share.pages = composite.pages;
        share.phase = Phase::Arriving { received: narrow(composite.first), missing: composite.ranges };
        self.make_room(caller.owner, composite.ranges as usize)?;
        let place = self.shares.open(caller.owner)?;
        self.close(place);
        self.shares.fill(place, share);
        self.take(place, caller, sent, composite.first, world)
    }

    /// Checks that `owner` may have `ranges` more constituents; if it takes that, its donations end that their receivers have.
    fn make_room(&mut self, owner: Owner, ranges: usize) -> Result<(), FfaError> {
        if self.shares.constituents_left(owner) < ranges {
            for place in self.shares.places() {
                let share = self.shares.get(place);
                if share.owner == owner && share.phase == Phase::Given {
                    self.close(place);
                }
            }
        }
        if self.shares.constituents_left(owner) < ranges { Err(FfaError::NoMemory) } else { Ok(()) }
    }

    /// Goes on with the next fragment.
    pub(super) fn send_more(
        &mut self,
        handle: Handle,
        caller: &Caller,
        sent: &Sent<'_, impl Hardware>,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<Progress, FfaError> {
        let place = self.shares.find(handle)?;
        let share = self.shares.get(place);
        if share.owner != caller.owner || !matches!(share.phase, Phase::Arriving { .. }) {
            return Err(FfaError::InvalidParameters);
        }
        self.take(place, caller, sent, 0, world)
    }

    /// Takes the constituents from `offset` to the end of what was sent. A transaction that goes wrong is dropped.
    fn take(
        &mut self,
        place: usize,
        caller: &Caller,
        sent: &Sent<'_, impl Hardware>,
        offset: usize,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<Progress, FfaError> {
        let progress = self.store(place, sent, offset).and_then(|progress| {
            if let Progress::Done(_) = progress {
                self.put_in_force(place, caller, world)?;
            }
            Ok(progress)
        });
        if progress.is_err() {
            self.close(place);
        }
        progress
    }

    fn store(
        &mut self,
        place: usize,
        sent: &Sent<'_, impl Hardware>,
        offset: usize,
    ) -> Result<Progress, FfaError> {
        let handle = self.shares.handle(place);
        let owner = self.shares.get(place).owner;
        let share = self.shares.get_mut(place);
        let Phase::Arriving { received, missing } = share.phase else {
            return Err(FfaError::InvalidParameters);
        };
        let bytes = sent.length.saturating_sub(offset);
        let count = bytes / composite::CONSTITUENT_BYTES;
        // Fragments end between constituents; an empty one would never end.
        if !bytes.is_multiple_of(composite::CONSTITUENT_BYTES) || count > missing as usize {
            return Err(FfaError::InvalidParameters);
        }
        if count == 0 && offset == 0 {
            return Err(FfaError::InvalidParameters);
        }
        self.make_room(owner, count)?;
        let share = self.shares.get_mut(place);
        let mut chunk = [0; CHUNK * composite::CONSTITUENT_BYTES];
        let mut at = offset;
        while at < sent.length {
            let bytes = chunk.len().min(sent.length - at);
            let part = chunk.get_mut(..bytes).ok_or(FfaError::InvalidParameters)?;
            sent.copy(at, part)?;
            at = at.saturating_add(bytes);
            for entry in part.as_chunks().0 {
                let range = constituent(entry)?;
                let stored = self.constituents.push(&mut share.ranges, narrow_place(place), range);
                stored.map_err(|_| FfaError::NoMemory)?;
            }
        }
        let offset = received.saturating_add(narrow(bytes));
        let missing = missing.saturating_sub(narrow(count));
        share.phase = Phase::Arriving { received: offset, missing };
        if missing == 0 {
            Ok(Progress::Done(handle))
        } else {
            Ok(Progress::More { handle, offset, sender: share.sender })
        }
    }

    /// Checks all constituents against the sender's memory and puts the transaction in force.
    fn put_in_force(
        &mut self,
        place: usize,
        caller: &Caller,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), FfaError> {
        let share = self.shares.get(place);
        let wanted = Rights { write: wants_writing(share), execute: false };
        let exclusive = share.transaction != Transaction::Share;
        let mut security = None;
        let mut pages = 0_u64;
        for range in self.constituents.ranges(share.ranges) {
            pages = pages_of(range).saturating_add(pages);
            let holding = self.holding(share.owner, range, world).ok_or(FfaError::Denied)?;
            if *security.get_or_insert(holding.security) != holding.security {
                return Err(FfaError::Denied);
            }
            if !holding.rights.cover(wanted) || (exclusive && holding.grain != Grain::Pages) {
                return Err(FfaError::Denied);
            }
            if caller.buffers.iter().any(|buffer| buffer.overlaps(range)) {
                return Err(FfaError::Denied);
            }
        }
        if pages != u64::from(share.pages) {
            return Err(FfaError::InvalidParameters);
        }
        let ranges = share.ranges;
        self.constituents.claim(ranges).map_err(|overlap| match overlap {
            Overlap::Within => FfaError::InvalidParameters,
            Overlap::WithOther => FfaError::Denied,
        })?;
        let share = self.shares.get_mut(place);
        share.phase = Phase::Live;
        share.security = security.ok_or(FfaError::InvalidParameters)?;
        let share = self.shares.get(place);
        if let (Owner::Partition(sender), true) = (share.owner, exclusive) {
            self.unmap_from(sender, share, world);
            world.spaces.publish(sender);
        }
        if share.zeroed
            && let Err(status) = self.zero(share, world)
        {
            if let Owner::Partition(sender) = share.owner {
                // Its tables are still there.
                _ = self.return_to_owner(sender, share, world);
            }
            return Err(status);
        }
        Ok(())
    }
}

/// Checks what a sender says of itself and of the memory; returns whether it wants zeros.
fn check_sender(
    transaction: Transaction,
    caller: &Caller,
    descriptor: &Descriptor,
) -> Result<bool, FfaError> {
    let own = match caller.owner {
        Owner::NormalWorld => !EndpointId(descriptor.sender).is_secure(),
        Owner::Partition(_) => descriptor.sender == caller.id.0,
    };
    if !own {
        return Err(FfaError::Denied);
    }
    // MM table 1.21: sharing zeroes nothing; the handle is spm's to give.
    let zeroed = match (transaction, descriptor.flags) {
        (_, 0) => false,
        (Transaction::Lend | Transaction::Donate, flag::ZERO) => true,
        _ => return Err(FfaError::InvalidParameters),
    };
    if descriptor.handle.raw() != 0 || (transaction == Transaction::Donate && descriptor.access.len() != 1) {
        return Err(FfaError::InvalidParameters);
    }
    // MM §1.10.4: with one receiver that gets the memory alone, the attributes are the receiver's to choose.
    let alone = transaction != Transaction::Share && descriptor.access.len() == 1;
    match descriptor.attributes {
        Attributes::NotSpecified => Ok(zeroed),
        Attributes::WriteBack | Attributes::Other if alone => Err(FfaError::InvalidParameters),
        Attributes::WriteBack => Ok(zeroed),
        // spm maps memory by other attributes neither for the sender nor for receivers.
        Attributes::Other => Err(FfaError::Denied),
    }
}

/// Checks one receiver (MM table 1.7, §1.10.2, §1.10.3).
fn receiver(
    transaction: Transaction,
    caller: &Caller,
    access: &Access,
    world: &World<'_, impl AddressSpaces>,
) -> Result<Receiver, FfaError> {
    let id = EndpointId(access.endpoint);
    // Memory between endpoints of the normal world is the hypervisor's, and partitions give it none.
    if !id.is_secure() {
        return Err(FfaError::Denied);
    }
    let (place, partition) = find(world.partitions, id).ok_or(FfaError::InvalidParameters)?;
    if caller.owner == Owner::Partition(place) || access.flags != 0 {
        return Err(FfaError::InvalidParameters);
    }
    if partition.is_stopped() {
        return Err(FfaError::Denied);
    }
    let donated = transaction == Transaction::Donate;
    let chosen = access.permissions.data != DataAccess::NotSpecified;
    if donated == chosen || access.permissions.instruction != InstructionAccess::NotSpecified {
        return Err(FfaError::InvalidParameters);
    }
    Ok(Receiver {
        id: id.0,
        place,
        permissions: access.permissions,
        implementation_defined: access.implementation_defined,
        retrieval: Retrieval::Offered,
    })
}

/// Tells whether the sender has to be able to write: a receiver is to, or it wants zeros.
fn wants_writing(share: &Share) -> bool {
    let writes = |receiver: &Receiver| receiver.permissions.data == DataAccess::ReadWrite;
    share.zeroed || share.receivers.iter().any(writes)
}

#[expect(clippy::cast_possible_truncation, reason = "a number of bytes or entries of one buffer")]
const fn narrow(value: usize) -> u32 {
    value as u32
}
