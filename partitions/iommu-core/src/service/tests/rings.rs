// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings, seen by a client and by a device: what stands in them, and in which order.

use super::*;
use crate::shared::MAX_AREA_PAGES;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use ffa_abi::AreaHandle;
use ffa_abi::ring::{ANSWERED, DONE_WORD, Descriptor, Doorbell, List, ListEntry, SLOT_WORDS, STATUS_WORD};
use std::vec::Vec;

pub(super) const AT: u64 = 0x1000_0000;
/// Where rings of these tests stand.
pub(super) const RING: u64 = RAM + 0x800_0000;
const SLOTS: usize = MAX_AREA_PAGES * 512 / SLOT_WORDS;

/// A ring of four pages, and a domain with a device in it.
pub(super) struct Client {
    pub(super) machine: Machine,
    pub(super) domain: DomainHandle,
    pub(super) area: AreaHandle,
}

pub(super) fn open(machine: &Machine, memory: u64) -> Result<AreaHandle, Status> {
    match machine.ask(Request::AreaOpen { memory }) {
        Response { status: Status::Ok, values: [handle, bytes, 0, 0] } => {
            assert!(bytes > 0 && bytes.is_multiple_of(K4));
            Ok(AreaHandle::from_raw(u32::try_from(handle).unwrap()).unwrap())
        }
        Response { status, values } => {
            assert_eq!(values, [0; 4]);
            Err(status)
        }
    }
}

impl Client {
    pub(super) fn new() -> Self {
        Self::on(Machine::new())
    }

    pub(super) fn on(machine: Machine) -> Self {
        let domain = machine.alloc(0);
        assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
        machine.shared.share(1, &[RING, RING + 2 * K4, RING + K4, RING + 7 * K4]);
        let area = open(&machine, 1).unwrap();
        Self { machine, domain, area }
    }

    /// Writes words from a slot on; after the last slot comes the first.
    fn write(&self, slot: usize, words: &[u64]) {
        let memory = self.machine.shared.words(self.area.place());
        for (place, word) in (slot * SLOT_WORDS..).zip(words) {
            memory[place % memory.len()].store(*word, Relaxed);
        }
    }

    /// Writes a descriptor and its entries; returns how many slots they take.
    fn put(&self, slot: usize, descriptor: Descriptor, entries: &[(u64, u64)]) -> usize {
        self.write(slot, &descriptor.encode());
        let entries: Vec<u64> =
            entries.iter().map(|(at, pages)| ListEntry::new(*at, *pages).unwrap().0).collect();
        self.write(slot + 1, &entries);
        1 + entries.len().div_ceil(SLOT_WORDS)
    }

    pub(super) fn map_list(&self, iova: u64, entries: usize) -> Descriptor {
        let list = List { entries: u16::try_from(entries).unwrap(), done: 0 };
        Descriptor::MapList { domain: self.domain, iova: Iova(iova), protection: BOTH, list }
    }

    pub(super) fn unmap_list(&self, entries: usize) -> Descriptor {
        let list = List { entries: u16::try_from(entries).unwrap(), done: 0 };
        Descriptor::UnmapList { domain: self.domain, list }
    }

    /// Returns slots done and failures.
    fn ring(&self, first: usize, slots: usize) -> (u64, u64) {
        let [first, slots] = [first, slots].map(|slots| u16::try_from(slots).unwrap());
        let response = self.machine.ask(Request::Doorbell(Doorbell { area: self.area, first, slots }));
        assert_eq!(response.status, Status::Ok);
        (response.values[0], response.values[1])
    }

    /// Returns status, bytes done and bytes removed of the descriptor in a slot; `None` where there is no answer.
    fn answer(&self, slot: usize) -> Option<(Status, u64, u64)> {
        let memory = self.machine.shared.words(self.area.place());
        let word = |place: usize| memory[(slot * SLOT_WORDS + place) % memory.len()].load(Relaxed);
        let status = word(STATUS_WORD);
        let code = u32::try_from(status & !ANSWERED).unwrap();
        (status & ANSWERED != 0)
            .then(|| (Status::try_from(code).unwrap(), word(DONE_WORD), word(STATUS_WORD + 1)))
    }

    /// Puts one list at the ring's start and has it handled, by as many messages as it takes. Returns its answer, and how many
    /// messages there were.
    pub(super) fn run(&self, descriptor: Descriptor, entries: &[(u64, u64)]) -> ((Status, u64, u64), usize) {
        self.run_watched(descriptor, entries, || ())
    }

    /// As [`run`](Self::run), and calls `after` each message.
    pub(super) fn run_watched(
        &self,
        descriptor: Descriptor,
        entries: &[(u64, u64)],
        mut after: impl FnMut(),
    ) -> ((Status, u64, u64), usize) {
        let slots = self.put(0, descriptor, entries);
        let mut removed = 0;
        for messages in 1..2000 {
            let (done, failed) = self.ring(0, slots);
            let (status, bytes, more) = self.answer(0).unwrap();
            after();
            removed += more;
            if status != Status::Again {
                assert_eq!((done, failed), (slots as u64, u64::from(status != Status::Ok)));
                return ((status, bytes, removed), messages);
            }
            assert_eq!((done, failed), (0, 0));
        }
        panic!("a list without an end")
    }

    pub(super) fn dma(&self, iova: u64) -> Option<u64> {
        self.machine.smmus[0].dma(EDU, iova, true)
    }
}

#[test]
fn what_is_not_a_page_is_misaligned() {
    let client = Client::new();
    let (domain, protection) = (client.domain, BOTH);
    let list = |done| List { entries: 2, done };
    let map = |iova, done| Descriptor::MapList { domain, iova: Iova(iova), protection, list: list(done) };
    for descriptor in [
        map(AT + 8, 0),
        map(AT, 8),
        map(AT + 8, K4 - 8),
        map(AT, K4 - 1),
        Descriptor::UnmapList { domain, list: list(1) },
        Descriptor::UnmapList { domain, list: list(2 * K4 - 1) },
    ] {
        client.put(0, descriptor, &[(RAM, 1), (RAM + K4, 1)]);
        assert_eq!(client.ring(0, 2), (2, 1));
        assert_eq!(client.answer(0).unwrap().0, Status::Misaligned, "{descriptor:x?}");
    }
    assert_eq!([AT, AT + K4].map(|iova| client.dma(iova)), [None; 2]);
}

#[test]
fn descriptors_that_are_none_end_the_message() {
    let client = Client::new();
    let sync = Descriptor::Sync.encode();
    let stale = DomainHandle::new(client.domain.slot(), client.domain.generation() + 1).unwrap();
    let mut reserved = client.map_list(AT, 1).encode();
    reserved[4] = 1;
    let far = client.map_list(AT, 20).encode();
    for (words, wanted) in [
        ([0; 8], Status::NotSupported),
        ([Operation::Map as u64; 8], Status::NotSupported),
        ([u64::MAX; 8], Status::NotSupported),
        (reserved, Status::InvalidParameters),
        // Its entries would stand behind what the doorbell was rung for.
        (far, Status::OutOfRange),
    ] {
        client.write(0, &sync);
        client.write(1, &words);
        client.write(2, &sync);
        assert_eq!(client.ring(0, 3), (2, 1));
        assert_eq!(client.answer(0), Some((Status::Ok, 0, 0)));
        assert_eq!(client.answer(1).unwrap().0, wanted);
        assert_eq!(client.answer(2), None);
    }
    // One that names nothing is as long as it says.
    let wrong = Descriptor::UnmapList { domain: stale, list: List { entries: 9, done: 0 } };
    client.put(0, wrong, &[(AT, 1); 9]);
    client.put(3, client.map_list(AT, 1), &[(RAM, 1)]);
    assert_eq!(client.ring(0, 5), (5, 1));
    assert_eq!(client.answer(0).unwrap().0, Status::InvalidHandle);
    assert_eq!(client.answer(3), Some((Status::Ok, K4, 0)));
}

#[test]
fn a_sync_ends_the_message_where_something_failed_before_it() {
    let client = Client::new();
    let put = |pa| {
        client.put(0, client.map_list(AT, 1), &[(pa, 1)]);
        client.put(2, Descriptor::Sync, &[]);
        client.put(3, client.map_list(AT + K4, 1), &[(RAM, 1)]);
    };
    put(POOL_BASE);
    assert_eq!(client.ring(0, 5), (3, 2));
    assert_eq!(client.answer(2).unwrap().0, Status::Denied);
    assert_eq!((client.answer(3), client.dma(AT + K4)), (None, None));
    put(RAM);
    assert_eq!(client.ring(0, 5), (5, 0));
    assert_eq!(client.answer(2).unwrap().0, Status::Ok);
    assert_eq!(client.dma(AT + K4), Some(RAM));
}

#[test]
fn after_the_last_slot_comes_the_first() {
    let client = Client::new();
    let pages: Vec<_> = (0..30).map(|page| (RAM + 2 * page * K4, 1)).collect();
    let first = SLOTS - 2;
    assert_eq!(client.put(first, client.map_list(AT, 30), &pages), 5);
    assert_eq!(client.ring(first, 5), (5, 0));
    (0..30).for_each(|page| assert_eq!(client.dma(AT + page * K4), Some(RAM + 2 * page * K4)));
    let bell = |first, slots| Request::Doorbell(Doorbell { area: client.area, first, slots });
    let all = u16::try_from(SLOTS).unwrap();
    for request in [bell(all, 1), bell(0, 0), bell(0, all + 1), bell(u16::MAX, u16::MAX)] {
        assert_eq!(client.machine.status(request), Status::OutOfRange);
    }
}

/// What is checked is what is used, while another core writes to the ring.
#[test]
fn a_ring_that_changes_while_it_is_read_maps_nothing_that_was_not_checked() {
    let client = Client::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let entries = [(RAM, 1), (POOL_BASE, 1), (RAM, 4096), (!(K4 - 1), 2)];
            let entries = entries.map(|(at, pages)| ListEntry::new(at, pages).unwrap().0);
            let mut turn = 0_usize;
            while !stop.load(Relaxed) {
                client.write(1, &[entries[turn % 4], entries[turn / 4 % 4]]);
                let list = List { entries: u16::try_from(turn % 3).unwrap(), done: (turn % 5) as u64 * K4 };
                let domain = client.domain;
                let map = Descriptor::MapList { domain, iova: Iova(AT), protection: BOTH, list };
                let descriptor = if turn.is_multiple_of(7) { Descriptor::Sync } else { map };
                client.write(0, &descriptor.encode()[..STATUS_WORD]);
                turn += 1;
            }
        });
        let (mut rounds, mut mapped) = (0, 0);
        while mapped < 300 {
            rounds += 1;
            assert!(rounds < 1_000_000, "next to nothing was ever mapped");
            let _ = client.ring(0, 2);
            for iova in (0..8).map(|page| AT + page * K4) {
                if let Some(pa) = client.dma(iova) {
                    assert!((RAM..RAM + RAM_SIZE).contains(&pa), "{pa:#x}");
                    mapped += 1;
                }
            }
            let mut done = 0;
            while done < 16 * M2 {
                let (status, bytes) = client.machine.unmap(client.domain, AT + done, 16 * M2 - done);
                assert_eq!(status, Status::Ok);
                done += bytes;
            }
        }
        stop.store(true, Relaxed);
    });
}

proptest! {
    /// Whatever stands in a ring, a message ends, within what there is of slots, and nothing that may not be is mapped.
    #[test]
    fn any_ring_is_read_without_panic(
        words in proptest::collection::vec(
            prop_oneof![
                any::<u64>(),
                Just(0u64),
                (0x43u64..0x48, 0u64..20, any::<bool>())
                    .prop_map(|(op, entries, domain)| op | entries << 16 | u64::from(domain) << 44),
                (0u64..20, 0u64..3).prop_map(|(page, more)| (RAM + page * K4) | more),
                (0u64..20).prop_map(|page| AT + page * K4),
                1u64..4,
            ],
            64,
        ),
        first in 0u16..260,
        slots in 0u16..260,
    ) {
        let client = Client::new();
        client.write(0, &words);
        let bell = Request::Doorbell(Doorbell { area: client.area, first, slots });
        let response = client.machine.ask(bell);
        prop_assert!(response.values[0] <= u64::from(slots));
        for page in 0..40 {
            if let Some(pa) = client.dma(AT + page * K4) {
                prop_assert!((RAM..RAM + RAM_SIZE).contains(&pa));
            }
        }
    }
}
