// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls that somebody else chose, so that a test sees what the partition manager answers to a partition.
#![expect(unsafe_code, reason = "the calls are not known here")]

use core::mem;

use sp_runtime::time;

use crate::buffers::{self, PAGE};
use crate::protocol::Status;

/// Room below the image where boot information and manifest lie, in bytes.
const PACKAGE_HEAD: u64 = 0x1_0000;
const RXTX_MAP_32: u32 = 0x8400_0066;
const RXTX_MAP_64: u32 = 0xc400_0066;
const SECONDARY_EP_REGISTER_32: u32 = 0x8400_0087;
const SECONDARY_EP_REGISTER_64: u32 = 0xc400_0087;

/// What of a call and of its answer has no room in a request: x4 to x7.
pub(crate) struct Rest {
    arguments: [u64; 4],
    results: [u64; 4],
    /// Ticks that the last call took, with storing and loading x0 to x17 for it.
    ticks: u64,
}

impl Rest {
    pub(crate) const fn new() -> Self {
        Self { arguments: [0; 4], results: [0; 4], ticks: 0 }
    }

    /// Keeps x4 to x7 for the next call.
    pub(crate) fn prepare(&mut self, arguments: [u64; 4]) -> [u64; 5] {
        self.arguments = arguments;
        [0; 5]
    }

    /// Returns x4 to x7 of the last answer, and how long it took.
    pub(crate) const fn results(&self) -> [u64; 5] {
        let [r4, r5, r6, r7] = self.results;
        [r4, r5, r6, r7, self.ticks]
    }
}

/// Calls `function` with x1 to x3 = `arguments`, and x4 to x7 from `rest`, and answers with x0 to x3.
pub(crate) fn call(rest: &mut Rest, function: u64, arguments: [u64; 3]) -> [u64; 5] {
    let Ok(function) = u32::try_from(function) else { return Status::InvalidParameters.answer() };
    if matches!(function, RXTX_MAP_32 | RXTX_MAP_64) && !leaves_image_alone(arguments) {
        return Status::Denied.answer();
    }
    // Other vCPUs would begin anywhere in this image.
    if matches!(function, SECONDARY_EP_REGISTER_32 | SECONDARY_EP_REGISTER_64) {
        return Status::Denied.answer();
    }
    let mut registers = [0; 17];
    let [x1, x2, x3, x4, x5, x6, x7, ..] = &mut registers;
    [*x1, *x2, *x3] = arguments;
    [*x4, *x5, *x6, *x7] = mem::take(&mut rest.arguments);
    let before = time::ticks();
    // SAFETY: 1. Buffers for messages are not in memory that Rust uses, as was checked. 2. Calls that share or unmap
    // memory take descriptors in the TX buffer, where only memory.rs writes, of a page that is there for that. 3. All others
    // change no memory, and start nothing in it.
    let [r0, r1, r2, r3, r4, r5, r6, r7, ..] = unsafe { sp_runtime::call(function, registers) };
    rest.ticks = time::ticks().wrapping_sub(before);
    rest.results = [r4, r5, r6, r7];
    [r0, r1, r2, r3, 0]
}

/// Makes the hypercall `function` with x1 to x3 = `arguments` and answers with x0: those are about interrupts, which stay
/// masked here.
pub(crate) fn hypercall(function: u64, arguments: [u64; 3]) -> [u64; 5] {
    let Ok(function) = u32::try_from(function) else { return Status::InvalidParameters.answer() };
    let mut registers = [0; 17];
    registers.iter_mut().zip(arguments).for_each(|(register, argument)| *register = argument);
    let [answer, ..] = smccc::hvc64(function, registers);
    [answer, 0, 0, 0, 0]
}

/// Tells whether pages that FFA_RXTX_MAP would make buffers of are the ones meant for that, or not this image's.
fn leaves_image_alone([rx, tx, pages]: [u64; 3]) -> bool {
    let size = match pages {
        0..=0x3f => pages * PAGE as u64,
        _ => return false,
    };
    let own = sp_runtime::image_addresses();
    let (first, _) = buffers::addresses();
    [rx, tx].iter().all(|start| {
        let Some(end) = start.checked_add(size) else { return true };
        let inside_buffers = first <= *start && end <= first + 2 * PAGE as u64;
        let outside = end <= own.start.saturating_sub(PACKAGE_HEAD) || own.end <= *start;
        inside_buffers || outside
    })
}
