// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The identity domain: all memory that the kernel may use, at its physical addresses. One table for all SMMUs, made when the
//! service starts; there is no handle, and nothing in it is a pin.
//!
//! Where pages move, the table follows inside of the move: what the kernel loses is removed and forgotten by SMMUs before
//! the move is made, what it is given is added when it was. So the lock of moves is the table's lock, too.

use super::slot::MAX_DOMAINS;
use crate::ownership::{Followers, Ownership};
use crate::policy::{HypRole, MAX_DEVICES, MAX_SMMUS, Policy, Range};
use crate::pool::{Owner, Pool, Quota};
use crate::seeded::{Bug, seeded};
use crate::smmu::{BlockChanges, Smmu, SmmuError, StreamConfig, TlbRange, Vmid};
use crate::sync::{AtomicU32, AtomicU64};
use crate::table::{Format, Geometry, LeafSize, PAGE_SIZE, Table};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use ffa_abi::{Iova, Pages, SmmuIndex, SmmuState, Status};

/// The tag of its translations: none of a slot's.
const VMID: Vmid = Vmid(129);
const _: () = assert!(VMID.0 as usize == MAX_DOMAINS + 1 && VMID.0 < 256);
/// Bytes of a block that may have to be split.
const BLOCK: u64 = LeafSize::Block2M.bytes();

/// The identity domain.
#[derive(Debug)]
pub struct Identity<'a> {
    table: Table<'a>,
    /// Pages of the pool that are kept for it, one for each block: no split finds the pool empty.
    splits: Quota,
    /// The largest leaf that may stand in the table.
    largest: LeafSize,
    /// What all SMMUs that may walk it allow.
    block_changes: BlockChanges,
    /// SMMUs, a bit each, that may know something of it. Changes under the lock of moves.
    known: AtomicU32,
    /// By SMMU: devices, a bit each, that may be in it. Changes under the lock of moves.
    inside: [AtomicU64; MAX_SMMUS],
}

const _: () = assert!(MAX_DEVICES <= 64 && MAX_SMMUS <= 32, "each has a bit");

/// Returns the bit of a device.
fn device_bit(device: usize) -> u64 {
    u32::try_from(device).map_or(0, |device| 1_u64.unbounded_shl(device))
}

/// Returns the bit of an SMMU.
fn smmu_bit(smmu: SmmuIndex) -> u32 {
    1_u32.unbounded_shl(smmu.0.into())
}

/// Why there can be no identity domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// An SMMU puts out too few address bits to translate managed memory from where it is.
    OutputBits(usize, u8),
    /// The pool has fewer pages than the tables may need.
    Pool(u64),
    /// An SMMU has stage 1 alone, another stage 2: there is one table for all of them.
    Format(usize),
}

impl<'a> Identity<'a> {
    /// Makes the domain where the policy has a device for it. All managed memory is the kernel's still, and no device is
    /// anywhere: it may take as long as there is memory to map.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn new<S: Smmu>(
        policy: &Policy,
        limit: u64,
        smmus: &[S],
        pool: &'a Pool<'a>,
    ) -> Result<Option<Self>, IdentityError> {
        let wanted = policy.identity_pages_needed();
        if wanted == 0 {
            return Ok(None);
        }
        let has_device = |index: usize| {
            policy.devices.iter().any(|device| device.identity && usize::from(device.smmu) == index)
        };
        let geometry = Geometry::below(limit);
        let (mut block_changes, mut format) = (BlockChanges::Free, None);
        for (index, smmu) in smmus.iter().enumerate().filter(|(index, _)| has_device(*index)) {
            let features = smmu.features();
            if *format.get_or_insert(features.format) != features.format {
                return Err(IdentityError::Format(index));
            }
            if !geometry.is_some_and(|geometry| geometry.fits(features.format, features.output_bits)) {
                return Err(IdentityError::OutputBits(index, features.output_bits));
            }
            block_changes = block_changes.min(features.block_changes);
        }
        let largest = match (policy.hyp, block_changes) {
            (HypRole::Absent, _) => LeafSize::Block1G,
            // Nothing larger: a message has a bound, and fills the tables that take a block's place.
            (HypRole::Required, BlockChanges::Marked | BlockChanges::Free) => LeafSize::Block2M,
            (HypRole::Required, BlockChanges::BreakFirst) => LeafSize::Page4K,
        };
        let few = IdentityError::Pool(wanted);
        let (Some(geometry), Some(owner)) = (geometry, Owner::new(MAX_DOMAINS)) else { return Err(few) };
        if (pool.available() as u64) < wanted {
            return Err(few);
        }
        let count = |pages: u64| u32::try_from(pages).map_err(|_| few);
        let start = Quota::new(count(wanted)?);
        let format = format.unwrap_or(Format::Stage2);
        let table = Table::new(pool, (owner, &start), geometry, format).ok_or(few)?;
        for range in &policy.managed {
            table.map_to_itself(range.base, range.size, largest, &start).map_err(|_| few)?;
        }
        let blocks = policy.managed.iter().map(Range::whole_blocks).fold(0, u64::saturating_add);
        let splits = if largest == LeafSize::Block2M { blocks } else { 0 };
        Ok(Some(Self {
            table,
            splits: Quota::new(count(splits)?),
            largest,
            block_changes,
            known: AtomicU32::new(0),
            inside: [const { AtomicU64::new(0) }; MAX_SMMUS],
        }))
    }

    /// Returns how many pages of the pool it may take some day.
    pub fn pages_to_come(&self) -> u32 {
        self.splits.left()
    }

    /// Returns what the streams of a device are to be set to, by who sets it.
    ///
    /// # Errors
    /// [`Status::Busy`] while pages move.
    pub(super) fn enter(
        &self,
        smmu: SmmuIndex,
        device: usize,
        ownership: &Ownership<'_>,
    ) -> Result<StreamConfig, Status> {
        let inside = self.inside.get(usize::from(smmu.0)).ok_or(Status::Denied)?;
        if inside.load(Acquire) & device_bit(device) == 0 {
            // Not in the middle of a move: either it finds the bits, or this SMMU finds what it has made of the table.
            let _no_move = ownership.while_nothing_moves()?;
            inside.fetch_or(device_bit(device), Release);
            self.known.fetch_or(smmu_bit(smmu), Release);
        }
        Ok(StreamConfig::translated(VMID, &self.table))
    }

    /// Notes, by who sets a device, that its streams are set to something else by now. When the last one behind an SMMU has left,
    /// and that has forgotten the domain, it is asked no more: where it fails later, pages move nevertheless.
    ///
    /// Where pages are moving, or the SMMU has failed, the device counts until it is set again.
    pub(super) fn leave<S: Smmu>(
        &self,
        smmu: SmmuIndex,
        device: usize,
        ownership: &Ownership<'_>,
        driver: &S,
    ) {
        let Some(inside) = self.inside.get(usize::from(smmu.0)) else { return };
        if inside.load(Acquire) & device_bit(device) == 0 {
            return;
        }
        // Nobody enters meanwhile, and no move has asked which SMMUs know of it.
        let Ok(_no_move) = ownership.while_nothing_moves() else { return };
        let is_last = inside.load(Acquire) & !device_bit(device) == 0;
        if is_last && driver.invalidate_vmid(VMID).is_err() {
            return;
        }
        inside.fetch_and(!device_bit(device), Release);
        if is_last {
            self.known.fetch_and(!smmu_bit(smmu), Release);
        }
    }

    /// Tells whether all SMMUs that may know something of the domain do what they are told, as far as is known.
    fn can_forget<S: Smmu>(&self, smmus: &[S]) -> bool {
        self.knowing(smmus).all(|smmu| smmu.report().state == SmmuState::Works)
    }

    fn knowing<'s, S: Smmu>(&self, smmus: &'s [S]) -> impl Iterator<Item = &'s S> {
        let known = self.known.load(Relaxed);
        let bits = (0..u32::BITS).map(|index| 1_u32.unbounded_shl(index));
        bits.zip(smmus).filter(move |(bit, _)| known & bit != 0).map(|(_, smmu)| smmu)
    }

    /// Takes pages out; when this returns, no device reaches them by this domain.
    fn take<S: Smmu>(&self, smmus: &[S], Pages { first, count }: Pages) -> Result<(), Status> {
        let (base, size) = (first.0, u64::from(count).wrapping_mul(PAGE_SIZE));
        let end = base.wrapping_add(size);
        // What is left of a block is of another size from now on, all of it is to be forgotten.
        let (mut from, mut to) = (base, end);
        for edge in [base, end] {
            if edge & (BLOCK - 1) != 0 && self.split(smmus, edge)? {
                from = from.min(edge & !(BLOCK - 1));
                to = to.max((edge | (BLOCK - 1)).wrapping_add(1));
            }
        }
        self.table.unmap_from_itself(base, size).map_err(|_| Status::Tampered)?;
        // Not only if something was there: an SMMU that failed to forget it before may know it still.
        self.forget(smmus, from, to.wrapping_sub(from), None).map_err(|_| Status::Hardware)
    }

    /// Has the block that an address is in mapped by pages. Tells whether it was one.
    fn split<S: Smmu>(&self, smmus: &[S], address: u64) -> Result<bool, Status> {
        let Some(block) = self.table.block_at(address).map_err(|_| Status::Tampered)? else {
            return Ok(false);
        };
        match self.block_changes {
            BlockChanges::Free => {}
            BlockChanges::Marked => {
                block.mark();
                self.forget(smmus, block.base(), BLOCK, Some(LeafSize::Block2M))
                    .map_err(|_| Status::Hardware)?;
            }
            // The table has no blocks then.
            BlockChanges::BreakFirst => return Err(Status::Tampered),
        }
        block.split(&self.splits).map_err(|_| Status::NoMemory)?;
        Ok(true)
    }

    fn forget<S: Smmu>(
        &self,
        smmus: &[S],
        base: u64,
        size: u64,
        leaves: Option<LeafSize>,
    ) -> Result<(), SmmuError> {
        let range = TlbRange { iova: Iova(base), size, leaves, tables: false };
        let mut outcome = Ok(());
        for smmu in self.knowing(smmus) {
            outcome = outcome.and(smmu.invalidate_range(VMID, &range));
        }
        outcome
    }

    /// Adds pages.
    fn give<S: Smmu>(&self, smmus: &[S], Pages { first, count }: Pages) {
        let size = u64::from(count).wrapping_mul(PAGE_SIZE);
        // Memory for tables was set aside, so this ends early only where somebody has written in a table: pages that are not
        // reached are the loss of those who did, and nobody else's.
        let _: Result<(), _> = self.table.map_to_itself(first.0, size, self.largest, &self.splits);
        smmus.iter().for_each(Smmu::publish);
    }
}

/// What follows the moves of pages: the identity domain, where there is one, behind these SMMUs.
#[derive(Debug)]
pub(crate) struct Follow<'f, 'a, S> {
    pub(crate) identity: Option<&'f Identity<'a>>,
    pub(crate) smmus: &'f [S],
}

impl<S: Smmu> Followers for Follow<'_, '_, S> {
    fn lose(&self, pages: Pages) -> Result<(), Status> {
        let Some(identity) = self.identity.filter(|_| !seeded(Bug::IdentityKeeps)) else { return Ok(()) };
        // That it aborts by now is no proof: what it let through before may still be under way (IHI 0070, 6.3.9.6). And devices behind
        // others are not to meet pages that are gone for a moment.
        if !identity.can_forget(self.smmus) {
            return Err(Status::Hardware);
        }
        identity.take(self.smmus, pages).inspect_err(|_| identity.give(self.smmus, pages))
    }

    fn gain(&self, pages: Pages) {
        if let Some(identity) = self.identity {
            identity.give(self.smmus, pages);
        }
    }
}
