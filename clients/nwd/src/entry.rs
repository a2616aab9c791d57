// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first instructions of every core: relocation, zeroed memory, stacks, vectors.
//!
//! The image is linked at address 0 and runs where it was loaded: the first core applies its relative relocations
//! before any Rust code runs. Secondary cores find all that done, and only take a stack.
#![expect(unsafe_code, reason = "a core starts without a stack; the binary's main is found by its symbol")]

use core::{
    arch::global_asm,
    sync::atomic::{AtomicU64, Ordering},
};

/// Stacks that the image has, one a core.
pub(crate) const MAX_CORES: usize = 10;
/// Bytes of each core's stack.
pub(crate) const STACK_SIZE: usize = 64 * 1024;
/// All stacks, core 0's at the highest addresses.
#[repr(C, align(4096))]
struct Stacks([u8; MAX_CORES * STACK_SIZE]);

#[unsafe(link_section = ".bss.stacks")]
static mut STACKS: Stacks = Stacks([0; MAX_CORES * STACK_SIZE]);

/// The physical counter at the first instruction of the first core.
static ENTERED: AtomicU64 = AtomicU64::new(0);

global_asm!(
    r#"
    .section .text.entry, "ax"
    .global _start
_start:
    mrs     x20, cntpct_el0
    adrp    x19, __image_start
    adrp    x10, __rela_start
    add     x10, x10, :lo12:__rela_start
    adrp    x11, __rela_end
    add     x11, x11, :lo12:__rela_end
1:  cmp     x10, x11
    b.hs    2f
    ldp     x12, x13, [x10], #16
    ldr     x14, [x10], #8
    cmp     x13, #{relative}
    b.ne    9f
    add     x14, x14, x19
    str     x14, [x19, x12]
    b       1b
2:  adrp    x10, __bss_start
    adrp    x11, __bss_end
3:  cmp     x10, x11
    b.hs    4f
    stp     xzr, xzr, [x10], #16
    b       3b
4:  adrp    x10, {entered}
    str     x20, [x10, :lo12:{entered}]
    mov     x0, #0
    bl      nwd_core_setup
    bl      nwd_main
9:  wfe
    b       9b

    .global nwd_secondary_entry
nwd_secondary_entry:
    bl      nwd_core_setup
    bl      nwd_secondary_main
8:  wfe
    b       8b

// x0: the core's index, kept. Takes a stack, and goes on below.
nwd_core_setup:
    adrp    x9, {stacks}
    add     x9, x9, :lo12:{stacks}
    mov     x10, #{stacks_size}
    add     x9, x9, x10
    mov     x10, #{stack_size}
    msub    x9, x0, x10, x9
    mov     sp, x9
    mov     x29, xzr

// Sets up what every core needs at its exception level but a stack. Clobbers x9.
nwd_core_registers:
    mrs     x9, CurrentEL
    cmp     x9, #1 << 2
    b.eq    7f
    adrp    x9, nwd_vectors_el2
    add     x9, x9, :lo12:nwd_vectors_el2
    msr     vbar_el2, x9
    mov     x9, #1 << 31            // HCR_EL2.RW: EL1 is AArch64; E2H, TGE and all traps off
    msr     hcr_el2, x9
    mov     x9, #0x22ff             // CPTR_EL2: RES1 bits, no trap of FP, SVE or SME
    msr     cptr_el2, x9
    isb
    ret
7:  adrp    x9, nwd_vectors_el1
    add     x9, x9, :lo12:nwd_vectors_el1
    msr     vbar_el1, x9
    mov     x9, #3 << 20            // CPACR_EL1.FPEN: no trap of FP and SIMD
    msr     cpacr_el1, x9
    isb
    ret
"#,
    relative = const 0x403, // R_AARCH64_RELATIVE (ELF for the Arm 64-bit Architecture, 5.7.10)
    entered = sym ENTERED,
    stacks = sym STACKS,
    stacks_size = const MAX_CORES * STACK_SIZE,
    stack_size = const STACK_SIZE,
);

unsafe extern "C" {
    fn nwd_secondary_entry();
}

/// Returns what the physical counter was when the first core entered the image.
pub(crate) fn entered() -> u64 {
    ENTERED.load(Ordering::Relaxed)
}

/// Returns the address at which a secondary core enters the image, with its index in x0.
pub(crate) fn secondary_entry() -> u64 {
    let entry: unsafe extern "C" fn() = nwd_secondary_entry;
    entry as usize as u64
}

/// Names the function that the first core runs after entry.
///
/// It takes nothing and does not return. It runs with the MMU off, until it starts the [`Machine`](crate::Machine).
#[macro_export]
macro_rules! main {
    ($main:ident) => {
        #[expect(unsafe_code, reason = "entry code finds the main function by its symbol")]
        mod nwd_main_symbol {
            #[unsafe(no_mangle)]
            extern "C" fn nwd_main() -> ! {
                let main: fn() -> ! = super::$main;
                main()
            }
        }
    };
}
