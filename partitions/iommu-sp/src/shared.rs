// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that clients share or lend: got from the partition manager, mapped in windows. What may be, and for how long, is decided
//! in `iommu_core::shared`.
#![expect(unsafe_code, reason = "unmaps what was lent, and gives memory back to the partition manager")]

use core::sync::atomic::AtomicU64;
use ffa_abi::{PhysAddr, Status};
use iommu_core::pool::{MAX_CHUNK_PAGES, MAX_CHUNKS};
use iommu_core::shared::spec::{self, RESPONSE_WORDS, Transaction, Unusable};
use iommu_core::shared::{AreaPages, LentRange, MAX_AREA_PAGES, MAX_AREAS, SharedMemory};
use sp_runtime::mmu::{Chunks, InUse, Window};
use sp_runtime::{EndpointId, Mailbox, MailboxError};

const _: () = assert!(Window::PLACES == MAX_AREAS && Window::PAGES == MAX_AREA_PAGES);
const _: () = assert!(Chunks::PLACES == MAX_CHUNKS && Chunks::PAGES == MAX_CHUNK_PAGES);

/// The way to the partition manager.
#[derive(Debug)]
pub(crate) struct Shared {
    mailbox: Mailbox,
    window: Window,
    chunks: Chunks,
    own: EndpointId,
}

impl Shared {
    pub(crate) const fn new(mailbox: Mailbox, window: Window, own: EndpointId) -> Self {
        Self { mailbox, window, chunks: Chunks::of(window), own }
    }

    /// Retrieves memory, and reads of the response what `read` makes of it.
    fn retrieved<R>(
        &self,
        transaction: Transaction,
        (sender, memory): (u16, u64),
        read: impl FnOnce(&[u64]) -> Result<R, Unusable>,
    ) -> Result<R, Status> {
        let request = spec::retrieve_request(transaction, self.own.0, sender, memory);
        let mut response = [0; RESPONSE_WORDS];
        let response = self.mailbox.retrieve(&request, &mut response).map_err(refused)?;
        read(response).map_err(|unusable| {
            // Where it is not taken back, the client cannot reclaim it; nobody here uses it.
            let _: Result<(), Status> = self.relinquish(memory);
            match unusable {
                Unusable::Size => Status::OutOfRange,
                Unusable::Kind => Status::Denied,
            }
        })
    }
}

impl SharedMemory for Shared {
    fn retrieve(&self, sender: u16, memory: u64) -> Result<AreaPages, Status> {
        self.retrieved(Transaction::Share, (sender, memory), |response| {
            spec::retrieve_response(response, self.own.0, sender, memory)
        })
    }

    fn map(&self, place: usize, pages: &AreaPages) -> Result<(), Status> {
        let mut addresses = [0; MAX_AREA_PAGES];
        addresses.iter_mut().zip(pages).for_each(|(to, PhysAddr(page))| *to = *page);
        let addresses = addresses.get(..pages.len()).unwrap_or_default();
        self.window.map(place, addresses).map_err(|_| Status::NoMemory)
    }

    fn with(&self, place: usize, use_it: &mut dyn FnMut(&[AtomicU64])) {
        let _: Option<()> = self.window.with(place, use_it);
    }

    fn unmap(&self, place: usize) -> Result<(), Status> {
        self.window.unmap(place).map_err(|InUse| Status::Busy)
    }

    fn retrieve_lent(&self, sender: u16, memory: u64) -> Result<LentRange, Status> {
        self.retrieved(Transaction::Lend, (sender, memory), |response| {
            spec::lent_response(response, self.own.0, sender, memory)
        })
    }

    fn map_lent(&self, place: usize, range: LentRange) -> Result<&'static [AtomicU64], Status> {
        self.chunks.map(place, range.base.0, range.pages.into()).map_err(|_| Status::NoMemory)
    }

    fn unmap_lent(&self, place: usize) {
        // SAFETY: the table of loans unmaps what is not the pool's any more, after each domain was left by everybody who was in
        // it: tables are reached from there alone. What it keeps of the words itself it drops.
        unsafe { self.chunks.unmap(place) };
    }

    fn relinquish(&self, memory: u64) -> Result<(), Status> {
        let descriptor = spec::relinquish(self.own.0, memory);
        // SAFETY: memory that was retrieved is reached by the windows alone, and the tables of areas and of loans give back only
        // what they have unmapped there, or never mapped.
        unsafe { self.mailbox.relinquish(&descriptor) }.map_err(refused)
    }
}

/// Says to a client what the manager said: it may try again, or what it named is not to be had.
const fn refused(error: MailboxError) -> Status {
    match error {
        MailboxError::InUse => Status::Busy,
        MailboxError::TooLong | MailboxError::Call(_) => Status::Denied,
    }
}
