// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SMMUv3 driver: what the service asks for, made of commands, entries and register accesses.
//!
//! Locks, outermost first: rebuilding, stream states, command queue, event queue. Each is held for a bounded time, whatever the
//! SMMU does, and is given in the order in which it was asked for: with a slow SMMU a core waits once for each of the
//! others, however often those come again.

use super::errors::{Counters, EVENTS_ABORTED, FATAL, Health, KNOWN, Statistics, count};
use super::events::EventQueue;
use super::hardware::{Hardware, TimedOut};
use super::identification::Capabilities;
use super::interrupts;
use super::invalidate::{Plan, plan};
use super::nested::{Vmids, Wanted};
use super::queue::{CommandQueue, GERROR_CMDQ, QueueError};
use super::rebuild::Progress;
use super::spec::commands::{Command, Tag};
use super::stream_table::StreamTable;
use super::{
    Event, NestedError, Polled, Rebuilt, Smmu, SmmuError, SmmuFeatures, StreamConfig, TlbRange,
    Unacknowledged, Vmid,
};
use crate::seeded::{Bug, seeded};
use crate::sync::{AtomicBool, AtomicU32, FairMutex};
use crate::table::Format;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{PowerHint, SmmuReport, StreamId};

/// Streams whose entries are invalidated one by one; beyond it is cheaper to forget all.
const MAX_SINGLE: u16 = 32;

/// An SMMUv3 that aborts whatever it was not told to translate. Made by [`bring_up`](Self::bring_up).
#[derive(Debug)]
pub struct SmmuV3<'p, H> {
    pub(super) hardware: H,
    pub(super) capabilities: Capabilities,
    pub(super) commands: FairMutex<CommandQueue<'p>>,
    pub(super) events: FairMutex<EventQueue<'p>>,
    pub(super) streams: StreamTable<'p>,
    pub(super) health: Health,
    pub(super) counters: Counters,
    pub(super) rebuilding: FairMutex<Progress>,
    /// Whether interrupts are to be on. Changes under the lock of the command queue.
    pub(super) interrupts: AtomicBool,
    /// Whether somebody said that registers may be lost, since a difference was found last.
    pub(super) announced: AtomicBool,
    /// What differed when a difference was found last.
    pub(super) differed: AtomicU32,
    /// VMIDs that a client's stage 1 was in front of.
    pub(super) nested: Vmids,
}

impl<H: Hardware> SmmuV3<'_, H> {
    /// Returns what happened since the SMMU was brought up.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    /// Returns the registers and the clock that the driver works with.
    pub const fn hardware(&self) -> &H {
        &self.hardware
    }

    /// Has the SMMU do some commands, and waits until it has.
    #[inline]
    fn run(
        &self,
        commands: impl FnOnce(&mut CommandQueue<'_>, &H) -> Result<(), QueueError>,
    ) -> Result<(), SmmuError> {
        let mut queue = self.commands.lock();
        // Asked under the lock: who waited for it may have waited for somebody who gave up.
        self.health.check()?;
        let result = commands(&mut queue, &self.hardware).and_then(|()| queue.sync(&self.hardware));
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.recover(&mut queue, error),
        }
    }

    /// Makes up for a batch that went wrong, or gives the SMMU up.
    #[cold]
    fn recover(&self, queue: &mut CommandQueue<'_>, error: QueueError) -> Result<(), SmmuError> {
        let error = match error {
            QueueError::Skipped(skipped) => {
                count(&self.counters.skipped_commands, skipped);
                // Which commands were lost is unknown: everything they could have said is said again.
                match forget_everything(queue, &self.hardware, self.capabilities.hyp) {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                }
            }
            error => error,
        };
        let reason = match error {
            QueueError::Timeout => SmmuError::Timeout,
            QueueError::Stopped | QueueError::Skipped(_) => {
                SmmuError::Global(queue.active_errors(&self.hardware) | GERROR_CMDQ)
            }
        };
        Err(self.give_up(queue, reason))
    }

    /// Returns what translations have in the SMMU's caches that a client's are tagged with.
    #[inline]
    const fn tag(&self, Vmid(number): Vmid) -> Tag {
        match self.capabilities.features.format {
            Format::Stage1 => Tag::Asid(number),
            Format::Stage2 => Tag::Vmid(number),
        }
    }

    fn has_both_stages(&self, vmid: Vmid) -> bool {
        self.nested.has(vmid) && !seeded(Bug::NestedByAddress)
    }

    fn forget_contexts(&self, first: StreamId, count: u16) -> Result<(), SmmuError> {
        self.run(|queue, hardware| {
            if count > MAX_SINGLE {
                return queue.push(hardware, Command::forget_all_streams());
            }
            (0..u32::from(count))
                .map(|place| StreamId(first.0.wrapping_add(place)))
                .try_for_each(|stream| queue.push(hardware, Command::forget_context(stream)))
        })
    }

    fn forget_streams(&self, first: StreamId, count: u16, contexts: bool) -> Result<(), SmmuError> {
        if seeded(Bug::NoConfigurationInvalidation) {
            return Ok(());
        }
        self.run(|queue, hardware| {
            if count > MAX_SINGLE {
                return queue.push(hardware, Command::forget_all_streams());
            }
            for stream in (0..u32::from(count)).map(|place| StreamId(first.0.wrapping_add(place))) {
                queue.push(hardware, Command::forget_stream(stream))?;
                if contexts {
                    queue.push(hardware, Command::forget_context(stream))?;
                }
            }
            Ok(())
        })
    }
}

/// Has the SMMU forget all configurations, then all translations: the other way round, some could come back (4.3.6).
pub(super) fn forget_everything<H: Hardware>(
    queue: &mut CommandQueue<'_>,
    hardware: &H,
    hyp: bool,
) -> Result<(), QueueError> {
    queue.push(hardware, Command::forget_all_streams())?;
    queue.sync(hardware)?;
    if hyp {
        queue.push(hardware, Command::INVALIDATE_EL2)?;
    }
    queue.push(hardware, Command::INVALIDATE_ALL)?;
    queue.sync(hardware)
}

/// Writes the commands of a plan into the queue.
#[inline]
fn send<H: Hardware>(
    queue: &mut CommandQueue<'_>,
    hardware: &H,
    tag: Tag,
    plan: Plan,
) -> Result<(), QueueError> {
    match plan {
        Plan::One(command) => queue.push(hardware, command),
        Plan::Each { first, step, count, leaf } => {
            let mut address = first;
            for _ in 0..count {
                queue.push(hardware, Command::invalidate_address(tag, address, leaf))?;
                address = address.wrapping_add(step);
            }
            Ok(())
        }
    }
}

impl<H: Hardware> Smmu for SmmuV3<'_, H> {
    fn features(&self) -> SmmuFeatures {
        self.capabilities.features
    }

    /// `first` and `count` are those of one device of the policy: its streams have one state.
    fn set_streams(&self, first: StreamId, count: u16, config: &StreamConfig) -> Result<(), SmmuError> {
        if let StreamConfig::Nested(nested) = config {
            // Before the entry is valid the command queue is used: who has it later finds the note.
            self.nested.add(nested.stage2.vmid);
        }
        let has_context =
            |config: &StreamConfig| matches!(config, StreamConfig::Stage1(_) | StreamConfig::Nested(_));
        let before = self.streams.config(first, count);
        let contexts = has_context(config) || before.as_ref().is_some_and(has_context);
        let usable = || self.health.check();
        self.streams.set(first, count, config, usable, || self.forget_streams(first, count, contexts))
    }

    #[inline]
    fn publish(&self) {
        self.hardware.publish();
    }

    #[inline]
    fn invalidate_range(&self, vmid: Vmid, range: &TlbRange) -> Result<(), SmmuError> {
        if seeded(Bug::NoInvalidation) {
            return Ok(());
        }
        let vmid = if seeded(Bug::WrongVmid) { Vmid(vmid.0 + 1) } else { vmid };
        let tag = self.tag(vmid);
        let plan = plan(tag, range, self.capabilities.features.range_invalidation);
        self.run(|queue, hardware| {
            // Asked under the lock. By addresses of stage 2 what both stages come to would stay.
            if self.has_both_stages(vmid) {
                return queue.push(hardware, Command::invalidate_tag(tag));
            }
            send(queue, hardware, tag, plan)
        })
    }

    fn invalidate_ranges(
        &self,
        vmid: Vmid,
        ranges: &mut dyn Iterator<Item = TlbRange>,
    ) -> Result<(), SmmuError> {
        if seeded(Bug::NoInvalidation) {
            return Ok(());
        }
        let vmid = if seeded(Bug::WrongVmid) { Vmid(vmid.0 + 1) } else { vmid };
        let tag = self.tag(vmid);
        self.run(|queue, hardware| {
            if self.has_both_stages(vmid) {
                return queue.push(hardware, Command::invalidate_tag(tag));
            }
            for range in ranges {
                let plan = plan(tag, &range, self.capabilities.features.range_invalidation);
                send(queue, hardware, tag, plan)?;
            }
            Ok(())
        })
    }

    fn invalidate_vmid(&self, vmid: Vmid) -> Result<(), SmmuError> {
        self.run(|queue, hardware| queue.push(hardware, Command::invalidate_tag(self.tag(vmid))))
    }

    fn invalidate_nested(&self, first: StreamId, count: u16, command: [u64; 2]) -> Result<(), NestedError> {
        let Some(StreamConfig::Nested(nested)) = self.streams.config(first, count) else {
            return Err(NestedError::NotNested);
        };
        let ranges = self.capabilities.features.range_invalidation;
        match Wanted::decode(command, ranges).ok_or(NestedError::Refused)? {
            Wanted::Contexts => self.forget_contexts(first, count)?,
            Wanted::Translations(command) => {
                let command = Wanted::with_vmid(command, nested.stage2.vmid);
                self.run(|queue, hardware| queue.push(hardware, command))?;
            }
        }
        Ok(())
    }

    fn poll_events(&self, budget: usize, sink: &mut dyn FnMut(Event)) -> Polled {
        // Until an aborted access is acknowledged, the SMMU writes no records. If this gives the SMMU up, records that
        // it wrote before are still worth reading.
        let _: Result<(), SmmuError> = self.check_errors();
        let polled = self.events.lock().poll(&self.hardware, budget, sink);
        if polled.overflow {
            count(&self.counters.event_overflows, 1);
        }
        polled
    }

    fn events_waiting(&self) -> Range<u64> {
        self.events.lock().waiting(&self.hardware)
    }

    fn check_errors(&self) -> Result<(), SmmuError> {
        let mut queue = self.commands.lock();
        self.health.check()?;
        let active = queue.active_errors(&self.hardware) & KNOWN;
        if active == 0 {
            return Ok(());
        }
        if active & FATAL != 0 {
            return Err(self.give_up(&queue, SmmuError::Global(active)));
        }
        if active & EVENTS_ABORTED != 0 {
            count(&self.counters.event_aborts, 1);
            self.events.lock().note_loss();
        }
        if active & !EVENTS_ABORTED != 0 {
            count(&self.counters.stray_errors, 1);
        }
        queue.acknowledge(&self.hardware, active);
        Ok(())
    }

    fn set_interrupts(&self, on: bool) -> Result<(), Unacknowledged> {
        let _queue = self.commands.lock();
        self.interrupts.store(on, Relaxed);
        interrupts::set(&self.hardware, on).map_err(|TimedOut| Unacknowledged)
    }

    fn compare(&self, hint: PowerHint) -> Result<(), SmmuError> {
        self.compare_registers(hint)
    }

    fn rebuild(&self) -> Result<Rebuilt, SmmuError> {
        self.rebuild_some()
    }

    fn is_beyond_repair(&self) -> bool {
        self.rebuilding.lock().has_failed()
    }

    fn report(&self) -> SmmuReport {
        self.describe()
    }

    fn milliseconds(&self) -> u64 {
        self.hardware.ticks().checked_div(self.hardware.ticks_per_millisecond()).unwrap_or(0)
    }
}
