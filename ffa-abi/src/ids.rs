// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The names that travel in messages: which SMMU, which stream, which domain, which address.
//!
//! They are newtypes so that a stream ID cannot be passed where an address is meant. None of them is trusted because
//! it has a type: the service looks each of them up in its own tables.

use core::fmt;

/// A protocol version: equal majors understand each other, a higher minor adds operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changes when an existing operation changes its meaning.
    pub major: u16,
    /// Changes when operations are added.
    pub minor: u16,
}

impl Version {
    /// Packs the version into a register: major in bits 31:16, minor in bits 15:0.
    #[must_use]
    pub const fn to_register(self) -> u64 {
        ((self.major as u64) << 16) | self.minor as u64
    }

    /// Reads a version from a register, or `None` where bits above 31 are set.
    #[must_use]
    pub fn from_register(value: u64) -> Option<Self> {
        let value = u32::try_from(value).ok()?;
        let [b0, b1, b2, b3] = value.to_le_bytes();
        Some(Self { major: u16::from_le_bytes([b2, b3]), minor: u16::from_le_bytes([b0, b1]) })
    }
}

/// An SMMU, by its place in the platform's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SmmuIndex(pub u16);

/// A stream ID behind one SMMU. The same number behind another SMMU is another stream (SMMUv3, IHI 0070, 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// An address as a device puts it on the bus, before translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iova(pub u64);

/// A physical address in the non-secure address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

/// A domain: a slot of the service's table (bits 11:0) and the generation of its use (bits 31:12).
///
/// A slot gets a new generation each time it is allocated, so a handle kept from before a free names nothing. Zero
/// is never a handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DomainHandle(u32);

impl DomainHandle {
    /// Slots that a handle can name.
    pub const MAX_SLOTS: usize = 1 << Self::SLOT_BITS;
    /// The highest generation; a slot that reached it is not used again.
    pub const MAX_GENERATION: u32 = (1 << (u32::BITS - Self::SLOT_BITS)) - 1;
    const SLOT_BITS: u32 = 12;

    /// Makes a handle, or `None` where the slot or the generation does not fit or the generation is zero.
    #[must_use]
    pub fn new(slot: usize, generation: u32) -> Option<Self> {
        let slot = u32::try_from(slot).ok().filter(|slot| *slot < 1 << Self::SLOT_BITS)?;
        (1..=Self::MAX_GENERATION).contains(&generation).then_some(Self(generation << Self::SLOT_BITS | slot))
    }

    /// Reads a handle from its wire form, or `None` for a value that no handle has.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Option<Self> {
        if raw >> Self::SLOT_BITS == 0 { None } else { Some(Self(raw)) }
    }

    /// Returns the wire form.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Returns the slot of the service's table that this handle names.
    #[must_use]
    pub const fn slot(self) -> usize {
        (self.0 & ((1 << Self::SLOT_BITS) - 1)) as usize
    }

    /// Returns the generation of the slot's use that this handle names.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.0 >> Self::SLOT_BITS
    }
}

impl fmt::Debug for DomainHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "domain {}.{}", self.slot(), self.generation())
    }
}

/// Memory that a client shares with the service: a place in the service's table and the generation of its use, as in a
/// [`DomainHandle`]. Zero is never a handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AreaHandle(DomainHandle);

impl AreaHandle {
    /// As [`DomainHandle::new`].
    #[must_use]
    pub fn new(place: usize, generation: u32) -> Option<Self> {
        DomainHandle::new(place, generation).map(Self)
    }

    /// As [`DomainHandle::from_raw`].
    #[must_use]
    pub fn from_raw(raw: u32) -> Option<Self> {
        DomainHandle::from_raw(raw).map(Self)
    }

    /// Returns the wire form.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0.raw()
    }

    /// Returns the place in the service's table.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0.slot()
    }

    /// Returns the generation of the place's use.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.0.generation()
    }
}

impl fmt::Debug for AreaHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "area {}.{}", self.place(), self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_keep_slot_and_generation() {
        let handle = DomainHandle::new(7, 3).unwrap();
        assert_eq!((handle.slot(), handle.generation()), (7, 3));
        assert_eq!(DomainHandle::from_raw(handle.raw()), Some(handle));
    }

    #[test]
    fn handles_that_cannot_be_are_refused() {
        assert_eq!(DomainHandle::new(DomainHandle::MAX_SLOTS, 1), None);
        assert_eq!(DomainHandle::new(0, 0), None);
        assert_eq!(DomainHandle::new(0, DomainHandle::MAX_GENERATION + 1), None);
        assert_eq!(DomainHandle::from_raw(0), None);
        assert_eq!(DomainHandle::from_raw(0xfff), None);
    }

    #[test]
    fn versions_round_trip_and_refuse_high_bits() {
        let version = Version { major: 2, minor: 5 };
        assert_eq!(Version::from_register(version.to_register()), Some(version));
        assert_eq!(Version::from_register(1 << 32), None);
    }
}
