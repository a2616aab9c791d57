// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages against the whole service on fake SMMUs: every status that it can answer, and any sequence of messages.

use super::*;
use crate::domain::{MAX_DOMAINS, Slot};
use crate::entropy::{FakeEntropy, NoEntropy};
use crate::kept::kept;
use crate::ownership::Accounts;
use crate::policy::{Guard, Holders, HypRole, Name};
use crate::pool::{Chunk, MAX_CHUNKS, PageSlot, Pool, Quota, Word};
use crate::shared::fake::FakeSharedMemory;
use crate::shared::{Area, MAX_AREAS, NoSharedMemory};
use crate::smmu::StreamConfig;
use crate::smmu::fake_smmu::{EVENT_QUEUE, FakeSmmu};
use crate::sync::{AtomicU16, AtomicU32};
use ffa_abi::{Fault, FaultKind, Operation};
use proptest::prelude::*;
use std::boxed::Box;

mod areas;
mod attacks;
mod calls;
mod devices;
mod extended;
mod guests;
mod health;
mod identity;
mod identity_moves;
#[cfg(feature = "interleavings")]
mod interleavings;
mod interrupts;
mod lists;
mod mappings;
mod nested;
mod overlaps;
mod pages;
mod pools;
mod rings;
mod roles;
mod stage1;
mod storms;

const K4: u64 = 4096;
const M2: u64 = 2 << 20;
const POOL_BASE: u64 = 0x9000_0000;
const POOL_PAGES: usize = 64;
const RAM: u64 = 0x4000_0000;
const RAM_SIZE: u64 = 0x1000_0000;
const WINDOW: Range = Range { base: 0x10_0000, size: 0x1_0000_0000 };
const HOST: u16 = 0;
/// What the fake source of random numbers makes of a claim.
const KEY: [u64; 2] = [0x1122_3344_5566_7788, 0x1122_3344_5566_7789];
/// Devices of the policy below.
const EDU: u32 = 0x10;
const MANY: u32 = 0x100;
const MANY_COUNT: u16 = 150;
const NOBODY_S: u32 = 0x18;
/// Interrupts of its SMMUs 0 and 2.
const WIRES: policy::Interrupts = policy::Interrupts { event: 106, error: 109 };
const ONE_WIRE: policy::Interrupts = policy::Interrupts { event: 44, error: 44 };
const READ: Protection = Protection::READ;
const BOTH: Protection = Protection::READ.union(Protection::WRITE);

/// A machine with two SMMUs; made once a test and left to the end of the process.
struct Machine {
    service: Service<'static, FakeSmmu<'static>>,
    smmus: &'static [FakeSmmu<'static>],
    pool: &'static Pool<'static>,
    shared: &'static FakeSharedMemory,
}

fn device(name: &str, smmu: u8, first_sid: u32, sids: u16, host: bool, iova: Range) -> policy::Device {
    let holders = Holders { host, ..Holders::default() };
    policy::Device {
        name: Name::try_from(name).unwrap(),
        smmu,
        first_sid,
        sids,
        holders,
        iova,
        identity: false,
        nested: false,
    }
}

pub(crate) fn policy() -> Policy {
    let smmu = |name: &str, base, interrupts| policy::Smmu {
        name: Name::try_from(name).unwrap(),
        frame: Range { base, size: 0x2_0000 },
        resets_to_bypass: true,
        interrupts,
        power: policy::Power::AlwaysOn,
    };
    let wide = Range { base: 0, size: 1 << 39 };
    Policy {
        version: policy::FORMAT_VERSION,
        guard: Guard::Nobody,
        hyp: HypRole::Absent,
        managed: [Range { base: RAM, size: RAM_SIZE }].into_iter().collect(),
        accounts: None,
        pool: Range { base: POOL_BASE, size: 4 * M2 },
        smmus: [
            smmu("smmu0", 0x5000_0000, Some(WIRES)),
            smmu("smmu1", 0x5100_0000, None),
            smmu("smmu2", 0x5200_0000, Some(ONE_WIRE)),
        ]
        .into_iter()
        .collect(),
        devices: [
            device("edu0", 0, EDU, 1, true, WINDOW),
            device("many", 0, MANY, MANY_COUNT, true, wide),
            device("nobody", 0, NOBODY_S, 1, false, Range { base: 0, size: K4 }),
            device("edu1", 1, EDU, 1, true, wide),
        ]
        .into_iter()
        .collect(),
        unprotected: heapless::Vec::new(),
        fault_rate: 0,
    }
}

/// Makes room for the accounts that a policy needs.
pub(crate) fn accounts(policy: &Policy) -> Accounts<'static> {
    let pages = (0..policy.managed_pages()).map(|_| AtomicU16::new(0)).collect::<Box<[_]>>();
    let blocks = (0..policy.managed_blocks()).map(|_| AtomicU32::new(0)).collect::<Box<[_]>>();
    Accounts { pages: kept(pages), blocks: kept(blocks) }
}

impl Machine {
    fn new() -> Self {
        Self::with_pool(POOL_PAGES)
    }

    fn with_pool(pages: usize) -> Self {
        Self::of(policy(), pages)
    }

    fn of(policy: Policy, pages: usize) -> Self {
        Self::with_smmus(policy, pages, |_| {})
    }

    fn with_smmus(policy: Policy, pages: usize, change: impl Fn(&mut FakeSmmu<'_>)) -> Self {
        policy.check().unwrap();
        let words: &'static [Word] = kept((0..pages * 512).map(|_| Word::new(!0)).collect::<Box<[_]>>());
        let slots: &'static [PageSlot] = kept((0..pages).map(|_| PageSlot::new()).collect::<Box<[_]>>());
        let chunks = kept([const { Chunk::new() }; MAX_CHUNKS]);
        let pool = kept(Pool::new(words, PhysAddr(POOL_BASE), slots).unwrap().with_chunks(chunks));
        let mut smmus = [0; 3].map(|_| FakeSmmu::new(words, POOL_BASE));
        smmus.iter_mut().for_each(change);
        let smmus = kept(smmus);
        let shared = kept(FakeSharedMemory::new());
        let memory = Memory {
            pool,
            domains: kept([const { Slot::new() }; MAX_DOMAINS]),
            devices: kept([const { Device::new() }; MAX_DEVICES]),
            faults: kept(Faults::new()),
            entropy: kept(FakeEntropy::new(KEY[0], 100)),
            areas: kept([const { Area::new() }; MAX_AREAS]),
            shared,
            accounts: policy.accounts.map(|_| accounts(&policy)),
        };
        let service = Service::new(kept(policy), [7; 32], smmus, &memory).unwrap();
        Self { service, smmus, pool, shared }
    }

    fn ask(&self, request: Request) -> Response {
        Response::decode(self.service.handle(HOST, request.encode())).unwrap()
    }

    fn status(&self, request: Request) -> Status {
        self.ask(request).status
    }

    fn alloc(&self, smmu: u16) -> DomainHandle {
        let response = self.ask(Request::DomainAlloc { smmu: SmmuIndex(smmu), kind: DomainKind::Paging });
        assert_eq!(response.status, Status::Ok);
        DomainHandle::from_raw(u32::try_from(response.values[0]).unwrap()).unwrap()
    }

    fn set(&self, smmu: u16, sid: u32, state: DeviceState) -> Status {
        self.status(Request::DeviceSetState { smmu: SmmuIndex(smmu), sid: StreamId(sid), state })
    }

    /// Returns status and bytes.
    fn map(
        &self,
        domain: DomainHandle,
        iova: u64,
        pa: u64,
        size: u64,
        protection: Protection,
    ) -> (Status, u64) {
        let response =
            self.ask(Request::Map { domain, iova: Iova(iova), pa: PhysAddr(pa), size, protection });
        (response.status, response.values[0])
    }

    fn unmap(&self, domain: DomainHandle, iova: u64, size: u64) -> (Status, u64) {
        let response = self.ask(Request::Unmap { domain, iova: Iova(iova), size });
        (response.status, response.values[0])
    }

    fn poll(&self) -> (Status, FaultReport) {
        let Response { status, values: [x4, x5, x6, dropped] } = self.ask(Request::FaultPoll);
        (status, FaultReport { fault: Fault::from_registers([x4, x5, x6]), dropped })
    }
}

#[test]
fn the_service_says_what_it_is() {
    let machine = Machine::new();
    let version = |major| machine.ask(Request::Version(Version { major, minor: 9 }));
    assert_eq!(version(PROTOCOL_VERSION.major), Response::value(PROTOCOL_VERSION.to_register()));
    let refused = version(PROTOCOL_VERSION.major + 1);
    assert_eq!((refused.status, refused.values[0]), (Status::NotSupported, PROTOCOL_VERSION.to_register()));
    let features = machine.ask(Request::Features);
    assert_eq!(features.values[0], Features::RANGE_INVALIDATION.bits() | u64::from(GuardLevel::Nobody as u8));
    let limits =
        Limits::from_registers([features.values[1], features.values[2], features.values[3]]).unwrap();
    assert_eq!((limits.entries_per_call, limits.iova_bits), (512, 39));
    assert_eq!(machine.ask(Request::PolicyDigest).values, [0x0707_0707_0707_0707; 4]);
}

#[test]
fn only_devices_that_the_caller_may_hold_are_described() {
    let machine = Machine::new();
    let describe = |index| {
        let response = machine.ask(Request::DeviceDescribe { index });
        (response.status, DeviceRecord::from_registers(response.values))
    };
    let record = describe(1).1.unwrap();
    assert_eq!((record.name(), record.first.0, record.count), (Some("many"), MANY, MANY_COUNT));
    assert_eq!(describe(2).1.unwrap().smmu, SmmuIndex(1));
    assert_eq!(describe(3).0, Status::Empty);
    assert_eq!(describe(u64::MAX).0, Status::Empty);
}

#[test]
fn a_policy_that_does_not_fit_the_machine_is_refused() {
    let machine = Machine::new();
    let memory = Memory {
        pool: machine.pool,
        domains: kept([const { Slot::new() }; MAX_DOMAINS]),
        devices: kept([const { Device::new() }; MAX_DEVICES]),
        faults: kept(Faults::new()),
        entropy: &NoEntropy,
        areas: kept([const { Area::new() }; MAX_AREAS]),
        shared: &NoSharedMemory,
        accounts: None,
    };
    let policy = kept(policy());
    let refused = Service::new(policy, [0; 32], &machine.smmus[..1], &memory).unwrap_err();
    assert_eq!(refused, SetupError::Smmus(3, 1));
    let mut narrow = [0; 3].map(|_| FakeSmmu::new(&[], 0));
    narrow[1].features.output_bits = 30;
    assert_eq!(
        Service::new(policy, [0; 32], kept(narrow), &memory).unwrap_err(),
        SetupError::OutputBits(1, 30)
    );
}
