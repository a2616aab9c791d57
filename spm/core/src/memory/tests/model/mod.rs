// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random transactions of two VMs and three partitions against a naive model of memory: who owns each page, and what each
//! transaction does with it. After each call every partition reaches just what the model allows, and what failed has changed
//! nothing; in the end nothing is left over.

mod calls;
mod known;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::memory::share::Phase;
use known::Model;

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
