// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a device's streams are set to. All streams of a device have one state, and go from one to the next in steps;
//! each stream on its way aborts, it is never open.

use super::{Domains, lock};
use crate::client::Client;
use crate::policy;
use crate::smmu::{Smmu, StreamConfig};
use ffa_abi::{DeviceState, SmmuIndex, Status, StreamId};
use spin::mutex::SpinMutex;

/// Streams that one call changes.
const STREAMS_PER_CALL: u16 = 64;

/// What a device is set to.
#[derive(Debug)]
pub struct Device(SpinMutex<Setting>);

/// A slot of the table of domains. It is not freed while a device names it.
type SlotIndex = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    /// All streams abort, as after boot.
    Blocked,
    /// All streams are translated by a domain.
    Paging(SlotIndex),
    /// Some streams are set to the new state already.
    Changing(Change),
}

/// A change that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    /// The domains that a stream may still use.
    leaving: [Option<SlotIndex>; 2],
    /// The domain that streams are set to; none for blocked.
    to: Option<SlotIndex>,
    /// How many streams have the new state.
    done: u16,
}

/// Where a device is, and which one.
#[derive(Clone, Copy, Debug)]
pub struct Target<'p> {
    /// What the policy says of it.
    pub device: &'p policy::Device,
    /// The SMMU that it is behind.
    pub smmu: SmmuIndex,
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl Device {
    /// Makes a device as it is after boot.
    #[must_use]
    pub const fn new() -> Self {
        Self(SpinMutex::new(Setting::Blocked))
    }

    /// Sets the state of a device that the client may hold.
    ///
    /// # Errors
    /// Those of a handle that cannot be used for this device; [`Status::Busy`] while another change is under way;
    /// [`Status::Again`] while streams remain; [`Status::Hardware`].
    pub fn set<S: Smmu>(
        &self,
        client: Client,
        target: Target<'_>,
        state: DeviceState,
        domains: &Domains<'_>,
        smmu: &S,
    ) -> Result<(), Status> {
        let mut setting = lock::lock(&self.0)?;
        let (config, to) = match state {
            DeviceState::Blocked => (StreamConfig::Abort, None),
            DeviceState::Paging(handle) => {
                let stage2 = domains.attach(client, handle, target.smmu, &target.device.iova)?;
                (StreamConfig::Stage2(stage2), Some(handle.slot()))
            }
        };
        let change = match begin(*setting, to) {
            Next::Change(change) => change,
            next => {
                // The domain holds the device already, or does not get it.
                leave(domains, to);
                match next {
                    Next::Continue(change) => change,
                    Next::Nothing => return Ok(()),
                    Next::Change(_) | Next::Refuse => return Err(Status::Busy),
                }
            }
        };
        *setting = Setting::Changing(change);
        let count = STREAMS_PER_CALL.min(target.device.sids.saturating_sub(change.done));
        let first = target.device.first_sid.saturating_add(u32::from(change.done));
        smmu.set_streams(StreamId(first), count, &config).map_err(|_| Status::Hardware)?;
        let done = change.done.saturating_add(count);
        if done < target.device.sids {
            *setting = Setting::Changing(Change { done, ..change });
            return Err(Status::Again);
        }
        *setting = to.map_or(Setting::Blocked, Setting::Paging);
        change.leaving.into_iter().for_each(|slot| leave(domains, slot));
        Ok(())
    }
}

fn leave(domains: &Domains<'_>, slot: Option<SlotIndex>) {
    if let Some(slot) = slot {
        domains.detach(slot);
    }
}

/// What a request for a state leads to.
enum Next {
    /// A change begins.
    Change(Change),
    /// The change that is under way goes on.
    Continue(Change),
    /// The device is there already.
    Nothing,
    /// Another change must end first.
    Refuse,
}

fn begin(setting: Setting, to: Option<SlotIndex>) -> Next {
    let change = |leaving| Next::Change(Change { leaving, to, done: 0 });
    match setting {
        Setting::Blocked if to.is_none() => Next::Nothing,
        Setting::Blocked => change([None, None]),
        Setting::Paging(slot) if to == Some(slot) => Next::Nothing,
        Setting::Paging(slot) => change([Some(slot), None]),
        Setting::Changing(under_way) if under_way.to == to => Next::Continue(under_way),
        // Blocking is always possible: some streams may still use either domain.
        Setting::Changing(Change { leaving: [first, None], to: second, .. }) if to.is_none() => {
            change([first, second])
        }
        Setting::Changing(_) => Next::Refuse,
    }
}
