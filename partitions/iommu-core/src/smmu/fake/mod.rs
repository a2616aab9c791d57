// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A fake SMMUv3 for tests, at the level of its registers, written from IHI 0070 and not from the driver: all layouts
//! are spelled out here a second time.
//!
//! It is as unhelpful as the architecture allows. Updates and commands take a number of register accesses. While an
//! update is under way both values are in effect. Stream table entries are cached word by word, in any mixture, until
//! an invalidation has completed; an invalidation has its effect only when its CMD_SYNC completes, and removes no more
//! than it must. After each access it asks of each stream what a transaction would meet, in any of these cases, and
//! notes as a violation what the test did not allow.

mod commands;
mod events;
mod registers;
mod streams;
mod tlb;

pub(crate) use streams::{Route, Stage1Route, Stage2Route};
pub(crate) use tlb::TlbEntry;

use super::hardware::Hardware;
use crate::kept::kept;
use crate::pool::Word;
use crate::pool::{PageSlot, Pool};
use ffa_abi::PhysAddr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

/// Where the fake's memory starts.
pub(crate) const POOL_BASE: u64 = 0x4800_0000;
/// Pages of the fake's memory.
pub(crate) const POOL_PAGES: usize = 256;
/// Streams that are watched.
pub(crate) const STREAMS: u32 = 320;
/// The fake's clock.
pub(crate) const TICKS_PER_MILLISECOND: u64 = 20;

/// How a fake misbehaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Register accesses that an update of CR0 or GBPA takes.
    pub(crate) update_delay: u32,
    /// Register accesses that a command takes.
    pub(crate) command_delay: u32,
    /// GBPA.Update never clears.
    pub(crate) gbpa_stuck: bool,
    /// CR0ACK never changes.
    pub(crate) control_stuck: bool,
    /// IRQ_CTRLACK never changes.
    pub(crate) interrupts_stuck: bool,
    /// Commands are not consumed.
    pub(crate) commands_stuck: bool,
    /// The register at this offset ignores writes.
    pub(crate) read_only: Option<usize>,
    /// These commands, counted from 0, are found illegal though they are not.
    pub(crate) illegal: BTreeSet<u64>,
    /// A full event queue is reported as an aborted access to it, as QEMU does.
    pub(crate) full_is_abort: bool,
    /// Event records are counted and not written.
    pub(crate) records_vanish: bool,
    /// Commands cannot be fetched.
    pub(crate) fetch_aborts: bool,
    /// All reads answer with the next of these values, in turn.
    pub(crate) hostile: Vec<u64>,
}

/// What a fake knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) faults: Faults,
    pub(crate) idr: [u32; 6],
    registers: registers::File,
    memory: &'static [Word],
    clock: u64,
    hostile_reads: usize,
    /// Values of entry words that the SMMU may have cached, by address.
    cached: BTreeMap<u64, BTreeSet<u64>>,
    /// What transactions of a stream may meet besides an abort.
    allowed: BTreeMap<u32, Vec<Route>>,
    /// Where the SMMU has looked for a stream's context descriptor since it forgot it.
    contexts: BTreeMap<u32, BTreeSet<u64>>,
    /// Whether a stream that passes untranslated is a violation yet.
    armed: bool,
    /// What must not have happened.
    violations: Vec<String>,
    /// Offsets and values of register writes, in order.
    writes: Vec<(usize, u64)>,
    /// Commands that were consumed and wait for their CMD_SYNC.
    unsynced: VecDeque<[u64; 2]>,
    /// Commands that completed.
    completed: Vec<[u64; 2]>,
    /// Enables of the interrupts that were raised.
    interrupts: Vec<u64>,
    fetched: u64,
    command_countdown: u32,
    pub(crate) tlb: Vec<TlbEntry>,
}

/// A fake SMMU and the memory that it fetches from.
#[derive(Debug)]
pub(crate) struct FakeSmmu {
    state: Mutex<State>,
    memory: &'static [Word],
}

impl FakeSmmu {
    /// Makes an SMMU as it comes out of reset on QEMU: all DMA passes.
    pub(crate) fn new(faults: Faults) -> Arc<Self> {
        let words = (0..POOL_PAGES * 512).map(|_| Word::new(0)).collect::<Vec<_>>();
        let memory: &'static [Word] = kept(words);
        let state = State {
            faults,
            // As QEMU 10 answers.
            idr: [0x0d44_101b, 0x0273_0010, 0, 0x1414, 0, 0x74],
            registers: registers::File::reset(),
            memory,
            clock: 0,
            hostile_reads: 0,
            cached: BTreeMap::new(),
            allowed: BTreeMap::new(),
            contexts: BTreeMap::new(),
            armed: false,
            violations: Vec::new(),
            writes: Vec::new(),
            unsynced: VecDeque::new(),
            completed: Vec::new(),
            interrupts: Vec::new(),
            fetched: 0,
            command_countdown: 0,
            tlb: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), memory })
    }

    /// Makes a pool of the fake's memory.
    pub(crate) fn pool(&self) -> Pool<'static> {
        let slots = (0..POOL_PAGES).map(|_| PageSlot::new()).collect::<Vec<_>>();
        Pool::new(self.memory, PhysAddr(POOL_BASE), kept(slots)).unwrap()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes how the fake behaves from here on.
    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    /// Returns what was noted, and fails if that is anything.
    pub(crate) fn assert_no_violation(&self) {
        let mut state = self.state();
        state.watch();
        assert!(state.violations.is_empty(), "{:#?}", state.violations);
    }

    /// Has somebody else write to the memory that the SMMU fetches from.
    pub(crate) fn scribble(&self, word: usize, value: u64) {
        self.memory[word].store(value, Relaxed);
    }

    /// Returns what stands in that memory.
    pub(crate) fn memory(&self) -> Vec<u64> {
        self.memory.iter().map(|word| word.load(Relaxed)).collect()
    }

    /// Returns offsets of the registers that were written so far, in order.
    pub(crate) fn writes(&self) -> Vec<(usize, u64)> {
        self.state().writes.clone()
    }

    /// Returns by their enables the interrupts that were raised since this was asked last.
    pub(crate) fn take_interrupts(&self) -> Vec<u64> {
        std::mem::take(&mut self.state().interrupts)
    }

    /// Returns the commands that completed so far.
    pub(crate) fn completed(&self) -> Vec<[u64; 2]> {
        self.state().completed.clone()
    }
}

impl State {
    /// Reads memory as the SMMU does, or `None` outside of it.
    fn fetch(&self, address: u64) -> Option<u64> {
        let place = usize::try_from(address.checked_sub(POOL_BASE)? / 8).ok()?;
        let word = self.memory.get(place)?;
        Some(crate::sync::at_once(|| word.load(Relaxed)))
    }

    fn store(&self, address: u64, value: u64) {
        let place = usize::try_from((address - POOL_BASE) / 8).unwrap();
        self.memory[place].store(value, Relaxed);
    }

    fn violate(&mut self, what: String) {
        if self.violations.len() < 20 {
            self.violations.push(format!("after {} writes: {what}", self.writes.len()));
        }
    }

    /// Lets time pass: one register access, or one look at the clock.
    fn step(&mut self) {
        self.clock += 1;
        let settled = self.step_registers();
        let completed = self.completed.len();
        self.step_commands();
        if settled || self.completed.len() != completed {
            self.watch();
        }
    }

    fn hostile(&mut self) -> Option<u64> {
        let count = self.faults.hostile.len();
        let value = *self.faults.hostile.get(self.hostile_reads % count.max(1))?;
        self.hostile_reads += 1;
        Some(value)
    }
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap()
}

impl Hardware for Arc<FakeSmmu> {
    fn read32(&self, offset: usize) -> u32 {
        let mut state = self.state();
        state.step();
        match state.hostile() {
            Some(value) => low_half(value),
            None => low_half(state.read_register(offset)),
        }
    }

    fn write32(&self, offset: usize, value: u32) {
        let mut state = self.state();
        state.write_register(offset, u64::from(value));
        // What is written to page 1 moves no stream.
        if offset < 0x1_0000 {
            state.watch();
        }
        state.step();
    }

    fn read64(&self, offset: usize) -> u64 {
        let mut state = self.state();
        state.step();
        state.hostile().unwrap_or_else(|| state.read_register(offset))
    }

    fn write64(&self, offset: usize, value: u64) {
        let mut state = self.state();
        state.write_register(offset, value);
        state.watch();
        state.step();
    }

    fn ticks(&self) -> u64 {
        let mut state = self.state();
        state.clock += 1;
        state.clock
    }

    fn ticks_per_millisecond(&self) -> u64 {
        TICKS_PER_MILLISECOND
    }

    fn publish(&self) {
        self.state().watch();
    }

    fn observe(&self) {}
}
