// SPDX-License-Identifier: Apache-2.0 OR MIT
//! This partition's own stage 1: addresses stay what they are, no page is both writable and executable.
//!
//! The image is mapped before translation is on; device registers and memory of the normal world are added later, and
//! nothing is ever unmapped, but what is in the [`Window`] and in [`Chunks`]. What a mapping may reach is decided by the partition manager's stage 2.

mod attributes;
mod chunks;
mod tables;
mod window;

use core::fmt;
use core::ops::Range;

use aarch64_paging::descriptor::El1Attributes;

use crate::image;
use crate::memory::{DeviceMemory, NonSecureMemory, OwnMemory};

pub(crate) use attributes::Registers;
pub use chunks::Chunks;
pub(crate) use tables::mark_active;
pub use window::{InUse, Window};

/// The page size, in bytes.
pub const PAGE_SIZE: usize = 4096;

/// Which physical address space an address lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The secure one.
    Secure,
    /// The non-secure one: the descriptor's NS bit is set, and the non-secure stage 2 translates.
    NonSecure,
}

/// Why a range was not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// It is empty, begins at 0, is not in whole pages, or not in the 48-bit address space, whose end is the window.
    BadRange,
    /// Part of it is mapped already.
    Taken,
    /// The pool of page tables is used up.
    NoTables,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadRange => "not a range of whole pages",
            Self::Taken => "mapped already",
            Self::NoTables => "no page tables left",
        })
    }
}

/// Maps `size` bytes of device registers at `start` (Device-nGnRE, read and write).
///
/// # Errors
/// [`MapError`]; nothing is mapped then.
pub fn map_device(start: u64, size: u64, world: World) -> Result<DeviceMemory, MapError> {
    let range = page_range(start, size)?;
    tables::map_live(range.clone(), attributes::DEVICE | attributes::of_world(world))?;
    Ok(DeviceMemory::of_mapped(range))
}

/// Maps `size` bytes of the normal world's RAM at `start` (write-back cacheable, read and write).
///
/// # Errors
/// [`MapError`]; nothing is mapped then.
pub fn map_non_secure(start: u64, size: u64) -> Result<NonSecureMemory, MapError> {
    let range = page_range(start, size)?;
    tables::map_live(range.clone(), attributes::DATA | attributes::of_world(World::NonSecure))?;
    Ok(NonSecureMemory::of_mapped(range))
}

/// Maps `size` bytes of this partition's own memory at `start`, behind its image (write-back cacheable, read and write), and
/// clears them.
///
/// # Errors
/// [`MapError`]; nothing is mapped then.
pub fn map_own(start: u64, size: u64) -> Result<OwnMemory, MapError> {
    let range = page_range(start, size)?;
    tables::map_live(range.clone(), attributes::DATA)?;
    Ok(OwnMemory::of_mapped(range))
}

/// Maps a stack in this partition's own memory, behind its image. What it holds does not matter.
pub(crate) fn map_stack(stack: Range<usize>) -> Result<(), MapError> {
    let range = page_range(stack.start as u64, stack.len() as u64)?;
    tables::map_live(range, attributes::DATA)
}

/// Maps `size` bytes of secure RAM at `start` that nobody will ever write again.
pub(crate) fn map_constant(start: u64, size: u64) -> Result<Range<usize>, MapError> {
    let range = page_range(start, size)?;
    tables::map_live(range.clone(), attributes::CONSTANT)?;
    Ok(range)
}

/// Builds the mapping of the image. Returns the registers that switch it on, and the end of what the tables take of their
/// pool. Runs once, with translation off.
pub(crate) fn map_image() -> Result<(Registers, u64), MapError> {
    let (root, end) =
        tables::create(|map: &mut dyn FnMut(Range<usize>, El1Attributes) -> Result<(), MapError>| {
            map(image::text(), attributes::CODE)?;
            map(image::rodata(), attributes::CONSTANT)?;
            map(image::data(), attributes::DATA)?;
            if !image::policy().is_empty() {
                map(image::policy(), attributes::CONSTANT)?;
            }
            map(image::bss(), attributes::DATA)?;
            map(image::tables(), attributes::DATA)?;
            image::stacks().try_for_each(|stack| map(stack, attributes::DATA))
        })?;
    Ok((Registers::for_root(root), end))
}

#[inline(never)]
fn page_range(start: u64, size: u64) -> Result<Range<usize>, MapError> {
    let end = start.checked_add(size).ok_or(MapError::BadRange)?;
    let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else {
        return Err(MapError::BadRange);
    };
    let aligned = start.is_multiple_of(PAGE_SIZE) && end.is_multiple_of(PAGE_SIZE);
    if start == 0 || start >= end || !aligned || end > window::RESERVED {
        return Err(MapError::BadRange);
    }
    let own = image::whole();
    if start < own.end && own.start < end {
        // Guard pages are not mapped, and must not become so.
        return Err(MapError::Taken);
    }
    Ok(start..end)
}
