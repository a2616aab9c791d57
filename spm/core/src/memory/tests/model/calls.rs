// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The steps of a game: each call is made, and its outcome held against the model's.

use std::collections::BTreeSet;

use super::known::{Entry, place_of};
use super::*;

impl Game {
    #[expect(clippy::too_many_arguments, reason = "they are those of the step")]
    pub(super) fn send(
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

    pub(super) fn retrieve(
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
        let expected = entry.and_then(|entry| self.model.granted(&entry, place, data, execute, zero));
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

    pub(super) fn relinquish(&mut self, place: usize, which: usize, zero: bool, may_fail: bool) -> bool {
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

    pub(super) fn reclaim(&mut self, sender: usize, which: usize, zero: bool, may_fail: bool) -> bool {
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
    pub(super) fn buffers(&mut self, number: usize) {
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
}
