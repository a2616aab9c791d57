// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A machine from a number: which SMMUs, devices, memory and pool it has; then the service's own way from reset to its
//! first message, with devices at work all the time.

use super::entropy::Source;
use super::interrupts::Wires;
use super::lending::Manager;
use super::{Cost, Counts, Inner, Machine, Port, edge};
use crate::finding::{Findings, Invariant};
use crate::memory::{ALL_CHUNKS, Memory, Place, Region};
use crate::oracle::{Granted, Oracle};
use crate::random::Random;
use crate::smmu::{Features, Smmu, Surroundings};
use ffa_abi::{PhysAddr, SmmuIndex};
use iommu_core::domain::{Device, MAX_DOMAINS, Slot};
use iommu_core::ownership::Accounts;
use iommu_core::policy::{
    self, FORMAT_VERSION, Guard, Holders, HypRole, Interrupts, MAX_DEVICES, Name, Policy, Range,
};
use iommu_core::pool::{Chunk, MAX_CHUNKS, PageSlot, Pool, Word};
use iommu_core::service::{Faults, Memory as State, Service};
use iommu_core::shared::{Area, MAX_AREAS};
use iommu_core::smmu::{PoolMapping, Quiet, SmmuV3};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// Where the carve-out begins.
const POOL: u64 = 0xd000_0000;
/// Pages that a carve-out can have here.
const MOST_PAGES: usize = 256;
/// The host's memory: enough for a block of 1 GiB, and a range that ends at no boundary.
const MANAGED: [Range; 2] =
    [Range { base: 0x4000_0000, size: 0x8000_0000 }, Range { base: 0x1_0000_0000, size: 0x40_3000 }];
/// Less of it, where identity follows the moves of its pages: its tables are looked at page by page.
const LITTLE: [Range; 2] =
    [Range { base: 0x4000_0000, size: 0x60_0000 }, Range { base: 0x1_0000_0000, size: 0x40_3000 }];
/// The first interrupt that an SMMU has.
pub(crate) const FIRST_WIRE: u32 = 106;
const SECURE: Range = Range { base: 0xe000_0000, size: 0x100_0000 };
const PAGE: u64 = 4096;

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Returns the words of this thread's carve-outs, one after the other: no two machines run at a time.
fn words(pages: usize) -> &'static [Word] {
    thread_local! {
        static WORDS: OnceCell<&'static [Word]> = const { OnceCell::new() };
    }
    let all = WORDS.with(|words| {
        *words.get_or_init(|| {
            (0..MOST_PAGES * 512 + ALL_CHUNKS).map(|_| Word::new(0)).collect::<Vec<_>>().leak()
        })
    });
    let words = all.get(..pages * 512 + ALL_CHUNKS).unwrap_or(all);
    // What was there before is nobody's business, and no service may rely on it.
    words.iter().for_each(|word| word.poke(0xdead_beef_dead_beef));
    words
}

/// Returns zeroed accounts of this thread, for as many pages and blocks as any machine has.
fn accounts() -> Accounts<'static> {
    thread_local! {
        static ACCOUNTS: OnceCell<Accounts<'static>> = const { OnceCell::new() };
    }
    let count = |count: u64| usize::try_from(count).unwrap_or(0);
    let most: u64 = MANAGED.iter().map(|range| range.size).sum();
    let accounts = ACCOUNTS.with(|accounts| {
        *accounts.get_or_init(|| Accounts {
            pages: (0..count(most >> 12)).map(|_| AtomicU16::new(0)).collect::<Vec<_>>().leak(),
            // A range that ends within a block has a part of one more.
            blocks: (0..count((most >> 21) + 2)).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak(),
        })
    });
    accounts.pages.iter().for_each(|page| page.store(0, Ordering::Relaxed));
    accounts.blocks.iter().for_each(|block| block.store(0, Ordering::Relaxed));
    accounts
}

fn device(name: &str, smmu: u8, first_sid: u32, sids: u16, host: bool, iova: Range) -> policy::Device {
    let holders = Holders { host, ..Holders::default() };
    policy::Device {
        name: Name::try_from(name).unwrap_or_default(),
        smmu,
        first_sid,
        sids,
        holders,
        iova,
        identity: false,
        nested: false,
    }
}

/// Makes a policy: devices with one stream and with many, one that the host may not hold, and an SMMU without any.
fn policy(random: &mut Random) -> Policy {
    // Two wires, or one for both, or none.
    let wires = [0; 3].map(|_| random.any(&[None, Some(1), Some(0)]));
    let smmu = |((index, name), apart): ((u32, &str), Option<u32>)| policy::Smmu {
        name: Name::try_from(name).unwrap_or_default(),
        frame: Range { base: 0x5_0000_0000 + u64::from(index) * 0x10_0000, size: 0x2_0000 },
        resets_to_bypass: true,
        interrupts: apart
            .map(|apart| Interrupts { event: FIRST_WIRE + 2 * index, error: FIRST_WIRE + 2 * index + apart }),
        power: policy::Power::AlwaysOn,
    };
    let wide = Range { base: 0, size: 1 << 39 };
    let narrow = Range { base: 0x10_0000, size: random.any(&[0x1_0000_0000, 0x8010_0000, 0x7f_0000_0000]) };
    let second = random.once_in(2);
    let mut devices = vec![
        device("one", 0, 0x10, 1, true, narrow),
        device("many", 0, 0x38, random.any(&[2, 12, 70]), true, wide),
        device("nobody", 0, 0x18, 1, false, Range { base: 0, size: PAGE }),
    ];
    // A device of somebody else's: the host is not to hear of it.
    let guard = *random.pick(&[Guard::Nobody, Guard::El2, Guard::BusFilter]).unwrap_or(&Guard::Nobody);
    if let Some(device) = devices.last_mut().filter(|_| guard != Guard::Nobody) {
        device.holders = Holders { host: false, hyp: true, guests: random.once_in(2) };
        device.iova = wide;
    }
    if second {
        devices.push(device("other", 1, 0x10, 1, true, random.any_range(&[wide, narrow])));
        devices.push(device("far", 1, random.any(&[0x11, 0x1c0]), 3, true, wide));
    }
    // Devices that go between the kernel and others.
    for device in devices.iter_mut().filter(|device| device.holders.host && guard != Guard::Nobody) {
        device.holders = Holders { host: true, hyp: random.once_in(3), guests: random.once_in(2) };
    }
    let count = if second { 3 } else { 1 };
    let hyp = if random.once_in(3) { HypRole::Absent } else { HypRole::Required };
    let follows = hyp == HypRole::Required && random.once_in(4);
    let mut policy = Policy {
        version: FORMAT_VERSION,
        guard,
        hyp,
        managed: if follows { LITTLE } else { MANAGED }.into_iter().collect(),
        pool: Range { base: POOL, size: PAGE },
        smmus: (0..).zip(["smmu0", "smmu1", "smmu2"]).zip(wires).take(count).map(smmu).collect(),
        devices: devices.into_iter().collect(),
        unprotected: heapless::Vec::new(),
        fault_rate: 0,
        accounts: None,
    };
    if policy.hyp == HypRole::Required {
        policy.accounts =
            Some(Range { base: SECURE.base, size: policy.accounts_bytes_needed().next_multiple_of(PAGE) });
    }
    for device in policy.devices.iter_mut().filter(|device| device.holders.host) {
        device.identity = random.once_in(2) && (hyp == HypRole::Absent || follows);
        device.nested = random.once_in(2);
    }
    let spare = random.any(&[0, 3, 8, 24, 60]);
    policy.pool.size = (policy.pool_pages_needed() + spare) * PAGE;
    policy
}

impl Machine {
    /// Makes the machine that a number stands for and brings its service up. What goes wrong on the way is a finding.
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        let mut random = Random::new(seed);
        let policy = leak(policy(&mut random));
        let pages = usize::try_from(policy.pool.size / PAGE).unwrap_or(0);
        let words = words(pages);
        // One table for identity: SMMUs that have it have the same stage.
        let alike = policy.devices.iter().any(|device| device.identity);
        let stage1_alone = random.once_in(4);
        let mut smmus = Vec::new();
        let (mut alone, mut both) = (BTreeSet::new(), BTreeSet::new());
        for index in 0..policy.smmus.len() {
            let other = !alike && random.once_in(4);
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let features = Features::choose(&mut random, stage1_alone == other);
            if stage1_alone != other {
                alone.insert(index);
            }
            if features.has_both_stages() {
                both.insert(index);
            }
            smmus.push(Smmu::new(features, &mut random));
        }
        let dry = random.any(&[0, 0, 0, 1, 2, 7]);
        let region = |range: &Range, place| Region { base: range.base, size: range.size, place };
        let mut regions: Vec<Region> =
            policy.managed.iter().map(|range| region(range, Place::Host)).collect();
        regions.push(region(&policy.pool, Place::Pool));
        regions.push(region(&SECURE, Place::Secure));
        regions.extend(policy.smmus.iter().map(|smmu| region(&smmu.frame, Place::Frame)));
        let around =
            Surroundings { memory: Memory::new(regions, POOL, words), random, findings: Findings::default() };
        let inner = Inner {
            policy,
            armed: smmus.iter().map(|_| false).collect(),
            smmus,
            around,
            oracle: Oracle::new(policy, alone, both),
            core: 0,
            labels: BTreeMap::new(),
            gap: 2,
            left: 0,
            meanwhile: Vec::new(),
            driver_at_work: false,
            looking: false,
            meddled: BTreeMap::new(),
            wires: Wires::default(),
            dry,
            granted: Granted::default(),
            lent: BTreeSet::new(),
            roots: BTreeMap::new(),
            focus: vec![0x10_0000, MANAGED[0].base, POOL, SECURE.base],
            cost: Cost::default(),
            time: 0,
            digest: seed,
            counts: Counts::default(),
        };
        let machine = Rc::new(Self {
            inner: RefCell::new(inner),
            pool: OnceCell::new(),
            service: OnceCell::new(),
            tables: OnceCell::new(),
        });
        edge::enter(&machine);
        machine.start(policy, words);
        machine
    }

    /// Does what the partition does at its start.
    fn start(&self, policy: &'static Policy, words: &'static [Word]) {
        let wrong = |what: String| self.inner().note(Invariant::Service, || what);
        if let Err(error) = policy.check() {
            return wrong(format!("policy: {error}"));
        }
        let carve_out = words.len().saturating_sub(ALL_CHUNKS);
        let words = words.get(..carve_out).unwrap_or_default();
        let slots: Vec<PageSlot> = (0..words.len() / 512).map(|_| PageSlot::new()).collect();
        let pool = match Pool::new(words, PhysAddr(POOL), slots.leak()) {
            Ok(pool) => leak(pool.with_chunks(leak([const { Chunk::new() }; MAX_CHUNKS]))),
            Err(error) => return wrong(format!("pool: {error}")),
        };
        let mut quiet = Vec::new();
        for index in 0..policy.smmus.len() {
            match Quiet::new(Port::new(index)) {
                Ok(smmu) => quiet.push(smmu),
                Err(error) => return wrong(format!("SMMU {index}: {error}")),
            }
        }
        let mut smmus = Vec::new();
        for (index, quiet) in (0..).zip(quiet) {
            match SmmuV3::bring_up(quiet, policy, SmmuIndex(index), pool, PoolMapping::WriteBack) {
                Ok(smmu) => smmus.push(smmu),
                Err(error) => return wrong(format!("SMMU {index}: {error}")),
            }
        }
        let state = State {
            pool,
            domains: leak([const { Slot::new() }; MAX_DOMAINS]),
            devices: leak([const { Device::new() }; MAX_DEVICES]),
            faults: leak(Faults::new()),
            entropy: &Source,
            areas: leak([const { Area::new() }; MAX_AREAS]),
            shared: &Manager,
            accounts: policy.accounts.map(|_| accounts()),
        };
        match Service::new(policy, [7; 32], smmus.leak(), &state) {
            Ok(service) => {
                let _: Result<(), usize> = self.tables.set(pool.available());
                let _: Result<(), _> = self.pool.set(pool);
                let _: Result<(), _> = self.service.set(leak(service));
                self.watch();
            }
            Err(error) => wrong(format!("service: {error}")),
        }
    }
}

impl Random {
    fn any_range(&mut self, ranges: &[Range]) -> Range {
        self.pick(ranges).copied().unwrap_or(Range { base: 0, size: PAGE })
    }
}
