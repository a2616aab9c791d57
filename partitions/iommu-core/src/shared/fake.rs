// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A manager and a window that know what is retrieved and mapped, and panic at what must not be.

use super::{AreaPages, LentRange, MAX_AREAS, SharedMemory};
use crate::kept::kept;
use crate::pool::{MAX_CHUNKS, Word};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ffa_abi::{PhysAddr, Status};
use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::vec::Vec;

/// Words of a page.
const PAGE_WORDS: usize = 512;

#[derive(Debug, Default)]
struct State {
    /// What clients share: pages by handle, and how often it is retrieved. Not every manager refuses it the second time.
    shares: BTreeMap<u64, (Vec<u64>, usize)>,
    /// Handles of what is not shared but lent.
    lent: BTreeSet<u64>,
    /// What of that is mapped at a place.
    chunks: [Option<&'static [Word]>; MAX_CHUNKS],
    /// Length in words of what is mapped at a place.
    mapped: [usize; MAX_AREAS],
    /// How many use what is mapped at a place.
    users: [usize; MAX_AREAS],
    /// Calls of `relinquish` that are refused.
    refusals: usize,
    /// No place can be mapped.
    full: bool,
}

/// See above.
#[derive(Debug)]
pub(crate) struct FakeSharedMemory {
    state: Mutex<State>,
    /// What stands in an area, by its place in the window.
    words: Box<[[AtomicU64; super::MAX_AREA_PAGES * PAGE_WORDS]; MAX_AREAS]>,
}

impl FakeSharedMemory {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            words: Box::new(
                [const { [const { AtomicU64::new(0) }; super::MAX_AREA_PAGES * PAGE_WORDS] }; MAX_AREAS],
            ),
        }
    }

    /// A client shares pages.
    pub(crate) fn share(&self, handle: u64, pages: &[u64]) {
        let before = self.state.lock().unwrap().shares.insert(handle, (pages.to_vec(), 0));
        assert_eq!(before, None);
    }

    /// The hypervisor lends pages.
    pub(crate) fn lend(&self, handle: u64, pages: &[u64]) {
        self.share(handle, pages);
        self.state.lock().unwrap().lent.insert(handle);
    }

    /// Returns what stands in a chunk, where one is mapped.
    pub(crate) fn chunk(&self, place: usize) -> Option<&'static [Word]> {
        self.state.lock().unwrap().chunks[place]
    }

    /// A client wants its pages back; tells whether it gets them.
    pub(crate) fn reclaim(&self, handle: u64) -> bool {
        let shares = &mut self.state.lock().unwrap().shares;
        let free = shares.get(&handle).is_some_and(|(_, retrieved)| *retrieved == 0);
        free && shares.remove(&handle).is_some()
    }

    /// Lets this many relinquishments be refused.
    pub(crate) fn refuse(&self, refusals: usize) {
        self.state.lock().unwrap().refusals = refusals;
    }

    /// Lets no place be mapped, or all again.
    pub(crate) fn fill(&self, full: bool) {
        self.state.lock().unwrap().full = full;
    }

    /// Tells at how many places something is mapped.
    pub(crate) fn mapped(&self) -> usize {
        self.state.lock().unwrap().mapped.iter().filter(|words| **words != 0).count()
    }

    /// Tells whether a page is mapped.
    #[cfg(feature = "interleavings")]
    pub(crate) fn is_mapped(&self, page: u64) -> bool {
        let state = self.state.lock().unwrap();
        state.shares.values().any(|(pages, retrieved)| *retrieved > 0 && pages.contains(&page))
    }

    /// Returns what stands in an area.
    pub(crate) fn words(&self, place: usize) -> &[AtomicU64] {
        &self.words[place]
    }
}

impl SharedMemory for FakeSharedMemory {
    fn retrieve(&self, sender: u16, memory: u64) -> Result<AreaPages, Status> {
        assert_eq!(sender, 0);
        let mut state = self.state.lock().unwrap();
        if state.lent.contains(&memory) {
            return Err(Status::Denied);
        }
        let (pages, retrieved) = state.shares.get_mut(&memory).ok_or(Status::Denied)?;
        let pages: AreaPages =
            AreaPages::from_slice(&pages.iter().map(|page| PhysAddr(*page)).collect::<Vec<_>>())
                .map_err(|_| Status::OutOfRange)?;
        *retrieved += 1;
        assert_eq!(*retrieved, 1, "it is retrieved");
        Ok(pages)
    }

    fn map(&self, place: usize, pages: &AreaPages) -> Result<(), Status> {
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.mapped[place], 0, "the place is taken");
        if state.full {
            return Err(Status::NoMemory);
        }
        state.mapped[place] = pages.len() * PAGE_WORDS;
        Ok(())
    }

    fn with(&self, place: usize, use_it: &mut dyn FnMut(&[AtomicU64])) {
        let length = {
            let mut state = self.state.lock().unwrap();
            state.users[place] += 1;
            state.mapped[place]
        };
        assert_ne!(length, 0, "nothing is mapped there");
        use_it(&self.words[place][..length]);
        self.state.lock().unwrap().users[place] -= 1;
    }

    fn unmap(&self, place: usize) -> Result<(), Status> {
        let mut state = self.state.lock().unwrap();
        assert_ne!(state.mapped[place], 0, "nothing is mapped there");
        assert_eq!(state.users[place], 0, "somebody uses what is mapped there");
        state.mapped[place] = 0;
        Ok(())
    }

    fn retrieve_lent(&self, sender: u16, memory: u64) -> Result<LentRange, Status> {
        assert_eq!(sender, 0);
        let mut state = self.state.lock().unwrap();
        if !state.lent.contains(&memory) {
            return Err(Status::Denied);
        }
        let (pages, retrieved) = state.shares.get_mut(&memory).ok_or(Status::Denied)?;
        let base = *pages.first().unwrap();
        let follow = pages.iter().zip((base..).step_by(4096)).all(|(page, next)| *page == next);
        let count = u16::try_from(pages.len()).unwrap();
        if !follow || count > 64 {
            return Err(Status::OutOfRange);
        }
        *retrieved += 1;
        assert_eq!(*retrieved, 1, "it is retrieved");
        Ok(LentRange { base: PhysAddr(base), pages: count })
    }

    fn map_lent(&self, place: usize, range: LentRange) -> Result<&'static [Word], Status> {
        let mut state = self.state.lock().unwrap();
        assert!(state.chunks[place].is_none(), "the place is taken");
        if state.full {
            return Err(Status::NoMemory);
        }
        // Whatever the hypervisor has left there.
        let words = (0..usize::from(range.pages) * PAGE_WORDS).map(|_| Word::new(!0)).collect::<Box<[_]>>();
        let words: &'static [Word] = kept(words);
        state.chunks[place] = Some(words);
        Ok(words)
    }

    fn unmap_lent(&self, place: usize) {
        let words = self.state.lock().unwrap().chunks[place].take().unwrap();
        assert!(words.iter().all(|word| word.load(Relaxed) == 0), "the hypervisor is given what stood there");
    }

    fn relinquish(&self, memory: u64) -> Result<(), Status> {
        let mut state = self.state.lock().unwrap();
        if let Some(refusals) = state.refusals.checked_sub(1) {
            state.refusals = refusals;
            return Err(Status::Denied);
        }
        let (_, retrieved) = state.shares.get_mut(&memory).unwrap();
        assert_eq!(core::mem::take(retrieved), 1, "it was not retrieved");
        Ok(())
    }
}
