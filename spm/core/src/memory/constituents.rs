// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The address ranges of all transactions: each one's in the order in which its sender named them, and those that are
//! in force in the order of their addresses, so that an overlap is found by a search.
//!
//! Whether a range may be sent at all is not decided here.

use crate::manifest::AddressRange;
use crate::manifest::range::PAGE_SIZE;

/// Most constituents of all transactions together.
pub(super) const MAX_CONSTITUENTS: usize = 8192;

/// A constituent, 16 bytes. Links are places plus 1, so that zeros are an empty list.
#[derive(Clone, Copy)]
struct Piece {
    start: u64,
    pages: u32,
    next: u16,
    /// The place of its transaction.
    share: u16,
}

/// The constituents of one transaction, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    first: u16,
    last: u16,
    count: u16,
}

impl List {
    pub(super) const EMPTY: Self = Self { first: 0, last: 0, count: 0 };

    pub(super) fn len(self) -> usize {
        usize::from(self.count)
    }
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// Two constituents have a page in common, of one transaction or of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// The sender named a page twice.
    Within,
    /// The page is part of another transaction.
    WithOther,
}

/// All constituents.
pub(super) struct Constituents {
    pieces: [Piece; MAX_CONSTITUENTS],
    /// Places from here on were never used.
    unused: u16,
    /// First of the places that are free again, plus 1.
    free: u16,
    /// Places of those in force, by address; the first `claimed` of them.
    sorted: [u16; MAX_CONSTITUENTS],
    claimed: usize,
    /// Where new ones are sorted.
    scratch: [u16; MAX_CONSTITUENTS],
}

impl Constituents {
    pub(super) const fn new() -> Self {
        const EMPTY: Piece = Piece { start: 0, pages: 0, next: 0, share: 0 };
        Self {
            pieces: [EMPTY; MAX_CONSTITUENTS],
            unused: 0,
            free: 0,
            sorted: [0; MAX_CONSTITUENTS],
            claimed: 0,
            scratch: [0; MAX_CONSTITUENTS],
        }
    }

    /// Adds a range to the list of the transaction at `share`.
    pub(super) fn push(&mut self, list: &mut List, share: u16, range: AddressRange) -> Result<(), NoRoom> {
        let pages = u32::try_from(range.size() / PAGE_SIZE).map_err(|_| NoRoom)?;
        let place = match self.free.checked_sub(1) {
            Some(place) => {
                self.free = self.piece(place).next;
                place
            }
            None if usize::from(self.unused) < MAX_CONSTITUENTS => {
                self.unused += 1;
                self.unused - 1
            }
            None => return Err(NoRoom),
        };
        *self.piece_mut(place) = Piece { start: range.start(), pages, next: 0, share };
        match list.last.checked_sub(1) {
            Some(last) => self.piece_mut(last).next = place.saturating_add(1),
            None => list.first = place.saturating_add(1),
        }
        list.last = place.saturating_add(1);
        list.count = list.count.saturating_add(1);
        Ok(())
    }

    /// Frees a list. It must not be in force.
    pub(super) fn release(&mut self, list: &mut List) {
        if let Some(last) = list.last.checked_sub(1) {
            self.piece_mut(last).next = self.free;
            self.free = list.first;
        }
        *list = List::EMPTY;
    }

    /// Returns the ranges of a list in their order.
    pub(super) fn ranges(&self, list: List) -> impl Iterator<Item = AddressRange> {
        let mut next = list.first;
        core::iter::from_fn(move || {
            let piece = self.piece(next.checked_sub(1)?);
            next = piece.next;
            Some(range_of(piece))
        })
    }

    /// Puts a list in force.
    ///
    /// # Errors
    /// [`Overlap`]; nothing has changed then.
    pub(super) fn claim(&mut self, list: List) -> Result<(), Overlap> {
        let count = self.sort(list);
        let mut before: Option<Piece> = None;
        for index in 0..count {
            let piece = self.piece(self.scratch_at(index));
            if before.is_some_and(|before| end_of(before) > piece.start) {
                return Err(Overlap::Within);
            }
            if self.overlaps(range_of(piece)) {
                return Err(Overlap::WithOther);
            }
            before = Some(piece);
        }
        self.merge(count);
        Ok(())
    }

    /// Ends what [`Constituents::claim`] did for the transaction at `share`.
    pub(super) fn unclaim(&mut self, share: u16) {
        let mut kept = 0;
        for index in 0..self.claimed {
            let place = self.sorted_at(index);
            if self.piece(place).share != share {
                set(&mut self.sorted, kept, place);
                kept = kept.saturating_add(1);
            }
        }
        self.claimed = kept;
    }

    /// Tells whether a page of `range` is in force in any transaction.
    pub(super) fn overlaps(&self, range: AddressRange) -> bool {
        // The first that does not end before the range.
        let mut low = 0;
        let mut high = self.claimed;
        while low < high {
            let middle = low.midpoint(high);
            if end_of(self.piece(self.sorted_at(middle))) <= range.start() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low < self.claimed && self.piece(self.sorted_at(low)).start < range.end()
    }

    /// Writes the places of a list into the scratch space by their addresses; returns how many.
    fn sort(&mut self, list: List) -> usize {
        let mut next = list.first;
        let mut count = 0;
        let mut in_order = true;
        let mut before = 0;
        while let Some(place) = next.checked_sub(1) {
            let piece = self.piece(place);
            in_order &= before <= piece.start;
            before = piece.start;
            set(&mut self.scratch, count, place);
            count = count.saturating_add(1);
            next = piece.next;
        }
        if !in_order {
            self.heap_sort(count);
        }
        count
    }

    fn heap_sort(&mut self, count: usize) {
        for root in (0..count / 2).rev() {
            self.sift(root, count);
        }
        for end in (1..count).rev() {
            self.exchange(0, end);
            self.sift(0, end);
        }
    }

    /// Lets the entry at `root` sink in the heap of the first `count`.
    fn sift(&mut self, mut root: usize, count: usize) {
        loop {
            let mut child = root.saturating_mul(2).saturating_add(1);
            if child >= count {
                return;
            }
            let start = |index| self.piece(self.scratch_at(index)).start;
            let other = child.saturating_add(1);
            if other < count && start(child) < start(other) {
                child = other;
            }
            if start(root) >= start(child) {
                return;
            }
            self.exchange(root, child);
            root = child;
        }
    }

    fn exchange(&mut self, one: usize, other: usize) {
        let (first, second) = (self.scratch_at(one), self.scratch_at(other));
        set(&mut self.scratch, one, second);
        set(&mut self.scratch, other, first);
    }

    /// Merges the first `count` of the scratch space into those in force, from the highest address down. There is room: no
    /// place is in force twice.
    fn merge(&mut self, count: usize) {
        let mut old = self.claimed;
        let mut new = count;
        self.claimed = self.claimed.saturating_add(count);
        let mut to = self.claimed;
        while let Some(last_new) = new.checked_sub(1) {
            let place = self.scratch_at(last_new);
            let above = old
                .checked_sub(1)
                .map(|last_old| self.sorted_at(last_old))
                .filter(|&other| self.piece(other).start > self.piece(place).start);
            to = to.saturating_sub(1);
            match above {
                Some(other) => {
                    set(&mut self.sorted, to, other);
                    old -= 1;
                }
                None => {
                    set(&mut self.sorted, to, place);
                    new -= 1;
                }
            }
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length, which is a power of two")]
    fn piece(&self, place: u16) -> Piece {
        self.pieces[usize::from(place) % MAX_CONSTITUENTS]
    }

    #[expect(clippy::indexing_slicing, reason = "as above")]
    fn piece_mut(&mut self, place: u16) -> &mut Piece {
        &mut self.pieces[usize::from(place) % MAX_CONSTITUENTS]
    }

    fn sorted_at(&self, index: usize) -> u16 {
        self.sorted.get(index).copied().unwrap_or_default()
    }

    fn scratch_at(&self, index: usize) -> u16 {
        self.scratch.get(index).copied().unwrap_or_default()
    }
}

fn set(places: &mut [u16], index: usize, place: u16) {
    if let Some(entry) = places.get_mut(index) {
        *entry = place;
    }
}

/// A piece was a range when it was pushed, so this does not overflow.
fn end_of(piece: Piece) -> u64 {
    piece.start.saturating_add(u64::from(piece.pages) * PAGE_SIZE)
}

fn range_of(piece: Piece) -> AddressRange {
    AddressRange::again(piece.start, end_of(piece))
}

#[cfg(test)]
#[path = "constituents_tests.rs"]
mod tests;
