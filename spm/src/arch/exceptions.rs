// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exceptions that S-EL2 itself takes. Interrupts are masked and nothing is expected to fault, so each is a bug of
//! spm's and stops the machine; except while a probe asks for it.
#![expect(unsafe_code, reason = "called by the vectors, by name")]

use core::sync::atomic::Ordering;

use crate::cores::Core;
use crate::panic::{Crash, stop_machine};

/// What the vectors saved: x0–x30, sp, elr, spsr, esr, far. Its layout is known to vectors.s.
#[repr(C)]
pub(crate) struct Frame {
    /// x0–x30.
    pub(crate) x: [u64; 31],
    /// Stack pointer at the exception.
    pub(crate) sp: u64,
    /// Where the exception was taken.
    pub(crate) elr: u64,
    /// PSTATE there.
    pub(crate) spsr: u64,
    /// The syndrome.
    pub(crate) esr: u64,
    /// The faulting address, where there is one.
    pub(crate) far: u64,
}

const INSTRUCTION_BYTES: u64 = 4;

/// Handles an exception taken at S-EL2. Returning goes on at `frame.elr`.
// SAFETY: the symbol is defined once, and only vectors.s refers to it.
#[unsafe(no_mangle)]
extern "C" fn exception_in_spm(frame: &mut Frame, kind: u64) {
    let core = Core::current();
    const SYNCHRONOUS: u64 = 0;
    if kind == SYNCHRONOUS && core.probing.load(Ordering::Relaxed) {
        core.probe_hit.store(true, Ordering::Relaxed);
        frame.elr = frame.elr.wrapping_add(INSTRUCTION_BYTES);
        return;
    }
    stop_machine(&Crash::Exception { kind, frame });
}
