// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a policy must not say. The compiler refuses such a policy, and the service does not start with one.

use super::{Device, FORMAT_VERSION, Guard, HypRole, Name, Policy, Range};
use thiserror::Error;

/// The smallest page that SMMUs map here, in bytes.
const PAGE_SIZE: u64 = 4096;
/// Register pages 0 and 1 of an SMMU, 64 KiB each (IHI 0070, 6.1).
const FRAME_SIZE: u64 = 0x2_0000;
/// IOVAs are what a three-level table with 4 KiB pages translates.
const IOVA_LIMIT: u64 = 1 << 39;
/// Stream IDs beyond this would need a first level larger than 64 KiB.
const MAX_SID: u32 = (1 << 20) - 1;

/// Why a policy is refused. Each names the thing that is wrong by the name that the policy gave it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Another format than this crate's.
    #[error("format {0} is not known")]
    Version(u8),
    /// Nothing to protect.
    #[error("no SMMU is described")]
    NoSmmu,
    /// A required hypervisor needs the claim, which this version does not have.
    #[error("hyp = required is not supported by this version of the service")]
    HypRequired,
    /// A name is empty or not printable ASCII.
    #[error("name {0:?} is not printable ASCII")]
    Name(Name),
    /// Memory is not page-aligned, empty, or beyond the address space.
    #[error("{0} {1} is not a range of whole pages")]
    Range(&'static str, Range),
    /// Two things share addresses that must not.
    #[error("{0} {1} overlaps {2} {3}")]
    Overlap(&'static str, Range, &'static str, Range),
    /// A frame is smaller than its two pages.
    #[error("SMMU {0}: frame {1} is smaller than 128 KiB")]
    Frame(Name, Range),
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
        match self.hyp {
            HypRole::Absent => {}
            HypRole::Required => return Err(PolicyError::HypRequired),
        }
        self.check_names()?;
        self.check_memory()?;
        self.check_devices()
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
        whole_pages("pool", &self.pool)?;
        for (place, managed) in self.managed.iter().enumerate() {
            whole_pages("managed memory", managed)?;
            apart(("managed memory", managed), ("pool", &self.pool))?;
            for other in self.managed.iter().skip(place + 1) {
                apart(("managed memory", managed), ("managed memory", other))?;
            }
        }
        for (place, smmu) in self.smmus.iter().enumerate() {
            whole_pages("SMMU frame", &smmu.frame)?;
            if smmu.frame.size < FRAME_SIZE {
                return Err(PolicyError::Frame(smmu.name.clone(), smmu.frame));
            }
            apart(("SMMU frame", &smmu.frame), ("pool", &self.pool))?;
            for managed in &self.managed {
                apart(("SMMU frame", &smmu.frame), ("managed memory", managed))?;
            }
            for other in self.smmus.iter().skip(place + 1) {
                apart(("SMMU frame", &smmu.frame), ("SMMU frame", &other.frame))?;
            }
        }
        Ok(())
    }

    fn check_devices(&self) -> Result<(), PolicyError> {
        for (place, device) in self.devices.iter().enumerate() {
            if usize::from(device.smmu) >= self.smmus.len() {
                return Err(PolicyError::DeviceSmmu(device.name.clone(), device.smmu));
            }
            if device.last_sid().is_none_or(|last| last > MAX_SID) {
                return Err(PolicyError::DeviceSids(device.name.clone(), device.first_sid, device.sids));
            }
            let window = &device.iova;
            if window.end().is_none_or(|end| end > IOVA_LIMIT) || !window.is_aligned(PAGE_SIZE) {
                return Err(PolicyError::Iova(device.name.clone(), *window));
            }
            if self.guard == Guard::Nobody && (device.holders.hyp || device.holders.guests) {
                return Err(PolicyError::Unguarded(device.name.clone()));
            }
            if let Some(other) =
                self.devices.iter().skip(place + 1).find(|other| shares_stream(device, other))
            {
                return Err(PolicyError::SharedSid(device.name.clone(), other.name.clone()));
            }
        }
        Ok(())
    }
}

fn shares_stream(one: &Device, other: &Device) -> bool {
    one.smmu == other.smmu && (one.has_sid(other.first_sid) || other.has_sid(one.first_sid))
}

fn whole_pages(what: &'static str, range: &Range) -> Result<(), PolicyError> {
    if range.end().is_some() && range.is_aligned(PAGE_SIZE) {
        Ok(())
    } else {
        Err(PolicyError::Range(what, *range))
    }
}

fn apart(one: (&'static str, &Range), other: (&'static str, &Range)) -> Result<(), PolicyError> {
    if one.1.overlaps(other.1) { Err(PolicyError::Overlap(one.0, *one.1, other.0, *other.1)) } else { Ok(()) }
}
