// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RETRIEVE_REQ (MM §2.4): a receiver maps what it was offered; or the normal world's hypervisor asks what its VM
//! has sent.

use arm_ffa::FfaError;

use super::descriptor::{Access, Descriptor};
use super::share::{Phase, Receiver, Retrieval, Share};
use super::spec::{
    Attributes, DataAccess, Format, InstructionAccess, Permissions, Transaction, access, flag,
};
use super::{AddressSpaces, Caller, MAX_ZEROED_PAGES, Owner, State, World};
use crate::manifest::region::Security;
use crate::partition::Partition;
use crate::seeded::{Bug, seeded};
use crate::stage2::{Grain, Rights};

/// How borrowers' memory is mapped: it goes back as it came. A donation may be shared on by parts.
pub(super) const BORROWED: Grain = Grain::Blocks;

/// A retrieval that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// The transaction.
    pub(super) place: usize,
    rights: Rights,
    zero_after: bool,
}

impl State {
    /// Checks a request of the partition at `receiver`.
    pub(super) fn check_retrieval(
        &self,
        receiver: usize,
        caller: &Caller,
        request: &Descriptor,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<Grant, FfaError> {
        let place = self.shares.find(request.handle)?;
        let share = self.shares.get(place);
        let offered = share.receiver_at(receiver).ok_or(FfaError::InvalidParameters)?;
        let again = offered.retrieval != Retrieval::Offered && !seeded(Bug::RetrievedAgain);
        if share.phase != Phase::Live || share.orphaned || again {
            return Err(FfaError::Denied);
        }
        // Without a stage 1 it could not name the memory.
        if share.security == Security::NonSecure
            && world.partitions.get(receiver).is_some_and(Partition::is_application)
        {
            return Err(FfaError::Denied);
        }
        if request.sender != share.sender || request.tag != share.tag {
            return Err(FfaError::InvalidParameters);
        }
        check_borrowers(share, request, caller)?;
        let own = request.access.iter().find(|entry| entry.endpoint == caller.id.0);
        let own = own.ok_or(FfaError::InvalidParameters)?;
        if own.flags != 0 {
            return Err(FfaError::InvalidParameters);
        }
        match request.attributes {
            Attributes::NotSpecified | Attributes::WriteBack => {}
            Attributes::Other => return Err(FfaError::Denied),
        }
        let rights = self.rights(share, offered, own.permissions, world)?;
        let zero_after = check_flags(share, request.flags, rights, caller.format)?;
        Ok(Grant { place, rights, zero_after })
    }

    /// Works out what a receiver gets. What the sender, or it itself, does not say is as much as there is, but execution.
    fn rights(
        &self,
        share: &Share,
        offered: &Receiver,
        wanted: Permissions,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<Rights, FfaError> {
        let mut most = Rights { write: offered.permissions.data == DataAccess::ReadWrite, execute: false };
        // MM §1.10.3: whoever is to have the memory alone may execute what its sender could; in the secure world.
        let alone = share.transaction == Transaction::Donate
            || (share.transaction == Transaction::Lend && share.receivers.len() == 1);
        if alone {
            let mut sender = Rights::ALL;
            for range in self.constituents.ranges(share.ranges) {
                let holding = self.holding(share.owner, range, world).ok_or(FfaError::Denied)?;
                sender.write &= holding.rights.write;
                sender.execute &= holding.rights.execute && holding.security == Security::Secure;
            }
            most.write |= share.transaction == Transaction::Donate && sender.write;
            most.execute = sender.execute;
        }
        let execute = wanted.instruction == InstructionAccess::Executable;
        let write = match wanted.data {
            DataAccess::ReadOnly => false,
            DataAccess::ReadWrite => true,
            DataAccess::NotSpecified => most.write && !execute,
        };
        let rights = Rights { write, execute };
        // Nothing that a partition is given is writable and executable at once.
        if most.cover(rights) && !(write && execute) { Ok(rights) } else { Err(FfaError::Denied) }
    }

    /// Maps the memory for the partition at `receiver`, and makes it the owner of a donation.
    ///
    /// # Errors
    /// `NoMemory`; nothing has changed then.
    pub(super) fn retrieve(
        &mut self,
        receiver: usize,
        grant: Grant,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), FfaError> {
        let share = self.shares.get(grant.place);
        let donated = share.transaction == Transaction::Donate;
        let grain = if donated { Grain::Pages } else { BORROWED };
        if donated && !self.ownership.has_room_for(share.owner, share.ranges.len()) {
            return Err(FfaError::NoMemory);
        }
        let security = share.security;
        for range in self.constituents.ranges(share.ranges) {
            if world.spaces.prepare(receiver, security, range, grain).is_err() {
                self.trim_at(receiver, share, world);
                world.spaces.publish(receiver);
                return Err(FfaError::NoMemory);
            }
        }
        for range in self.constituents.ranges(share.ranges) {
            world.spaces.map(receiver, security, range, grain, grant.rights);
        }
        world.spaces.publish(receiver);
        if donated {
            for range in self.constituents.ranges(share.ranges) {
                self.ownership.give(range, (share.owner, receiver), security, grant.rights);
            }
            if let Owner::Partition(sender) = share.owner {
                self.trim_at(sender, share, world);
                world.spaces.publish(sender);
            }
            self.constituents.unclaim(super::narrow_place(grant.place));
        }
        let share = self.shares.get_mut(grant.place);
        if donated {
            share.phase = Phase::Given;
        }
        share.zero_after |= grant.zero_after;
        if let Some(entry) = share.receiver_at_mut(receiver) {
            entry.retrieval = Retrieval::Retrieved(grant.rights);
        }
        Ok(())
    }

    /// Finds the transaction that the normal world's hypervisor asks for by its handle alone (MM §2.4.3, `retrieval by
    /// hypervisor`).
    pub(super) fn find_for_hypervisor(&self, request: &Descriptor) -> Result<usize, FfaError> {
        let asks_nothing_else = request.access.is_empty()
            && request.flags == 0
            && request.tag == 0
            && request.attributes == Attributes::NotSpecified;
        let place = self.shares.find(request.handle)?;
        let share = self.shares.get(place);
        let is_its = share.owner == Owner::NormalWorld && share.phase == Phase::Live;
        let sender_fits = request.sender == 0 || request.sender == share.sender;
        if asks_nothing_else && is_its && sender_fits { Ok(place) } else { Err(FfaError::InvalidParameters) }
    }
}

/// Checks that a request names the receivers that the sender named, and asks for no other addresses than those of the
/// memory.
fn check_borrowers(share: &Share, request: &Descriptor, caller: &Caller) -> Result<(), FfaError> {
    let bypassed = caller.format == Format::V1_2 && request.flags & flag::BYPASS_BORROWERS != 0;
    let expected = if bypassed { 1 } else { share.receivers.len() };
    // The flag is about several borrowers (MM table 1.22, bit 10).
    if bypassed && share.receivers.len() == 1 {
        return Err(FfaError::InvalidParameters);
    }
    if request.access.len() != expected {
        return Err(FfaError::InvalidParameters);
    }
    let fits = |entry: &Access| {
        let receiver = share.receivers.iter().find(|receiver| receiver.id == entry.endpoint);
        let same_information = |receiver: &Receiver| {
            entry.implementation_defined == [0; access::IMPLEMENTATION_DEFINED_BYTES]
                || entry.implementation_defined == receiver.implementation_defined
        };
        entry.composite_offset == 0
            && entry.flags & !access::FLAG_NOT_RETRIEVED == 0
            && receiver.is_some_and(same_information)
    };
    // Each entry names another endpoint, so that as many entries as receivers are all of them.
    if request.access.iter().all(fits) { Ok(()) } else { Err(FfaError::InvalidParameters) }
}

/// Checks a request's flags (MM table 1.22); returns whether zeros are to be written when the memory comes back.
fn check_flags(share: &Share, flags: u32, rights: Rights, format: Format) -> Result<bool, FfaError> {
    let mut known = flag::ZERO | flag::ZERO_AFTER | flag::KIND_BITS;
    if format == Format::V1_2 {
        known |= flag::BYPASS_BORROWERS;
    }
    let kind = flags & flag::KIND_BITS;
    // Alignment hints are among those that are refused: memory is mapped at its physical address.
    if flags & !known != 0 || (kind != 0 && kind != share.transaction.flags()) {
        return Err(FfaError::InvalidParameters);
    }
    let zeroes = flags & (flag::ZERO | flag::ZERO_AFTER) != 0;
    if zeroes && share.transaction == Transaction::Share {
        return Err(FfaError::InvalidParameters);
    }
    // It wants the memory only if its sender had it zeroed.
    if flags & flag::ZERO != 0 && !share.zeroed {
        return Err(FfaError::Denied);
    }
    let zero_after = flags & flag::ZERO_AFTER != 0;
    if (zeroes && !rights.write) || (zero_after && share.pages > MAX_ZEROED_PAGES) {
        return Err(FfaError::Denied);
    }
    // The new owner gives a donation to nobody.
    if zero_after && share.transaction == Transaction::Donate {
        return Err(FfaError::InvalidParameters);
    }
    Ok(zero_after)
}
