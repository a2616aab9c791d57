// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fault reports between the SMMUs' event queues and the clients that poll them. Each of those has a queue of its own, and
//! sees nothing of another's.
//!
//! Records are taken out of an event queue when the host polls, and, where the SMMU interrupts for them, then too.

use super::recipient::{Audience, Recipient};
use super::storms::{Rate, Storms};
use super::turns::Turn;
use super::watch::{InterruptError, Looked, Next, Watch};
use crate::policy::{self, MAX_DEVICES, MAX_SMMUS};
use crate::seeded::{Bug, seeded};
use crate::smmu::{Event, Smmu};
use crate::sync::{AtomicU32, FairMutex, Rank};
use core::ops::Range;
use core::sync::atomic::{Ordering, fence};
use ffa_abi::{Fault, FaultReport, SmmuIndex, Status};
use heapless::Deque;

/// Reports that are kept for one client until they are polled.
pub const MAX_FAULTS: usize = 64;
/// Records that one look takes from the event queue of one SMMU.
const EVENTS_PER_LOOK: usize = 64;

/// How often one call serves what has become due meanwhile. Each time can cost a look at each SMMU, and a message has a bound.
const ROUNDS: usize = 2;

/// The reports.
#[derive(Debug)]
pub struct Faults {
    /// Given in the order in which it is asked for: who polls again and again keeps nobody from it.
    queue: FairMutex<Queue>,
    storms: Storms,
    /// SMMUs, a bit each, whose interrupt came and was not served yet.
    due: AtomicU32,
}

#[derive(Debug)]
struct Queue {
    /// By the place of who is told.
    reports: [Reports; Recipient::ALL.len()],
    rates: [Rate; MAX_DEVICES],
    turns: [Turn; MAX_DEVICES],
    watches: [Watch; MAX_SMMUS],
}

/// What one client is to be told.
#[derive(Debug)]
struct Reports {
    kept: Deque<Fault, MAX_FAULTS>,
    dropped: u64,
}

impl Reports {
    const EMPTY: Self = Self { kept: Deque::new(), dropped: 0 };

    fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    /// The oldest reports are kept: they say how a flood began.
    fn add(&mut self, fault: Fault) {
        if self.kept.push_back(fault).is_err() {
            self.drop_one();
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl Faults {
    /// Makes a queue without reports, for SMMUs that do not interrupt.
    #[must_use]
    pub const fn new() -> Self {
        let watches = [Watch::Polled; MAX_SMMUS];
        let reports = [const { Reports::EMPTY }; Recipient::ALL.len()];
        let (rates, turns) = ([Rate::NONE; MAX_DEVICES], [Turn::NONE; MAX_DEVICES]);
        let queue = Queue { reports, rates, turns, watches };
        Self { queue: FairMutex::new(Rank::Faults, queue), storms: Storms::new(), due: AtomicU32::new(0) }
    }

    /// Takes a client's oldest report, after a bounded look at the event queue of each SMMU.
    ///
    /// # Errors
    /// [`Status::Empty`] where there is nothing to report and no record is left in an event queue, and [`Status::Hardware`] where
    /// there is nothing to report any more because an SMMU has failed.
    pub fn poll<S: Smmu>(
        &self,
        audience: Audience<'_>,
        smmus: &[S],
        recipient: Recipient,
    ) -> Result<FaultReport, Status> {
        let answer = self.queue.lock().poll(audience, smmus, recipient, &self.storms);
        // An SMMU that went wrong here is polled from now on, and its next interrupt is unexpected.
        if !seeded(Bug::DueForgotten) {
            let _: Result<(), InterruptError> = self.serve_due(audience, smmus, None);
        }
        answer
    }

    /// Has a device change hands by `change`: what its SMMU has recorded before is told to who had it, and counts for nothing
    /// that comes later.
    pub(super) fn hand_over<S: Smmu>(
        &self,
        audience: Audience<'_>,
        smmus: &[S],
        (index, device): (usize, &policy::Device),
        change: impl FnOnce(),
    ) {
        {
            let mut queue = self.queue.lock();
            if let Some(smmu) = smmus.get(usize::from(device.smmu)) {
                queue.turn(index, smmu.events_waiting(), audience.of(index, device));
            }
            self.storms.forget(index);
            change();
        }
        // Whoever came meanwhile has left it to this core.
        let _: Result<(), InterruptError> = self.serve_due(audience, smmus, None);
    }

    /// Has an SMMU interrupt for its events and errors. For the start, when there are no other calls.
    ///
    /// # Errors
    /// The SMMU is polled then.
    pub fn watch<S: Smmu>(
        &self,
        audience: Audience<'_>,
        smmus: &[S],
        index: u16,
    ) -> Result<(), InterruptError> {
        let smmu = smmus.get(usize::from(index)).ok_or(InterruptError::Unexpected)?;
        let mut queue = self.queue.lock();
        queue.watch(index)?.arm(smmu)?;
        queue.interrupted(audience, index, smmu, &self.storms)
    }

    pub(super) const fn storms(&self) -> &Storms {
        &self.storms
    }

    /// Serves the interrupt of an SMMU. Waits for nobody: if another core has the queue, that core serves it.
    ///
    /// # Errors
    /// There is no use in another interrupt of this SMMU: it is polled from now on.
    pub fn interrupted<S: Smmu>(
        &self,
        audience: Audience<'_>,
        smmus: &[S],
        index: u16,
    ) -> Result<(), InterruptError> {
        self.due.fetch_or(bit(index), Ordering::Relaxed);
        self.serve_due(audience, smmus, Some(index))
    }

    /// Serves the interrupts that are due, if nobody has the queue, and returns what came of that of `own`.
    fn serve_due<S: Smmu>(
        &self,
        audience: Audience<'_>,
        smmus: &[S],
        own: Option<u16>,
    ) -> Result<(), InterruptError> {
        let mut outcome = Ok(());
        for round in 0..=ROUNDS {
            // Whoever finds the queue taken has said before what is due, and whoever had it looks at that afterwards: one of
            // them sees the other.
            fence(Ordering::SeqCst);
            if self.due.load(Ordering::Relaxed) == 0 {
                break;
            }
            let Some(mut queue) = self.queue.try_lock() else { break };
            let due = self.due.swap(0, Ordering::Relaxed);
            if round == ROUNDS && !seeded(Bug::OverrunForgotten) {
                queue.overrun(smmus);
                break;
            }
            for (index, smmu) in (0..=u16::MAX).zip(smmus).filter(|(index, _)| due & bit(*index) != 0) {
                let result = queue.interrupted(audience, index, smmu, &self.storms);
                if own == Some(index) {
                    outcome = outcome.and(result);
                }
            }
        }
        outcome
    }
}

/// Returns the bit of an SMMU; there are at most [`MAX_SMMUS`].
fn bit(index: u16) -> u32 {
    1_u32.unbounded_shl(index.into())
}

impl Queue {
    fn poll<S: Smmu>(
        &mut self,
        audience: Audience<'_>,
        smmus: &[S],
        recipient: Recipient,
        storms: &Storms,
    ) -> Result<FaultReport, Status> {
        let (mut failed, mut left) = (false, false);
        for (index, smmu) in (0..=u16::MAX).zip(smmus) {
            let Looked { emptied, health } = self.asked(audience, index, smmu, storms);
            if (!emptied || health.is_err()) && audience.has_any_behind(recipient, index) {
                failed |= health.is_err();
                left |= !emptied;
            }
        }
        // That a device is in quarantine is told first: the reports before it may be many.
        let quarantined = storms.take(audience, recipient);
        let reports = self.reports_of(recipient).ok_or(Status::Empty)?;
        let report = FaultReport {
            fault: quarantined.or_else(|| reports.kept.pop_front()),
            dropped: core::mem::take(&mut reports.dropped),
        };
        match report {
            FaultReport { fault: None, dropped: 0 } if failed => Err(Status::Hardware),
            FaultReport { fault: None, dropped: 0 } if !left => Err(Status::Empty),
            // Nothing yet, where records are left that nobody has looked at: some may be for who asks.
            report => Ok(report),
        }
    }

    fn reports_of(&mut self, recipient: Recipient) -> Option<&mut Reports> {
        self.reports.get_mut(recipient.place())
    }

    /// Looks at an SMMU because the host asks; twice, where that switches its interrupts on.
    fn asked<S: Smmu>(&mut self, audience: Audience<'_>, index: u16, smmu: &S, storms: &Storms) -> Looked {
        let looked = self.look(audience, index, smmu, storms);
        match self.watch(index).and_then(|watch| watch.asked(smmu, looked)) {
            Ok(Next::LookAgain) => {}
            // One that does not acknowledge is polled from now on, which is what happens here.
            Ok(Next::Done) | Err(_) => return looked,
        }
        let looked = self.look(audience, index, smmu, storms);
        let _: Result<Next, InterruptError> = self.watch(index).and_then(|watch| watch.asked(smmu, looked));
        looked
    }

    /// Looks at an SMMU because it has interrupted.
    fn interrupted<S: Smmu>(
        &mut self,
        audience: Audience<'_>,
        index: u16,
        smmu: &S,
        storms: &Storms,
    ) -> Result<(), InterruptError> {
        match self.watch(index)?.interrupted()? {
            Next::LookAgain => {
                let looked = self.look(audience, index, smmu, storms);
                self.watch(index)?.looked(smmu, looked)
            }
            Next::Done => Ok(()),
        }
    }

    /// Switches off whatever interrupts, until the host asks: somebody's devices have interrupts come as fast as they are served,
    /// and none of those that come now will be served.
    #[cold]
    fn overrun<S: Smmu>(&mut self, smmus: &[S]) {
        for (watch, smmu) in self.watches.iter_mut().zip(smmus) {
            // One that does not acknowledge is polled from now on, and its next interrupt is unexpected.
            let _: Result<(), InterruptError> = watch.overrun(smmu);
        }
    }

    fn watch(&mut self, index: u16) -> Result<&mut Watch, InterruptError> {
        self.watches.get_mut(usize::from(index)).ok_or(InterruptError::Unexpected)
    }

    /// Takes records until there is none, or as many as a look takes, and acknowledges errors. A record that comes while
    /// others are taken raises no interrupt: so one look more finds the queue empty.
    fn look<S: Smmu>(&mut self, audience: Audience<'_>, index: u16, smmu: &S, storms: &Storms) -> Looked {
        let mut left = EVENTS_PER_LOOK;
        let mut emptied = false;
        let now = if audience.policy.fault_rate == 0 { 0 } else { smmu.milliseconds() };
        while left > 0 && !emptied {
            let polled = smmu.poll_events(left, &mut |event| self.take(audience, index, &event, now, storms));
            if polled.overflow {
                self.note_loss(audience, index);
            }
            left = left.saturating_sub(polled.taken);
            emptied = polled.taken == 0;
        }
        Looked { emptied, health: smmu.check_errors() }
    }

    /// Takes a record to who is to be told.
    fn take(&mut self, audience: Audience<'_>, index: u16, event: &Event, now: u64, storms: &Storms) {
        let most = audience.policy.fault_rate;
        let recipient = match audience.policy.device(index, event.sid.0) {
            // Those that the policy does not name are the kernel's to look after.
            None => Recipient::Host,
            Some((place, device)) => match self.turns.get(place).and_then(|turn| turn.before(event.place)) {
                Some(before) => before,
                None => {
                    let is_above = |rate: &mut Rate| rate.is_above(most, now);
                    if most != 0 && self.rates.get_mut(place).is_some_and(is_above) {
                        storms.add(place);
                    }
                    audience.of(place, device)
                }
            },
        };
        let recipient = if seeded(Bug::SharedFaults) { Recipient::Host } else { recipient };
        if let Some(reports) = self.reports_of(recipient) {
            reports.add(report(index, event));
        }
    }

    /// Notes that a device changes hands, from whom is told of it now.
    fn turn(&mut self, device: usize, waiting: Range<u64>, now: Recipient) {
        if let (Some(turn), Some(rate)) = (self.turns.get_mut(device), self.rates.get_mut(device)) {
            turn.next(waiting, now);
            *rate = Rate::NONE;
        }
    }

    /// Counts that an SMMU has lost records. Whose they were it does not say: each client is told that has devices there.
    fn note_loss(&mut self, audience: Audience<'_>, index: u16) {
        for (recipient, reports) in Recipient::ALL.into_iter().zip(&mut self.reports) {
            if audience.has_any_behind(recipient, index) {
                reports.drop_one();
            }
        }
    }
}

fn report(smmu: u16, event: &Event) -> Fault {
    Fault {
        smmu: SmmuIndex(smmu),
        sid: event.sid,
        iova: event.iova,
        kind: event.kind,
        write: event.write,
        event: event.number,
    }
}
