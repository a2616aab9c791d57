// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fault reports between the SMMUs' event queues and the clients that poll them. Each of those has a queue of its own, and
//! sees nothing of another's.
//!
//! Records are taken out of an event queue when the host polls, and, where the SMMU interrupts for them, then too.

use super::recipient::{Audience, Recipient};
use super::storms::{Rate, Storms};
use super::watch::{InterruptError, Looked, Next, Watch};
use crate::domain::lock;
use crate::policy::{MAX_DEVICES, MAX_SMMUS};
use crate::seeded::{Bug, seeded};
use crate::smmu::{Event, Smmu, SmmuError};
use core::sync::atomic::{AtomicU32, Ordering, fence};
use ffa_abi::{Fault, FaultReport, SmmuIndex, Status};
use heapless::Deque;
use spin::mutex::SpinMutex;

/// Reports that are kept for one client until they are polled.
pub const MAX_FAULTS: usize = 64;
/// Records that one look takes from the event queue of one SMMU.
const EVENTS_PER_LOOK: usize = 64;

/// How often one call serves what has become due meanwhile. Each time can cost a look at each SMMU, and a message has a bound.
const ROUNDS: usize = 2;

/// The reports.
#[derive(Debug)]
pub struct Faults {
    queue: SpinMutex<Queue>,
    storms: Storms,
    /// SMMUs, a bit each, whose interrupt came and was not served yet.
    due: AtomicU32,
}

#[derive(Debug)]
struct Queue {
    /// By the place of who is told.
    reports: [Reports; Recipient::ALL.len()],
    rates: [Rate; MAX_DEVICES],
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
        let queue = Queue { reports, rates: [Rate::NONE; MAX_DEVICES], watches };
        Self { queue: SpinMutex::new(queue), storms: Storms::new(), due: AtomicU32::new(0) }
    }

    /// Takes a client's oldest report, after a bounded look at the event queue of each SMMU.
    ///
    /// # Errors
    /// [`Status::Empty`] where there is nothing to report, [`Status::Busy`], and [`Status::Hardware`] where there is nothing
    /// to report any more because an SMMU has failed.
    pub fn poll<S: Smmu>(
        &self,
        audience: Audience<'_>,
        smmus: &[S],
        recipient: Recipient,
    ) -> Result<FaultReport, Status> {
        let answer = lock::lock(&self.queue)?.poll(audience, smmus, recipient, &self.storms);
        // An SMMU that went wrong here is polled from now on, and its next interrupt is unexpected.
        if !seeded(Bug::DueForgotten) {
            let _: Result<(), InterruptError> = self.serve_due(audience, smmus, None);
        }
        answer
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
        let mut failed = false;
        for (index, smmu) in (0..=u16::MAX).zip(smmus) {
            let looked = self.asked(audience, index, smmu, storms);
            failed |= looked.is_err() && audience.has_any_behind(recipient, index);
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
            FaultReport { fault: None, dropped: 0 } => Err(Status::Empty),
            report => Ok(report),
        }
    }

    fn reports_of(&mut self, recipient: Recipient) -> Option<&mut Reports> {
        self.reports.get_mut(recipient.place())
    }

    /// Looks at an SMMU because the host asks; twice, where that switches its interrupts on.
    fn asked<S: Smmu>(
        &mut self,
        audience: Audience<'_>,
        index: u16,
        smmu: &S,
        storms: &Storms,
    ) -> Result<(), SmmuError> {
        let looked = self.look(audience, index, smmu, storms);
        match self.watch(index).and_then(|watch| watch.asked(smmu, looked)) {
            Ok(Next::LookAgain) => {}
            // One that does not acknowledge is polled from now on, which is what happens here.
            Ok(Next::Done) | Err(_) => return looked.health,
        }
        let looked = self.look(audience, index, smmu, storms);
        let _: Result<Next, InterruptError> = self.watch(index).and_then(|watch| watch.asked(smmu, looked));
        looked.health
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
        if let Some((device, _)) = audience.policy.device(index, event.sid.0)
            && audience.policy.fault_rate != 0
            && self.rates.get_mut(device).is_some_and(|rate| rate.is_above(audience.policy.fault_rate, now))
        {
            storms.add(device);
        }
        let recipient = audience.of_stream(index, event.sid.0);
        let recipient = if seeded(Bug::SharedFaults) { Recipient::Host } else { recipient };
        if let Some(reports) = self.reports_of(recipient) {
            reports.add(report(index, event));
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
