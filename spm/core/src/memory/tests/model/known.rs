// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the model knows of memory, and what a receiver gets by it.

use super::*;

/// A transaction that is open.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) handle: u64,
    pub(super) sender: usize,
    pub(super) kind: usize,
    pub(super) pages: Vec<u64>,
    /// Place of each receiver, whether it may write, and what it has.
    pub(super) receivers: BTreeMap<usize, (bool, Option<Rights>)>,
}

/// What the model knows: owners of pages with their rights (place 3: the normal world), and transactions.
pub(super) struct Model {
    pub(super) owners: BTreeMap<u64, (usize, Rights)>,
    pub(super) open: Vec<Entry>,
    /// Handles that mean nothing any more.
    pub(super) closed: Vec<u64>,
    /// The page of the normal world's receive buffer.
    pub(super) buffer: Option<u64>,
}

pub(super) fn place_of(sender: usize) -> usize {
    if sender < 2 { 3 } else { sender - 2 }
}

impl Model {
    pub(super) fn new() -> Self {
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
    pub(super) fn reach(&self) -> BTreeMap<(usize, u64), Rights> {
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

    pub(super) fn handle(&self, which: usize) -> u64 {
        let all: Vec<u64> =
            self.open.iter().map(|entry| entry.handle).chain(self.closed.iter().rev().copied()).collect();
        all.get(which % all.len().max(1)).copied().unwrap_or(7)
    }

    pub(super) fn close(&mut self, handle: u64) {
        self.open.retain(|entry| entry.handle != handle);
        self.closed.push(handle);
    }

    /// What a receiver gets of a transaction, if anything.
    pub(super) fn granted(
        &self,
        entry: &Entry,
        place: usize,
        data: u8,
        execute: bool,
        zero: bool,
    ) -> Option<Rights> {
        let &(may_write, got) = entry.receivers.get(&place)?;
        let senders: Vec<Rights> = entry.pages.iter().map(|page| self.owners[page].1).collect();
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
}
