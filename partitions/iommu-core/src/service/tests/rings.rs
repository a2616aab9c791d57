// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Areas and rings, seen by a client and by a device.

use super::roles::{hyp, with_hyp};
use super::*;
use crate::shared::MAX_AREA_PAGES;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use ffa_abi::ring::{ANSWERED, DONE_WORD, Descriptor, Doorbell, List, ListEntry, SLOT_WORDS, STATUS_WORD};
use ffa_abi::{AreaHandle, HypRequest, PageOwner, Pages};
use std::vec::Vec;

const AT: u64 = 0x1000_0000;
/// Where rings of these tests stand.
const RING: u64 = RAM + 0x800_0000;
const SLOTS: usize = MAX_AREA_PAGES * 512 / SLOT_WORDS;

/// A ring of four pages, and a domain with a device in it.
struct Client {
    machine: Machine,
    domain: DomainHandle,
    area: AreaHandle,
}

fn open(machine: &Machine, memory: u64) -> Result<AreaHandle, Status> {
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
    fn new() -> Self {
        Self::on(Machine::new())
    }

    fn on(machine: Machine) -> Self {
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

    fn map_list(&self, iova: u64, entries: usize) -> Descriptor {
        let list = List { entries: u16::try_from(entries).unwrap(), done: 0 };
        Descriptor::MapList { domain: self.domain, iova: Iova(iova), protection: BOTH, list }
    }

    fn unmap_list(&self, entries: usize) -> Descriptor {
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
    fn run(&self, descriptor: Descriptor, entries: &[(u64, u64)]) -> ((Status, u64, u64), usize) {
        let slots = self.put(0, descriptor, entries);
        let mut removed = 0;
        for messages in 1..2000 {
            let (done, failed) = self.ring(0, slots);
            let (status, bytes, more) = self.answer(0).unwrap();
            removed += more;
            if status != Status::Again {
                assert_eq!((done, failed), (slots as u64, u64::from(status != Status::Ok)));
                return ((status, bytes, removed), messages);
            }
            assert_eq!((done, failed), (0, 0));
        }
        panic!("a list without an end")
    }

    fn dma(&self, iova: u64) -> Option<u64> {
        self.machine.smmus[0].dma(EDU, iova, true)
    }
}

#[test]
fn a_list_is_mapped_page_behind_page_and_unmapped_here_and_there() {
    let client = Client::new();
    let pages = [(RAM + 5 * K4, 1), (RAM, 3), (RAM + 100 * K4, 1)];
    assert_eq!(client.run(client.map_list(AT, 3), &pages).0, (Status::Ok, 5 * K4, 0));
    for (index, pa) in [RAM + 5 * K4, RAM, RAM + K4, RAM + 2 * K4, RAM + 100 * K4].into_iter().enumerate() {
        assert_eq!(client.dma(AT + index as u64 * K4 + 8), Some(pa + 8));
    }
    assert_eq!(client.dma(AT + 5 * K4), None);
    // A hole is passed over.
    let ranges = [(AT + 4 * K4, 1), (AT, 1), (AT + 5 * K4, 2)];
    assert_eq!(client.run(client.unmap_list(3), &ranges).0, (Status::Ok, 4 * K4, 2 * K4));
    assert_eq!([0, 4, 5].map(|page| client.dma(AT + page * K4)), [None; 3]);
    assert_eq!(client.dma(AT + K4), Some(RAM));
    // What is free can be mapped again.
    assert_eq!(client.run(client.map_list(AT + 4 * K4, 1), &[(RAM, 1)]).0, (Status::Ok, K4, 0));
    assert_eq!(client.dma(AT + 4 * K4), Some(RAM));
}

#[test]
fn a_list_is_unmapped_by_one_invalidation_for_each_table() {
    let client = Client::new();
    let pages: Vec<_> = (0..64).map(|page| (RAM + 2 * page * K4, 1)).collect();
    assert_eq!(client.run(client.map_list(AT, 64), &pages), ((Status::Ok, 64 * K4, 0), 1));
    (0..64).for_each(|page| assert_eq!(client.dma(AT + page * K4), Some(RAM + 2 * page * K4)));
    let before = client.machine.smmus[0].invalidations();
    let ranges: Vec<_> = (0..32).map(|page| (AT + 2 * page * K4, 1)).collect();
    assert_eq!(client.run(client.unmap_list(32), &ranges), ((Status::Ok, 32 * K4, 32 * K4), 1));
    assert_eq!(client.machine.smmus[0].invalidations() - before, 1);
    for page in 0..64 {
        let expected = if page % 2 == 0 { None } else { Some(RAM + 2 * page * K4) };
        assert_eq!(client.dma(AT + page * K4), expected);
    }
}

#[test]
fn more_tables_than_are_noted_at_once_are_unmapped() {
    let client = Client::on(Machine::with_pool(128));
    for table in 0..20 {
        assert_eq!(client.machine.map(client.domain, AT + table * M2, RAM, K4, BOTH), (Status::Ok, K4));
        assert_eq!(client.dma(AT + table * M2), Some(RAM));
    }
    let ranges: Vec<_> = (0..20).map(|table| (AT + table * M2, 1)).collect();
    assert_eq!(client.run(client.unmap_list(20), &ranges).0, (Status::Ok, 20 * K4, 20 * K4));
    (0..20).for_each(|table| assert_eq!(client.dma(AT + table * M2), None));
    // One range over all of them, and a block.
    assert_eq!(client.machine.map(client.domain, AT + 20 * M2, RAM, M2, BOTH), (Status::Ok, M2));
    assert_eq!(client.dma(AT + 20 * M2), Some(RAM));
    assert_eq!(client.run(client.unmap_list(2), &[(AT + M2, 4096), (AT + 17 * M2, 4096)]).0.0, Status::Ok);
    assert_eq!(client.dma(AT + 20 * M2), None);
}

#[test]
fn long_lists_are_done_in_bounded_steps() {
    let client = Client::new();
    // Entries that are more than a message does; entries so many that passing over them counts; blocks.
    let pages: Vec<_> = (0..500).map(|page| (RAM + (page * 7 % 501) * K4, 1)).collect();
    let ((status, bytes, _), messages) = client.run(client.map_list(AT, 500), &pages);
    assert_eq!((status, bytes), (Status::Ok, 500 * K4));
    assert!((2..20).contains(&messages), "{messages} messages");
    (0..500).for_each(|page| assert_eq!(client.dma(AT + page * K4), Some(RAM + (page * 7 % 501) * K4)));
    let ranges: Vec<_> = (0..500).rev().map(|page| (AT + page * K4, 1)).collect();
    let ((status, bytes, removed), messages) = client.run(client.unmap_list(500), &ranges);
    assert_eq!((status, bytes, removed), (Status::Ok, 500 * K4, 500 * K4));
    assert!((2..20).contains(&messages), "{messages} messages");
    (0..500).for_each(|page| assert_eq!(client.dma(AT + page * K4), None));
    // One page off, so that no block fits.
    let ((status, bytes, _), messages) = client.run(client.map_list(AT, 1), &[(RAM + K4, 2000)]);
    assert_eq!((status, bytes), (Status::Ok, 2000 * K4));
    assert!((4..8).contains(&messages), "{messages} messages");
    assert_eq!(client.dma(AT + 1999 * K4), Some(RAM + 2000 * K4));
    let ((status, _, removed), messages) = client.run(client.unmap_list(1), &[(AT, 2000)]);
    assert_eq!((status, removed), (Status::Ok, 2000 * K4));
    assert!((4..8).contains(&messages), "{messages} messages");
    assert_eq!(client.run(client.map_list(AT + 8 * M2, 1), &[(RAM, 4096)]), ((Status::Ok, 8 * M2, 0), 1));
}

#[test]
fn each_entry_is_checked_as_a_single_mapping_is() {
    let client = Client::new();
    let good = (RAM, 1);
    let frame = 0x5000_0000;
    for bad in [
        (POOL_BASE, 1),
        (POOL_BASE - K4, 2),
        (frame, 1),
        (RAM - K4, 1),
        (RAM + RAM_SIZE, 1),
        (RAM + RAM_SIZE - K4, 2),
        (0, 1),
        (!(K4 - 1), 1),
    ] {
        let end = bad.0.checked_add(bad.1 * K4);
        let wanted = if end.is_none() { Status::OutOfRange } else { Status::Denied };
        assert_eq!(client.run(client.map_list(AT, 2), &[good, bad]).0, (wanted, K4, 0), "{bad:x?}");
        assert_eq!(client.machine.map(client.domain, AT + K4, bad.0, bad.1 * K4, BOTH), (wanted, 0));
        assert_eq!((client.dma(AT), client.dma(AT + K4)), (Some(RAM), None));
        assert_eq!(client.run(client.unmap_list(1), &[(AT, 1)]).0, (Status::Ok, K4, K4));
    }
    let end = WINDOW.base + WINDOW.size;
    for (iova, pages, bytes) in [(WINDOW.base - K4, 1, 0), (end - K4, 2, K4), (!(K4 - 1), 2, 0)] {
        let entries = vec![(RAM, 1); pages];
        let answer = client.run(client.map_list(iova, pages), &entries).0;
        assert_eq!(answer, (Status::OutOfRange, bytes, 0), "{iova:#x}");
    }
    assert_eq!(client.dma(end - K4), Some(RAM));
    for range in [(WINDOW.base - K4, 2), (end - K4, 2), (!(K4 - 1), 1)] {
        assert_eq!(client.run(client.unmap_list(1), &[range]).0.0, Status::OutOfRange, "{range:x?}");
    }
    assert_eq!(client.dma(end - K4), Some(RAM));
    assert_eq!(client.run(client.map_list(AT, 3), &[good, good, good]).0.0, Status::Ok);
    assert_eq!(client.run(client.map_list(AT - K4, 2), &[good, good]).0, (Status::AlreadyMapped, K4, 0));
    assert_eq!(client.run(client.map_list(AT + 2 * M2, 1), &[(RAM, 512)]).0.0, Status::Ok);
    assert_eq!(
        client.run(client.unmap_list(2), &[(AT, 1), (AT + 2 * M2, 1)]).0,
        (Status::WouldSplit, K4, K4)
    );
    assert_eq!(client.dma(AT), None, "what was unmapped before is invalidated");
    assert_eq!(client.dma(AT + 2 * M2), Some(RAM));
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
fn lists_of_pages_and_of_more_are_mapped_alike() {
    let client = Client::on(Machine::with_pool(256));
    // Over the ends of tables, of chunks that are read at a time, and with ranges among the pages.
    let entries: Vec<_> =
        (0..400_u64).map(|place| (RAM + place * 16 * K4, 1 + u64::from(place % 37 == 5) * 9)).collect();
    let pages: Vec<u64> =
        entries.iter().flat_map(|(at, pages)| (0..*pages).map(move |page| at + page * K4)).collect();
    let first = AT + M2 - 50 * K4;
    let all = pages.len() as u64 * K4;
    assert_eq!(client.run(client.map_list(first, 400), &entries).0, (Status::Ok, all, 0));
    let iovas: Vec<u64> = (0..pages.len() as u64).map(|page| first + page * K4).collect();
    for (iova, pa) in iovas.iter().zip(&pages) {
        assert_eq!(client.dma(*iova), Some(*pa));
    }
    // Every third page, of two tables in turn, and a range of pages at the end.
    let ranges: Vec<_> =
        iovas.iter().step_by(3).map(|iova| (*iova, 1)).chain([(first + all - 9 * K4, 9)]).collect();
    let removed = all.min((iovas.len().div_ceil(3) as u64 + 6) * K4);
    let answer = client.run(client.unmap_list(ranges.len()), &ranges).0;
    assert_eq!(answer, (Status::Ok, (ranges.len() as u64 + 8) * K4, removed));
    for (place, (iova, pa)) in iovas.iter().zip(&pages).enumerate() {
        let gone = place % 3 == 0 || place >= iovas.len() - 9;
        assert_eq!(client.dma(*iova), if gone { None } else { Some(*pa) }, "{place}");
    }
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

#[test]
fn memory_is_the_clients_again_when_the_area_is_closed() {
    let client = Client::new();
    let Client { machine, area, .. } = &client;
    assert!(!machine.shared.reclaim(1));
    assert_eq!(open(machine, 1), Err(Status::Denied), "it is retrieved");
    assert_eq!(machine.status(Request::AreaClose(*area)), Status::Ok);
    assert_eq!(machine.shared.mapped(), 0);
    assert!(machine.shared.reclaim(1));
    let bell = Request::Doorbell(Doorbell { area: *area, first: 0, slots: 1 });
    assert_eq!(machine.status(bell), Status::InvalidHandle);
    assert_eq!(machine.status(Request::AreaClose(*area)), Status::InvalidHandle);
    // The place is used again, under another handle.
    machine.shared.share(2, &[RING]);
    let next = open(machine, 2).unwrap();
    assert_eq!((next.place(), next == *area), (area.place(), false));
    assert_eq!(machine.status(bell), Status::InvalidHandle);
    assert_eq!(open(machine, 77), Err(Status::Denied));
    assert_eq!(
        machine.status(Request::AreaClose(AreaHandle::new(MAX_AREAS, 1).unwrap())),
        Status::InvalidHandle
    );
}

#[test]
fn areas_are_of_memory_that_may_be_mapped_only() {
    let machine = Machine::new();
    let bad = [POOL_BASE, 0x5000_0000, RAM - K4, RAM + RAM_SIZE, 0];
    for (handle, page) in (10..).zip(bad) {
        for (handle, pages) in [(handle, vec![page]), (handle + 100, vec![RAM, page, RAM + K4])] {
            machine.shared.share(handle, &pages);
            assert_eq!(open(&machine, handle), Err(Status::Denied), "{page:#x}");
            assert_eq!(machine.shared.mapped(), 0);
            assert!(machine.shared.reclaim(handle), "it was relinquished");
        }
    }
    machine.shared.share(1, &[RAM; MAX_AREA_PAGES + 1]);
    assert_eq!(open(&machine, 1), Err(Status::OutOfRange));
    // As many as there are places, and no more.
    for handle in 200..200 + MAX_AREAS as u64 {
        machine.shared.share(handle, &[RING]);
        open(&machine, handle).unwrap();
    }
    machine.shared.share(300, &[RING]);
    assert_eq!(open(&machine, 300), Err(Status::NoMemory));
    assert!(machine.shared.reclaim(300));
}

/// Takes or gives back a page of a machine's, and returns how that went.
fn take(machine: &Machine, page: u64) -> Status {
    hyp(machine, KEY, HypRequest::Own(Pages { first: PhysAddr(page), count: 1 }, PageOwner::Guest(7))).status
}

#[test]
fn pages_of_an_area_do_not_move_until_it_is_closed() {
    let machine = with_hyp();
    machine.shared.share(9, &[RAM]);
    assert_eq!(open(&machine, 9), Err(Status::NotReady));
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let client = Client::on(machine);
    let Client { machine, area, .. } = &client;
    for page in [RING, RING + K4, RING + 2 * K4, RING + 7 * K4] {
        assert_eq!(take(machine, page), Status::Busy);
    }
    // While the manager does not take them back, they stay.
    machine.shared.refuse(2);
    for _ in 0..2 {
        assert_eq!(machine.status(Request::AreaClose(*area)), Status::Denied);
        assert_eq!((take(machine, RING), machine.shared.mapped()), (Status::Busy, 0));
        let bell = Request::Doorbell(Doorbell { area: *area, first: 0, slots: 1 });
        assert_eq!(machine.status(bell), Status::InvalidHandle);
    }
    assert_eq!(machine.status(Request::AreaClose(*area)), Status::Ok);
    assert!(machine.shared.reclaim(1));
    assert_eq!(take(machine, RING), Status::Ok);
    // A guest's page is no area's, and the pages before it are free again.
    machine.shared.share(10, &[RING + K4, RING]);
    assert_eq!(open(machine, 10), Err(Status::Denied));
    assert_eq!(machine.shared.mapped(), 0);
    assert_eq!(take(machine, RING + K4), Status::Ok);
    // Nor does an area that finds no room keep anything.
    machine.shared.fill(true);
    assert_eq!(open(machine, 9), Err(Status::NoMemory));
    assert!(machine.shared.reclaim(9));
    assert_eq!(take(machine, RAM), Status::Ok);
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
