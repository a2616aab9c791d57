// SPDX-License-Identifier: Apache-2.0 OR MIT
//! x8 to x30 (class 4): filled right before the SMC that answers a request, and looked at right after it. x18 and behind are
//! kept; x8 to x17 are parameter registers in which the next 64-bit request defines nothing, and zero (FF-A 1.2 §11.2).
#![expect(unsafe_code, reason = "an SMC with all registers under control")]

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sp_runtime::Received;

/// The first register that is filled.
const FIRST: usize = 8;
/// How many there are: x8 to x30.
const COUNT: usize = 23;
/// The first register that no call passes anything in.
const FIRST_KEPT: usize = 18;

// Arguments: x0 = x0 to x7 (in and out), x1 = values for x8 to x30, x2 = where what they then hold goes.
global_asm!(
    r#"
    .section .text.sp_exchange_filled, "ax"
sp_exchange_filled:
    stp     x29, x30, [sp, #-112]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    stp     x0, x2, [sp, #96]
    ldp     x8, x9, [x1]
    ldp     x10, x11, [x1, #16]
    ldp     x12, x13, [x1, #32]
    ldp     x14, x15, [x1, #48]
    ldp     x16, x17, [x1, #64]
    ldp     x18, x19, [x1, #80]
    ldp     x20, x21, [x1, #96]
    ldp     x22, x23, [x1, #112]
    ldp     x24, x25, [x1, #128]
    ldp     x26, x27, [x1, #144]
    ldp     x28, x29, [x1, #160]
    ldr     x30, [x1, #176]
    ldp     x2, x3, [x0, #16]
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x0, x1, [x0]
    smc     #0
    stp     x0, x1, [sp, #-16]!
    ldp     x0, x1, [sp, #112]
    stp     x8, x9, [x1]
    stp     x10, x11, [x1, #16]
    stp     x12, x13, [x1, #32]
    stp     x14, x15, [x1, #48]
    stp     x16, x17, [x1, #64]
    stp     x18, x19, [x1, #80]
    stp     x20, x21, [x1, #96]
    stp     x22, x23, [x1, #112]
    stp     x24, x25, [x1, #128]
    stp     x26, x27, [x1, #144]
    stp     x28, x29, [x1, #160]
    str     x30, [x1, #176]
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    ldp     x8, x9, [sp], #16
    stp     x8, x9, [x0]
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #112
    ret
"#
);

unsafe extern "C" {
    fn sp_exchange_filled(registers: *mut u64, values: *const u64, seen: *mut u64);
}

/// What is known of x8 to x30 of a vCPU.
pub(crate) struct General {
    armed: AtomicBool,
    pattern: AtomicU64,
    /// Bit n: xn held what it had to in the last exchange.
    intact: AtomicU64,
}

impl General {
    pub(crate) const fn new() -> Self {
        Self { armed: AtomicBool::new(false), pattern: AtomicU64::new(0), intact: AtomicU64::new(0) }
    }

    /// Lets the next exchange fill the registers.
    pub(super) fn arm(&self, pattern: u64) {
        self.pattern.store(pattern, Ordering::Relaxed);
        self.intact.store(0, Ordering::Relaxed);
        self.armed.store(true, Ordering::Relaxed);
    }

    /// Tells whether the next exchange is to fill the registers.
    #[inline(always)]
    pub(crate) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
    }

    /// Returns as bits which registers held something else: all of them until there was an exchange.
    pub(super) fn differences(&self) -> u64 {
        const ALL: u64 = ((1 << COUNT) - 1) << FIRST;
        ALL & !self.intact.load(Ordering::Relaxed)
    }

    /// Does what [`sp_runtime::exchange`] does, once, with x8 to x30 filled.
    #[cold]
    #[inline(never)]
    #[expect(
        clippy::too_many_arguments,
        reason = "an array would make the caller keep its registers in memory"
    )]
    pub(crate) fn exchange(
        &self,
        x0: u64,
        x1: u64,
        x2: u64,
        x3: u64,
        x4: u64,
        x5: u64,
        x6: u64,
        x7: u64,
    ) -> Received {
        let mut registers = [x0, x1, x2, x3, x4, x5, x6, x7];
        self.armed.store(false, Ordering::Relaxed);
        let pattern = self.pattern.load(Ordering::Relaxed);
        let mut values = [0; COUNT];
        for (index, value) in values.iter_mut().enumerate() {
            *value = super::mixed(pattern, (FIRST + index) as u64);
        }
        let mut seen = [0; COUNT];
        // SAFETY: 1. The arrays have 8, 23 and 23 words, as the code expects. 2. It follows AAPCS64, but for x18, which
        // no code here uses. 3. The call is one that `exchange` makes, it changes no memory of this partition.
        unsafe { sp_exchange_filled(registers.as_mut_ptr(), values.as_ptr(), seen.as_mut_ptr()) };
        let mut bits = 0;
        for (index, (before, after)) in values.iter().zip(seen).enumerate() {
            let register = FIRST + index;
            let expected = if register < FIRST_KEPT { 0 } else { *before };
            if after == expected {
                bits |= 1 << register;
            }
        }
        self.intact.store(bits, Ordering::Relaxed);
        let mut received = [0; 18];
        received.iter_mut().zip(registers.iter().chain(&seen)).for_each(|(to, from)| *to = *from);
        received
    }
}
