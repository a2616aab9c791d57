// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is done to a machine, step by step, as text that can be replayed.
//!
//! The first line names the machine, `machine 0x2a`. Each further line is a step: a seed for whatever happens by chance
//! meanwhile, how many accesses of the service pass at most until others act, what is done, and behind bars what other
//! cores do after so many writes to tables:
//!
//! ```text
//! 0x1f 3 map d1 0x100000 0x40000000 0x3000 rw | 2 unmap d1 0x100000 0x1000
//! ```

mod guests;
mod text;

pub(crate) use guests::Guests;

use ffa_abi::{HypRequest, PageOwner, Pages, PhysAddr, PoolHolder};

/// What a hypervisor does with pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Change {
    #[default]
    Own,
    Disown,
    Share,
    Unshare,
}

impl Change {
    pub(crate) const ALL: [Self; 4] = [Self::Own, Self::Disown, Self::Share, Self::Unshare];

    /// Returns the request for pages and an owner.
    pub(crate) const fn request(self, pages: Pages, owner: PageOwner) -> HypRequest {
        match self {
            Self::Own => HypRequest::Own(pages, owner),
            Self::Disown => HypRequest::Disown(pages, owner),
            Self::Share => HypRequest::Share(pages, owner),
            Self::Unshare => HypRequest::Unshare(pages, owner),
        }
    }
}

/// Some pages that a hypervisor does something with, for an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) change: Change,
    pub(crate) first: u64,
    pub(crate) count: u16,
    pub(crate) owner: PageOwner,
}

impl Move {
    /// Returns the move that a request asks for, if it asks for one.
    pub(crate) const fn of(request: HypRequest) -> Option<Self> {
        let (change, pages, owner) = match request {
            HypRequest::Own(pages, owner) => (Change::Own, pages, owner),
            HypRequest::Disown(pages, owner) => (Change::Disown, pages, owner),
            HypRequest::Share(pages, owner) => (Change::Share, pages, owner),
            HypRequest::Unshare(pages, owner) => (Change::Unshare, pages, owner),
            HypRequest::PageState(_)
            | HypRequest::Statistics
            | HypRequest::Guest(_)
            | HypRequest::FaultPoll
            | HypRequest::Quarantine { .. }
            | HypRequest::SmmuStatus(_)
            | HypRequest::SmmuCheck(..)
            | HypRequest::Pool(_) => return None,
        };
        Some(Self { change, first: pages.first.0, count: pages.count, owner })
    }

    pub(crate) const fn request(self) -> HypRequest {
        self.change.request(Pages { first: PhysAddr(self.first), count: self.count }, self.owner)
    }

    /// Returns the length of the pages in bytes.
    pub(crate) fn size(self) -> u64 {
        u64::from(self.count) << 12
    }
}

/// How the key of a message is made of the hypervisor's: what is exclusive-ored with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyError(pub(crate) [u64; 2]);

/// Something that a client, or somebody hostile, does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// DOMAIN_ALLOC; the handle gets a name.
    Alloc { label: u8, smmu: u16 },
    /// DOMAIN_FREE.
    Free { label: u8 },
    /// DEVICE_SET_STATE to a domain.
    Attach { smmu: u16, stream: u32, label: u8 },
    /// DEVICE_SET_STATE to identity.
    Identity { smmu: u16, stream: u32 },
    /// DEVICE_SET_STATE to blocked.
    Block { smmu: u16, stream: u32 },
    /// NESTED_SET in front of a domain, or of identity.
    Nest { smmu: u16, stream: u32, label: Option<u8>, context: u64 },
    /// NESTED_INVALIDATE.
    Forget { smmu: u16, stream: u32, first: u64, second: u64 },
    /// MAP; bit 0 of `access` is read, bit 1 write.
    Map { label: u8, iova: u64, pa: u64, size: u64, access: u64 },
    /// UNMAP.
    Unmap { label: u8, iova: u64, size: u64 },
    /// IOVA_TO_PA.
    Look { label: u8, iova: u64 },
    /// FAULT_POLL.
    Poll,
    /// CLAIM.
    Claim,
    /// SMMU_CHECK.
    Check { smmu: u16 },
    /// OWN, DISOWN, SHARE or UNSHARE.
    Move { pages: Move, key: KeyError },
    /// PAGE_STATE.
    State { address: u64, key: KeyError },
    /// STATISTICS.
    Statistics { key: KeyError },
    /// POOL_LEND; the handle says which pages: the first one's address and how many.
    Lend { memory: u64, holder: PoolHolder, key: KeyError },
    /// POOL_RECLAIM.
    Reclaim { memory: u64, key: KeyError },
    /// POOL_STATUS.
    Shares { holder: PoolHolder, key: KeyError },
    /// Something for the hypervisor itself or its guests.
    Guests { what: Guests, key: KeyError },
    /// Whatever the registers say.
    Raw { endpoint: u16, registers: [u64; 5] },
    /// Whatever the registers say, with the hypervisor's key.
    Keyed { registers: [u64; 5] },
    /// Devices try so many accesses.
    Burst { count: u64 },
    /// All devices are blocked and all domains freed: everything has to come back.
    Settle,
    /// An interrupt comes that no SMMU raised.
    Interrupt { intid: u32 },
    /// An SMMU interrupts as often as it can.
    Storm { smmu: u16 },
    /// An SMMU stops doing anything.
    Wedge { smmu: u16 },
    /// An SMMU reports a global error.
    Error { smmu: u16, error: u32 },
    /// Somebody writes a register of an SMMU's, which one by a number.
    Meddle { smmu: u16, register: u8 },
    /// An SMMU loses its registers.
    Power { smmu: u16 },
    /// Somebody writes into the pool.
    Tamper { word: u64, value: u64 },
}

impl Act {
    /// Tells whether it has nothing to say to an SMMU.
    pub(crate) const fn needs_no_driver(&self) -> bool {
        if let Self::Guests { what, .. } = self {
            return what.needs_no_driver();
        }
        matches!(
            self,
            Self::Alloc { .. }
                | Self::Map { .. }
                | Self::Look { .. }
                | Self::Claim
                | Self::Move { .. }
                | Self::State { .. }
                | Self::Statistics { .. }
                | Self::Lend { .. }
                | Self::Reclaim { .. }
                | Self::Shares { .. }
        )
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) seed: u64,
    pub(crate) gap: u64,
    pub(crate) act: Act,
    pub(crate) meanwhile: Vec<(u64, Act)>,
}

/// A machine and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub(crate) machine: u64,
    pub(crate) steps: Vec<Step>,
}

impl Script {
    /// Returns how many steps there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.steps.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
