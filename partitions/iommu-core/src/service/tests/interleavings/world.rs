// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small machine, made anew for each order: one SMMU, two devices, a hypervisor, 4 MiB of managed memory.
//!
//! What is looked for in tables is read by its bits, and not by the code that is tested.

use super::*;
use crate::sync::at_once;
use ffa_abi::{AreaHandle, HypRequest, Key, PageOwner, PageState, Pages};
use shuttle::thread;
use std::collections::BTreeMap;
use std::vec::Vec;

/// Where IOVAs begin that can be mapped.
pub(super) const AT: u64 = 0x1000_0000;
/// The other device.
pub(super) const OTHER: u32 = 0x11;
const SIZE: u64 = 2 * M2;
const PAGES: usize = 24;
/// The VMID of the identity domain.
const IDENTITY: u16 = 129;
/// How often a caller comes again that is told BUSY or AGAIN.
const PATIENCE: usize = 40;

pub(super) struct World<'w> {
    pub(super) service: &'w Service<'w, FakeSmmu<'w>>,
    pub(super) smmu: &'w FakeSmmu<'w>,
    pub(super) shared: &'w FakeSharedMemory,
    pool: &'w Pool<'w>,
    words: &'w [Word],
    /// As [`Self::available`] counted at the start.
    available: usize,
}

fn policy(identity: bool) -> Policy {
    let window = Range { base: AT, size: SIZE };
    let device = |name, sid| policy::Device { identity, ..device(name, 0, sid, 1, true, window) };
    let smmu = super::policy().smmus.into_iter().take(1).collect();
    Policy {
        hyp: HypRole::Required,
        guard: Guard::El2,
        managed: [Range { base: RAM, size: SIZE }].into_iter().collect(),
        smmus: smmu,
        devices: [device("edu0", EDU), device("edu1", OTHER)].into_iter().collect(),
        ..super::policy()
    }
}

/// Makes a machine, on which the hypervisor has claimed its role, and lets `test` use it.
pub(super) fn in_world(test: impl FnOnce(&World<'_>)) {
    made(policy(false), test);
}

/// The same, with devices that may see all of the kernel's memory.
pub(super) fn with_identity(test: impl FnOnce(&World<'_>)) {
    made(policy(true), test);
}

fn made(policy: Policy, test: impl FnOnce(&World<'_>)) {
    let words: Vec<Word> = (0..PAGES * 512).map(|_| Word::new(!0)).collect();
    let slots: Vec<PageSlot> = (0..PAGES).map(|_| PageSlot::new()).collect();
    let pages: Vec<AtomicU16> = (0..policy.managed_pages()).map(|_| AtomicU16::new(0)).collect();
    let blocks: Vec<AtomicU32> = (0..policy.managed_blocks()).map(|_| AtomicU32::new(0)).collect();
    let pool = Pool::new(&words, PhysAddr(POOL_BASE), &slots).unwrap();
    let smmus = [FakeSmmu::new(&words, POOL_BASE)];
    let shared = FakeSharedMemory::new();
    let domains = Box::new([const { Slot::new() }; MAX_DOMAINS]);
    let devices = Box::new([const { Device::new() }; MAX_DEVICES]);
    let areas = Box::new([const { Area::new() }; MAX_AREAS]);
    let (faults, entropy) = (Box::new(Faults::new()), FakeEntropy::new(KEY[0], 100));
    let memory = Memory {
        pool: &pool,
        domains: &domains,
        devices: &devices,
        faults: &faults,
        entropy: &entropy,
        areas: &areas,
        shared: &shared,
        accounts: Some(Accounts { pages: &pages, blocks: &blocks }),
    };
    let service = Box::new(at_once(|| Service::new(&policy, [7; 32], &smmus, &memory).unwrap()));
    let mut world = World {
        service: &service,
        smmu: &smmus[0],
        shared: &shared,
        pool: &pool,
        words: &words,
        available: 0,
    };
    world.available = world.available();
    at_once(|| assert_eq!(world.status(Request::Claim), Status::Ok));
    test(&world);
}

impl World<'_> {
    /// Lets cores do something at once, and another look what devices reach meanwhile.
    pub(super) fn together(&self, cores: &[&(dyn Fn() + Sync)]) {
        thread::scope(|scope| {
            for core in cores {
                scope.spawn(*core);
            }
            for _ in 0..6 {
                self.reach();
                self.check();
                crate::sync::switch();
            }
        });
        self.check();
    }

    pub(super) fn ask(&self, request: Request) -> Response {
        Response::decode(self.service.handle(HOST, request.encode())).unwrap()
    }

    pub(super) fn status(&self, request: Request) -> Status {
        let status = self.ask(request).status;
        self.check();
        status
    }

    fn hyp(&self, request: HypRequest) -> Response {
        let registers = request.encode(Key::from_registers(KEY));
        let response = Response::decode(self.service.handle(HOST, registers)).unwrap();
        self.check();
        response
    }

    pub(super) fn own(&self, page: u64) -> Status {
        let pages = Pages { first: PhysAddr(page), count: 1 };
        self.hyp(HypRequest::Own(pages, PageOwner::Guest(7))).status
    }

    pub(super) fn disown(&self, page: u64) -> Status {
        let pages = Pages { first: PhysAddr(page), count: 1 };
        self.hyp(HypRequest::Disown(pages, PageOwner::Guest(7))).status
    }

    fn state(&self, page: u64) -> PageState {
        self.service.ownership.state(PhysAddr(page)).unwrap()
    }

    pub(super) fn alloc(&self) -> Result<DomainHandle, Status> {
        match self.ask(Request::DomainAlloc { smmu: SmmuIndex(0), kind: DomainKind::Paging }) {
            Response { status: Status::Ok, values: [handle, ..] } => {
                Ok(DomainHandle::from_raw(u32::try_from(handle).unwrap()).unwrap())
            }
            Response { status, .. } => Err(status),
        }
    }

    pub(super) fn set(&self, sid: u32, state: DeviceState) -> Status {
        self.status(Request::DeviceSetState { smmu: SmmuIndex(0), sid: StreamId(sid), state })
    }

    /// Returns status and bytes.
    pub(super) fn map(&self, domain: DomainHandle, iova: u64, pa: u64, size: u64) -> (Status, u64) {
        let protection = BOTH;
        let response =
            self.ask(Request::Map { domain, iova: Iova(iova), pa: PhysAddr(pa), size, protection });
        self.check();
        (response.status, response.values[0])
    }

    pub(super) fn unmap(&self, domain: DomainHandle, iova: u64, size: u64) -> (Status, u64) {
        let response = self.ask(Request::Unmap { domain, iova: Iova(iova), size });
        self.check();
        (response.status, response.values[0])
    }

    pub(super) fn open(&self, memory: u64) -> Result<AreaHandle, Status> {
        match self.ask(Request::AreaOpen { memory }) {
            Response { status: Status::Ok, values: [handle, ..] } => {
                Ok(AreaHandle::from_raw(u32::try_from(handle).unwrap()).unwrap())
            }
            Response { status, .. } => Err(status),
        }
    }

    /// Makes a domain with a device in it, before other cores come.
    pub(super) fn attached(&self) -> DomainHandle {
        at_once(|| {
            let domain = self.alloc().unwrap();
            assert_eq!(self.set(EDU, DeviceState::Paging(domain)), Status::Ok);
            domain
        })
    }

    /// Does something as long as it is answered by BUSY or AGAIN, a number of times.
    pub(super) fn insist(&self, ask: impl Fn() -> Status) -> Status {
        for _ in 0..PATIENCE {
            match ask() {
                Status::Busy | Status::Again => crate::sync::wait(),
                status => return status,
            }
        }
        Status::Busy
    }

    /// Lets both devices access what the tests map: the SMMU remembers what it finds.
    pub(super) fn reach(&self) {
        at_once(|| {
            for iova in [AT, AT + K4, AT + 5 * K4, AT + M2, RAM, RAM + K4] {
                for sid in [EDU, OTHER] {
                    self.smmu.dma(sid, iova, true);
                }
            }
        });
    }

    pub(super) fn dma(&self, sid: u32, iova: u64) -> Option<u64> {
        at_once(|| self.smmu.dma(sid, iova, true))
    }

    /// What holds at any time: each table that an SMMU may read belongs to a domain, and each page that a device can reach
    /// is one that the kernel may use and, but by identity, pinned.
    pub(super) fn check(&self) {
        at_once(|| {
            for sid in [EDU, OTHER] {
                if let StreamConfig::Stage2(stage2) = self.smmu.config(sid) {
                    let (vmid, root) = (stage2.vmid.0, stage2.root.0);
                    let owner = self.pool.given_to(root);
                    assert_eq!(owner, Some(usize::from(vmid) - 1), "the root of {sid:#x}");
                    self.check_table(root, 1, vmid);
                }
            }
            for (vmid, found) in self.smmu.leaves() {
                let (first, size) = found.leaf;
                assert!(first % size == 0);
                (found.pa..found.pa + size).step_by(4096).for_each(|page| self.check_page(page, vmid));
            }
            for table in self.smmu.tables() {
                assert_ne!(self.pool.given_to(table), None, "a table that the SMMU knows is free");
            }
        });
    }

    fn check_table(&self, table: u64, level: u32, vmid: u16) {
        for (descriptor, size) in self.valid(table, level) {
            let to = descriptor & 0x0000_ffff_ffff_f000;
            match size {
                None => {
                    assert_eq!(
                        self.pool.given_to(to),
                        Some(usize::from(vmid) - 1),
                        "a table below {table:#x}"
                    );
                    self.check_table(to, level + 1, vmid);
                }
                Some(size) => {
                    (to..to + size).step_by(4096).for_each(|page| self.check_page(page, vmid));
                }
            }
        }
    }

    /// Returns the valid descriptors of a table: leaves with their size, tables without.
    fn valid(&self, table: u64, level: u32) -> impl Iterator<Item = (u64, Option<u64>)> {
        let first = usize::try_from(table - POOL_BASE).unwrap() / 8;
        let words = self.words[first..first + 512]
            .iter()
            .map(|word| word.load(core::sync::atomic::Ordering::Relaxed));
        words.filter(|word| word & 1 == 1).map(move |word| match (word & 3, level) {
            (3, 1 | 2) => (word, None),
            (3, 3) => (word, Some(K4)),
            (1, 1 | 2) => (word, Some(1 << (39 - 9 * level))),
            _ => panic!("{word:#x} on level {level}"),
        })
    }

    fn check_page(&self, page: u64, vmid: u16) {
        let PageState { host_access, pins, .. } = self.state(page);
        assert!(host_access, "{page:#x} is another's, and reached under VMID {vmid}");
        assert!(pins > 0 || vmid == IDENTITY, "{page:#x} has no pins, and is reached under VMID {vmid}");
    }

    /// What holds when nobody asks: a page has as many pins as there are mappings, none is leaving, and each page of the pool that is
    /// given to a domain is one of its tables and charged.
    fn check_at_rest(&self) {
        at_once(|| {
            let mut pins: BTreeMap<u64, u32> = BTreeMap::new();
            let mut tables = 0;
            for handle in 0..MAX_DOMAINS {
                let mine: Vec<u64> = (0..PAGES as u64)
                    .map(|page| POOL_BASE + page * 4096)
                    .filter(|page| self.pool.given_to(*page) == Some(handle))
                    .collect();
                tables += mine.len();
                // Each but the root is led to by one other.
                let mut links = 0;
                for word in mine.iter().flat_map(|page| self.raw(*page)) {
                    let to = word & 0x0000_ffff_ffff_f000;
                    assert_eq!(word & 1, u64::from(word != 0), "{word:#x} is leaving");
                    if word != 0 && self.pool.given_to(to).is_some() {
                        assert_eq!(self.pool.given_to(to), Some(handle));
                        links += 1;
                    } else if word != 0 {
                        let size = if word & 3 == 3 { K4 } else { M2 };
                        (to..to + size).step_by(4096).for_each(|page| *pins.entry(page).or_default() += 1);
                    }
                }
                assert_eq!(links, mine.len().saturating_sub(1), "tables of slot {handle}");
            }
            assert_eq!(self.service.quotas.host.used() as usize, tables, "pages that are charged");
            for page in (RAM..RAM + SIZE).step_by(4096) {
                let shared = u32::from(self.shared.is_mapped(page));
                assert_eq!(
                    self.state(page).pins,
                    pins.get(&page).copied().unwrap_or(0) + shared,
                    "{page:#x}"
                );
            }
        });
    }

    fn raw(&self, page: u64) -> impl Iterator<Item = u64> {
        let first = usize::try_from(page - POOL_BASE).unwrap() / 8;
        let words = &self.words[first..first + 512];
        words.iter().map(|word| word.load(core::sync::atomic::Ordering::Relaxed))
    }

    /// Counts the pages of the pool that no domain with a handle has. Those of the identity domain stay.
    fn available(&self) -> usize {
        let addresses = (0..PAGES as u64).map(|page| POOL_BASE + page * 4096);
        let identity = addresses.filter(|page| self.pool.given_to(*page) == Some(MAX_DOMAINS));
        at_once(|| self.pool.available() + identity.count())
    }

    /// Takes everything down; nothing is left then.
    pub(super) fn end(&self, domains: &[DomainHandle]) {
        self.check_at_rest();
        at_once(|| {
            for sid in [EDU, OTHER] {
                assert_eq!(self.set(sid, DeviceState::Blocked), Status::Ok);
            }
            for domain in domains {
                let free = || self.status(Request::DomainFree(*domain));
                let status = (0..PATIENCE).map(|_| free()).find(|status| *status != Status::Again);
                assert!(matches!(status, Some(Status::Ok | Status::InvalidHandle)), "{status:?}");
            }
            assert_eq!(self.available(), self.available);
            self.check_at_rest();
        });
    }
}
