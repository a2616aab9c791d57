// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the integrator fixed at build time: which device has which stream IDs, behind which SMMU, and who may hold it.
//!
//! The policy compiler writes these types, the service reads them; both run the same [`check`](Policy::check). Nothing
//! that runs later widens a policy, and what it does not name is denied.

mod blob;
mod check;
mod need;
mod range;

pub use blob::{
    BlobError, DIGEST_SIZE, Digest, HEADER_SIZE, MAGIC, MAX_BLOB_SIZE, decode, decode_into, digest,
};
pub use check::PolicyError;
pub use range::Range;

use ffa_abi::GuardLevel;
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// SMMUs that a policy can describe.
pub const MAX_SMMUS: usize = 8;
/// Devices that a policy can describe.
pub const MAX_DEVICES: usize = 64;
/// Stream IDs that one device can have: those of a PCI bus. All of them change in one message, which has a bound.
pub const MAX_DEVICE_SIDS: u16 = 256;
/// Ranges of memory that the host may hand to its devices.
pub const MAX_MANAGED: usize = 8;
/// Masters that no SMMU sees.
pub const MAX_UNPROTECTED: usize = 16;
/// Length of a name in bytes: what fits two registers of an answer.
pub const MAX_NAME: usize = 16;
/// The format that this crate reads and writes: the first byte of the payload.
pub const FORMAT_VERSION: u8 = 5;

/// A name that people gave: ASCII, for answers and logs.
pub type Name = String<MAX_NAME>;

/// All that was fixed at build time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// [`FORMAT_VERSION`]; stands first so that another version is told before anything else is read.
    pub version: u8,
    /// Who keeps the normal world from frames and pool on this platform.
    pub guard: Guard,
    /// Whether a hypervisor takes the role of hyp.
    pub hyp: HypRole,
    /// Non-secure RAM whose pages may be mapped for devices; never the pool.
    pub managed: Vec<Range, MAX_MANAGED>,
    /// Secure memory of the service for the accounts of managed pages: there is some where a hypervisor may move them.
    pub accounts: Option<Range>,
    /// Non-secure carve-out for what SMMUs fetch: stream tables, queues, page tables.
    pub pool: Range,
    /// The SMMUs, in the order of their index.
    pub smmus: Vec<Smmu, MAX_SMMUS>,
    /// The devices; a stream that belongs to none of them reaches nothing.
    pub devices: Vec<Device, MAX_DEVICES>,
    /// Masters without an SMMU in front, so that nobody believes them protected.
    pub unprotected: Vec<Name, MAX_UNPROTECTED>,
    /// Faults that a device may report in a second before it is quarantined; 0 where there is no limit.
    pub fault_rate: u32,
}

/// The guard level as policies spell it; see [`GuardLevel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Guard {
    /// Nobody guards frames and pool.
    Nobody,
    /// The hypervisor's stage 2 does.
    El2,
    /// A bus filter does.
    BusFilter,
}

impl From<Guard> for GuardLevel {
    fn from(guard: Guard) -> Self {
        match guard {
            Guard::Nobody => Self::Nobody,
            Guard::El2 => Self::El2,
            Guard::BusFilter => Self::BusFilter,
        }
    }
}

/// Whether a hypervisor speaks for itself and its guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HypRole {
    /// There is none: claims are refused, there are no guests.
    Absent,
    /// One must claim its role before the host is served.
    Required,
}

/// One SMMU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smmu {
    /// For logs.
    pub name: Name,
    /// Its register frame: pages 0 and 1, 128 KiB (IHI 0070, 6.1).
    pub frame: Range,
    /// Whether all DMA passes when the SMMU comes out of reset, as the platform's integration has it.
    pub resets_to_bypass: bool,
    /// The interrupts by which it tells of events and errors. Without them the service looks for both when it is asked.
    pub interrupts: Option<Interrupts>,
    /// Whether it keeps its power while the system runs.
    pub power: Power,
}

/// Whether an SMMU can lose its power, and with it what it was given, while the system runs. A fact of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    /// It can: from when it is back until the service is asked it does what it does after reset.
    MayGo,
    /// It never does.
    AlwaysOn,
    /// It can, and who brings it back enters the secure world before the normal one.
    ResumesSecure,
}

/// The wires of one SMMU to the interrupt controller (IHI 0070, 3.18): INTIDs of secure, edge-triggered SPIs. Both may be
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupts {
    /// Records in the event queue.
    pub event: u32,
    /// Global errors.
    pub error: u32,
}

impl Interrupts {
    /// Tells whether an INTID is one of them.
    #[must_use]
    pub const fn has(self, intid: u32) -> bool {
        intid == self.event || intid == self.error
    }
}

/// One device: all its streams have one holder and one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// For answers and logs.
    pub name: Name,
    /// Index of its SMMU in [`Policy::smmus`].
    pub smmu: u8,
    /// Its first stream ID.
    pub first_sid: u32,
    /// How many consecutive stream IDs it has: at least one, at most [`MAX_DEVICE_SIDS`].
    pub sids: u16,
    /// Who may hold it.
    pub holders: Holders,
    /// IOVAs that its domains may use.
    pub iova: Range,
    /// Whether the host may let it see managed memory at its physical addresses, whatever its window is.
    pub identity: bool,
    /// Whether the host may have it translated by a stage 1 of its own, in front of what this service lets it reach.
    pub nested: bool,
}

/// Who may hold a device. Nobody is a useful answer: such a device's DMA stays aborted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holders {
    /// The kernel.
    pub host: bool,
    /// The hypervisor.
    pub hyp: bool,
    /// Protected guests, spoken for by the hypervisor.
    pub guests: bool,
}

impl Holders {
    /// Tells whether somebody may hold both.
    #[must_use]
    pub const fn meet(self, other: Self) -> bool {
        (self.host && other.host) || (self.hyp && other.hyp) || (self.guests && other.guests)
    }

    /// Tells whether nobody may hold it.
    #[must_use]
    pub const fn is_nobody(self) -> bool {
        !self.host && !self.hyp && !self.guests
    }
}

impl Device {
    /// Tells whether a stream ID is one of this device's.
    #[must_use]
    pub fn has_sid(&self, sid: u32) -> bool {
        sid.checked_sub(self.first_sid).is_some_and(|offset| offset < u32::from(self.sids))
    }

    /// Returns the last stream ID, or `None` where the range overflows or is empty.
    #[must_use]
    pub fn last_sid(&self) -> Option<u32> {
        self.first_sid.checked_add(u32::from(self.sids).checked_sub(1)?)
    }
}

impl Policy {
    /// A place for a policy. By itself it names nothing, and [`check`](Self::check) refuses it.
    pub const EMPTY: Self = Self {
        version: FORMAT_VERSION,
        guard: Guard::Nobody,
        hyp: HypRole::Absent,
        managed: Vec::new(),
        accounts: None,
        pool: Range { base: 0, size: 0 },
        smmus: Vec::new(),
        devices: Vec::new(),
        unprotected: Vec::new(),
        fault_rate: 0,
    };

    /// Finds the device that a stream belongs to, with its index.
    #[must_use]
    pub fn device(&self, smmu: u16, sid: u32) -> Option<(usize, &Device)> {
        self.devices
            .iter()
            .enumerate()
            .find(|(_, device)| u16::from(device.smmu) == smmu && device.has_sid(sid))
    }
}
