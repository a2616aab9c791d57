// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Map and unmap of lists in one domain: as for single ranges, but what is dear is done once for all of a list. That is finding
//! the domain, making entries visible, and waiting for SMMUs to forget.

use super::paging::{map_status, unmap_status};
use super::slot::Held;
use super::{Domains, ENTRIES_PER_CALL, Means};
use crate::client::Client;
use crate::ownership::{Owned, Ownership};
use crate::policy::Range;
use crate::seeded::{Bug, seeded};
use crate::smmu::{Invalidated, Smmu};
use crate::table::{Mapping, Progress, Unmapped};
use ffa_abi::{DomainHandle, Iova, Protection, Status};

/// How much a message may still do, in steps that are each as much work as a table entry: some thirty instructions.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// What one message may do.
    #[must_use]
    pub const fn of_a_message() -> Self {
        Self(ENTRIES_PER_CALL)
    }

    /// Takes steps, or what is left of them.
    pub const fn take(&mut self, steps: usize) {
        self.0 = self.0.saturating_sub(steps);
    }

    /// Tells whether nothing is left.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// Steps that an entry of a list takes beside those of the tables.
const ENTRY_STEPS: usize = 4;

/// How far a list got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// [`Status::Ok`] for all of it, [`Status::Again`] where the budget was spent, or why it ended where it did.
    pub status: Status,
    /// Bytes of the list that this call did.
    pub bytes: u64,
    /// How many of them were mapped before an unmap.
    pub removed: u64,
}

impl Listed {
    /// Nothing was done yet.
    const START: Self = Self { status: Status::Ok, bytes: 0, removed: 0 };
}

impl<'a> Domains<'a> {
    /// Maps memory here and there so that it follows itself from an IOVA on. `memory` was checked, or says why it may not be
    /// mapped.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`]; what comes later stands in the answer.
    pub fn map_list<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        (iova, protection): (Iova, Protection),
        memory: impl Iterator<Item = Result<Owned, Status>>,
        budget: &mut Budget,
        means: Means<'_, S>,
    ) -> Result<Listed, Status> {
        let held = self.hold(client, handle)?;
        let domain = held.domain()?;
        let smmu = means.smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
        let mut listed = Listed::START;
        for memory in memory {
            if budget.is_spent() {
                listed.status = Status::Again;
                break;
            }
            budget.take(ENTRY_STEPS);
            let entry = memory.and_then(|memory| {
                let base = iova.0.checked_add(listed.bytes).ok_or(Status::OutOfRange)?;
                let inside = domain.window.contains(&Range { base, size: memory.size() });
                if inside { Ok((base, memory)) } else { Err(Status::OutOfRange) }
            });
            let (base, memory) = match entry {
                Ok(entry) => entry,
                Err(status) => {
                    listed.status = status;
                    break;
                }
            };
            let mapping = Mapping { iova: Iova(base), pa: memory.base(), size: memory.size(), protection };
            let Progress { bytes, end } =
                domain.table.map_within(&mapping, means.quota, means.ownership, &mut budget.0);
            // No more than the window.
            listed.bytes = listed.bytes.wrapping_add(bytes);
            if let Err(error) = end {
                listed.status = map_status(error);
                break;
            }
            if bytes < memory.size() {
                listed.status = Status::Again;
                break;
            }
        }
        // As for a single range, there is nothing to invalidate.
        if !seeded(Bug::MapNotPublished) {
            smmu.publish();
        }
        Ok(listed)
    }

    /// Unmaps ranges, and returns when no device can use what was mapped any more. Tables stay.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`]; [`Status::Hardware`] where the SMMU may still use what was mapped. What comes
    /// later stands in the answer.
    pub fn unmap_list<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        ranges: impl Iterator<Item = (Iova, u64)>,
        budget: &mut Budget,
        means: Means<'_, S>,
    ) -> Result<Listed, Status> {
        let held = self.hold(client, handle)?;
        let domain = held.domain()?;
        let smmu = means.smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
        let mut listed = Listed::START;
        let mut unmapped = domain.table.removal(means.ownership);
        'list: for (mut iova, mut size) in ranges {
            if !domain.window.contains(&Range { base: iova.0, size }) {
                listed.status = Status::OutOfRange;
                break;
            }
            budget.take(ENTRY_STEPS);
            loop {
                if budget.is_spent() {
                    listed.status = Status::Again;
                    break 'list;
                }
                let Progress { bytes, end } =
                    domain.table.unmap_within((iova, size), &mut budget.0, false, &mut unmapped);
                listed.bytes = listed.bytes.wrapping_add(bytes);
                if let Err(error) = end {
                    listed.status = unmap_status(error);
                    break 'list;
                }
                if bytes >= size {
                    break;
                }
                (iova, size) = (Iova(iova.0.wrapping_add(bytes)), size.wrapping_sub(bytes));
                if !budget.is_spent() {
                    // There was no room to note one more table. Each such wait counts for what it costs.
                    budget.take(SYNC_STEPS);
                    listed.removed =
                        listed.removed.wrapping_add(settle(smmu, &held, &unmapped, means.ownership)?);
                    unmapped = domain.table.removal(means.ownership);
                }
            }
        }
        listed.removed = listed.removed.wrapping_add(settle(smmu, &held, &unmapped, means.ownership)?);
        Ok(listed)
    }
}

/// Steps that an invalidation takes, waiting for the SMMU left out.
const SYNC_STEPS: usize = 16;

/// Has the SMMU forget all that was removed, by one wait, and lets the memory go. Returns how many bytes were mapped.
fn settle(
    smmu: &impl Smmu,
    held: &Held<'_, '_>,
    unmapped: &Unmapped<'_>,
    pins: &Ownership<'_>,
) -> Result<u64, Status> {
    if unmapped.bytes > 0 {
        let domain = held.domain()?;
        if seeded(Bug::SettledEarly) {
            domain.table.settle(unmapped, Invalidated::never_reachable(), pins);
        }
        let proof = Invalidated::ranges(smmu, domain.vmid, &mut unmapped.ranges());
        domain.table.settle(unmapped, proof.map_err(|_| Status::Hardware)?, pins);
    }
    Ok(unmapped.bytes)
}
