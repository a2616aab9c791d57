// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SMMU by itself, driven by hand: encodings here are written out once more, from the specifications' tables.

use super::{Access, Features, Kind, Outcome, Smmu, Surroundings, Transaction};
use crate::architecture::registers::{
    CMDQ_BASE, CMDQ_CONS, CMDQ_PROD, CR0, CR0ACK, CR2, EVENTQ_BASE, EVENTQ_CONS, EVENTQ_PROD, GBPA, GERROR,
    STRTAB_BASE, STRTAB_BASE_CFG,
};
use crate::finding::Findings;
use crate::memory::{Memory, Place, Region};
use crate::random::Random;
use iommu_core::pool::Word;

const POOL: u64 = 0x9000_0000;
/// What stands where in the pool.
const COMMANDS: u64 = POOL;
const EVENTS: u64 = POOL + 0x1000;
const STREAMS: u64 = POOL + 0x2000;
const STAGE2: u64 = POOL + 0x3000;
const PAGES2: u64 = POOL + 0x4000;
const CONTEXT: u64 = POOL + 0x5000;
const STAGE1: u64 = POOL + 0x6000;
const HOST: u64 = 0x4000_0000;
const STREAM: u32 = 5;

struct Bench {
    smmu: Smmu,
    around: Surroundings,
    producer: u32,
}

impl Bench {
    /// An SMMU with both stages that translates by a linear table of 64 streams, all aborting.
    fn new(seed: u64) -> Self {
        let words: &'static [Word] = (0..8 * 512).map(|_| Word::new(0)).collect::<Vec<_>>().leak();
        let regions = vec![
            Region { base: POOL, size: 0x8000, place: Place::Pool },
            Region { base: HOST, size: 0x4000_0000, place: Place::Host },
        ];
        let mut random = Random::new(seed);
        let features = Features::with_both_stages();
        let smmu = Smmu::new(features, &mut random);
        let memory = Memory::new(regions, POOL, words);
        let around = Surroundings { memory, random, findings: Findings::default() };
        let mut bench = Self { smmu, around, producer: 0 };
        for (register, value) in [
            (CMDQ_BASE, COMMANDS | 4),
            (CMDQ_PROD, 0),
            (CMDQ_CONS, 0),
            (EVENTQ_BASE, EVENTS | 2),
            (EVENTQ_PROD, 0),
            (EVENTQ_CONS, 0),
            (STRTAB_BASE, STREAMS),
            (STRTAB_BASE_CFG, 6),
            (CR2, 2),
        ] {
            bench.smmu.write(register, value, &mut bench.around);
        }
        bench.enable(0xc);
        // CMD_CFGI_ALL, CMD_TLBI_NSNH_ALL.
        bench.command(4, 31);
        bench.command(0x30, 0);
        bench.sync();
        bench.enable(0xd);
        bench
    }

    fn enable(&mut self, control: u64) {
        self.smmu.write(CR0, control, &mut self.around);
        while self.smmu.read(CR0ACK) != control {
            self.smmu.step(&mut self.around);
        }
    }

    fn set(&mut self, at: u64, words: &[u64]) {
        for (place, word) in (0..).zip(words) {
            self.around.memory.write(at + 8 * place, *word).unwrap();
        }
    }

    fn command(&mut self, first: u64, second: u64) {
        self.set(COMMANDS + u64::from(self.producer & 15) * 16, &[first, second]);
        self.producer = (self.producer + 1) & 31;
    }

    fn sync(&mut self) {
        self.command(0x46, 0);
        self.smmu.write(CMDQ_PROD, self.producer.into(), &mut self.around);
        while self.smmu.read(CMDQ_CONS) != u64::from(self.producer) {
            self.smmu.step(&mut self.around);
            self.smmu.land_due();
        }
    }

    /// Stage 2 of the stream: VMID 3, 39 bits from level 1, 44 bits out; Config as it is given, S1ContextPtr.
    fn entry(&mut self, config: u64) {
        let first = 1 | config << 1 | CONTEXT;
        let second = 3 | 25 << 32 | 1 << 38 | 4 << 48 | 1 << 51 | 1 << 54 | 1 << 58;
        self.set(STREAMS + u64::from(STREAM) * 64, &[first, 0, second, STAGE2]);
        self.command(3 | u64::from(STREAM) << 32, 1);
        self.sync();
    }

    /// A page of stage 2: the table of IPAs from 0 on.
    fn page2(&mut self, ipa: u64, pa: u64, access: u64) {
        // Level 1 leads to STAGE2's second half of the page: level 2 stands at PAGES2, level 3 is level 2's block.
        self.set(STAGE2, &[PAGES2 | 3]);
        self.set(PAGES2 + (ipa >> 21) * 8, &[pa | access << 6 | 0x73d | 1]);
    }

    fn reach(&mut self, address: u64, write: bool) -> Option<u64> {
        let transaction = Transaction { stream: STREAM, address, write, kind: Kind::Untranslated };
        match self.smmu.issue(transaction, &mut self.around) {
            Outcome::Goes(Access { address, .. }) => Some(address),
            Outcome::Aborted => None,
        }
    }
}

#[test]
fn stage_2_translates_and_caches_until_it_is_told() {
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        assert_eq!(bench.reach(0, false), None);
        bench.entry(0b110);
        assert_eq!(bench.reach(0x1234, false), None);
        bench.page2(0, HOST, 1);
        assert_eq!(bench.reach(0x1234, false), Some(HOST + 0x1234));
        assert_eq!(bench.reach(0x1234, true), None);
        bench.set(PAGES2, &[0]);
        let stale = (0..20).filter_map(|_| bench.reach(0x1234, false)).count();
        // CMD_TLBI_S2_IPA, VMID 3, leaf.
        bench.command(0x2a | 3 << 32, 1);
        bench.sync();
        assert_eq!(bench.reach(0x1234, false), None);
        if stale > 0 {
            return;
        }
    }
    panic!("nothing was ever cached");
}

#[test]
fn both_stages_in_one_entry_outlive_an_invalidation_by_ipa() {
    let mut kept = 0;
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        bench.entry(0b111);
        // The context and stage 1's table are IPAs below 2 MiB of the pool's own; its page leads to IPA 0x200000.
        let base = POOL & !0x1f_ffff;
        bench.set(STAGE2 + (base >> 30) * 8, &[PAGES2 | 3]);
        bench.set(PAGES2 + (base >> 21 & 511) * 8, &[base | 0x7fd]);
        bench.set(PAGES2 + 8, &[HOST | 0x7fd]);
        bench.set(STAGE2, &[PAGES2 | 3]);
        // V, AA64, T0SZ 34 (30 bits from level 2), EPD1, IPS 4, ASID 9.
        bench.set(CONTEXT, &[34 | 1 << 30 | 1 << 31 | 4 << 32 | 1 << 41 | 9 << 48, STAGE1]);
        // A block of 2 MiB: AF, inner shareable, AP 0b01, not global.
        bench.set(STAGE1, &[0x20_0000 | 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6 | 1]);
        assert_eq!(bench.reach(0x1_0040, true), Some(HOST + 0x1_0040), "seed {seed}");
        bench.set(PAGES2 + 8, &[0]);
        bench.command(0x2a | 3 << 32, 0x20_0000 | 1);
        bench.sync();
        kept += usize::from(bench.reach(0x1_0040, true).is_some());
        // CMD_TLBI_NH_ALL, VMID 3.
        bench.command(0x10 | 3 << 32, 0);
        bench.sync();
        assert_eq!(bench.reach(0x1_0040, true), None);
    }
    assert!(kept > 0, "no combined entry was ever cached");
}

#[test]
fn stage_1_alone_puts_out_physical_addresses() {
    let mut bench = Bench::new(1);
    bench.entry(0b101);
    bench.set(CONTEXT, &[34 | 1 << 30 | 1 << 31 | 4 << 32 | 1 << 41 | 9 << 48, STAGE1]);
    // AP 0b11: read-only.
    bench.set(STAGE1, &[HOST | 1 << 11 | 1 << 10 | 3 << 8 | 3 << 6 | 1]);
    assert_eq!(bench.reach(0x40, false), Some(HOST + 0x40));
    assert_eq!(bench.reach(0x40, true), None);
    assert_eq!(bench.reach(1 << 30, false), None);
    assert!(bench.around.findings.first().is_none());
}

#[test]
fn a_command_that_is_illegal_stops_the_queue() {
    let mut bench = Bench::new(1);
    bench.command(0xff, 0);
    bench.smmu.write(CMDQ_PROD, bench.producer.into(), &mut bench.around);
    for _ in 0..100 {
        bench.smmu.step(&mut bench.around);
    }
    assert_eq!(bench.smmu.read(GERROR), 1);
    assert_eq!(bench.smmu.read(CMDQ_CONS) >> 24, 1);
    assert!(bench.around.findings.first().is_some());
}

#[test]
fn events_are_written_until_the_queue_is_full() {
    let mut bench = Bench::new(1);
    for place in 1..=4 {
        assert_eq!(bench.reach(0x5000, true), None);
        assert_eq!(bench.smmu.read(EVENTQ_PROD), place);
    }
    assert_eq!(bench.around.memory.read(EVENTS), Ok(4 | u64::from(STREAM) << 32));
    assert_eq!(bench.reach(0x5000, true), None);
    assert_eq!(bench.smmu.read(EVENTQ_PROD), 4 | 1 << 31);
    // Beyond the table.
    bench.smmu.write(EVENTQ_CONS, 4 | 1 << 31, &mut bench.around);
    let beyond = Transaction { stream: 64, address: 0, write: false, kind: Kind::Untranslated };
    assert_eq!(bench.smmu.issue(beyond, &mut bench.around), Outcome::Aborted);
    assert_eq!(bench.around.memory.read(EVENTS), Ok(2 | 64 << 32));
}

#[test]
fn without_translation_the_gate_decides() {
    let mut bench = Bench::new(1);
    bench.smmu.write(GBPA, 0x8000_0000, &mut bench.around);
    while bench.smmu.read(GBPA) >> 31 != 0 {
        bench.smmu.step(&mut bench.around);
    }
    bench.enable(0);
    assert_eq!(bench.reach(0x77, true), Some(0x77));
    bench.smmu.write(GBPA, 0x8010_0000, &mut bench.around);
    while bench.smmu.read(GBPA) >> 31 != 0 {
        bench.smmu.step(&mut bench.around);
    }
    assert_eq!(bench.reach(0x77, true), None);
    assert!(bench.around.findings.first().is_none());
}
