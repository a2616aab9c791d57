// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a run has reached: counters that LLVM's SanitizerCoverage adds to the code when this package is compiled with
//! `-C passes=sancov-module` (`xtask/src/commands/fuzz.rs` does). Without it there are none, and inputs are changed blindly.
#![expect(unsafe_code, reason = "the counters are variables of the compiler's, told by address")]

use std::sync::Mutex;
use std::sync::atomic::AtomicU8;

/// The counters of each part of the program.
static COUNTERS: Mutex<Vec<&'static [AtomicU8]>> = Mutex::new(Vec::new());

/// Called by the code of each part of the program before `main`, with the addresses of its counters.
// SAFETY: the symbol is LLVM's, which names it as belonging to whoever uses the counters; it is defined once.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *const AtomicU8, stop: *const AtomicU8) {
    let length = stop.addr().saturating_sub(start.addr());
    // SAFETY: SanitizerCoverage passes the bounds of an array of bytes that lives as long as the program. Instrumented code
    // changes them by plain instructions, and no other thread runs a target: the driver has one.
    let counters = unsafe { std::slice::from_raw_parts(start, length) };
    if let Ok(mut all) = COUNTERS.lock()
        && !all.iter().any(|known| std::ptr::eq(*known, counters))
    {
        all.push(counters);
    }
}

/// Called likewise with a table of addresses, of which nothing is needed.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(_start: *const usize, _stop: *const usize) {}

fn counters() -> Vec<&'static [AtomicU8]> {
    COUNTERS.lock().map(|all| all.clone()).unwrap_or_default()
}

/// Tells whether anything is counted.
pub(crate) fn is_there() -> bool {
    !counters().is_empty()
}

/// Sets all counters to 0.
pub(crate) fn clear() {
    for part in counters() {
        // SAFETY: the array is the part's own, and instrumented code of this thread alone changes it; an AtomicU8 may be changed
        // behind a shared reference.
        unsafe { std::ptr::write_bytes(part.as_ptr().cast::<u8>().cast_mut(), 0, part.len()) };
    }
}

/// All that was reached so far: for each counter a set of orders of magnitude.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    seen: Vec<u8>,
    /// The counters of one part, copied.
    now: Vec<u8>,
}

/// Returns the order of magnitude of a count as a bit; none for 0.
const fn magnitude(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..8 => 8,
        8..16 => 16,
        16..32 => 32,
        32..128 => 64,
        128.. => 128,
    }
}

impl Reached {
    /// Adds what the last run has reached. Returns whether there was anything new.
    pub(crate) fn adds(&mut self) -> bool {
        self.add(magnitude)
    }

    /// As [`Reached::adds`], but a place counts alike however often it was reached.
    pub(crate) fn adds_places(&mut self) -> bool {
        self.add(|count| u8::from(count != 0))
    }

    fn add(&mut self, magnitude: impl Fn(u8) -> u8) -> bool {
        let mut is_new = false;
        let mut first = 0;
        for part in counters() {
            self.now.resize(part.len(), 0);
            // SAFETY: as in `clear`; the vector has the room.
            unsafe {
                std::ptr::copy_nonoverlapping(part.as_ptr().cast::<u8>(), self.now.as_mut_ptr(), part.len());
            }
            self.seen.resize(self.seen.len().max(first + part.len()), 0);
            let seen = self.seen.get_mut(first..).unwrap_or_default();
            // Nearly all of them are 0.
            for (counts, seen) in self.now.chunks(32).zip(seen.chunks_mut(32)) {
                if counts.iter().fold(0, |all, count| all | count) == 0 {
                    continue;
                }
                for (count, seen) in counts.iter().zip(seen) {
                    let magnitude = magnitude(*count);
                    is_new |= magnitude & !*seen != 0;
                    *seen |= magnitude;
                }
            }
            first += part.len();
        }
        is_new
    }

    /// Returns how much that is.
    pub(crate) fn count(&self) -> usize {
        self.seen.iter().filter(|seen| **seen != 0).count()
    }
}
