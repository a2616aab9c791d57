// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What clients were told, and so what devices may reach: the other half of each comparison.
//!
//! | file | what lives there |
//! |---|---|
//! | `space` | what is mapped in one domain |
//! | `calls` | messages that are under way, and what their answers change |
//! | `answers` | whether an answer can be right |
//! | `role` | whether the hypervisor is there, and its key |
//! | `pages` | whose each page is |
//! | `guests` | domains and devices that are not the kernel's |
//! | `loans` | what is lent for tables |
//! | `moves` | whether an answer to the hypervisor can be right |
//!
//! It knows the protocol and the policy, and nothing of how the service keeps its state.

mod answers;
mod calls;
mod guests;
mod loans;
mod moves;
mod pages;
mod role;
mod space;

pub(crate) use calls::Asked;
pub(crate) use role::Granted;
pub(crate) use space::{Extent, Space};

use calls::Call;
use ffa_abi::{DomainHandle, HypMessage, PageOwner, Request, Status};
use guests::Has;
use iommu_core::policy::{Device, HypRole, Policy};
use loans::Loans;
use pages::Pages;
use role::Role;
use std::collections::{BTreeMap, BTreeSet};

/// A domain that exists.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    pub(crate) smmu: u16,
    /// Whose pages can be mapped in it.
    pub(crate) owner: PageOwner,
    pub(crate) space: Space,
}

/// Stands for the identity domain, which has no handle: the service has no slot that this one could name.
pub(crate) const IDENTITY: DomainHandle = match DomainHandle::from_raw(u32::MAX) {
    Some(handle) => handle,
    None => panic!("no handle has all bits set"),
};

/// What a device may be set to: a domain, or nothing where it is blocked. Two while a call is changing it.
type Settings = Vec<Option<DomainHandle>>;

/// What is known of a call beside its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Pages that the pool has left.
    pub(crate) available: usize,
    pub(crate) granted: Granted,
}

/// What is known.
#[derive(Debug)]
pub(crate) struct Oracle {
    policy: &'static Policy,
    /// SMMUs with stage 1 alone: what may be written there may be read.
    stage1_alone: BTreeSet<u16>,
    /// SMMUs with both stages.
    both_stages: BTreeSet<u16>,
    /// Devices, by their place in the policy, that a stage 1 of the kernel's may stand in front of.
    nested: BTreeSet<usize>,
    domains: BTreeMap<u32, Domain>,
    /// All that the host may use, at its physical addresses. Its SMMU is any.
    identity: Domain,
    /// Domains that are being freed in steps, and what was mapped in them.
    freeing: BTreeMap<u32, Domain>,
    /// Handles that were ever given out.
    given: BTreeSet<u32>,
    settings: Vec<Settings>,
    /// By device: who has it.
    has: Vec<Has>,
    /// Devices in quarantine, and what they were set to, which they keep.
    quarantined: BTreeMap<usize, Settings>,
    /// Blocks of identity that moves may have cut.
    cut: BTreeSet<u64>,
    /// SMMUs that something was done to which makes them useless.
    hurt: BTreeSet<u16>,
    calls: Vec<Call>,
    role: Role,
    pub(crate) pages: Pages,
    pub(crate) loans: Loans,
    /// Whether somebody wrote into the pool: then nothing that is mapped is known.
    pub(crate) tampered: bool,
}

/// Where an access may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Fine,
    /// The stream is nobody's, or blocked.
    StreamReachesNothing,
    /// Nothing is mapped there, or something else, or not for this.
    NotMapped,
    /// The page is not the kernel's any more.
    Taken,
}

impl Oracle {
    pub(crate) fn new(
        policy: &'static Policy,
        stage1_alone: BTreeSet<u16>,
        both_stages: BTreeSet<u16>,
    ) -> Self {
        Self {
            policy,
            stage1_alone,
            both_stages,
            nested: BTreeSet::new(),
            domains: BTreeMap::new(),
            identity: Domain {
                smmu: u16::MAX,
                owner: PageOwner::Host,
                space: Space::identity(&policy.managed),
            },
            freeing: BTreeMap::new(),
            given: BTreeSet::new(),
            settings: policy.devices.iter().map(|_| vec![None]).collect(),
            has: policy.devices.iter().map(|_| Has::Kernel).collect(),
            quarantined: BTreeMap::new(),
            cut: BTreeSet::new(),
            hurt: BTreeSet::new(),
            calls: Vec::new(),
            role: Role::new(policy.hyp == HypRole::Required),
            pages: Pages::default(),
            loans: Loans::default(),
            tampered: false,
        }
    }

    /// Returns the hypervisor's key, once it has one.
    pub(crate) const fn key(&self) -> Option<[u64; 2]> {
        self.role.key()
    }

    /// Tells whether a hypervisor must claim its role before anybody is served.
    pub(crate) const fn is_claim_awaited(&self) -> bool {
        self.role.is_awaited()
    }

    /// Returns what a request of the kernel's has to be answered, whatever it asks for.
    pub(crate) const fn admit(&self, request: &Request) -> Result<(), Status> {
        self.role.kernel(request)
    }

    /// Returns what a message of the hypervisor's has to be answered, whatever it asks for.
    pub(crate) fn admit_hyp(&mut self, message: &HypMessage) -> Result<(), Status> {
        self.role.hyp(message)
    }

    /// Says that an SMMU cannot be relied on to work any more.
    pub(crate) fn hurt(&mut self, smmu: u16) {
        self.hurt.insert(smmu);
    }

    /// Tells whether any SMMU cannot be relied on.
    pub(crate) fn is_hurt(&self) -> bool {
        !self.hurt.is_empty()
    }

    /// Tells whether an SMMU should work.
    pub(crate) fn works(&self, smmu: u16) -> bool {
        !self.hurt.contains(&smmu)
    }

    /// Returns what a stream's device may be set to.
    pub(crate) fn settings(&self, smmu: u16, stream: u32) -> &[Option<DomainHandle>] {
        let device = self.policy.device(smmu, stream);
        device.and_then(|(index, _)| self.settings.get(index)).map_or(&[None], Vec::as_slice)
    }

    /// Returns the domain of a stream where there is no doubt which.
    pub(crate) fn domain_of(&self, smmu: u16, stream: u32) -> Option<&Domain> {
        match self.settings(smmu, stream) {
            [Some(handle)] => self.domain(handle.raw()),
            _ => None,
        }
    }

    /// Tells whether an access of a stream may reach an address, now.
    pub(crate) fn judge(&self, smmu: u16, stream: u32, iova: u64, write: bool, pa: u64) -> Verdict {
        let handles: Vec<DomainHandle> = self.settings(smmu, stream).iter().copied().flatten().collect();
        if handles.is_empty() {
            return Verdict::StreamReachesNothing;
        }
        let mut domains = handles.iter().filter_map(|handle| self.domain(handle.raw())).peekable();
        let taken = match domains.peek() {
            Some(_) => domains.all(|domain| self.is_out_of_reach(domain.owner, pa)),
            None => self.is_closed(pa, 1),
        };
        if taken {
            return Verdict::Taken;
        }
        let leads = |first: u64, extent: &Extent| {
            let allowed = if write { extent.write } else { extent.read };
            iova.checked_sub(first)
                .is_some_and(|offset| offset < extent.size && extent.pa + offset == pa && allowed)
        };
        let mapped = handles.iter().any(|handle| {
            let domain = self.domain(handle.raw());
            let here = |domain: &Domain| domain.space.overlapping(iova, 1).any(|(first, e)| leads(first, &e));
            let coming = |call: &Call| {
                call.maps(*handle).is_some_and(|(first, extent)| leads(first, &extent))
                    || *handle == IDENTITY && iova == pa && call.gives(pa)
            };
            domain.is_some_and(here) || self.calls.iter().any(coming)
        });
        let nested = || {
            let coming = handles.contains(&IDENTITY) && self.calls.iter().any(|call| call.gives(pa));
            self.may_be_nested(smmu, stream) && (coming || self.is_in_any(&handles, pa, write))
        };
        let mapped = mapped || nested();
        if mapped { Verdict::Fine } else { Verdict::NotMapped }
    }

    /// Tells whether an SMMU has both stages.
    pub(crate) fn has_both_stages(&self, smmu: u16) -> bool {
        self.both_stages.contains(&smmu)
    }

    /// Tells whether a stage 1 of the kernel's may stand in front of what a stream is set to.
    pub(crate) fn may_be_nested(&self, smmu: u16, stream: u32) -> bool {
        self.policy.device(smmu, stream).is_some_and(|(index, _)| self.nested.contains(&index))
    }

    /// Tells whether any of these domains has an address, at whichever IOVA.
    fn is_in_any(&self, handles: &[DomainHandle], pa: u64, write: bool) -> bool {
        let has = |(_, extent): (u64, Extent)| {
            let inside = pa.checked_sub(extent.pa).is_some_and(|offset| offset < extent.size);
            inside && if write { extent.write } else { extent.read }
        };
        handles.iter().any(|handle| {
            let there = self.domain(handle.raw()).is_some_and(|domain| domain.space.all().any(has));
            there || self.calls.iter().filter_map(|call| call.maps(*handle)).any(has)
        })
    }

    /// Returns devices of an SMMU that are in a domain for sure, with the domain, and with no stage 1 of the
    /// kernel's in front of it.
    pub(crate) fn attached(&self, smmu: u16) -> impl Iterator<Item = (&Device, DomainHandle, &Domain)> {
        let plain = move |(index, _): &(usize, _)| !self.nested.contains(index);
        let devices = self.policy.devices.iter().zip(&self.settings).enumerate().filter(plain);
        devices.filter_map(move |(_, (device, settings))| {
            let [Some(handle)] = settings.as_slice() else { return None };
            let domain = self.domain(handle.raw())?;
            (u16::from(device.smmu) == smmu).then_some((device, *handle, domain))
        })
    }

    /// Returns streams behind an SMMU whose devices may be in a domain.
    pub(crate) fn streams(&self, smmu: u16, handle: DomainHandle) -> impl Iterator<Item = u32> {
        self.policy.devices.iter().zip(&self.settings).filter_map(move |(device, settings)| {
            let here = u16::from(device.smmu) == smmu && settings.contains(&Some(handle));
            here.then_some(device.first_sid)
        })
    }

    /// Returns a domain.
    pub(crate) fn domain(&self, handle: u32) -> Option<&Domain> {
        if handle == IDENTITY.raw() { Some(&self.identity) } else { self.domains.get(&handle) }
    }

    /// Returns the handles of all domains that exist, those that are on their way out included.
    pub(crate) fn handles(&self) -> Vec<(u32, PageOwner)> {
        let all = self.domains.iter().chain(&self.freeing);
        all.map(|(handle, domain)| (*handle, domain.owner)).collect()
    }

    /// Returns how many pages of the pool identity may keep because pages moved.
    pub(crate) fn kept_by_identity(&self) -> usize {
        self.cut.len()
    }

    /// Tells whether a move of pages has something to say to SMMUs.
    pub(crate) fn moves_reach_identity(&self) -> bool {
        self.policy.hyp == HypRole::Required && self.policy.devices.iter().any(|device| device.identity)
    }

    /// Returns the requests that have no answer yet.
    pub(crate) fn under_way(&self) -> Vec<Asked> {
        self.calls.iter().map(|call| call.asked).collect()
    }

    /// Tells whether a call is under way.
    pub(crate) const fn is_busy(&self) -> bool {
        !self.calls.is_empty()
    }
}
