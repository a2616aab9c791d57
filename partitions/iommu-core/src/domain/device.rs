// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a device's streams are set to. All streams of a device have one state, and change together; on the way they
//! abort, they are never open.

use super::{Domains, Identity, lock};
use crate::client::Client;
use crate::ownership::{Holder, Ownership};
use crate::policy;
use crate::smmu::{Smmu, StreamConfig};
use crate::sync::{AtomicU16, Mutex, Rank};
use core::sync::atomic::Ordering::{Acquire, Release};
use ffa_abi::{DeviceState, DomainHandle, Iova, SmmuIndex, Status, StreamId};

/// What a device is set to.
#[derive(Debug)]
pub struct Device {
    setting: Mutex<Setting>,
    /// Who other than the kernel has it now: a holder's number and one more, or zero. Changes under the lock alone.
    holder: AtomicU16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// All streams abort, as after boot.
    Blocked,
    /// All streams are translated by the domain in this slot, which is not freed while a device names it.
    Paging(usize),
    /// All streams are translated by the identity domain.
    Identity,
    /// All streams are translated by a stage 1 of the kernel's, whose context descriptor stands there, then by the domain in this
    /// slot, or by the identity domain.
    Nested(Option<usize>, Iova),
    /// All streams abort unheard. The domain in which the device was is kept until it is set to something.
    Quarantined(Option<usize>),
    /// The SMMU failed on the way from one of these slots to the other. It aborts all DMA; what the streams are set to is
    /// unknown, so both domains are kept until the SMMU works again: then the streams abort.
    Lost([Option<usize>; 2]),
}

impl Setting {
    /// Returns the slot whose domain is kept for the device.
    const fn slot(self) -> Option<usize> {
        match self {
            Self::Paging(slot) | Self::Quarantined(Some(slot)) | Self::Nested(Some(slot), _) => Some(slot),
            Self::Blocked
            | Self::Identity
            | Self::Quarantined(None)
            | Self::Nested(None, _)
            | Self::Lost(_) => None,
        }
    }
}

/// Where a device is, and which one.
#[derive(Clone, Copy, Debug)]
pub struct Target<'p> {
    /// Its place in the policy.
    pub index: usize,
    /// What the policy says of it.
    pub device: &'p policy::Device,
    /// The SMMU that it is behind.
    pub smmu: SmmuIndex,
}

/// What there is to set devices to.
#[derive(Clone, Copy, Debug)]
pub struct States<'s, 'a> {
    /// Domains with handles.
    pub domains: &'s Domains<'a>,
    /// The one without, where the policy has a device for it.
    pub identity: Option<&'s Identity<'a>>,
    /// Whose memory is whose.
    pub ownership: &'s Ownership<'a>,
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
        Self { setting: Mutex::new(Rank::Device, Setting::Blocked), holder: AtomicU16::new(0) }
    }

    /// Returns the hypervisor or the guest that has the device now, or `None` where it is the kernel's or nobody's. Waits for
    /// nobody.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        let number = u8::try_from(self.holder.load(Acquire).checked_sub(1)?).ok()?;
        Some(Holder::of_number(number))
    }

    pub(super) const fn setting(&self) -> &Mutex<Setting> {
        &self.setting
    }

    /// Sets the state of a device that the client may hold.
    ///
    /// # Errors
    /// [`Status::Denied`] while another has it, and for identity where the policy does not say so; those of a handle that cannot be
    /// used for this device; [`Status::Busy`] while another call sets it; [`Status::Hardware`] where the SMMU failed, now or before.
    pub fn set<S: Smmu>(
        &self,
        client: Client,
        Target { index, device, smmu }: Target<'_>,
        state: DeviceState,
        States { domains, identity, ownership }: States<'_, '_>,
        driver: &S,
    ) -> Result<(), Status> {
        let mut setting = lock::lock(&self.setting)?;
        if self.holder().is_some() {
            return Err(Status::Denied);
        }
        found(&mut setting, device, domains, driver)?;
        let (config, after) = match state {
            DeviceState::Blocked => (StreamConfig::Abort, Setting::Blocked),
            DeviceState::Paging(handle) => {
                (domains.attach(client, handle, smmu, &device.iova)?, Setting::Paging(handle.slot()))
            }
            DeviceState::Identity => {
                let identity = identity.filter(|_| device.identity).ok_or(Status::Denied)?;
                (identity.enter(smmu, index, ownership)?, Setting::Identity)
            }
        };
        change(&mut setting, after, &config, device, domains, driver)?;
        if let Some(identity) = identity.filter(|_| after != Setting::Identity) {
            identity.leave(smmu, index, ownership, driver);
        }
        Ok(())
    }

    /// Puts a blocked device into a domain of the hypervisor's or a guest's. From here on it is the holder's, until it was
    /// returned. `hand_over` is to make the change that it is given, between what is to be told to the one and to the other.
    ///
    /// # Errors
    /// As [`set`](Self::set); [`Status::Busy`] where the device is not blocked, or somebody's already.
    pub fn assign<S: Smmu>(
        &self,
        holder: Holder,
        Target { device, smmu, .. }: Target<'_>,
        handle: DomainHandle,
        domains: &Domains<'_>,
        driver: &S,
        hand_over: impl FnOnce(&dyn Fn()),
    ) -> Result<(), Status> {
        let mut setting = lock::lock(&self.setting)?;
        if self.holder().is_some() {
            return Err(Status::Busy);
        }
        if found(&mut setting, device, domains, driver)? != Setting::Blocked {
            return Err(Status::Busy);
        }
        let config = domains.attach(Client::Held(holder), handle, smmu, &device.iova)?;
        // Before its streams are: nothing that they do may be told to another.
        hand_over(&|| self.holder.store(u16::from(holder.number()).wrapping_add(1), Release));
        let after = Setting::Paging(handle.slot());
        change(&mut setting, after, &config, device, domains, driver)
    }

    /// Blocks a device that another than the kernel has, and takes it back. `hand_over` is as for [`assign`](Self::assign).
    ///
    /// # Errors
    /// [`Status::Denied`] where nobody else has it; [`Status::Busy`], [`Status::Hardware`]: it stays the holder's.
    pub fn take_back<S: Smmu>(
        &self,
        device: &policy::Device,
        domains: &Domains<'_>,
        driver: &S,
        hand_over: impl FnOnce(&dyn Fn()),
    ) -> Result<(), Status> {
        let mut setting = lock::lock(&self.setting)?;
        if self.holder().is_none() {
            return Err(Status::Denied);
        }
        found(&mut setting, device, domains, driver)?;
        change(&mut setting, Setting::Blocked, &StreamConfig::Abort, device, domains, driver)?;
        // Its streams abort by now, and what they did before is in the event queue.
        hand_over(&|| self.holder.store(0, Release));
        Ok(())
    }

    /// Has all of a device's transactions abort, and nobody told of them, until it is set to something, if they are to `still`:
    /// nobody changes the device while that is asked. Waits for no other call. Tells whether that is new.
    ///
    /// # Errors
    /// [`Status::Busy`] while another call sets it; [`Status::Hardware`] where the SMMU failed, now or before.
    pub fn quarantine<S: Smmu>(
        &self,
        device: &policy::Device,
        domains: &Domains<'_>,
        driver: &S,
        still: impl FnOnce() -> bool,
    ) -> Result<bool, Status> {
        let mut setting = self.setting.try_lock().ok_or(Status::Busy)?;
        if matches!(*setting, Setting::Quarantined(_)) || !still() {
            return Ok(false);
        }
        // One that was lost on the way aborts, too, but not unheard.
        let slot = found(&mut setting, device, domains, driver)?.slot();
        if driver.set_streams(StreamId(device.first_sid), device.sids, &StreamConfig::Silent).is_err() {
            *setting = Setting::Lost([slot, None]);
            return Err(Status::Hardware);
        }
        *setting = Setting::Quarantined(slot);
        Ok(true)
    }

    /// Blocks a device that is in quarantine. Others stay as they are.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn release<S: Smmu>(
        &self,
        device: &policy::Device,
        domains: &Domains<'_>,
        driver: &S,
    ) -> Result<(), Status> {
        let mut setting = lock::lock(&self.setting)?;
        let Setting::Quarantined(slot) = *setting else { return Ok(()) };
        if driver.set_streams(StreamId(device.first_sid), device.sids, &StreamConfig::Abort).is_err() {
            *setting = Setting::Lost([slot, None]);
            return Err(Status::Hardware);
        }
        *setting = Setting::Blocked;
        slot.into_iter().for_each(|slot| domains.detach(slot));
        Ok(())
    }
}

/// Returns what a device is set to; where that was unknown, it is blocked first, if its SMMU works again.
pub(super) fn found<S: Smmu>(
    setting: &mut Setting,
    device: &policy::Device,
    domains: &Domains<'_>,
    driver: &S,
) -> Result<Setting, Status> {
    if let Setting::Lost(slots) = *setting {
        // Nothing is done where they do.
        let blocked = driver.set_streams(StreamId(device.first_sid), device.sids, &StreamConfig::Abort);
        blocked.map_err(|_| Status::Hardware)?;
        *setting = Setting::Blocked;
        slots.into_iter().flatten().for_each(|slot| domains.detach(slot));
    }
    Ok(*setting)
}

/// Changes what a device is set to. The domain of `after` counts it already.
pub(super) fn change<S: Smmu>(
    setting: &mut Setting,
    after: Setting,
    config: &StreamConfig,
    device: &policy::Device,
    domains: &Domains<'_>,
    driver: &S,
) -> Result<(), Status> {
    let before = *setting;
    if before != after {
        // Both domains hold the device until this has returned: streams may use either.
        if driver.set_streams(StreamId(device.first_sid), device.sids, config).is_err() {
            *setting = Setting::Lost([before.slot(), after.slot()]);
            return Err(Status::Hardware);
        }
        *setting = after;
    }
    if let Some(slot) = before.slot() {
        // Where nothing changed, this takes back what `attach` counted.
        domains.detach(slot);
    }
    Ok(())
}
