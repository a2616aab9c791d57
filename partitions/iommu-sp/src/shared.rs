// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that clients share: got from the partition manager, mapped in the window. What may be shared, and for how long, is decided
//! in `iommu_core::shared`.
#![expect(unsafe_code, reason = "gives memory back to the partition manager")]

use core::sync::atomic::AtomicU64;
use ffa_abi::{PhysAddr, Status};
use iommu_core::shared::spec::{self, RESPONSE_WORDS, Unusable};
use iommu_core::shared::{AreaPages, MAX_AREA_PAGES, MAX_AREAS, SharedMemory};
use sp_runtime::mmu::{InUse, Window};
use sp_runtime::{EndpointId, Mailbox, MailboxError};

const _: () = assert!(Window::PLACES == MAX_AREAS && Window::PAGES == MAX_AREA_PAGES);

/// The way to the partition manager.
#[derive(Debug)]
pub(crate) struct Shared {
    mailbox: Mailbox,
    window: Window,
    own: EndpointId,
}

impl Shared {
    pub(crate) const fn new(mailbox: Mailbox, window: Window, own: EndpointId) -> Self {
        Self { mailbox, window, own }
    }
}

impl SharedMemory for Shared {
    fn retrieve(&self, sender: u16, memory: u64) -> Result<AreaPages, Status> {
        let request = spec::retrieve_request(self.own.0, sender, memory);
        let mut response = [0; RESPONSE_WORDS];
        let response = self.mailbox.retrieve(&request, &mut response).map_err(refused)?;
        spec::retrieve_response(response, self.own.0, sender, memory).map_err(|unusable| {
            // Where it is not taken back, the client cannot reclaim it; nobody here uses it.
            let _: Result<(), Status> = self.relinquish(memory);
            match unusable {
                Unusable::Size => Status::OutOfRange,
                Unusable::Kind => Status::Denied,
            }
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

    fn relinquish(&self, memory: u64) -> Result<(), Status> {
        let descriptor = spec::relinquish(self.own.0, memory);
        // SAFETY: memory that was retrieved is reached by the window alone, and the table of areas gives back only what it has
        // unmapped there, or never mapped.
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
