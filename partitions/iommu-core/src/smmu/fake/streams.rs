// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a transaction meets: gates, stream table, and any mixture of cached and present words of an entry.

use super::registers::{GBPA_ABORT, SMMUEN};
use super::{STREAMS, State};
use std::collections::BTreeSet;

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// It is aborted, with an event of this number, or silently.
    Aborted(Option<u8>),
    /// It passes as it is.
    Untranslated,
    /// Stage 2 translates it.
    Translated(Stage2Route),
    /// Stage 1 alone translates it.
    Stage1(Stage1Route),
    /// A stage 1 whose context descriptor stands there translates it, then stage 2. With word 0 without that pointer.
    Nested(u64, u64, Stage2Route),
}

/// The stage-1 configuration of an entry and of its context descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage1Route {
    pub(crate) asid: u16,
    pub(crate) root: u64,
    /// Words 0 and 1 of the entry without the pointer, word 0 of the descriptor without the ASID, and its MAIR.
    pub(crate) attributes: [u64; 4],
}

/// The stage-2 configuration of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage2Route {
    pub(crate) vmid: u16,
    pub(crate) root: u64,
    /// Words 1 and 2 without the VMID: attributes and formats.
    pub(crate) attributes: (u64, u64),
}

const BAD_STREAM_ID: u8 = 2;
const STE_FETCH: u8 = 3;
const BAD_STE: u8 = 4;
const BAD_CD: u8 = 10;
const WORDS: u64 = 8;

impl State {
    /// Says what a stream's transactions may be translated by.
    pub(crate) fn allow(&mut self, stream: u32, vmid: u16, root: u64, attributes: (u64, u64)) {
        let route = Route::Translated(Stage2Route { vmid, root, attributes });
        self.allowed.entry(stream).or_default().push(route);
    }

    /// As [`allow`](Self::allow), by any route.
    pub(crate) fn allow_route(&mut self, stream: u32, route: Route) {
        self.allowed.entry(stream).or_default().push(route);
    }

    /// As [`allow`](Self::allow), by stage 1.
    pub(crate) fn allow_stage1(&mut self, stream: u32, route: Stage1Route) {
        self.allowed.entry(stream).or_default().push(Route::Stage1(route));
    }

    /// Says that a stream's transactions must all be aborted.
    pub(crate) fn disallow(&mut self, stream: u32) {
        self.allowed.remove(&stream);
    }

    /// Finds a stream's entry, or the event that says why there is none.
    fn entry(&self, stream: u32) -> Result<u64, u8> {
        let config = self.registers.strtab_cfg;
        let bits = (config & 0x3f).min(u64::from(self.idr[1] & 0x3f));
        if u64::from(stream) >> bits != 0 {
            return Err(BAD_STREAM_ID);
        }
        assert_eq!(config >> 16 & 3, 1, "two levels");
        let split = config >> 6 & 0x1f;
        let (upper, lower) = (u64::from(stream) >> split, u64::from(stream) & ((1 << split) - 1));
        let size = 8 << bits.saturating_sub(split);
        let base = self.registers.strtab_base & 0x00ff_ffff_ffff_ffc0 & !(size.max(64) - 1);
        let descriptor = self.fetch(base + upper * 8).ok_or(STE_FETCH)?;
        let span = descriptor & 0x1f;
        if span == 0 || span > split + 1 || lower >> (span - 1) != 0 {
            return Err(BAD_STREAM_ID);
        }
        let table = descriptor & 0x00ff_ffff_ffff_ffc0 & !((64 << (span - 1)) - 1);
        Ok(table + lower * 64)
    }

    pub(super) fn forget_stream(&mut self, stream: u32) {
        if let Ok(entry) = self.entry(stream) {
            for word in 0..WORDS {
                self.cached.remove(&(entry + word * 8));
            }
        }
    }

    /// Forgets the descriptors that a stream's entry, as it may be seen, leads to.
    pub(super) fn forget_context(&mut self, stream: u32) {
        for descriptor in self.contexts.remove(&stream).unwrap_or_default() {
            for word in 0..WORDS {
                self.cached.remove(&(descriptor + word * 8));
            }
        }
    }

    /// Returns all that a word may be seen as, its present value included, which is cached from here on.
    fn word(&mut self, address: u64) -> BTreeSet<u64> {
        let present = self.fetch(address);
        let seen = self.cached.entry(address).or_default();
        seen.extend(present);
        seen.clone()
    }

    /// Returns all routes that a stream's transactions may take now.
    pub(crate) fn routes(&mut self, stream: u32) -> Vec<Route> {
        let mut routes = Vec::new();
        if self.registers.cr0.values().iter().any(|value| value & SMMUEN == 0) {
            for gbpa in self.registers.gbpa.values() {
                let shut = gbpa & GBPA_ABORT != 0;
                routes.push(if shut { Route::Aborted(None) } else { Route::Untranslated });
            }
        }
        if self.registers.cr0.values().iter().any(|value| value & SMMUEN != 0) {
            match self.entry(stream) {
                Err(event) => routes.push(Route::Aborted(Some(event))),
                Ok(entry) => self.entry_routes(stream, entry, &mut routes),
            }
        }
        routes.dedup();
        routes
    }

    fn entry_routes(&mut self, stream: u32, entry: u64, routes: &mut Vec<Route>) {
        let words = [0, 1, 2, 3].map(|word| self.word(entry + word * 8));
        for word in 4..WORDS {
            assert_eq!(self.word(entry + word * 8), BTreeSet::from([0]), "words 4 to 7 stay zero");
        }
        let [first, second, third, fourth] = words;
        for &valid in &first {
            if valid & 1 == 0 {
                routes.push(Route::Aborted(Some(BAD_STE)));
                continue;
            }
            match valid >> 1 & 7 {
                0..=3 => routes.push(Route::Aborted(None)),
                5 if self.idr[0] & 2 != 0 => {
                    for &two in &second {
                        self.context_routes(stream, (valid, two), routes);
                    }
                }
                5 => routes.push(Route::Aborted(Some(BAD_STE))),
                6 if self.idr[0] & 1 == 0 => routes.push(Route::Aborted(Some(BAD_STE))),
                7 if self.idr[0] & 3 != 3 => routes.push(Route::Aborted(Some(BAD_STE))),
                6 | 7 => {
                    for (&two, &three, &four) in second
                        .iter()
                        .flat_map(|two| third.iter().map(move |three| (two, three)))
                        .flat_map(|(two, three)| fourth.iter().map(move |four| (two, three, four)))
                    {
                        let stage2 = Stage2Route {
                            vmid: u16::try_from(three & 0xffff).unwrap(),
                            root: four & 0x000f_ffff_ffff_fff0,
                            attributes: (two, three >> 16),
                        };
                        let pointer = valid & 0x00ff_ffff_ffff_ffc0;
                        routes.push(match valid >> 1 & 7 {
                            6 => Route::Translated(stage2),
                            _ => Route::Nested(pointer, valid & !pointer, stage2),
                        });
                    }
                }
                _ => routes.push(Route::Untranslated),
            }
        }
    }

    /// Adds what a context descriptor leads to, in any mixture of its words.
    fn context_routes(&mut self, stream: u32, (one, two): (u64, u64), routes: &mut Vec<Route>) {
        let pointer = one & 0x00ff_ffff_ffff_ffc0;
        self.contexts.entry(stream).or_default().insert(pointer);
        let words = [0, 1, 3].map(|word| self.word(pointer + word * 8));
        for word in [2, 4, 5, 6, 7] {
            assert_eq!(self.word(pointer + word * 8), BTreeSet::from([0]), "word {word} stays zero");
        }
        let [first, second, fourth] = words;
        for &how in &first {
            // V and AA64; not ENDI, HD, HA.
            if how >> 31 & 1 == 0 || how >> 41 & 1 == 0 || how >> 15 & 1 == 1 || how >> 42 & 3 != 0 {
                routes.push(Route::Aborted(Some(BAD_CD)));
                continue;
            }
            for (&table, &mair) in
                second.iter().flat_map(|table| fourth.iter().map(move |mair| (table, mair)))
            {
                routes.push(Route::Stage1(Stage1Route {
                    asid: u16::try_from(how >> 48).unwrap(),
                    root: table & 0x00ff_ffff_ffff_fff0,
                    attributes: [one & !0x00ff_ffff_ffff_ffc0, two, how & 0x0000_ffff_ffff_ffff, mair],
                }));
            }
        }
    }

    /// Notes every stream that could reach what it must not.
    pub(super) fn watch(&mut self) {
        if !self.faults.hostile.is_empty() {
            return;
        }
        for stream in 0..STREAMS {
            for route in self.routes(stream) {
                let fine = match route {
                    Route::Aborted(_) => true,
                    Route::Untranslated => !self.armed,
                    Route::Translated(_) | Route::Stage1(_) | Route::Nested(..) => {
                        self.allowed.get(&stream).is_some_and(|allowed| allowed.contains(&route))
                    }
                };
                if !fine {
                    self.violate(format!("stream {stream:#x} meets {route:x?}"));
                }
            }
        }
    }
}
