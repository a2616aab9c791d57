// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of a device that its region declares: `interrupts` and `interrupts-target` (FF-A 1.3 table 5.3, TF-A's
//! `ffa-manifest-binding`). That no two partitions have the same one is checked in [`super::layout`].

use heapless::Vec;

use super::Reason;
use super::fdt::{Node, Noted};

/// Most interrupts of a partition.
pub const MAX_INTERRUPTS: usize = 16;

/// Bits of an interrupt's attributes.
mod attribute {
    /// Bits 7:0.
    pub(super) const PRIORITY: u32 = 0xff;
    pub(super) const SECURE: u32 = 1 << 8;
    pub(super) const LEVEL: u32 = 1 << 9;
    /// Bits 11:10: 0 is an SGI, 1 a PPI, 2 an SPI.
    pub(super) const KIND: u32 = 3 << 10;
    pub(super) const PPI: u32 = 1 << 10;
    pub(super) const SPI: u32 = 2 << 10;
    pub(super) const ALL: u32 = PRIORITY | SECURE | LEVEL | KIND;
}

/// The first PPI that belongs to the CPU itself and to no device: from here to 31 are timers, debug, profiling and
/// maintenance of the GIC (Arm BSA 1.0, PPI assignments). The timers of secure EL2 are among them, 19 and 20.
const FIRST_PPI_OF_CPU: u32 = 19;

/// What kind of interrupt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptKind {
    /// One of each core, INTID 16 to 18.
    Private,
    /// One of the system, INTID 32 to 1019.
    Shared,
}

/// When it is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// From an edge on until it is acknowledged.
    Edge,
    /// As long as the device asserts it.
    Level,
}

/// A core, as MPIDR_EL1 names it: affinity levels 3 to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity([u8; 4]);

impl Affinity {
    /// MPIDR_EL1 bits that are no affinity: RES1 bit 31, U bit 30, MT bit 24.
    const OTHER_BITS: u64 = 1 << 31 | 1 << 30 | 1 << 24;

    /// Reads an MPIDR_EL1.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] if a bit is set that is reserved.
    pub const fn from_mpidr(mpidr: u64) -> Result<Self, Reason> {
        let [_, _, _, aff3, _, aff2, aff1, aff0] = (mpidr & !Self::OTHER_BITS).to_be_bytes();
        let affinity = Self([aff3, aff2, aff1, aff0]);
        if affinity.mpidr() == mpidr & !Self::OTHER_BITS {
            Ok(affinity)
        } else {
            Err(Reason::OutOfRange(mpidr))
        }
    }

    /// Returns the affinity fields where MPIDR_EL1 and GICD_IROUTER have them, all other bits zero.
    #[must_use]
    pub const fn mpidr(self) -> u64 {
        let [aff3, aff2, aff1, aff0] = self.0;
        u64::from_be_bytes([0, 0, 0, aff3, 0, aff2, aff1, aff0])
    }
}

/// A secure interrupt of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInterrupt {
    /// Its number at the GIC, and for the partition.
    pub intid: u32,
    /// Priority among those of its partition; lower comes first.
    pub priority: u8,
    /// When it is pending.
    pub trigger: Trigger,
    /// The core that takes it, if the manifest names one; only for [`InterruptKind::Shared`].
    pub target: Option<Affinity>,
}

/// All interrupts of a partition.
pub type Interrupts = Vec<DeviceInterrupt, MAX_INTERRUPTS>;

impl DeviceInterrupt {
    /// Reads one entry of `interrupts`.
    fn new(intid: u32, attributes: u32) -> Result<Self, Reason> {
        if attributes & !attribute::ALL != 0 {
            return Err(Reason::OutOfRange(u64::from(attributes)));
        }
        if attributes & attribute::SECURE == 0 {
            return Err(Reason::NotSupported("a non-secure interrupt is the normal world's"));
        }
        match (attributes & attribute::KIND, intid) {
            (attribute::PPI, FIRST_PPI_OF_CPU..=31) => {
                return Err(Reason::NotSupported("this PPI is the CPU's own, not a device's"));
            }
            (attribute::PPI, 16..FIRST_PPI_OF_CPU) | (attribute::SPI, 32..=1019) => {}
            (attribute::SPI, 4096..=5119) => return Err(Reason::NotSupported("extended SPIs")),
            (0, 0..=15) => return Err(Reason::NotSupported("an SGI is software's, not a device's")),
            // Number and kind contradict each other, or there is no such number.
            _ => return Err(Reason::OutOfRange(u64::from(intid))),
        }
        let trigger = if attributes & attribute::LEVEL == 0 { Trigger::Edge } else { Trigger::Level };
        let [priority, ..] = (attributes & attribute::PRIORITY).to_le_bytes();
        Ok(Self { intid, priority, trigger, target: None })
    }

    /// Returns what kind it is.
    #[must_use]
    pub const fn kind(&self) -> InterruptKind {
        if self.intid < 32 { InterruptKind::Private } else { InterruptKind::Shared }
    }
}

/// Reads the interrupts of a device region and adds them to those of its partition.
pub(super) fn read(region: &Node<'_>, all: &mut Interrupts) -> Result<(), Noted> {
    let own = all.len();
    let wrong = |reason| region.wrong_property("interrupts", reason);
    for entry in entries(region, "interrupts", 2)? {
        let [intid, attributes] = numbers(entry);
        let interrupt = DeviceInterrupt::new(intid, attributes).map_err(wrong)?;
        if all.iter().any(|other| other.intid == intid) {
            return Err(wrong(Reason::Duplicate));
        }
        all.push(interrupt).map_err(|_| wrong(Reason::TooMany(MAX_INTERRUPTS)))?;
    }
    let wrong = |reason| region.wrong_property("interrupts-target", reason);
    for entry in entries(region, "interrupts-target", 3)? {
        let [intid, high, low] = numbers(entry);
        let mut own = all.iter_mut().skip(own);
        let interrupt = own
            .find(|interrupt| interrupt.intid == intid)
            .ok_or_else(|| wrong(Reason::OutOfRange(u64::from(intid))))?;
        if interrupt.kind() != InterruptKind::Shared {
            return Err(wrong(Reason::NotSupported("a PPI is each core's own")));
        }
        if interrupt.target.is_some() {
            return Err(wrong(Reason::Duplicate));
        }
        let affinity = Affinity::from_mpidr(u64::from(high) << 32 | u64::from(low)).map_err(wrong)?;
        interrupt.target = Some(affinity);
    }
    Ok(())
}

/// Splits a property into entries of `length` cells each; none if it is not there.
#[inline(never)]
fn entries<'a>(
    node: &Node<'a>,
    property: &str,
    length: usize,
) -> Result<core::slice::ChunksExact<'a, [u8; 4]>, Noted> {
    let (cells, rest) = node.bytes(property).unwrap_or_default().as_chunks::<4>();
    let entries = cells.chunks_exact(length);
    if rest.is_empty() && entries.remainder().is_empty() {
        Ok(entries)
    } else {
        Err(node.wrong_property(property, Reason::WrongLength))
    }
}

/// Returns the cells of an entry, which has `N`.
fn numbers<const N: usize>(entry: &[[u8; 4]]) -> [u32; N] {
    let mut numbers = [0; N];
    for (number, cell) in numbers.iter_mut().zip(entry) {
        *number = u32::from_be_bytes(*cell);
    }
    numbers
}
