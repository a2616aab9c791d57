// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The pages that cases use as buffers. The partition manager writes them, so that nothing but volatile accesses do.
#![expect(unsafe_code, reason = "memory that somebody else writes")]

use conformance::endpoint::{PAGE, PAGES};
use core::cell::UnsafeCell;

const SIZE: usize = 8 * 4096;
const _: () = assert!(SIZE as u64 == PAGE * PAGES);

#[repr(C, align(4096))]
struct Pages(UnsafeCell<[u8; SIZE]>);

// SAFETY: the bytes are accessed by address, volatile and one by one; any value of each of them is valid.
unsafe impl Sync for Pages {}

static AREA: Pages = Pages(UnsafeCell::new([0; SIZE]));

/// Returns the address of the first page.
pub(crate) fn address() -> u64 {
    AREA.0.get() as u64
}

/// Returns the address of a byte, if there is one at the offset.
fn byte(offset: u64, index: usize) -> Option<*mut u8> {
    let place = usize::try_from(offset).ok()?.checked_add(index)?;
    (place < SIZE).then(|| AREA.0.get().cast::<u8>().wrapping_add(place))
}

/// Reads bytes; what lies behind the pages reads as zero.
pub(crate) fn read(offset: u64, bytes: &mut [u8]) {
    for (index, byte_read) in bytes.iter_mut().enumerate() {
        // SAFETY: `byte` returns addresses within `AREA` only, which is mapped for ever.
        *byte_read = byte(offset, index).map_or(0, |place| unsafe { place.read_volatile() });
    }
}

/// Writes bytes; what lies behind the pages is dropped.
pub(crate) fn write(offset: u64, bytes: &[u8]) {
    for (index, value) in bytes.iter().enumerate() {
        if let Some(place) = byte(offset, index) {
            // SAFETY: `byte` returns addresses within `AREA` only, which is mapped for ever.
            unsafe { place.write_volatile(*value) };
        }
    }
}
