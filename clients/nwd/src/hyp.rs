// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The iommu service as a hypervisor calls it: each message with the key that the claim gave.

use crate::iommu::{Iommu, IommuError};
use ffa_abi::{
    Fault, HypRequest, Key, PageOwner, PageState, Pages, PhysAddr, PoolRequest, Request, Response, Status,
};
use thiserror::Error;

/// Bytes of a page.
const PAGE: u64 = 4096;

/// Why pages were not moved. None of them was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoveError {
    /// The message did not come through.
    #[error("{0}")]
    Iommu(#[from] IommuError),
    /// The service refused, and named the first page that is in the way.
    #[error("status {0:?}, in the way is {1:#x}")]
    InTheWay(Status, u64),
}

/// The hypervisor's side of the service.
#[derive(Clone, Copy, Debug)]
pub struct Hyp {
    iommu: Iommu,
    key: Key,
}

impl Hyp {
    /// Claims the role. Once in a system's life.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn claim(iommu: Iommu) -> Result<Self, IommuError> {
        let [low, high, ..] = iommu.request(Request::Claim)?;
        Ok(Self { iommu, key: Key::from_registers([low, high]) })
    }

    /// Speaks with a key, right or wrong.
    #[must_use]
    pub const fn with_key(iommu: Iommu, key: Key) -> Self {
        Self { iommu, key }
    }

    /// Returns the key.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Sends a request, and returns x4–x7 of a successful answer.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn request(&self, request: HypRequest) -> Result<[u64; 4], IommuError> {
        match self.iommu.raw(request.encode(self.key))? {
            Response { status: Status::Ok, values } => Ok(values),
            Response { status, .. } => Err(IommuError::Status(status)),
        }
    }

    /// Asks for something about memory for tables, by one call; returns x4–x7 of a successful answer.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn pool(&self, request: PoolRequest) -> Result<[u64; 4], IommuError> {
        self.request(HypRequest::Pool(request))
    }

    /// Asks how many messages came with a wrong key since boot.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn wrong_keys(&self) -> Result<u64, IommuError> {
        self.request(HypRequest::Statistics).map(|[wrong, ..]| wrong)
    }

    /// Moves pages by one call.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub fn change(&self, request: HypRequest) -> Result<(), MoveError> {
        match self.iommu.raw(request.encode(self.key))? {
            Response { status: Status::Ok, .. } => Ok(()),
            Response { status, values: [at, ..] } => Err(MoveError::InTheWay(status, at)),
        }
    }

    /// Takes pages from the kernel, by as many calls as it takes; where one is refused, those before it are undone.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub fn own(&self, first: PhysAddr, count: u64, owner: PageOwner) -> Result<(), MoveError> {
        let mut done = 0;
        for pages in chunks(first, count) {
            if let Err(error) = self.change(HypRequest::Own(pages, owner)) {
                self.disown(first, done, owner)?;
                return Err(error);
            }
            done += u64::from(pages.count);
        }
        Ok(())
    }

    /// Gives pages back to the kernel, by as many calls as it takes.
    ///
    /// # Errors
    /// See [`MoveError`]; what was given back before stays so.
    pub fn disown(&self, first: PhysAddr, count: u64, owner: PageOwner) -> Result<(), MoveError> {
        chunks(first, count).try_for_each(|pages| self.change(HypRequest::Disown(pages, owner)))
    }

    /// Takes the oldest fault report of the hypervisor's devices.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn fault(&self) -> Result<Option<Fault>, IommuError> {
        match self.request(HypRequest::FaultPoll) {
            Ok([0, ..]) | Err(IommuError::Status(Status::Empty)) => Ok(None),
            Ok([x4, x5, x6, x7]) => {
                let fault = Fault::from_registers([x4, x5, x6]);
                fault.map(Some).ok_or(IommuError::Malformed([0, x4, x5, x6, x7]))
            }
            Err(error) => Err(error),
        }
    }

    /// Asks whose a page is.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn page(&self, address: PhysAddr) -> Result<PageState, IommuError> {
        let [x4, x5, x6, x7] = self.request(HypRequest::PageState(address))?;
        PageState::from_registers([x4, x5]).ok_or(IommuError::Malformed([0, x4, x5, x6, x7]))
    }
}

/// Cuts pages into what one call takes.
fn chunks(first: PhysAddr, count: u64) -> impl Iterator<Item = Pages> {
    const EACH: u64 = 512;
    (0..count.div_ceil(EACH)).map(move |chunk| Pages {
        first: PhysAddr(first.0 + chunk * EACH * PAGE),
        count: u16::try_from((count - chunk * EACH).min(EACH)).unwrap_or(u16::MAX),
    })
}
