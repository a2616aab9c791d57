// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stacks of vCPUs beyond those that the image has: in memory that the manifest names, so that one image serves a manager with
//! eight vCPUs and one with hundreds. Which vCPU gets which is found by the entry code, when it begins for the first time.

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::boot::Manifest;
use crate::image::{STACK_GUARD, STACK_STRIDE};
use crate::mmu::{self, MapError};
use crate::vcpu::{MAX_SLOTS, MAX_VCPUS};

/// Property of the manifest: address and size in bytes, two cells each.
const PROPERTY: &str = "sidguard,stacks";

/// Slots that have a stack.
pub(crate) static SLOTS: AtomicUsize = AtomicUsize::new(MAX_VCPUS);
/// Where the stacks of slots from [`MAX_VCPUS`] on begin.
pub(crate) static MORE: AtomicUsize = AtomicUsize::new(0);

/// Why the memory cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackError {
    /// The property is not four cells.
    Malformed,
    /// A stack cannot be mapped.
    Map(MapError),
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(f, "manifest: {PROPERTY} is not <address size>"),
            Self::Map(error) => write!(f, "{PROPERTY} cannot be mapped: {error}"),
        }
    }
}

/// Maps the stacks for which the manifest has memory. On the first vCPU, before there are others.
pub(crate) fn add(manifest: &Manifest) -> Result<(), StackError> {
    let Some(bytes) = manifest.property(PROPERTY) else { return Ok(()) };
    let (base, size) = match bytes.as_chunks::<8>() {
        ([base, size], []) => (u64::from_be_bytes(*base), u64::from_be_bytes(*size)),
        _ => return Err(StackError::Malformed),
    };
    let (Ok(start), Ok(size)) = (usize::try_from(base), usize::try_from(size)) else {
        return Err(StackError::Malformed);
    };
    if start.checked_add(size).is_none() {
        return Err(StackError::Malformed);
    }
    let count = (size / STACK_STRIDE).min(MAX_SLOTS - MAX_VCPUS);
    for stack in (0..count).map(|index| place(start, index)) {
        mmu::map_stack(stack).map_err(StackError::Map)?;
    }
    MORE.store(start, Ordering::Relaxed);
    SLOTS.store(MAX_VCPUS + count, Ordering::Release);
    Ok(())
}

/// Returns the stacks, without their guard pages.
pub(crate) fn all() -> impl Iterator<Item = Range<usize>> {
    let count = SLOTS.load(Ordering::Acquire).saturating_sub(MAX_VCPUS);
    let start = MORE.load(Ordering::Relaxed);
    (0..count).map(move |index| place(start, index))
}

/// Returns a stack of those that begin at `start`; it lies within the memory that [`add`] was given.
fn place(start: usize, index: usize) -> Range<usize> {
    let end = start.wrapping_add(index.wrapping_add(1).wrapping_mul(STACK_STRIDE));
    let first = start.wrapping_add(index.wrapping_mul(STACK_STRIDE)).wrapping_add(STACK_GUARD);
    first..end
}
