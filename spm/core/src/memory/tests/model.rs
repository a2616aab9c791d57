// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random transactions of two VMs and three partitions against a naive model of memory: who owns each page, and what each
//! transaction does with it. After each call every partition reaches just what the model allows, and what failed has changed
//! nothing; in the end nothing is left over.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::memory::share::Phase;

/// The senders: two VMs and the partitions.
const SENDERS: [(Who, u16); 5] =
    [(Who::Normal, 1), (Who::Normal, 2), (Who::Sp(0), A), (Who::Sp(1), B), (Who::Sp(2), C)];
/// Pages of each owner in the game.
const PAGES: usize = 5;

/// The address of page `number` of the normal world's (place 3) or of a partition's.
fn address(place: usize, number: usize) -> u64 {
    if place == 3 { RAM + number as u64 * 4096 } else { page(place, number as u64) }
}

#[derive(Clone, Debug)]
enum Step {
    /// Sender, kind, receivers as bits, write, zero, pages (place, number), whether in fragments.
    Send(usize, usize, u8, bool, bool, Vec<(usize, usize)>, bool),
    /// Partition, transaction, data access, execute, zero after.
    Retrieve(usize, usize, u8, bool, bool),
    Relinquish(usize, usize, bool),
    /// Sender, transaction, zero.
    Reclaim(usize, usize, bool),
    /// A page number of the normal world for its receive buffer.
    Buffers(usize),
}

fn steps() -> impl Strategy<Value = Vec<(Step, Option<u32>)>> {
    let pages = proptest::collection::vec((0_usize..4, 0..PAGES), 1..4);
    let step = prop_oneof![
        4 => (0..SENDERS.len(), 0_usize..3, 1_u8..8, any::<bool>(), any::<bool>(), pages, any::<bool>()).prop_map(
            |(sender, kind, to, write, zero, pages, parts)| {
                // Mostly of the sender's own pages, or nothing would ever be sent.
                let place = if sender < 2 { 3 } else { sender - 2 };
                let own = pages.iter().map(|&(_, number)| (place, number)).collect();
                let pages = if pages[0].1 == 0 { pages } else { own };
                Step::Send(sender, kind, to, write, zero, pages, parts)
            }
        ),
        4 => (0_usize..3, 0_usize..12, 0_u8..3, any::<bool>(), any::<bool>())
            .prop_map(|(place, which, data, execute, zero)| Step::Retrieve(place, which, data, execute && data < 2, zero)),
        3 => (0_usize..3, 0_usize..12, any::<bool>()).prop_map(|(place, which, zero)| Step::Relinquish(place, which, zero)),
        2 => (0..SENDERS.len(), 0_usize..12, any::<bool>()).prop_map(|(who, which, zero)| Step::Reclaim(who, which, zero)),
        1 => (0..PAGES).prop_map(Step::Buffers),
    ];
    proptest::collection::vec((step, prop_oneof![3 => Just(None), 1 => (0_u32..4).prop_map(Some)]), 1..60)
}

#[derive(Clone, Debug)]
struct Entry {
    handle: u64,
    sender: usize,
    kind: usize,
    pages: Vec<u64>,
    /// Place of each receiver, whether it may write, and what it has.
    receivers: BTreeMap<usize, (bool, Option<Rights>)>,
}

/// What the model knows: owners of pages with their rights (place 3: the normal world), and transactions.
struct Model {
    owners: BTreeMap<u64, (usize, Rights)>,
    open: Vec<Entry>,
    /// Handles that mean nothing any more.
    closed: Vec<u64>,
    /// The page of the normal world's receive buffer.
    buffer: Option<u64>,
}

fn place_of(sender: usize) -> usize {
    if sender < 2 { 3 } else { sender - 2 }
}

impl Model {
    fn new() -> Self {
        let mut owners = BTreeMap::new();
        for place in 0..4 {
            let rights = if place == 3 { RW } else { Rights::ALL };
            for number in 0..PAGES {
                owners.insert(address(place, number), (place, rights));
            }
        }
        Self { owners, open: Vec::new(), closed: Vec::new(), buffer: None }
    }

    /// Everything that partitions reach of the pages in the game.
    fn reach(&self) -> BTreeMap<(usize, u64), Rights> {
        let mut reach = BTreeMap::new();
        for (&page, &(owner, rights)) in &self.owners {
            let given_away = self.open.iter().any(|entry| entry.kind != 0 && entry.pages.contains(&page));
            if owner != 3 && !given_away {
                reach.insert((owner, page), rights);
            }
            for entry in self.open.iter().filter(|entry| entry.pages.contains(&page)) {
                for (&place, (_, got)) in &entry.receivers {
                    if let Some(rights) = got {
                        reach.insert((place, page), *rights);
                    }
                }
            }
        }
        reach
    }

    fn handle(&self, which: usize) -> u64 {
        let all: Vec<u64> =
            self.open.iter().map(|entry| entry.handle).chain(self.closed.iter().rev().copied()).collect();
        all.get(which % all.len().max(1)).copied().unwrap_or(7)
    }

    fn close(&mut self, handle: u64) {
        self.open.retain(|entry| entry.handle != handle);
        self.closed.push(handle);
    }
}

/// A game: the SPMC, and what should be.
struct Game {
    bench: Bench,
    model: Model,
}

impl Game {
    fn play(&mut self, step: &Step, fails_after: Option<u32>) {
        let before = self.bench.snapshot();
        self.bench.pages(|pages| pages.fails_after = fails_after);
        let done = match step {
            Step::Send(sender, kind, to, write, zero, pages, parts) => {
                self.send(*sender, *kind, *to, *write, *zero, pages, *parts, fails_after.is_some())
            }
            Step::Retrieve(place, which, data, execute, zero) => {
                self.retrieve(*place, *which, *data, *execute, *zero, fails_after.is_some())
            }
            Step::Relinquish(place, which, zero) => {
                self.relinquish(*place, *which, *zero, fails_after.is_some())
            }
            Step::Reclaim(sender, which, zero) => self.reclaim(*sender, *which, *zero, fails_after.is_some()),
            Step::Buffers(number) => {
                self.buffers(*number);
                true
            }
        };
        self.bench.pages(|pages| pages.fails_after = None);
        if !done {
            assert_eq!(self.bench.snapshot(), before, "{step:?} failed and changed something");
        }
        let reach = self.model.reach();
        for place in 0..3 {
            for &page in self.model.owners.keys() {
                let allowed = reach.get(&(place, page)).copied();
                assert_eq!(self.bench.rights(place, page), allowed, "{step:?} {place} {page:#x}");
                let walked = self.bench.hardware.spaces.1.rights((place, page >= RAM, page));
                assert_eq!(walked, allowed, "by the tables: {step:?} {place} {page:#x}");
            }
        }
    }

    /// Compares what happened with what should have; what was made to fail may.
    fn agree(allowed: bool, done: bool, may_fail: bool, step: &str) {
        if may_fail {
            assert!(allowed || !done, "{step} is forbidden");
        } else {
            assert_eq!(done, allowed, "{step}");
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are those of the step")]
    fn send(
        &mut self,
        sender: usize,
        kind: usize,
        to: u8,
        write: bool,
        zero: bool,
        pages: &[(usize, usize)],
        parts: bool,
        may_fail: bool,
    ) -> bool {
        let (who, id) = SENDERS[sender];
        let places: Vec<usize> = (0..3).filter(|place| to & 1 << place != 0).collect();
        let permissions = match (kind, write) {
            (2, _) => 0,
            (_, true) => WRITE,
            (_, false) => READ,
        };
        let access: Vec<_> = places.iter().map(|&place| ([A, B, C][place], permissions)).collect();
        let addresses: Vec<u64> = pages.iter().map(|&(place, number)| address(place, number)).collect();
        let ranges: Vec<_> = addresses.iter().map(|&address| (address, 1)).collect();
        let message = Message { flags: u32::from(zero), ..Message::new(id, &access, &ranges) };
        let own = place_of(sender);
        let distinct: BTreeSet<_> = addresses.iter().collect();
        let needs_write = zero || (kind != 2 && write);
        let mine = addresses.iter().all(|page| {
            let (owner, rights) = self.model.owners[page];
            owner == own && (rights.write || !needs_write) && self.model.buffer != Some(*page)
        });
        let secure = addresses.iter().filter(|page| **page < RAM).count();
        let taken =
            addresses.iter().any(|page| self.model.open.iter().any(|entry| entry.pages.contains(page)));
        let allowed = mine
            && !taken
            && distinct.len() == addresses.len()
            && (secure == 0 || secure == addresses.len())
            && !places.contains(&own)
            && (kind != 2 || places.len() == 1)
            && (kind != 0 || !zero)
            && self.model.open.iter().filter(|entry| place_of(entry.sender) == own).count() < 8;
        let function = [SHARE, LEND, DONATE][kind];
        let bytes = message.bytes();
        let first = if parts { message.prefix() + 16 } else { bytes.len() };
        self.bench.fill(who, bytes[..first].to_vec());
        let mut answer = self.bench.call(who, &[function, bytes.len() as u64, first as u64]);
        if answer[0] == FRAG_RX {
            self.bench.fill(who, bytes[first..].to_vec());
            answer = self.bench.call(who, &[FRAG_TX, answer[1], answer[2], (bytes.len() - first) as u64]);
        }
        let done = answer[0] == SUCCESS;
        Self::agree(allowed, done, may_fail, "sending");
        if done {
            let writes = kind != 2 && write;
            self.model.open.push(Entry {
                handle: answer[2] | answer[3] << 32,
                sender,
                kind,
                pages: addresses,
                receivers: places.iter().map(|&place| (place, (writes, None))).collect(),
            });
        }
        done
    }

    fn retrieve(
        &mut self,
        place: usize,
        which: usize,
        data: u8,
        execute: bool,
        zero: bool,
        may_fail: bool,
    ) -> bool {
        let handle = self.model.handle(which);
        let entry = self.model.open.iter().find(|entry| entry.handle == handle).cloned();
        let (id, receivers) = match &entry {
            Some(entry) => (SENDERS[entry.sender].1, entry.receivers.keys().copied().collect()),
            None => (A, vec![place]),
        };
        let wanted = data | if execute { EXECUTE } else { 0 };
        let access: Vec<_> = receivers
            .iter()
            .map(|&receiver| ([A, B, C][receiver], if receiver == place { wanted } else { 0 }))
            .collect();
        let request = Message { flags: if zero { 1 << 2 } else { 0 }, ..Bench::request(id, handle, &access) };
        let expected = entry.and_then(|entry| self.granted(&entry, place, data, execute, zero));
        let done = self.bench.retrieve(place, &request).is_ok();
        Self::agree(expected.is_some(), done, may_fail, "retrieving");
        let (true, Some(rights)) = (done, expected) else { return done };
        let entry = self.model.open.iter_mut().find(|entry| entry.handle == handle).unwrap();
        if entry.kind == 2 {
            for page in entry.pages.clone() {
                self.model.owners.insert(page, (place, rights));
            }
            self.model.close(handle);
        } else {
            entry.receivers.get_mut(&place).unwrap().1 = Some(rights);
        }
        done
    }

    /// What a receiver gets of a transaction, if anything.
    fn granted(&self, entry: &Entry, place: usize, data: u8, execute: bool, zero: bool) -> Option<Rights> {
        let &(may_write, got) = entry.receivers.get(&place)?;
        let senders: Vec<Rights> = entry.pages.iter().map(|page| self.model.owners[page].1).collect();
        let alone = entry.receivers.len() == 1 && entry.kind != 0;
        let secure = entry.pages.iter().all(|page| *page < RAM);
        let may_execute = alone && secure && senders.iter().all(|rights| rights.execute);
        let may_write = may_write || (entry.kind == 2 && senders.iter().all(|rights| rights.write));
        let write = data == WRITE || (data == 0 && may_write && !execute);
        let refused = got.is_some()
            || (write && !may_write)
            || (execute && (!may_execute || write))
            || (zero && (entry.kind != 1 || !write));
        (!refused).then_some(Rights { write, execute })
    }

    fn relinquish(&mut self, place: usize, which: usize, zero: bool, may_fail: bool) -> bool {
        let handle = self.model.handle(which);
        let entry = self.model.open.iter_mut().find(|entry| entry.handle == handle);
        let got = entry
            .as_ref()
            .and_then(|entry| entry.receivers.get(&place)?.1.map(|rights| (rights, entry.kind)));
        let allowed = got.is_some_and(|(rights, kind)| !zero || (kind == 1 && rights.write));
        let done = self.bench.relinquish(place, handle, u32::from(zero)).is_ok();
        Self::agree(allowed, done, may_fail, "relinquishing");
        if done {
            entry.unwrap().receivers.get_mut(&place).unwrap().1 = None;
        }
        done
    }

    fn reclaim(&mut self, sender: usize, which: usize, zero: bool, may_fail: bool) -> bool {
        let handle = self.model.handle(which);
        let entry = self.model.open.iter().find(|entry| entry.handle == handle);
        let allowed = entry.is_some_and(|entry| {
            place_of(entry.sender) == place_of(sender)
                && entry.receivers.values().all(|(_, got)| got.is_none())
                && (!zero || entry.pages.iter().all(|page| self.model.owners[page].1.write))
        });
        let done = self.bench.reclaim(SENDERS[sender].0, handle, u64::from(zero)).is_ok();
        Self::agree(allowed, done, may_fail, "reclaiming");
        if done {
            self.model.close(handle);
        }
        done
    }

    /// Moves the normal world's receive buffer into memory that it may have sent, or given away.
    fn buffers(&mut self, number: usize) {
        let page = address(3, number);
        assert_eq!(self.bench.call(Who::Normal, &[0x8400_0067])[0], SUCCESS);
        let answer = self.bench.call(Who::Normal, &[0xc400_0066, 0x4000_0000, page, 1]);
        let taken = self.model.open.iter().any(|entry| entry.pages.contains(&page));
        let free = !taken && self.model.owners[&page].0 == 3;
        assert_eq!(answer[0] == SUCCESS, free);
        self.model.buffer = free.then_some(page);
        if !free {
            let answer = self.bench.call(Who::Normal, &[0xc400_0066, 0x4000_0000, 0x4000_1000, 1]);
            assert_eq!(answer[0], SUCCESS);
        }
    }

    /// Ends all transactions; nothing may be left of them.
    fn end(&mut self) {
        for entry in self.model.open.clone() {
            for (place, (_, got)) in entry.receivers {
                if got.is_some() {
                    self.bench.relinquish(place, entry.handle, 0).unwrap();
                }
            }
            self.bench.reclaim(SENDERS[entry.sender].0, entry.handle, 0).unwrap();
            self.model.close(entry.handle);
        }
        let state = self.bench.spmc.memory().0.lock();
        for place in state.shares.places() {
            let share = state.shares.get(place);
            assert!(matches!(share.phase, Phase::Free | Phase::Given), "{share:?}");
        }
        for &page in self.model.owners.keys() {
            assert!(!state.constituents.overlaps(range(page, 1)));
        }
        let reach = self.model.reach();
        let pages = self.bench.hardware.spaces.0.lock().unwrap();
        for (&(place, non_secure, page), rights) in &pages.mapped {
            if self.model.owners.contains_key(&page) {
                assert_eq!(reach.get(&(place, page)), Some(rights));
                assert_eq!(non_secure, page >= RAM);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 128 }))]
    #[test]
    fn no_page_is_reachable_that_the_model_forbids(steps in steps()) {
        let mut game = Game { bench: Bench::new(), model: Model::new() };
        for (step, fails_after) in &steps {
            game.play(step, *fails_after);
        }
        game.end();
    }
}
