// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens when spm itself fails: a report on the console, then the machine stands still.
//!
//! The core that fails parks, and every other core parks when it next enters spm. Returning to the normal world would
//! tell it that a call failed and let it go on without whoever guards its devices; EL3 accepts no reset or power-off from
//! the secure world (TF-A answers PSCI calls from there with "unknown"). A watchdog, where there is one, does the rest.
#![expect(unsafe_code, reason = "follows frame pointers")]

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use spm_core::function;
use spm_core::manifest::Name;
use spm_core::registers::MessageRegisters;

use crate::address::to_usize;
use crate::arch::entry::{Section, park_core};
use crate::arch::exceptions::Frame;
use crate::arch::smc::ask_spmd;
use crate::console::print_regardless;
use crate::cores::Core;

static FAILED: AtomicBool = AtomicBool::new(false);

/// Why spm cannot go on.
pub(crate) enum Crash<'a> {
    /// A partition aborted, and its manifest wants all to fail with it.
    Partition(&'a Name),
    /// A panic of Rust's.
    Panic(&'a PanicInfo<'a>),
    /// An exception that S-EL2 itself took, by its kind (0 synchronous, 1 IRQ, 2 FIQ, 3 SError).
    Exception {
        /// The kind.
        kind: u64,
        /// The registers then.
        frame: &'a Frame,
    },
}

impl fmt::Display for Crash<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(name) => write!(f, "{name} aborted, and its abort-action is to propagate"),
            Self::Panic(info) => match info.location() {
                Some(at) => write!(f, "{} at {}:{}", info.message(), at.file(), at.line()),
                None => write!(f, "{}", info.message()),
            },
            Self::Exception { kind, frame } => write!(
                f,
                "exception {kind} in spm, syndrome {:#x}, at {:#x}, address {:#x}, stack {:#x}",
                frame.esr, frame.elr, frame.far, frame.sp
            ),
        }
    }
}

/// Lets no core go on that enters spm after another one failed.
#[inline(always)]
pub(crate) fn park_if_failed() {
    if FAILED.load(Ordering::Relaxed) {
        park_core();
    }
}

/// Fails where the feature `broken-panic` asks for it: at an FFA_FEATURES that asks for a feature that there is none of.
#[inline(always)]
pub(crate) fn fail_on_purpose(_message: &MessageRegisters) {
    #[cfg(feature = "broken-panic")]
    {
        const NO_FEATURE: u64 = 0xbad;
        let asked_for = _message[0] == u64::from(function::FEATURES) && _message[1] == NO_FEATURE;
        assert!(!asked_for, "MADE TO FAIL ON PURPOSE");
    }
}

/// Reports and stops the machine.
pub(crate) fn stop_machine(crash: &Crash<'_>) -> ! {
    let again = FAILED.swap(true, Ordering::Relaxed);
    let core = Core::current();
    // What fails while it reports would report without end.
    if core.reporting.swap(true, Ordering::Relaxed) {
        park_core();
    }
    let core = core.index().map_or(usize::MAX, |core| core.get());
    print_regardless(format_args!("spm: core {core} FAILED: {crash}\n"));
    if !again {
        let (base, _) = Section::Image.bounds();
        print_regardless(format_args!("spm: image at {base:#x}; called from, as distances from it:"));
        let (frame_pointer, program_counter) = match crash {
            Crash::Panic(_) | Crash::Partition(_) => (current_frame_pointer(), None),
            Crash::Exception { frame, .. } => (frame.x[29], Some(frame.elr)),
        };
        if let Some(address) = program_counter {
            print_regardless(format_args!(" {:#x}", address.wrapping_sub(base)));
        }
        backtrace(frame_pointer, |address| {
            print_regardless(format_args!(" {:#x}", address.wrapping_sub(base)));
        });
        print_regardless(format_args!("\nspm: every core stops here\n"));
        // A later TF-A than 2.12 stops its part, too (FF-A 1.3 table 7.2: the SPMD is informed). An earlier one refuses the call.
        if matches!(crash, Crash::Partition(_)) {
            ask_spmd(function::ABORT_32, 0);
        }
    }
    park_core();
}

/// Longest chain of calls that is printed.
const MAX_DEPTH: usize = 32;

/// Follows frame records (AAPCS64 6.4.6), but only upwards, and only within one stack.
fn backtrace(mut frame_pointer: u64, mut visit: impl FnMut(u64)) {
    const RECORD_BYTES: u64 = 16;
    let on = |at: u64| move |&(start, end): &(u64, u64)| at >= start && at <= end - RECORD_BYTES;
    let Some((_, end)) = Section::stacks().find(on(frame_pointer)) else { return };
    for _ in 0..MAX_DEPTH {
        if frame_pointer > end - RECORD_BYTES || !frame_pointer.is_multiple_of(RECORD_BYTES) {
            return;
        }
        let record: *const [u64; 2] = core::ptr::with_exposed_provenance(to_usize(frame_pointer));
        // SAFETY: the address is aligned and in a stack of the image, all of which is mapped; any value will do.
        let [caller, link] = unsafe { record.read_volatile() };
        if link == 0 {
            return;
        }
        visit(link);
        if caller <= frame_pointer {
            return;
        }
        frame_pointer = caller;
    }
}

fn current_frame_pointer() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {0}, x29", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop_machine(&Crash::Panic(info))
}
