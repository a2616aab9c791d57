// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that fault more often than the policy lets them: noticed where records are taken, put into quarantine afterwards,
//! when nobody waits for the reports.

use super::Service;
use super::recipient::{Audience, Recipient};
use crate::policy::{Device, MAX_DEVICES};
use crate::role::Hyp;
use crate::smmu::Smmu;
use crate::sync::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{Fault, FaultKind, Iova, Response, SmmuIndex, Status, StreamId};

const _: () = assert!(MAX_DEVICES <= 64, "a device has a bit");
/// How long faults are counted together, in milliseconds.
const WINDOW: u64 = 1000;

/// How often one device has faulted lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    since: u64,
    count: u32,
}

impl Rate {
    pub(super) const NONE: Self = Self { since: 0, count: 0 };

    /// Counts a fault, and tells whether there are more than so many in a second.
    pub(super) const fn is_above(&mut self, most: u32, now: u64) -> bool {
        if now.wrapping_sub(self.since) >= WINDOW {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count > most
    }
}

/// Devices, a bit each.
#[derive(Debug)]
pub(super) struct Storms {
    /// Those that are to go into quarantine.
    due: AtomicU64,
    /// Those that did, and whose holder was not told yet.
    untold: AtomicU64,
}

impl Storms {
    pub(super) const fn new() -> Self {
        Self { due: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }

    /// Says that a device has faulted too often.
    pub(super) fn add(&self, device: usize) {
        self.due.fetch_or(bit(device), Relaxed);
    }

    /// Forgets what a device has done: it changes hands.
    pub(super) fn forget(&self, device: usize) {
        self.due.fetch_and(!bit(device), Relaxed);
        self.untold.fetch_and(!bit(device), Relaxed);
    }

    /// Takes the report of a device that was put into quarantine.
    pub(super) fn take(&self, audience: Audience<'_>, recipient: Recipient) -> Option<Fault> {
        let untold = self.untold.load(Relaxed);
        let mut devices = audience.policy.devices.iter().enumerate();
        let (index, device) = devices
            .find(|(index, device)| untold & bit(*index) != 0 && audience.of(*index, device) == recipient)?;
        // Of two calls that meet one tells.
        let before = self.untold.fetch_and(!bit(index), Relaxed);
        (before & bit(index) != 0).then(|| report(device))
    }
}

/// Returns the bit of a device; there are at most [`MAX_DEVICES`].
fn bit(device: usize) -> u64 {
    u32::try_from(device).map_or(0, |device| 1_u64.unbounded_shl(device))
}

fn report(device: &Device) -> Fault {
    Fault {
        smmu: SmmuIndex(device.smmu.into()),
        sid: StreamId(device.first_sid),
        iova: Iova(0),
        kind: FaultKind::Quarantined,
        write: false,
        event: 0,
    }
}

impl<S: Smmu> Service<'_, S> {
    /// Puts one of the devices into quarantine that have faulted too often. A message does no more, since a device can have
    /// many streams.
    pub(super) fn quarantine_one(&self) {
        let storms = self.faults.storms();
        let due = storms.due.load(Relaxed);
        if due == 0 {
            return;
        }
        let mut devices = self.policy.devices.iter().enumerate();
        let Some((index, device)) = devices.find(|(index, _)| due & bit(*index) != 0) else { return };
        let Some(driver) = self.smmus.get(usize::from(device.smmu)) else { return };
        let Some(setting) = self.devices.get(index) else { return };
        // Not where it has changed hands meanwhile; and who has it now is told, not who has it when it is done.
        let still = || {
            let due = storms.due.load(Relaxed) & bit(index) != 0;
            storms.untold.fetch_or(if due { bit(index) } else { 0 }, Relaxed);
            due
        };
        match setting.quarantine(device, &self.domains, driver, still) {
            // Records that it has left behind are no reason to tell of it twice.
            Ok(_) => _ = storms.due.fetch_and(!bit(index), Relaxed),
            // Somebody sets it: the next one who polls tries again.
            Err(Status::Busy) => {}
            // Its SMMU aborts all DMA.
            Err(_) => storms.forget(index),
        }
    }

    /// Puts a device into quarantine that is the hypervisor's or a guest's, or blocks one that is in it.
    pub(super) fn hyp_quarantine(
        &self,
        Hyp { .. }: Hyp,
        smmu: SmmuIndex,
        sid: StreamId,
        on: bool,
    ) -> Result<Response, Status> {
        let (index, device) = self.policy.device(smmu.0, sid.0).ok_or(Status::Denied)?;
        if self.audience().of(index, device) != Recipient::Hyp {
            return Err(Status::Denied);
        }
        let driver = self.smmus.get(usize::from(smmu.0)).ok_or(Status::Denied)?;
        let setting = self.devices.get(index).ok_or(Status::Denied)?;
        if on {
            let _new: bool = setting.quarantine(device, &self.domains, driver, || true)?;
        } else {
            // Those that it has left behind do not count.
            self.faults.hand_over(self.audience(), self.smmus, (index, device), || ());
            setting.release(device, &self.domains, driver)?;
        }
        Ok(Response::status(Status::Ok))
    }
}
