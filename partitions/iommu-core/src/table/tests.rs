// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables against a naive map of pages, read back by a walker that knows nothing of this code.

use super::walker::{self, Found, Stage};
use super::*;
use crate::ownership::{NoPins, Pins, Refusal};
use crate::pool::{PageSlot, Quota};
use crate::smmu::Invalidated;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{Iova, Protection};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;

const POOL_BASE: u64 = 0x9000_0000;
const G: u64 = 1 << 30;
const M2: u64 = 2 << 20;
const K4: u64 = 4096;
const READ: Protection = Protection::READ;

struct Memory {
    words: Vec<Word>,
    slots: Vec<PageSlot>,
}

impl Memory {
    fn new(pages: usize) -> Self {
        Self {
            words: (0..pages * ENTRIES).map(|_| Word::new(!0)).collect(),
            slots: (0..pages).map(|_| PageSlot::new()).collect(),
        }
    }

    fn pool(&self) -> Pool<'_> {
        Pool::new(&self.words, PhysAddr(POOL_BASE), &self.slots).unwrap()
    }

    fn walk(&self, table: &Table<'_>, iova: u64) -> Option<Found> {
        let read = |address: u64| {
            let index = usize::try_from(address.checked_sub(POOL_BASE)? / 8).unwrap();
            self.words.get(index).map(|word| word.load(Relaxed))
        };
        walker::walk(read, Stage::Two, table.root().0, table.geometry().start().number().into(), iova)
    }
}

fn table<'a>(pool: &'a Pool<'a>, geometry: Geometry) -> Table<'a> {
    Table::new(pool, (Owner::new(0).unwrap(), &Quota::new(1)), geometry, Format::Stage2).unwrap()
}

fn mapping(iova: u64, pa: u64, size: u64, protection: Protection) -> Mapping {
    Mapping { iova: Iova(iova), pa: PhysAddr(pa), size, protection }
}

/// Unmaps, with an SMMU that forgets at once: how far that got, and how many bytes were mapped.
fn unmap(table: &Table<'_>, iova: u64, size: u64, budget: usize, tell: bool) -> (Progress<UnmapError>, u64) {
    unmap_with(table, (iova, size), budget, tell, &NoPins)
}

fn unmap_with(
    table: &Table<'_>,
    (iova, size): (u64, u64),
    budget: usize,
    tell: bool,
    pins: &impl Pins,
) -> (Progress<UnmapError>, u64) {
    let mut unmapped = table.removal(pins);
    let progress = table.unmap((Iova(iova), size), budget, tell, &mut unmapped);
    table.settle(&unmapped, Invalidated::never_reachable(), pins);
    (progress, unmapped.bytes)
}

/// Counts pins of pages, by page. What is unpinned must have been pinned.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<u64, u64>>);

fn pages(memory: PhysAddr, leaf: LeafSize, count: usize) -> core::ops::Range<u64> {
    let first = memory.0 / K4;
    first..first + leaf.bytes() / K4 * count as u64
}

impl Pins for Counts {
    fn pin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) -> Result<usize, Refusal> {
        let mut counts = self.0.lock().unwrap();
        pages(memory, leaf, count).for_each(|page| *counts.entry(page).or_default() += 1);
        Ok(count)
    }

    fn unpin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) {
        let mut counts = self.0.lock().unwrap();
        for page in pages(memory, leaf, count) {
            match counts.remove(&page) {
                Some(1) => {}
                Some(more) => drop(counts.insert(page, more - 1)),
                None => panic!("page {page:#x} was unpinned more often than pinned"),
            }
        }
    }

    fn counts(&self) -> bool {
        true
    }
}

/// Looks at the table whenever memory is pinned or unpinned: at neither time may anything be mapped.
struct Watch<'t> {
    memory: &'t Memory,
    table: &'t Table<'t>,
    iova: u64,
    seen: Mutex<Vec<(&'static str, bool)>>,
}

impl Watch<'_> {
    fn look(&self, when: &'static str) {
        let mapped = self.memory.walk(self.table, self.iova).is_some();
        self.seen.lock().unwrap().push((when, mapped));
    }
}

impl Pins for Watch<'_> {
    fn pin(&self, _memory: PhysAddr, _leaf: LeafSize, count: usize) -> Result<usize, Refusal> {
        self.look("pin");
        Ok(count)
    }

    fn unpin(&self, _memory: PhysAddr, _leaf: LeafSize, _count: usize) {
        self.look("unpin");
    }

    fn counts(&self) -> bool {
        true
    }
}

#[test]
fn memory_is_pinned_before_it_is_mapped_and_unpinned_after_smmus_forgot() {
    for (pa, size) in [(0, K4), (0, M2), (K4, 3 * K4)] {
        let memory = Memory::new(8);
        let pool = memory.pool();
        let table = table(&pool, Geometry::Bits39);
        let watch = Watch { memory: &memory, table: &table, iova: G, seen: Mutex::new(Vec::new()) };
        let when = || watch.seen.lock().unwrap().clone();
        assert_eq!(table.map(&mapping(G, pa, size, READ), &Quota::new(9), &watch, 512), ok(size));
        assert_eq!(when(), [("pin", false)]);
        assert!(memory.walk(&table, G).is_some());
        let mut unmapped = table.removal(&watch);
        let progress = table.unmap((Iova(G), size), 512, false, &mut unmapped);
        assert_eq!(
            (progress.bytes, when().len()),
            (size, 1),
            "nothing is unpinned while an SMMU may know it"
        );
        table.settle(&unmapped, Invalidated::never_reachable(), &watch);
        assert!(when().iter().skip(1).all(|seen| *seen == ("unpin", false)) && when().len() > 1);
    }
}

/// Memory of which only some may be pinned: what may is mapped, by leaves as small as it takes.
#[test]
fn memory_that_cannot_be_pinned_is_not_mapped() {
    struct UpTo(u64, LeafSize);
    impl Pins for UpTo {
        fn pin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) -> Result<usize, Refusal> {
            let fits = (self.0.saturating_sub(memory.0) / leaf.bytes()).min(count as u64);
            if fits == 0 || leaf > self.1 { Err(Refusal::Denied) } else { Ok(usize::try_from(fits).unwrap()) }
        }
        fn unpin(&self, _memory: PhysAddr, _leaf: LeafSize, _count: usize) {}
        fn counts(&self) -> bool {
            true
        }
    }
    let refused = |bytes| Progress { bytes, end: Err(MapError::Pins(Refusal::Denied)) };
    for largest in [LeafSize::Page4K, LeafSize::Block2M, LeafSize::Block1G] {
        let memory = Memory::new(8);
        let pool = memory.pool();
        let table = table(&pool, Geometry::Bits39);
        let map = |size, pins: &UpTo| table.map(&mapping(G, 0, size, READ), &Quota::new(9), pins, 2000);
        assert_eq!(map(2 * M2, &UpTo(0, largest)), refused(0));
        assert_eq!(map(2 * M2, &UpTo(M2 + 5 * K4, largest)), refused(M2 + 5 * K4));
        assert!(memory.walk(&table, G + M2 + 4 * K4).is_some());
        assert_eq!(memory.walk(&table, G + M2 + 5 * K4), None);
    }
}

/// What is in the way of a mapping costs no pins.
#[test]
fn pins_balance_where_mapping_ends_early() {
    let memory = Memory::new(3);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let (quota, pins) = (Quota::new(99), Counts::default());
    let map = |iova, pa, size| table.map(&mapping(iova, pa, size, READ), &quota, &pins, 512);
    let pinned = || pins.0.lock().unwrap().values().sum::<u64>();
    assert_eq!(map(5 * K4, 0, K4), ok(K4));
    assert_eq!(map(0, 0, M2), Progress { bytes: 5 * K4, end: Err(MapError::AlreadyMapped) });
    assert_eq!(pinned(), 6);
    // No page is left for a table.
    assert_eq!(map(G, 0, K4), Progress { bytes: 0, end: Err(MapError::NoMemory) });
    assert_eq!(pinned(), 6);
    let entry = &pool.words(pool.page_of(table.root(), Owner::new(0).unwrap()).unwrap()).unwrap()[1];
    entry.store(0x8000_0000_0000_0000, Relaxed);
    assert_eq!(map(G, 0, M2), Progress { bytes: 0, end: Err(MapError::Tampered) });
    assert_eq!(pinned(), 6);
}

#[test]
fn a_gigabyte_costs_as_many_entries_as_it_has_accounts() {
    let memory = Memory::new(3);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let (quota, pins) = (Quota::new(99), Counts::default());
    assert_eq!(table.map(&mapping(0, 0, 3 * G, READ), &quota, &NoPins, 512), ok(3 * G));
    assert_eq!(unmap(&table, 0, 3 * G, 512, true).1, 3 * G);
    for place in 0..3 {
        let at = place * G;
        assert_eq!(table.map(&mapping(at, at, 3 * G, READ), &quota, &pins, 512), ok(G));
    }
    for place in 0..3 {
        let (progress, unmapped) = unmap_with(&table, (place * G, 3 * G), 512, true, &pins);
        assert_eq!((progress.bytes, unmapped), (G, G));
    }
    assert!(pins.0.lock().unwrap().is_empty());
}

fn ok(bytes: u64) -> Progress<MapError> {
    Progress { bytes, end: Ok(()) }
}

#[test]
fn leaves_are_as_large_as_alignment_allows() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let quota = Quota::new(100);
    let size = G + M2 + K4;
    assert_eq!(table.map(&mapping(4 * G, 8 * G, size, READ), &quota, &NoPins, 512), ok(size));
    let leaf = |iova| memory.walk(&table, iova).unwrap().leaf;
    assert_eq!(leaf(4 * G + 5), (4 * G, G));
    assert_eq!(leaf(5 * G), (5 * G, M2));
    assert_eq!(leaf(5 * G + M2 + 1), (5 * G + M2, K4));
    assert_eq!(memory.walk(&table, 5 * G + M2 + K4), None);
    // Two tables: one of 2 MiB entries, one of pages.
    assert_eq!(quota.used(), 2);
}

#[test]
fn misaligned_memory_is_mapped_by_pages() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let progress = table.map(&mapping(M2, M2 + K4, M2, READ), &Quota::new(9), &NoPins, 512);
    assert_eq!(progress, ok(M2));
    assert_eq!(memory.walk(&table, M2 + 7).unwrap().leaf, (M2, K4));
    assert_eq!(memory.walk(&table, M2 + 7).unwrap().pa, M2 + K4 + 7);
}

#[test]
fn a_gigabyte_that_begins_elsewhere_is_mapped_by_smaller_blocks() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    for (iova, pa) in [(G + M2, 4 * G), (4 * G, 8 * G + M2), (8 * G + M2, 12 * G + M2)] {
        let progress = table.map(&mapping(iova, pa, G, READ), &Quota::new(9), &NoPins, 10);
        assert_eq!(progress, ok(10 * M2));
        let found = memory.walk(&table, iova + M2).unwrap();
        assert_eq!((found.leaf, found.pa), ((iova + M2, M2), pa + M2));
    }
}

#[test]
fn the_budget_ends_a_call_and_the_next_goes_on() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let quota = Quota::new(9);
    assert_eq!(table.map(&mapping(0, K4, M2, READ), &quota, &NoPins, 100), ok(100 * K4));
    assert_eq!(
        table.map(&mapping(100 * K4, 101 * K4, M2 - 100 * K4, READ), &quota, &NoPins, 512),
        ok(M2 - 100 * K4)
    );
    let (progress, unmapped) = unmap(&table, 0, M2, 100, false);
    assert_eq!((progress.bytes, unmapped), (100 * K4, 100 * K4));
}

#[test]
fn four_levels_work_alike() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let table = table(&pool, Geometry::FromLevel0(48));
    let top = (1 << 48) - K4;
    assert_eq!(table.map(&mapping(top, 0x5000, K4, READ), &Quota::new(9), &NoPins, 512), ok(K4));
    assert_eq!(memory.walk(&table, top + 1).unwrap().pa, 0x5001);
    assert_eq!(table.lookup(Iova(top)).unwrap().unwrap().pa, PhysAddr(0x5000));
    assert_eq!(table.lookup(Iova(1 << 48)), Ok(None));
}

#[test]
fn a_share_or_a_pool_that_is_used_up_ends_the_call_and_leaks_nothing() {
    let memory = Memory::new(2);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    for quota in [Quota::new(0), Quota::new(1), Quota::new(100)] {
        let before = quota.used();
        let progress = table.map(&mapping(0, 0, K4, READ), &quota, &NoPins, 512);
        assert_eq!(progress, Progress { bytes: 0, end: Err(MapError::NoMemory) });
        assert!(quota.used() <= before + 1);
    }
    assert_eq!(pool.available(), 0);
}

#[test]
fn blocks_are_not_split() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let quota = Quota::new(9);
    assert_eq!(table.map(&mapping(0, 0, 2 * M2, READ), &quota, &NoPins, 512), ok(2 * M2));
    let split = |iova, size| unmap(&table, iova, size, 512, false).0;
    assert_eq!(split(K4, K4), Progress { bytes: 0, end: Err(UnmapError::WouldSplit) });
    assert_eq!(split(0, M2 - K4), Progress { bytes: 0, end: Err(UnmapError::WouldSplit) });
    assert_eq!(split(0, M2 + K4), Progress { bytes: M2, end: Err(UnmapError::WouldSplit) });
    assert_eq!(memory.walk(&table, 0), None);
    assert!(memory.walk(&table, M2).is_some());
}

#[test]
fn tables_that_were_tampered_with_end_the_call() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let quota = Quota::new(9);
    assert_eq!(table.map(&mapping(0, 0, K4, READ), &quota, &NoPins, 512), ok(K4));
    let root = pool.page_of(table.root(), Owner::new(0).unwrap()).unwrap();
    let entry = &pool.words(root).unwrap()[0];
    // To itself, beyond the pool, to a page of nobody, and no descriptor at all.
    for address in [table.root().0 | 3, 0xffff_ffff_f003, (POOL_BASE + 7 * K4) | 3, 0x8000_0000_0000_0000, 2]
    {
        entry.store(address, Relaxed);
        let _ = table.map(&mapping(0, 0, M2 + K4, READ), &quota, &NoPins, 512);
        let _ = unmap(&table, 0, 4 * G, 512, false);
        let _ = table.lookup(Iova(0));
    }
    entry.store((POOL_BASE + 7 * K4) | 3, Relaxed);
    let progress = table.map(&mapping(0, 0, K4, READ), &quota, &NoPins, 512);
    assert_eq!(progress, Progress { bytes: 0, end: Err(MapError::Tampered) });
    assert_eq!(unmap(&table, 0, K4, 512, false).0.end, Err(UnmapError::Tampered));
    assert_eq!(table.lookup(Iova(0)), Err(Tampered));
}

/// A root that is a table of its own would be freed with that table, while the stream-table entry still names it.
#[test]
fn no_tampering_frees_the_root() {
    let memory = Memory::new(8);
    let pool = memory.pool();
    let mut table = table(&pool, Geometry::Bits39);
    let quota = Quota::new(9);
    assert_eq!(table.map(&mapping(0, 0, K4, READ), &quota, &NoPins, 512), ok(K4));
    let root = pool.page_of(table.root(), Owner::new(0).unwrap()).unwrap();
    let second = pool.words(root).unwrap()[0].load(Relaxed);
    let second = pool.page_of(PhysAddr(second & !0xfff), Owner::new(0).unwrap()).unwrap();
    pool.words(second).unwrap()[0].store(table.root().0 | 3, Relaxed);
    assert!(table.detach(Iova(0)).is_none());
}

/// Where ranges of the property tests lie: around a boundary of 1 GiB, so that several tables of each level are used.
const AREA: u64 = G - 2 * M2;
const AREA_PAGES: u64 = 4 * M2 / K4;

#[derive(Clone, Debug)]
enum Step {
    Map { page: u64, pages: u64, pa_page: u64, protection: u64, budget: usize },
    Unmap { page: u64, pages: u64, budget: usize, tell: bool },
}

fn steps() -> impl Strategy<Value = Step> {
    // Half of the ranges begin and end where blocks do.
    let place = prop_oneof![0..AREA_PAGES, (0..4_u64).prop_map(|block| block * 512)];
    let length = prop_oneof![1..1100_u64, (1..4_u64).prop_map(|blocks| blocks * 512), Just(1)];
    let budget = prop_oneof![Just(512_usize), 1..600_usize];
    prop_oneof![
        (place.clone(), length.clone(), prop_oneof![Just(0_u64), 0..512_u64], 1..4_u64, budget.clone())
            .prop_map(|(page, pages, shift, protection, budget)| Step::Map {
                page,
                pages: pages.min(AREA_PAGES - page),
                pa_page: 0x10_0000 + page + shift,
                protection,
                budget
            }),
        (place, length, budget, any::<bool>()).prop_map(|(page, pages, budget, tell)| Step::Unmap {
            page,
            pages: pages.min(AREA_PAGES - page),
            budget,
            tell
        }),
    ]
}

type Model = BTreeMap<u64, (u64, Protection)>;

/// Applies a step to both, and checks that what the call said of itself is true of the model.
fn apply(
    memory: &Memory,
    table: &mut Table<'_>,
    (quota, pins): (&Quota, &Counts),
    model: &mut Model,
    step: &Step,
) {
    match *step {
        Step::Map { page, pages, pa_page, protection, budget } => {
            let protection = Protection::from_bits(protection).unwrap();
            let wanted = mapping(AREA + page * K4, pa_page * K4, pages * K4, protection);
            let progress = table.map(&wanted, quota, pins, budget);
            assert!(progress.bytes <= pages * K4 && progress.bytes.is_multiple_of(K4));
            let done = progress.bytes / K4;
            for offset in 0..done {
                let before = model.insert(page + offset, (pa_page + offset, protection));
                assert_eq!(before, None, "a mapped page was replaced");
            }
            match progress.end {
                Ok(()) => assert!(done == pages || done >= u64::try_from(budget).unwrap()),
                Err(error) => {
                    assert_eq!(error, MapError::AlreadyMapped);
                    assert!(model.contains_key(&(page + done)));
                }
            }
        }
        Step::Unmap { page, pages, budget, tell } => {
            let at = Iova(AREA + page * K4);
            let (progress, unmapped) = unmap_with(table, (at.0, pages * K4), budget, tell, pins);
            let done = progress.bytes / K4;
            let next = at.0 + progress.bytes;
            let removed = (page..page + done).filter(|page| model.remove(page).is_some()).count();
            assert_eq!(removed as u64 * K4, unmapped);
            match progress.end {
                Ok(()) => assert!(done == pages || done >= u64::try_from(budget).unwrap()),
                Err(UnmapError::WouldSplit) => {
                    let (first, size) = memory.walk(table, next).unwrap().leaf;
                    assert!(first < next || first + size > at.0 + pages * K4);
                }
                Err(UnmapError::WholeTable) => {
                    assert!(tell && next.is_multiple_of(M2));
                    let detached = table.detach(Iova(next)).unwrap();
                    let first = page + done;
                    let gone = (first..first + 512).filter(|page| model.remove(page).is_some()).count();
                    assert_eq!(detached.bytes(), gone as u64 * K4);
                    let freed = table.release(&detached, Invalidated::never_reachable(), pins);
                    quota.give_back(freed.unwrap());
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]
    #[test]
    fn agrees_with_a_naive_map(steps in proptest::collection::vec(steps(), 1..40)) {
        let memory = Memory::new(16);
        let pool = memory.pool();
        let mut table = table(&pool, Geometry::Bits39);
        let (quota, pins) = (Quota::new(15), Counts::default());
        let mut model = Model::new();
        for step in &steps {
            apply(&memory, &mut table, (&quota, &pins), &mut model, step);
            let mut mapped = BTreeMap::new();
            model.values().for_each(|(pa, _)| *mapped.entry(*pa).or_default() += 1);
            prop_assert_eq!(&*pins.0.lock().unwrap(), &mapped, "each mapping is a pin");
            prop_assert_eq!(16 - pool.available(), quota.used() as usize + 1);
        }
        for page in 0..AREA_PAGES {
            let iova = AREA + page * K4 + page % K4;
            let expected = model.get(&page).map(|(pa, protection)| (pa * K4 + page % K4, *protection));
            let walked = memory.walk(&table, iova).map(|found| {
                let mut protection = Protection::empty();
                protection.set(Protection::READ, found.read);
                protection.set(Protection::WRITE, found.write);
                (found.pa, protection)
            });
            prop_assert_eq!(walked, expected);
            let looked_up = table.lookup(Iova(iova)).unwrap().map(|found| (found.pa.0, found.protection));
            prop_assert_eq!(looked_up, expected);
        }
    }

    /// Whatever stands in the pool, a call ends, does not panic and writes into pages of its domain only.
    #[test]
    fn any_content_of_the_pool_is_survived(
        garbage in proptest::collection::vec((0usize..4, 0usize..ENTRIES, any::<u64>(), 0u64..6), 0..64),
        step in steps(),
        anywhere in 0..(1u64 << 27),
    ) {
        let memory = Memory::new(8);
        let pool = memory.pool();
        let stranger = pool.allocate(Owner::new(1).unwrap()).unwrap();
        let mut table = table(&pool, Geometry::Bits39);
        let quota = Quota::new(9);
        let _ = table.map(&mapping(AREA, 0, M2 + K4, READ), &quota, &NoPins, 512);
        for (page, entry, bits, target) in garbage {
            let descriptor = (POOL_BASE + target * K4) | (bits & 0xfff) | 1;
            // First entries are those that walks meet.
            let entry = if bits & 0x1000 == 0 { entry } else { 0 };
            memory.words[(page + 1) * ENTRIES + entry].store(descriptor, Relaxed);
        }
        for at in [AREA, anywhere * K4] {
            match step {
                Step::Map { pages, pa_page, budget, .. } => {
                    let size = (pages * K4).min((1 << 39) - at);
                    let _ = table.map(&mapping(at, pa_page * K4, size, READ), &quota, &NoPins, budget);
                }
                Step::Unmap { pages, budget, tell, .. } => {
                    let _ = unmap(&table, at, pages * K4, budget, tell);
                    if let Some(detached) = table.detach(Iova(at)) {
                        let _ = table.release(&detached, Invalidated::never_reachable(), &NoPins);
                    }
                }
            }
            let _ = table.lookup(Iova(at));
        }
        prop_assert!(pool.words(stranger).unwrap().iter().all(|word| word.load(Relaxed) == 0));
    }
}

/// Cores that map and unmap at the same time lose nothing, in one table or in several.
#[test]
fn cores_work_side_by_side() {
    let memory = Memory::new(64);
    let pool = memory.pool();
    let table = table(&pool, Geometry::Bits39);
    let quota = Quota::new(63);
    // Miri looks at each access; there a few of them are enough.
    let (rounds, step) = if cfg!(miri) { (1, 512) } else { (200, 4) };
    std::thread::scope(|scope| {
        for core in 0..4_u64 {
            let (table, quota) = (&table, &quota);
            scope.spawn(move || {
                for round in 0..rounds {
                    // Interleaved pages of the same tables: installs race, entries do not.
                    for page in (core..2048).step_by(step) {
                        let (iova, pa) = (page * K4, (page + 4096 * (round + 1)) * K4);
                        assert_eq!(table.map(&mapping(iova, pa, K4, READ), quota, &NoPins, 512), ok(K4));
                        assert_eq!(table.lookup(Iova(iova)).unwrap().unwrap().pa.0, pa);
                    }
                    for page in (core..2048).step_by(step) {
                        assert_eq!(unmap(table, page * K4, K4, 512, true).1, K4);
                    }
                }
            });
        }
    });
    // Every table that lost a race to be installed went back.
    assert_eq!(quota.used(), 5);
    assert_eq!(pool.available(), 64 - 6);
}
