// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fault reports between the SMMUs' event queues and the client that polls them.

use crate::domain::lock;
use crate::policy::Policy;
use crate::smmu::{Event, Smmu};
use ffa_abi::{Fault, FaultReport, SmmuIndex, Status};
use heapless::Deque;
use spin::mutex::SpinMutex;

/// Reports that are kept until they are polled.
pub const MAX_FAULTS: usize = 64;
/// Records that one message takes from the event queue of one SMMU.
const EVENTS_PER_CALL: usize = 64;

/// The host's reports.
#[derive(Debug)]
pub struct Faults(SpinMutex<Queue>);

#[derive(Debug)]
struct Queue {
    reports: Deque<Fault, MAX_FAULTS>,
    dropped: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl Faults {
    /// Makes a queue without reports.
    #[must_use]
    pub const fn new() -> Self {
        Self(SpinMutex::new(Queue { reports: Deque::new(), dropped: 0 }))
    }

    /// Takes the oldest report, after a bounded look at the event queue of each SMMU.
    ///
    /// # Errors
    /// [`Status::Empty`] where there is nothing to report, [`Status::Busy`], and [`Status::Hardware`] where there is nothing
    /// to report any more because an SMMU has failed.
    pub fn poll<S: Smmu>(&self, policy: &Policy, smmus: &[S]) -> Result<FaultReport, Status> {
        let mut queue = lock::lock(&self.0)?;
        let mut failed = false;
        for (index, smmu) in (0..=u16::MAX).zip(smmus) {
            let polled = smmu.poll_events(EVENTS_PER_CALL, &mut |event| {
                if is_host_s_business(policy, index, &event) {
                    queue.add(report(index, &event));
                }
            });
            if polled.overflow {
                queue.dropped = queue.dropped.saturating_add(1);
            }
            failed |= smmu.check_errors().is_err();
        }
        let report =
            FaultReport { fault: queue.reports.pop_front(), dropped: core::mem::take(&mut queue.dropped) };
        match report {
            FaultReport { fault: None, dropped: 0 } if failed => Err(Status::Hardware),
            FaultReport { fault: None, dropped: 0 } => Err(Status::Empty),
            report => Ok(report),
        }
    }
}

impl Queue {
    /// The oldest reports are kept: they say how a flood began.
    fn add(&mut self, fault: Fault) {
        if self.reports.push_back(fault).is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// Tells whether the host may learn of an event: not of what devices do that others may hold. Streams that the policy
/// does not name are nobody else's, and worth a report.
fn is_host_s_business(policy: &Policy, smmu: u16, event: &Event) -> bool {
    policy
        .device(smmu, event.sid.0)
        .is_none_or(|(_, device)| device.holders.host || !(device.holders.hyp || device.holders.guests))
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
