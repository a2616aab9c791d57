// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether an answer to a hypervisor's request can be right, and what it changes: pages move only where no mapping of them is
//! left, and none of theirs is left afterwards.

use super::calls::{Asked, Call};
use super::{Domain, Extent, Oracle};
use crate::script::{Change, Move};
use ffa_abi::{HypRequest, Iova, PageOwner, PageState, PhysAddr, Request, Response, Status};
use iommu_core::policy::{Guard, Range};
use std::ops::RangeInclusive;

/// Pages that one call moves (FEATURES).
const MOST_PAGES: u16 = 512;
/// Guests that can own pages (FEATURES).
const MOST_GUESTS: u16 = 254;
const PAGE: u64 = 4096;
/// log2 of the bytes of a block.
const BLOCK_BITS: u32 = 21;

/// Tells whether the kernel may map pages after a change that it could not before.
const fn gives(change: Change) -> bool {
    match change {
        Change::Own | Change::Unshare => false,
        Change::Disown | Change::Share => true,
    }
}

/// Tells whether a mapping of a domain keeps pages from a change: what their owner has mapped only where they are to be the kernel's.
fn is_in_the_way(change: Change, domain: &Domain) -> bool {
    match change {
        Change::Own | Change::Disown => true,
        Change::Share | Change::Unshare => domain.owner == PageOwner::Host,
    }
}

fn claim(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Oracle {
    /// Says what cannot be right about an answer.
    pub(super) fn check_hyp(
        &self,
        request: HypRequest,
        response: &Response,
        call: &Call,
    ) -> Result<(), String> {
        match (Move::of(request), request) {
            (Some(pages), _) => self.check_move(pages, response, !call.met),
            (None, HypRequest::PageState(address)) => self.check_state(address, response, !call.met),
            (None, HypRequest::Pool(request)) => self.check_pool(request, response, !call.met),
            (None, HypRequest::Quarantine { .. }) => self.check_quarantine(request, response),
            (None, HypRequest::Statistics) => self.role.check_statistics(response),
            // What it says of SMMUs and of faults is looked at where the kernel asks.
            (None, _) => Ok(()),
        }
    }

    /// Tells whether any byte of a range may not be mapped by the kernel, whatever moves meanwhile.
    pub(crate) fn is_closed(&self, base: u64, size: u64) -> bool {
        self.pages.closed(base, size).is_some_and(|_| !self.is_moving(base, size))
    }

    /// Tells whether somebody's device may reach no byte of a page, whatever moves meanwhile.
    pub(super) fn is_out_of_reach(&self, owner: PageOwner, pa: u64) -> bool {
        self.unusable(owner, pa, 1).is_some() && !self.is_moving(pa, 1)
    }

    /// Tells whether a call is under way that moves a page of a range: its owner is the one before, or the one after.
    pub(super) fn is_moving(&self, base: u64, size: u64) -> bool {
        let moves = |call: &Call| match call.asked {
            Asked::Hyp(request) => Move::of(request),
            Asked::Kernel(_) => None,
        };
        let meets =
            |pages: Move| pages.first < base.saturating_add(size) && base < pages.first + pages.size();
        self.calls.iter().filter_map(moves).any(meets) || self.is_being_lent(base, size)
    }

    /// Returns all that may lead to memory: where, and whether it must.
    pub(crate) fn mappings(&self, base: u64, size: u64) -> impl Iterator<Item = (u32, u64, Extent)> {
        self.mappings_of(base, size, |_| true)
    }

    /// Returns those of some domains.
    fn mappings_of(
        &self,
        base: u64,
        size: u64,
        which: impl Fn(&Domain) -> bool,
    ) -> impl Iterator<Item = (u32, u64, Extent)> {
        let domains = self.domains.iter().chain(&self.freeing).filter(move |(_, domain)| which(domain));
        domains.flat_map(move |(handle, domain)| {
            domain.space.leading_to(base, size).map(move |(iova, extent)| (*handle, iova, extent))
        })
    }

    /// Tells whether an extent of a domain must be there, whatever calls are under way.
    fn is_sure(&self, handle: u32, iova: u64, extent: &Extent) -> bool {
        let leaves = |call: &Call| match call.asked {
            Asked::Kernel(Request::Unmap { domain, iova: Iova(first), size }) => {
                domain.raw() == handle && first < iova + extent.size && iova < first.saturating_add(size)
            }
            Asked::Kernel(Request::DomainFree(domain)) => domain.raw() == handle,
            _ => false,
        };
        extent.certain && self.domains.contains_key(&handle) && !self.calls.iter().any(leaves)
    }

    /// Returns how many mappings of a page there can be.
    pub(crate) fn pins(&self, page: u64) -> RangeInclusive<u32> {
        self.pins_of(page, |_| true)
    }

    fn pins_of(&self, page: u64, which: impl Fn(&Domain) -> bool) -> RangeInclusive<u32> {
        let (mut least, mut most) = (0, 0);
        for (handle, iova, extent) in self.mappings_of(page, PAGE, which) {
            least += u32::from(self.is_sure(handle, iova, &extent));
            most += 1;
        }
        // Hardware that failed leaves behind what nobody forgets.
        if self.hurt.is_empty() { least..=most } else { least..=u32::MAX }
    }

    pub(super) fn is_mapped(&self, base: u64, size: u64, which: impl Fn(&Domain) -> bool) -> bool {
        let mut mappings = self.mappings_of(base, size, which);
        mappings.any(|(handle, iova, extent)| self.is_sure(handle, iova, &extent))
    }

    fn check_move(&self, pages: Move, response: &Response, alone: bool) -> Result<(), String> {
        let Response { status, values: [at, ..] } = *response;
        let Move { change, first, count, owner } = pages;
        let here = Range { base: first, size: pages.size() };
        let managed = self.policy.managed.iter().any(|range| range.contains(&here));
        let known = match owner {
            PageOwner::Hyp => true,
            PageOwner::Guest(number) => number < MOST_GUESTS,
            PageOwner::Host | PageOwner::Pool => false,
        };
        let unguarded = change == Change::Own
            && matches!(owner, PageOwner::Guest(_))
            && self.policy.guard == Guard::Nobody;
        let wrong = |page: &u64| !self.pages.allow(pages, *page);
        let mut each = (0..u64::from(count)).map(|page| first + page * PAGE);
        match status {
            Status::Ok => {
                claim(known && !unguarded, || "the owner is none".to_owned())?;
                claim(first % PAGE == 0, || "it is misaligned".to_owned())?;
                claim((1..=MOST_PAGES).contains(&count), || "so many cannot move".to_owned())?;
                claim(managed, || "it is nobody's".to_owned())?;
                let wrong = each.find(wrong);
                claim(wrong.is_none(), || format!("{wrong:x?} is not what it begins with"))?;
                // What becomes the kernel's it may map before the answer.
                let early = |domain: &Domain| !alone && gives(change) && domain.owner == PageOwner::Host;
                let left = |domain: &Domain| is_in_the_way(change, domain) && !early(domain);
                claim(!self.is_mapped(first, pages.size(), left), || "a mapping is left".to_owned())
            }
            Status::Denied if unguarded => Ok(()),
            Status::Denied if !managed => Ok(()),
            // It is the pool's already, or still.
            Status::Denied if self.is_being_lent(first, pages.size()) => Ok(()),
            // Another move is under way, or may be.
            Status::Busy if !alone && at == first => Ok(()),
            Status::Denied | Status::Busy => {
                claim(here.contains(&Range { base: at, size: PAGE }) && at % PAGE == 0, || {
                    "it names another page".to_owned()
                })?;
                let before = each.take_while(|page| *page < at).find(wrong);
                claim(before.is_none(), || format!("{before:x?} is not what it begins with"))?;
                if alone {
                    let left = |domain: &Domain| is_in_the_way(change, domain);
                    claim(!self.is_mapped(first, at - first, left), || {
                        "a mapping before it is left".to_owned()
                    })?;
                }
                let denied = wrong(&at);
                claim(denied == (status == Status::Denied), || "it is the other of both".to_owned())?;
                let pinned =
                    denied || !alone || *self.pins_of(at, |domain| is_in_the_way(change, domain)).end() > 0;
                claim(pinned, || "no mapping is left".to_owned())
            }
            Status::Misaligned => claim(first % PAGE != 0, || "it is aligned".to_owned()),
            Status::OutOfRange => claim(!(1..=MOST_PAGES).contains(&count), || "so many can move".to_owned()),
            Status::InvalidParameters => claim(!known, || "the owner is known".to_owned()),
            Status::Hardware | Status::Tampered => {
                let loses = matches!(change, Change::Own | Change::Unshare) && self.moves_reach_identity();
                claim(loses, || "it is nothing to an SMMU".to_owned())?;
                let why = if status == Status::Tampered { self.tampered } else { self.is_hurt() };
                claim(why, || "all SMMUs work, and nobody tampered".to_owned())
            }
            _ => Err("it is no answer to this".to_owned()),
        }
    }

    fn check_state(&self, address: PhysAddr, response: &Response, alone: bool) -> Result<(), String> {
        let PhysAddr(address) = address;
        let page = address & !(PAGE - 1);
        let managed =
            self.policy.managed.iter().any(|range| range.contains(&Range { base: page, size: PAGE }));
        let pool = self.policy.pool.contains(&Range { base: page, size: PAGE });
        let Response { status, values: [owner, state, rest @ ..] } = *response;
        match status {
            Status::Denied => claim(!managed && !pool, || "it is somebody's".to_owned()),
            Status::Ok => {
                claim(managed || pool, || "it is nobody's".to_owned())?;
                let told = PageState::from_registers([owner, state]).filter(|_| rest == [0, 0]);
                let told = told.ok_or("it is no state")?;
                let foreign = self.pages.get(page);
                let owner = match foreign {
                    _ if pool => PageOwner::Pool,
                    Some(foreign) => foreign.owner,
                    None => PageOwner::Host,
                };
                let open = !pool && foreign.is_none_or(|foreign| foreign.shared);
                let moving = self.is_moving(page, PAGE);
                claim(moving || (told.owner, told.host_access) == (owner, open), || {
                    format!("it is {owner:?}'s, shared or not: {open}")
                })?;
                let pins = self.pins(page);
                claim(!alone || pins.contains(&told.pins), || format!("{pins:?} mappings are there"))
            }
            _ => Err("it is no answer to this".to_owned()),
        }
    }

    /// Takes note of an answer to a request of the hypervisor.
    pub(super) fn apply_hyp(&mut self, request: HypRequest, response: &Response, call: &Call) {
        self.apply_quarantine(request, response, call);
        if let HypRequest::Pool(request) = request {
            self.apply_pool(request, response);
        }
        let Some(pages) = Move::of(request) else { return };
        if self.moves_reach_identity() {
            let edges = [pages.first, pages.first.saturating_add(pages.size())];
            self.cut.extend(edges.map(|edge| edge >> BLOCK_BITS));
        }
        if response.status != Status::Ok {
            return;
        }
        self.pages.apply(pages);
        let domains = self.domains.values_mut().chain(self.freeing.values_mut());
        // What the kernel has mapped of pages that it got was mapped meanwhile.
        let stays = |domain: &Domain| gives(pages.change) && domain.owner == PageOwner::Host;
        for domain in domains.filter(|domain| is_in_the_way(pages.change, domain) && !stays(domain)) {
            domain.space.forget(pages.first, pages.size());
        }
        // Identity is what the kernel may use.
        self.identity.space.clear(pages.first, pages.size());
        if gives(pages.change) {
            let (pa, size) = (pages.first, pages.size());
            self.identity.space.insert(pa, Extent { size, pa, read: true, write: true, certain: true });
        }
        for call in &mut self.calls {
            call.moved.push((pages.first, pages.size()));
        }
    }
}
