// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SMMU for tests of the service: it walks the tables that it is given and keeps what it found until it is told to
//! forget exactly that. A missing or too narrow invalidation shows as DMA that still passes.

use super::{
    BlockChanges, Differences, Event, Nested, NestedError, Polled, Rebuilt, Smmu, SmmuError, SmmuFeatures,
    StreamConfig, TlbRange, Unacknowledged, Vmid,
};
use crate::pool::Word;
use crate::sync::{at_once, switch};
use crate::table::walker::{self, Found, Stage};
use crate::table::{Format, Geometry};
use core::fmt;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{FaultKind, Iova, PowerHint, SmmuRegisters, SmmuReport, SmmuState, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

/// Records that the event queue holds.
pub(crate) const EVENT_QUEUE: usize = 256;

#[derive(Debug)]
pub(crate) struct FakeSmmu<'a> {
    words: &'a [Word],
    base: u64,
    pub(crate) features: SmmuFeatures,
    state: Mutex<State>,
    hook: Hook,
    after_hook: Hook,
    poll_hook: Hook,
    switch_hook: Hook,
}

/// What another core does while this one waits for the SMMU.
#[derive(Default)]
struct Hook(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Hook {
    fn run(&self) {
        let hook = self.0.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

#[derive(Debug, Default)]
struct State {
    streams: BTreeMap<u32, StreamConfig>,
    /// Leaves by VMID and first address.
    leaves: BTreeMap<(u16, u64), Found>,
    /// Tables of pages by VMID and the 2 MiB that they translate.
    tables: BTreeMap<(u16, u64), u64>,
    events: VecDeque<Event>,
    /// Records that were taken.
    taken: u64,
    overflow: bool,
    failed: bool,
    /// Calls that rebuilding takes; none, where it fails.
    repair: Option<usize>,
    beyond_repair: bool,
    /// Registers that somebody has written.
    tampered: u32,
    differed: u32,
    rebuilt: u32,
    milliseconds: u64,
    fail_after: Option<usize>,
    /// Whether interrupts are on.
    interrupts: bool,
    /// Whether switching them is never acknowledged, though done.
    unacknowledged: bool,
    /// Interrupts that were raised and not taken.
    raised: usize,
    /// Completed invalidations.
    invalidations: usize,
    /// Leaves that there could have been in the ranges of those.
    leaves_forgotten: u64,
}

const M2: u64 = 2 << 20;

/// Returns the tag and the root of what translates a stream.
fn table_of(config: &StreamConfig) -> Option<(u16, u64, Geometry)> {
    match config {
        StreamConfig::Stage1(stage1) => Some((stage1.asid.0, stage1.root.0, stage1.geometry)),
        StreamConfig::Stage2(stage2) => Some((stage2.vmid.0, stage2.root.0, stage2.geometry)),
        // A stage 1 in which addresses lead to themselves: others are for the model machine and for QEMU.
        StreamConfig::Nested(Nested { stage2, .. }) => Some((stage2.vmid.0, stage2.root.0, stage2.geometry)),
        StreamConfig::Abort | StreamConfig::Silent => None,
    }
}

impl<'a> FakeSmmu<'a> {
    pub(crate) fn new(words: &'a [Word], base: u64) -> Self {
        let features = SmmuFeatures {
            format: Format::Stage2,
            nested: true,
            output_bits: 44,
            vmid_bits: 16,
            range_invalidation: true,
            block_changes: BlockChanges::Free,
        };
        Self {
            words,
            base,
            features,
            state: Mutex::default(),
            hook: Hook::default(),
            after_hook: Hook::default(),
            poll_hook: Hook::default(),
            switch_hook: Hook::default(),
        }
    }

    /// Stops answering after so many more commands.
    pub(crate) fn fail_after(&self, commands: usize) {
        self.state.lock().unwrap().fail_after = Some(commands);
    }

    /// Lets this happen once, before the next range is forgotten.
    pub(crate) fn during_invalidation(&self, hook: impl FnOnce() + Send + 'static) {
        *self.hook.0.lock().unwrap() = Some(Box::new(hook));
    }

    /// Lets this happen once, after the next range was forgotten.
    pub(crate) fn after_invalidation(&self, hook: impl FnOnce() + Send + 'static) {
        *self.after_hook.0.lock().unwrap() = Some(Box::new(hook));
    }

    /// Stops answering, and tells so by an interrupt.
    pub(crate) fn fail(&self) {
        let mut state = self.state.lock().unwrap();
        state.failed = true;
        state.raised += usize::from(state.interrupts);
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, milliseconds: u64) {
        self.state.lock().unwrap().milliseconds += milliseconds;
    }

    /// Can be rebuilt, in so many calls.
    pub(crate) fn can_be_rebuilt(&self, calls: usize) {
        let mut state = self.state.lock().unwrap();
        state.repair = Some(calls);
        state.fail_after = None;
    }

    /// Has somebody write registers.
    pub(crate) fn tamper(&self, registers: u32) {
        self.state.lock().unwrap().tampered = registers;
    }

    /// Does not acknowledge any more that interrupts are on or off.
    pub(crate) fn never_acknowledge(&self) {
        self.state.lock().unwrap().unacknowledged = true;
    }

    pub(crate) fn has_interrupts_on(&self) -> bool {
        self.state.lock().unwrap().interrupts
    }

    /// Returns how many interrupts were raised since this was asked last.
    pub(crate) fn take_interrupts(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().raised)
    }

    /// Returns how many records wait in the event queue.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().events.len()
    }

    /// Lets this happen once, after records were taken and before that is acknowledged.
    pub(crate) fn during_poll(&self, hook: impl FnOnce() + Send + 'static) {
        *self.poll_hook.0.lock().unwrap() = Some(Box::new(hook));
    }

    /// Lets this happen once, before interrupts are switched.
    pub(crate) fn before_switching(&self, hook: impl FnOnce() + Send + 'static) {
        *self.switch_hook.0.lock().unwrap() = Some(Box::new(hook));
    }

    /// Writes a record while the last one is not acknowledged: that raises no interrupt.
    pub(crate) fn record_without_interrupt(&self, sid: u32) {
        let event = Event {
            sid: StreamId(sid),
            iova: Iova(0),
            kind: FaultKind::Stream,
            write: false,
            number: 0x10,
            place: 0,
        };
        self.state.lock().unwrap().events.push_back(event);
    }

    /// Returns how many leaves the ranges had room for that were forgotten since this was asked last.
    pub(crate) fn take_leaves_forgotten(&self) -> u64 {
        std::mem::take(&mut self.state.lock().unwrap().leaves_forgotten)
    }

    /// Returns the leaves that are cached, each with its VMID.
    #[cfg(feature = "interleavings")]
    pub(crate) fn leaves(&self) -> Vec<(u16, Found)> {
        self.state.lock().unwrap().leaves.iter().map(|((vmid, _), found)| (*vmid, *found)).collect()
    }

    /// Returns where the tables stand that are cached.
    #[cfg(feature = "interleavings")]
    pub(crate) fn tables(&self) -> Vec<u64> {
        self.state.lock().unwrap().tables.values().copied().collect()
    }

    pub(crate) fn invalidations(&self) -> usize {
        self.state.lock().unwrap().invalidations
    }

    pub(crate) fn config(&self, sid: u32) -> StreamConfig {
        self.state.lock().unwrap().streams.get(&sid).copied().unwrap_or(StreamConfig::Abort)
    }

    /// Lets a device access an address: where that leads, or an event.
    pub(crate) fn dma(&self, sid: u32, iova: u64, write: bool) -> Option<u64> {
        let mut state = self.state.lock().unwrap();
        if state.failed {
            return None;
        }
        let outcome = match state.streams.get(&sid) {
            Some(StreamConfig::Silent) => return None,
            None | Some(StreamConfig::Abort) => Err(FaultKind::Stream),
            Some(config @ (StreamConfig::Stage1(_) | StreamConfig::Stage2(_) | StreamConfig::Nested(_))) => {
                let (tag, root, geometry) = table_of(config).expect("has a table");
                if iova >> geometry.input_bits() != 0 {
                    Err(FaultKind::AddressSize)
                } else {
                    let start = u32::from(geometry.start().number());
                    self.translate(&mut state, tag, root, start, iova, write)
                }
            }
        };
        outcome
            .inspect_err(|kind| {
                let event = Event {
                    sid: StreamId(sid),
                    iova: Iova(iova),
                    kind: *kind,
                    write,
                    number: 0x10,
                    place: 0,
                };
                if state.events.is_empty() && state.interrupts {
                    state.raised += 1;
                }
                if state.events.len() < EVENT_QUEUE {
                    state.events.push_back(event);
                } else {
                    state.overflow = true;
                }
            })
            .ok()
    }

    fn translate(
        &self,
        state: &mut State,
        vmid: u16,
        root: u64,
        start: u32,
        iova: u64,
        write: bool,
    ) -> Result<u64, FaultKind> {
        let cached = state
            .leaves
            .iter()
            .find(|((owner, first), found)| *owner == vmid && *first <= iova && iova < first + found.leaf.1);
        let found = match cached {
            Some((_, found)) => Found { pa: found.pa + (iova - found.leaf.0), ..*found },
            None => {
                let read = |address| self.read(address);
                let (table, level) = match state.tables.get(&(vmid, iova / M2)) {
                    Some(table) => (*table, 3),
                    None => (root, start),
                };
                let found =
                    walker::walk(read, self.stage(), table, level, iova).ok_or(FaultKind::Translation)?;
                if let Some(table) = found.tables[3] {
                    state.tables.insert((vmid, iova / M2), table);
                }
                let first = Found { pa: found.pa - (iova - found.leaf.0), ..found };
                if self.features.block_changes != BlockChanges::Marked || !found.not_cached {
                    self.cache(state, vmid, first);
                }
                found
            }
        };
        let allowed = if write { found.write } else { found.read };
        if allowed { Ok(found.pa) } else { Err(FaultKind::Permission) }
    }

    fn stage(&self) -> Stage {
        match self.features.format {
            Format::Stage1 => Stage::One,
            Format::Stage2 => Stage::Two,
        }
    }

    fn read(&self, address: u64) -> Option<u64> {
        let index = usize::try_from(address.checked_sub(self.base)? / 8).ok()?;
        // An SMMU's look is no step of the core that waits for it.
        self.words.get(index).map(|word| at_once(|| word.load(Relaxed)))
    }

    /// Walks where it would not need to: what it has cached must not stand in the table by other sizes, where it could come
    /// to have both.
    fn prefetch(&self, state: &State, vmid: u16) {
        let table = state.streams.values().filter_map(table_of).find(|(tag, ..)| *tag == vmid);
        let Some((_, root, geometry)) = table.filter(|_| self.features.block_changes != BlockChanges::Free)
        else {
            return;
        };
        let start = u32::from(geometry.start().number());
        for cached in state.leaves.iter().filter(|((owner, _), _)| *owner == vmid).map(|(_, found)| found) {
            let first = cached.leaf.0;
            let now = walker::walk(|address| self.read(address), self.stage(), root, start, first);
            assert!(
                now.is_none_or(|now| now.leaf == cached.leaf),
                "{first:#x} can be cached twice, VMID {vmid}"
            );
        }
    }

    /// Keeps a translation. Beside one of another size for the same addresses only where that is allowed (IHI 0070, 3.21.1).
    fn cache(&self, state: &mut State, vmid: u16, found: Found) {
        let (first, size) = found.leaf;
        let conflict = state.leaves.iter().any(|((owner, other), cached)| {
            *owner == vmid
                && *other < first + size
                && first < other + cached.leaf.1
                && cached.leaf != found.leaf
        });
        let allowed = self.features.block_changes == BlockChanges::Free;
        assert!(allowed || !conflict, "{first:#x} is cached twice under VMID {vmid}");
        state.leaves.insert((vmid, first), found);
    }

    fn command(&self, change: impl FnOnce(&mut State)) -> Result<(), SmmuError> {
        // It takes its time, and other cores go on meanwhile.
        switch();
        let mut state = self.state.lock().unwrap();
        match &mut state.fail_after {
            Some(0) => state.failed = true,
            Some(left) => *left -= 1,
            None => {}
        }
        if state.failed {
            return Err(SmmuError::Timeout);
        }
        change(&mut state);
        drop(state);
        switch();
        Ok(())
    }
}

impl Smmu for FakeSmmu<'_> {
    fn features(&self) -> SmmuFeatures {
        self.features
    }

    fn set_streams(&self, first: StreamId, count: u16, config: &StreamConfig) -> Result<(), SmmuError> {
        assert!(count > 0, "a command for no stream");
        match config {
            StreamConfig::Stage1(_) => assert_eq!(self.features.format, Format::Stage1),
            StreamConfig::Stage2(_) | StreamConfig::Nested(_) => {
                assert_eq!(self.features.format, Format::Stage2);
            }
            StreamConfig::Abort | StreamConfig::Silent => {}
        }
        let set = |state: &mut State, config: &StreamConfig| {
            for sid in first.0..first.0 + u32::from(count) {
                state.streams.insert(sid, *config);
            }
        };
        let result = self.command(|state| set(state, config));
        if result.is_err() {
            set(&mut self.state.lock().unwrap(), &StreamConfig::Abort);
        }
        result
    }

    fn publish(&self) {}

    fn invalidate_range(&self, vmid: Vmid, range: &TlbRange) -> Result<(), SmmuError> {
        let (first, end) = (range.iova.0, range.iova.0 + range.size);
        assert!(range.size > 0, "an empty invalidation");
        self.hook.run();
        let unit = range.leaves.map_or(4096, |leaf| leaf.bytes());
        assert!(first % unit == 0 && range.size.is_multiple_of(unit), "aligned to what was removed");
        let outcome = self.command(|state| {
            self.prefetch(state, vmid.0);
            state.invalidations += 1;
            state.leaves_forgotten += range.size / unit;
            state.leaves.retain(|(owner, start), found| {
                let touched = *start < end && first < start + found.leaf.1;
                // With a level hint, leaves of another size may stay.
                let hinted = range.leaves.is_none_or(|leaf| leaf.bytes() == found.leaf.1);
                *owner != vmid.0 || !touched || !hinted
            });
            if range.tables {
                state.tables.retain(|(owner, block), _| {
                    *owner != vmid.0 || block * M2 >= end || (block + 1) * M2 <= first
                });
            }
        });
        self.after_hook.run();
        outcome
    }

    fn invalidate_ranges(
        &self,
        vmid: Vmid,
        ranges: &mut dyn Iterator<Item = TlbRange>,
    ) -> Result<(), SmmuError> {
        for range in ranges {
            self.invalidate_range(vmid, &range)?;
        }
        Ok(())
    }

    fn invalidate_vmid(&self, vmid: Vmid) -> Result<(), SmmuError> {
        self.command(|state| {
            state.invalidations += 1;
            state.leaves.retain(|(owner, _), _| *owner != vmid.0);
            state.tables.retain(|(owner, _), _| *owner != vmid.0);
        })
    }

    fn invalidate_nested(&self, first: StreamId, _: u16, command: [u64; 2]) -> Result<(), NestedError> {
        let nested = matches!(self.config(first.0), StreamConfig::Nested(_));
        match (nested, command) {
            (false, _) => Err(NestedError::NotNested),
            // CMD_TLBI_NH_ALL stands for all that clients may send.
            (true, [0x10, 0]) => Ok(self.command(|state| state.invalidations += 1)?),
            (true, _) => Err(NestedError::Refused),
        }
    }

    fn poll_events(&self, budget: usize, sink: &mut dyn FnMut(Event)) -> Polled {
        let mut state = self.state.lock().unwrap();
        let taken = state.events.len().min(budget);
        let (first, events) = (state.taken, state.events.drain(..taken).collect::<Vec<_>>());
        state.taken += taken as u64;
        let polled = Polled { taken, overflow: core::mem::take(&mut state.overflow) };
        drop(state);
        (first..).zip(events).for_each(|(place, event)| sink(Event { place, ..event }));
        self.poll_hook.run();
        polled
    }

    fn events_waiting(&self) -> Range<u64> {
        let state = self.state.lock().unwrap();
        state.taken..state.taken + state.events.len() as u64
    }

    fn check_errors(&self) -> Result<(), SmmuError> {
        if self.state.lock().unwrap().failed { Err(SmmuError::Timeout) } else { Ok(()) }
    }

    fn set_interrupts(&self, on: bool) -> Result<(), Unacknowledged> {
        self.switch_hook.run();
        let mut state = self.state.lock().unwrap();
        state.interrupts = on;
        if state.unacknowledged { Err(Unacknowledged) } else { Ok(()) }
    }

    fn compare(&self, _: PowerHint) -> Result<(), SmmuError> {
        self.check_errors()?;
        let mut state = self.state.lock().unwrap();
        match std::mem::take(&mut state.tampered) {
            0 => Ok(()),
            registers => {
                (state.failed, state.differed) = (true, registers);
                Err(SmmuError::Differed(Differences(registers)))
            }
        }
    }

    fn rebuild(&self) -> Result<Rebuilt, SmmuError> {
        let mut state = self.state.lock().unwrap();
        if !state.failed {
            return Ok(Rebuilt::Done);
        }
        match state.repair {
            None => {
                state.beyond_repair = true;
                Err(SmmuError::Timeout)
            }
            Some(0) => {
                state.failed = false;
                state.rebuilt += 1;
                state.leaves.clear();
                state.tables.clear();
                Ok(Rebuilt::Done)
            }
            Some(left) => {
                state.repair = Some(left - 1);
                Ok(Rebuilt::Again)
            }
        }
    }

    fn is_beyond_repair(&self) -> bool {
        self.state.lock().unwrap().beyond_repair
    }

    fn milliseconds(&self) -> u64 {
        self.state.lock().unwrap().milliseconds
    }

    fn report(&self) -> SmmuReport {
        let state = self.state.lock().unwrap();
        SmmuReport {
            state: if state.failed { SmmuState::TimedOut } else { SmmuState::Works },
            errors: 0,
            differed: SmmuRegisters::from_bits_truncate(state.differed),
            rebuilt: state.rebuilt,
            tampered: 0,
            lost: 0,
            skipped: 0,
        }
    }
}
