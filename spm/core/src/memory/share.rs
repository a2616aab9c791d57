// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Transactions: their states, their handles, and how many each endpoint may have.

use arm_ffa::FfaError;
use heapless::Vec;

use super::constituents::List;
use super::ownership::Owner;
use super::spec::{Permissions, Transaction, access};
use crate::manifest::MAX_PARTITIONS;
use crate::manifest::region::Security;
use crate::stage2::Rights;

/// Most transactions that the normal world has open.
pub(super) const MAX_NORMAL_WORLD_SHARES: usize = 64;
/// Most transactions that a partition has open.
pub(super) const MAX_PARTITION_SHARES: usize = 8;
/// Most constituents of all transactions of the normal world.
pub(super) const MAX_NORMAL_WORLD_CONSTITUENTS: usize = 6144;
/// Most constituents of all transactions of a partition.
pub(super) const MAX_PARTITION_CONSTITUENTS: usize = 256;
/// Most receivers of a transaction.
pub(super) const MAX_RECEIVERS: usize = MAX_PARTITIONS;
const MAX_SHARES: usize = MAX_NORMAL_WORLD_SHARES + MAX_PARTITIONS * MAX_PARTITION_SHARES;
const _: () = assert!(
    MAX_NORMAL_WORLD_CONSTITUENTS + MAX_PARTITIONS * MAX_PARTITION_CONSTITUENTS
        <= super::constituents::MAX_CONSTITUENTS,
    "no endpoint's constituents are in another's way"
);

/// Globally unique name of a transaction (MM §1.10.2). Bit 63 is 0: spm gave it out, not a hypervisor. Zero and -1 are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(u64);

impl Handle {
    /// Bits 7–0: the place, below [`MAX_SHARES`]; above, the generation, which is never 0.
    const PLACE_BITS: u32 = 8;

    fn new(place: usize, generation: u32) -> Self {
        Self(u64::from(generation) << Self::PLACE_BITS | place as u64)
    }

    /// Takes what a caller says is a handle, from two 32-bit registers.
    #[must_use]
    pub fn from_registers(low: u32, high: u32) -> Self {
        Self(u64::from(high) << 32 | u64::from(low))
    }

    /// Takes what a caller says is a handle.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Returns the number.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Returns it as two 32-bit registers hold it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "takes it apart")]
    pub const fn registers(self) -> (u32, u32) {
        (self.0 as u32, (self.0 >> 32) as u32)
    }

    const fn place(self) -> usize {
        (self.0 & ((1 << Self::PLACE_BITS) - 1)) as usize
    }
}

const _: () = assert!(MAX_SHARES <= 1 << Handle::PLACE_BITS, "a place fits the handle");

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nowhere: the place is free.
    Free,
    /// Its constituents are still arriving in fragments. Nobody's access has changed.
    Arriving {
        /// Bytes of the descriptor so far.
        received: u32,
        /// Constituents that are still to come.
        missing: u32,
    },
    /// In force.
    Live,
    /// A donation that was retrieved: the sender has no part in it any more, and the receiver may still read its ranges.
    Given,
}

/// What a receiver does with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retrieval {
    /// It may retrieve it.
    Offered,
    /// It has it mapped.
    Retrieved(Rights),
    /// It was stopped, and never will.
    Gone,
}

/// One receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiver {
    pub(super) id: u16,
    /// Its place in the list of partitions.
    pub(super) place: usize,
    /// As the sender stated them.
    pub(super) permissions: Permissions,
    pub(super) implementation_defined: [u8; access::IMPLEMENTATION_DEFINED_BYTES],
    pub(super) retrieval: Retrieval,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Share {
    generation: u32,
    pub(super) phase: Phase,
    pub(super) transaction: Transaction,
    pub(super) owner: Owner,
    /// The sender's ID, as it states it.
    pub(super) sender: u16,
    pub(super) security: Security,
    /// As the sender stated them.
    pub(super) attributes: u16,
    pub(super) tag: u64,
    /// It was zero when it was sent.
    pub(super) zeroed: bool,
    /// A borrower wants zeros when the last one has relinquished.
    pub(super) zero_after: bool,
    /// The sender was stopped: nobody reclaims it.
    pub(super) orphaned: bool,
    pub(super) receivers: Vec<Receiver, MAX_RECEIVERS>,
    pub(super) ranges: List,
    pub(super) pages: u32,
}

impl Share {
    const fn free() -> Self {
        Self {
            generation: 0,
            phase: Phase::Free,
            transaction: Transaction::Share,
            owner: Owner::NormalWorld,
            sender: 0,
            security: Security::Secure,
            attributes: 0,
            tag: 0,
            zeroed: false,
            zero_after: false,
            orphaned: false,
            receivers: Vec::new(),
            ranges: List::EMPTY,
            pages: 0,
        }
    }

    /// Tells whether some receiver has the memory mapped.
    pub(super) fn is_retrieved(&self) -> bool {
        self.receivers.iter().any(|receiver| matches!(receiver.retrieval, Retrieval::Retrieved(_)))
    }

    /// Returns the entry of the partition at `place`.
    pub(super) fn receiver_at(&self, place: usize) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.place == place)
    }

    /// As [`Share::receiver_at`].
    pub(super) fn receiver_at_mut(&mut self, place: usize) -> Option<&mut Receiver> {
        self.receivers.iter_mut().find(|receiver| receiver.place == place)
    }
}

/// All transactions.
pub(super) struct Shares {
    slots: [Share; MAX_SHARES],
}

impl Shares {
    pub(super) const fn new() -> Self {
        Self { slots: [const { Share::free() }; MAX_SHARES] }
    }

    /// Finds the transaction of a handle.
    ///
    /// # Errors
    /// `InvalidParameters`: there is none, or not any more.
    pub(super) fn find(&self, handle: Handle) -> Result<usize, FfaError> {
        let place = handle.place();
        match self.slots.get(place) {
            Some(share) if share.phase != Phase::Free && Handle::new(place, share.generation) == handle => {
                Ok(place)
            }
            _ => Err(FfaError::InvalidParameters),
        }
    }

    /// Returns the handle of the transaction at `place`.
    pub(super) fn handle(&self, place: usize) -> Handle {
        Handle::new(place, self.get(place).generation)
    }

    /// Returns the transaction at `place`, which [`Shares::find`] or [`Shares::open`] gave out.
    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length, which is a power of two")]
    pub(super) fn get(&self, place: usize) -> &Share {
        &self.slots[place % MAX_SHARES]
    }

    /// As [`Shares::get`].
    #[expect(clippy::indexing_slicing, reason = "as above")]
    pub(super) fn get_mut(&mut self, place: usize) -> &mut Share {
        &mut self.slots[place % MAX_SHARES]
    }

    /// Returns all places.
    pub(super) fn places(&self) -> core::ops::Range<usize> {
        0..self.slots.len()
    }

    /// Returns how many constituents `owner` may have beside those that it has.
    pub(super) fn constituents_left(&self, owner: Owner) -> usize {
        let most = match owner {
            Owner::NormalWorld => MAX_NORMAL_WORLD_CONSTITUENTS,
            Owner::Partition(_) => MAX_PARTITION_CONSTITUENTS,
        };
        self.of(owner).fold(most, |left, share| left.saturating_sub(share.ranges.len()))
    }

    /// Finds a place for a transaction of `owner`: a free one, or else that of a donation that nobody needs. It is the
    /// caller's to [`super::State::close`] the one before it, and then to fill it.
    ///
    /// # Errors
    /// `NoMemory`: it has as many as it may.
    pub(super) fn open(&self, owner: Owner) -> Result<usize, FfaError> {
        let most = match owner {
            Owner::NormalWorld => MAX_NORMAL_WORLD_SHARES,
            Owner::Partition(_) => MAX_PARTITION_SHARES,
        };
        let open = self.of(owner).fold(0_usize, |count, _| count.saturating_add(1));
        let wanted = if open < most {
            |share: &Share, _: Owner| share.phase == Phase::Free
        } else {
            |share: &Share, owner: Owner| share.phase == Phase::Given && share.owner == owner
        };
        self.slots.iter().position(|share| wanted(share, owner)).ok_or(FfaError::NoMemory)
    }

    fn of(&self, owner: Owner) -> impl Iterator<Item = &Share> {
        self.slots.iter().filter(move |share| share.phase != Phase::Free && share.owner == owner)
    }

    /// Frees a place whose constituents are released; the handle never means anything again.
    pub(super) fn free(&mut self, place: usize) {
        let generation = self.get(place).generation;
        *self.get_mut(place) = Share { generation, ..Share::free() };
    }

    /// Fills a place that [`Shares::open`] found and that is free.
    pub(super) fn fill(&mut self, place: usize, share: Share) {
        // It comes round after 2^32 transactions at this place, and is never 0.
        let generation = self.get(place).generation.checked_add(1).unwrap_or(1);
        *self.get_mut(place) = Share { generation, ..share };
    }

    /// Makes a transaction to fill a place with, without receivers or constituents.
    pub(super) fn new_share(transaction: Transaction, owner: Owner, sender: u16) -> Share {
        Share { transaction, owner, sender, ..Share::free() }
    }
}
