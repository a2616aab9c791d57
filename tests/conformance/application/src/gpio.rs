// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A pin of a PL061 (DDI 0190), by which the partition can interrupt itself: it asks to be interrupted at the level that the
//! pin has. Where the PL061 is stands in the manifest, which boot information leads to (DEN0077A 5.4).
#![expect(unsafe_code, reason = "boot information, and device registers")]

use arm_ffa::Version;
use arm_ffa::boot_info::{BootInfo, BootInfoContents, BootInfoIterator};
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node as _, Property as _};

const PAGE_SIZE: usize = 4096;
/// Largest boot information that is read, in bytes.
const MAX_BLOB: usize = 0x4000;

/// The pin; TF-A uses others.
const PIN: u32 = 1 << 7;
/// Registers, by their offsets. That of the data has one for each set of pins.
const DATA: usize = (PIN << 2) as usize;
const LEVEL_SENSITIVE: usize = 0x404;
const BOTH_EDGES: usize = 0x408;
const HIGH_LEVEL: usize = 0x40c;
const ENABLE: usize = 0x410;
const CLEAR: usize = 0x41c;

/// The pin's controller.
#[derive(Clone, Copy)]
pub(crate) struct Gpio(*mut u32);

impl Gpio {
    /// Finds the only device of the manifest that the boot information at `address` names.
    pub(crate) fn find(address: u64) -> Option<Self> {
        let start = core::ptr::with_exposed_provenance::<u8>(usize::try_from(address).ok()?);
        if address == 0 {
            return None;
        }
        // SAFETY: boot information begins with a page of this partition, which nobody writes any more.
        let first = unsafe { core::slice::from_raw_parts(start, PAGE_SIZE) };
        let size = BootInfo::get_blob_size(Version(1, 2), first).ok().filter(|size| *size <= MAX_BLOB)?;
        // SAFETY: as above; all of it lies before the image.
        let blob = unsafe { core::slice::from_raw_parts(start, size) };
        let manifest =
            BootInfoIterator::new(Version(1, 2), blob).ok()?.flatten().find_map(
                |descriptor| match descriptor.contents {
                    BootInfoContents::Address { content_buf } => Fdt::new(content_buf).ok(),
                    BootInfoContents::Value { .. } => None,
                },
            )?;
        let regions = manifest.root().children().find(|node| node.name() == "device-regions")?;
        let region = regions.children().next()?;
        let base = region.properties().find(|property| property.name() == "base-address")?;
        let base = u64::from_be_bytes(base.value().try_into().ok()?);
        Some(Self(core::ptr::with_exposed_provenance_mut(usize::try_from(base).ok()?)))
    }

    fn register(self, offset: usize) -> *mut u32 {
        self.0.wrapping_byte_add(offset)
    }

    /// Sets or clears the pin's bit of a register.
    fn set(self, offset: usize, on: bool) {
        let register = self.register(offset);
        // SAFETY: the device is this partition's by its manifest, and reaches no memory.
        let others = unsafe { register.read_volatile() } & !PIN;
        // SAFETY: as above.
        unsafe { register.write_volatile(if on { others | PIN } else { others }) };
    }

    /// Raises the interrupt.
    pub(crate) fn ring(self) {
        // SAFETY: as above.
        let level = unsafe { self.register(DATA).read_volatile() } & PIN != 0;
        self.set(LEVEL_SENSITIVE, true);
        self.set(BOTH_EDGES, false);
        self.set(HIGH_LEVEL, level);
        self.set(ENABLE, true);
    }

    /// Takes the interrupt back.
    pub(crate) fn quiet(self) {
        self.set(ENABLE, false);
        self.set(LEVEL_SENSITIVE, false);
        // SAFETY: as above.
        unsafe { self.register(CLEAR).write_volatile(PIN) };
    }
}
