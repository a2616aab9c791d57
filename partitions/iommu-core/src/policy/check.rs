// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a policy must not say. The compiler refuses such a policy, and the service does not start with one.

use super::{Device, FORMAT_VERSION, Guard, HypRole, MAX_DEVICE_SIDS, Name, Policy, Power, Range};
use crate::pool::MAX_POOL_PAGES;
use core::ops::RangeInclusive;
use thiserror::Error;

/// The smallest page that SMMUs map here, in bytes.
const PAGE_SIZE: u64 = 4096;
/// Register pages 0 and 1 of an SMMU, 64 KiB each (IHI 0070, 6.1).
const FRAME_SIZE: u64 = 0x2_0000;
/// Where frames begin (IHI 0070, 6.1).
const FRAME_ALIGNMENT: u64 = 0x1_0000;
/// IOVAs are what a three-level table with 4 KiB pages translates.
const IOVA_LIMIT: u64 = 1 << 39;
/// Physical addresses are what page-table entries of a 4 KiB granule without LPA2 hold (DDI 0487, D8.3).
const ADDRESS_LIMIT: u64 = 1 << 48;
/// Stream IDs beyond this would need a first level larger than 128 KiB (5.1: 8 bytes for 64 of them).
const MAX_SID: u32 = (1 << 20) - 1;

/// Shared peripheral interrupts (IHI 0069, 2.2).
const SPIS: RangeInclusive<u32> = 32..=1019;

/// Why a policy is refused. Each names the thing that is wrong by the name that the policy gave it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Another format than this crate's.
    #[error("format {0} is not known")]
    Version(u8),
    /// Nothing to protect.
    #[error("no SMMU is described")]
    NoSmmu,
    /// A name is empty or not printable ASCII.
    #[error("name \"{0}\" is not printable ASCII")]
    Name(Name),
    /// Memory is not page-aligned, empty, or beyond the address space.
    #[error("{0} {1} is not a range of whole pages below 2^48")]
    Range(&'static str, Range),
    /// The service cannot keep account of so many pages.
    #[error("pool {0} has more than {MAX_POOL_PAGES} pages")]
    PoolTooLarge(Range),
    /// Stream tables, queues and a table for each device do not fit.
    #[error("pool {0} is too small: the SMMUs and devices of this policy need {1} pages")]
    PoolTooSmall(Range, u64),
    /// Not every page that can move would have its account, or there is memory for accounts where none moves.
    #[error("memory for accounts of pages: {0:#x} bytes are needed")]
    Accounts(u64),
    /// Two things share addresses that must not.
    #[error("{0} {1} overlaps {2} {3}")]
    Overlap(&'static str, Range, &'static str, Range),
    /// A frame is smaller than its two pages, or does not begin where one can.
    #[error("SMMU {0}: frame {1} is not 128 KiB or more from a multiple of 64 KiB on")]
    Frame(Name, Range),
    /// DMA would pass behind an SMMU that comes back from a loss of power, until the service is asked.
    #[error(
        "SMMU {0} lets all DMA pass after reset, so it must never lose its power, or resume in the secure world"
    )]
    Power(Name),
    /// An SMMU's interrupt is not one that devices share.
    #[error("SMMU {0}: interrupt {1} is no SPI")]
    Interrupt(Name, u32),
    /// Two SMMUs have one interrupt.
    #[error("SMMUs {0} and {1} have interrupt {2}")]
    SharedInterrupt(Name, Name, u32),
    /// A device is behind an SMMU that is not there.
    #[error("device {0}: no SMMU has index {1}")]
    DeviceSmmu(Name, u8),
    /// A device has no stream IDs, or some beyond what can be served.
    #[error("device {0}: stream IDs from {1:#x}, {2} of them, cannot be served")]
    DeviceSids(Name, u32, u16),
    /// Two devices have one stream.
    #[error("devices {0} and {1} share a stream ID behind one SMMU")]
    SharedSid(Name, Name),
    /// Two devices or two SMMUs have one name.
    #[error("name {0} is used twice")]
    DuplicateName(Name),
    /// A device's IOVA window cannot be served.
    #[error("device {0}: IOVA window {1} is not made of whole pages below 2^39")]
    Iova(Name, Range),
    /// Two devices that one client may hold cannot be in one domain, where the service gives a domain one window.
    #[error("devices {0} and {1} are behind one SMMU, but their IOVA windows do not meet")]
    Windows(Name, Name),
    /// A device would see the kernel's memory that the kernel may not hold.
    #[error("device {0}: identity is for devices that the host may hold")]
    Identity(Name),
    /// A stage 1 of the kernel's would be for a device that the kernel may not hold.
    #[error("device {0}: nested is for devices that the host may hold")]
    Nested(Name),
    /// Hyp or guests would hold a device that nothing keeps the host from.
    #[error("device {0}: nobody guards the SMMU here, so only the host may hold it")]
    Unguarded(Name),
}

impl Policy {
    /// Checks the whole policy.
    ///
    /// # Errors
    /// The first contradiction found, by name.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.version != FORMAT_VERSION {
            return Err(PolicyError::Version(self.version));
        }
        self.check_names()?;
        self.check_memory()?;
        self.check_interrupts()?;
        self.check_accounts()?;
        self.check_devices()?;
        self.check_pool()
    }

    fn check_names(&self) -> Result<(), PolicyError> {
        let smmus = self.smmus.iter().map(|smmu| &smmu.name);
        let devices = self.devices.iter().map(|device| &device.name);
        for name in smmus.clone().chain(devices.clone()).chain(self.unprotected.iter()) {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(PolicyError::Name(name.clone()));
            }
        }
        for (place, name) in smmus.clone().enumerate() {
            if smmus.clone().skip(place + 1).any(|other| other == name) {
                return Err(PolicyError::DuplicateName(name.clone()));
            }
        }
        for (place, name) in devices.clone().enumerate() {
            if devices.clone().skip(place + 1).any(|other| other == name) {
                return Err(PolicyError::DuplicateName(name.clone()));
            }
        }
        Ok(())
    }

    fn check_memory(&self) -> Result<(), PolicyError> {
        if self.smmus.is_empty() {
            return Err(PolicyError::NoSmmu);
        }
        for (what, range) in self.places() {
            if range.end().is_none_or(|end| end > ADDRESS_LIMIT) || !range.is_aligned(PAGE_SIZE) {
                return Err(PolicyError::Range(what, range));
            }
        }
        for (place, (what, range)) in self.places().enumerate() {
            if let Some((other, taken)) = self.places().take(place).find(|(_, other)| other.overlaps(&range))
            {
                return Err(PolicyError::Overlap(what, range, other, taken));
            }
        }
        let misplaced =
            |frame: &Range| frame.size < FRAME_SIZE || !frame.base.is_multiple_of(FRAME_ALIGNMENT);
        if let Some(smmu) = self.smmus.iter().find(|smmu| misplaced(&smmu.frame)) {
            return Err(PolicyError::Frame(smmu.name.clone(), smmu.frame));
        }
        let opens = |smmu: &&super::Smmu| smmu.resets_to_bypass && smmu.power == Power::MayGo;
        if let Some(smmu) = self.smmus.iter().find(opens) {
            return Err(PolicyError::Power(smmu.name.clone()));
        }
        if self.pool.size / PAGE_SIZE > MAX_POOL_PAGES as u64 {
            return Err(PolicyError::PoolTooLarge(self.pool));
        }
        Ok(())
    }

    /// Returns everything that has addresses of its own.
    fn places(&self) -> impl Iterator<Item = (&'static str, Range)> {
        let managed = self.managed.iter().map(|range| ("managed memory", *range));
        let frames = self.smmus.iter().map(|smmu| ("SMMU frame", smmu.frame));
        let accounts = self.accounts.iter().map(|range| ("memory for accounts", *range));
        core::iter::once(("pool", self.pool)).chain(managed).chain(frames).chain(accounts)
    }

    fn check_accounts(&self) -> Result<(), PolicyError> {
        let there = self.accounts.map_or(0, |range| range.size);
        let (needed, fits) = match self.hyp {
            HypRole::Absent => (0, there == 0),
            HypRole::Required => (self.accounts_bytes_needed(), there >= self.accounts_bytes_needed()),
        };
        if fits { Ok(()) } else { Err(PolicyError::Accounts(needed)) }
    }

    fn check_interrupts(&self) -> Result<(), PolicyError> {
        for (place, smmu) in self.smmus.iter().enumerate() {
            for intid in smmu.interrupts.iter().flat_map(|wires| [wires.event, wires.error]) {
                if !SPIS.contains(&intid) {
                    return Err(PolicyError::Interrupt(smmu.name.clone(), intid));
                }
                let mut others = self.smmus.iter().take(place);
                if let Some(other) = others.find(|other| other.interrupts.is_some_and(|it| it.has(intid))) {
                    return Err(PolicyError::SharedInterrupt(other.name.clone(), smmu.name.clone(), intid));
                }
            }
        }
        Ok(())
    }

    fn check_devices(&self) -> Result<(), PolicyError> {
        for device in &self.devices {
            if usize::from(device.smmu) >= self.smmus.len() {
                return Err(PolicyError::DeviceSmmu(device.name.clone(), device.smmu));
            }
            let beyond = device.last_sid().is_none_or(|last| last > MAX_SID);
            if beyond || device.sids > MAX_DEVICE_SIDS {
                return Err(PolicyError::DeviceSids(device.name.clone(), device.first_sid, device.sids));
            }
            let window = &device.iova;
            if window.end().is_none_or(|end| end > IOVA_LIMIT) || !window.is_aligned(PAGE_SIZE) {
                return Err(PolicyError::Iova(device.name.clone(), *window));
            }
            if device.identity && !device.holders.host {
                return Err(PolicyError::Identity(device.name.clone()));
            }
            if device.nested && !device.holders.host {
                return Err(PolicyError::Nested(device.name.clone()));
            }
            if self.guard == Guard::Nobody && (device.holders.hyp || device.holders.guests) {
                return Err(PolicyError::Unguarded(device.name.clone()));
            }
        }
        for (place, device) in self.devices.iter().enumerate() {
            for other in self.devices.iter().skip(place + 1).filter(|other| other.smmu == device.smmu) {
                if shares_stream(device, other) {
                    return Err(PolicyError::SharedSid(device.name.clone(), other.name.clone()));
                }
                if device.holders.meet(other.holders) && !device.iova.overlaps(&other.iova) {
                    return Err(PolicyError::Windows(device.name.clone(), other.name.clone()));
                }
            }
        }
        Ok(())
    }

    fn check_pool(&self) -> Result<(), PolicyError> {
        let needed = self.pool_pages_needed();
        if self.pool.size / PAGE_SIZE < needed {
            return Err(PolicyError::PoolTooSmall(self.pool, needed));
        }
        Ok(())
    }
}

fn shares_stream(one: &Device, other: &Device) -> bool {
    one.has_sid(other.first_sid) || other.has_sid(one.first_sid)
}

#[cfg(test)]
pub(super) mod tests;
