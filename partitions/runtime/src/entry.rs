// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first instructions of a vCPU: relocation, translation on, .bss, a stack. No Rust runs before them, but what builds
//! the page tables.
#![expect(unsafe_code, reason = "the code that makes it possible for other code to run is assembly")]

use core::arch::global_asm;

use crate::mmu::{self, Registers};
use crate::vcpu::{self, MAX_VCPUS};
use crate::{image, stacks};

// The only relocation a position-independent image without imports has (ELF for the Arm 64-bit Architecture, §5.7.14).
const R_AARCH64_RELATIVE: u32 = 1027;

// Begins with translation off, where memory is Device-nGnRnE: aligned accesses only, no exclusives. Caches may hold
// stale lines of what is written then, which is invalidated before they are switched on: constants and variables with
// values, for relocations; page tables; the stack of what builds them. .bss is zeroed afterwards, and not used before.
global_asm!(
    r#"
    .section .text.entry, "ax"
    .global sp_entry
sp_entry:
    mov     x19, x0                     // boot information; the manifest names x0
    bl      sp_set_up_vcpu

    adrp    x20, __image_start
    add     x20, x20, :lo12:__image_start
    adrp    x21, __rela_start
    add     x21, x21, :lo12:__rela_start
    adrp    x22, __rela_end
    add     x22, x22, :lo12:__rela_end
    mov     w23, #{relative}
1:  cmp     x21, x22
    b.hs    2f
    ldp     x0, x1, [x21]               // r_offset, r_info
    ldr     x2, [x21, #16]              // r_addend
    add     x21, x21, #24
    cmp     x1, x23
    b.ne    sp_refuse
    add     x2, x2, x20
    str     x2, [x20, x0]
    b       1b

2:  mov     w0, #0
    bl      sp_set_stack
    bl      {build_tables}
    cbz     x0, sp_refuse
    mov     x1, x0                      // the end of the tables
    adrp    x0, __tables_start
    bl      sp_invalidate
    adrp    x0, __text_end
    adrp    x1, __data_end
    bl      sp_invalidate
    adrp    x0, __stacks_start
    mov     x1, sp
    bl      sp_invalidate
    bl      sp_enable_mmu
    adrp    x0, __bss_start
    adrp    x1, __bss_end
    bl      sp_zero
    mov     x0, x19
    bl      sp_primary
    b       sp_refuse

    // Every vCPU but the first begins here, and each one again whose core was off, if the manager has it begin anew. It
    // takes the slot of its core, or the first that is free. That happens once translation is on, since only then do the
    // exclusive accesses work.
    .global sp_secondary_entry
sp_secondary_entry:
    bl      sp_set_up_vcpu
    bl      sp_enable_mmu
    adrp    x13, {slots}
    ldr     x13, [x13, :lo12:{slots}]
    mrs     x9, mpidr_el1
    orr     x9, x9, #{taken}
    adrp    x10, {cores}
    add     x10, x10, :lo12:{cores}
    mov     w0, wzr
5:  ldaxr   x11, [x10]
    cmp     x11, x9
    b.eq    9f
    cbnz    x11, 8f
    stlxr   w12, x9, [x10]
    cbnz    w12, 5b
    b       9f
8:  add     x10, x10, #8
    add     w0, w0, #1
    cmp     x0, x13
    b.lo    5b
    b       sp_refuse
9:  clrex
    mov     w19, w0
    bl      sp_set_stack
    mov     w0, w19
    bl      sp_secondary
    // falls through

    // The end of the partition, see stop.rs. Needs no stack and no memory.
    .global sp_refuse
sp_refuse:
    mov     w0, #0x0060                 // FFA_ERROR
    movk    w0, #0x8400, lsl #16
    mov     x1, xzr
    mov     w2, #-8                     // ABORTED
    mov     x3, xzr
    mov     x4, xzr
    mov     x5, xzr
    mov     x6, xzr
    mov     x7, xzr
    smc     #0
    mrs     x0, sctlr_el1
    bic     x0, x0, #1                  // M: addresses stay the same, so the next instruction is found
    msr     sctlr_el1, x0
    isb
    mov     x0, xzr                     // no partition has memory at 0
    ldr     x0, [x0]
6:  wfi
    b       6b

    // Masks all exceptions, sets the vectors, traps FP and SIMD. Clobbers x9.
sp_set_up_vcpu:
    msr     daifset, #15
    msr     spsel, #1
    adrp    x9, sp_vectors
    add     x9, x9, :lo12:sp_vectors
    msr     vbar_el1, x9
    msr     cpacr_el1, xzr
    isb
    ret

    // Sets the stack of slot w0: of the image's, or of those behind it. Clobbers x9 to x11.
sp_set_stack:
    mov     w10, #{stack_stride}
    cmp     w0, #{image_stacks}
    b.hs    12f
    adrp    x9, __stacks_start
    mov     w11, w0
    b       13f
12: adrp    x9, {more_stacks}
    ldr     x9, [x9, :lo12:{more_stacks}]
    sub     w11, w0, #{image_stacks}
13: umull   x10, w11, w10
    add     x9, x9, x10
    mov     x10, #{stack_stride}
    add     sp, x9, x10
    mov     x29, xzr
    ret

    // Zeroes x0..x1, which are whole pages. Clobbers x0.
    .global sp_zero
sp_zero:
    cmp     x0, x1
    b.hs    4f
3:  stp     xzr, xzr, [x0]
    stp     xzr, xzr, [x0, #16]
    stp     xzr, xzr, [x0, #32]
    stp     xzr, xzr, [x0, #48]
    stp     xzr, xzr, [x0, #64]
    stp     xzr, xzr, [x0, #80]
    stp     xzr, xzr, [x0, #96]
    stp     xzr, xzr, [x0, #112]
    add     x0, x0, #128
    cmp     x0, x1
    b.lo    3b
4:  ret

    // Invalidates the data cache for x0..x1, which are whole pages. Clobbers x0, x9 and x10.
sp_invalidate:
    mrs     x9, ctr_el0
    ubfx    x9, x9, #16, #4             // DminLine: log2 of words
    mov     x10, #4
    lsl     x9, x10, x9
    // A line has at most 2 KiB, so that two of them end where pages do.
7:  dc      ivac, x0
    add     x0, x0, x9
    dc      ivac, x0
    add     x0, x0, x9
    cmp     x0, x1
    b.lo    7b
    dsb     sy
    ret

    // Loads the translation registers and switches translation and caches on. Clobbers x9 to x13.
sp_enable_mmu:
    adrp    x9, {registers}
    add     x9, x9, :lo12:{registers}
    ldp     x10, x11, [x9]
    ldp     x12, x13, [x9, #16]
    msr     mair_el1, x10
    msr     tcr_el1, x11
    msr     ttbr0_el1, x12
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    msr     sctlr_el1, x13
    isb
    ret
"#,
    relative = const R_AARCH64_RELATIVE,
    slots = sym stacks::SLOTS,
    image_stacks = const MAX_VCPUS,
    more_stacks = sym stacks::MORE,
    stack_stride = const image::STACK_STRIDE,
    taken = const vcpu::TAKEN,
    cores = sym vcpu::CORES,
    registers = sym REGISTERS,
    build_tables = sym build_tables,
);

unsafe extern "C" {
    /// Where secondary vCPUs begin.
    safe fn sp_secondary_entry();
}

/// What `sp_enable_mmu` loads. Written once, before translation is on, and never again.
static REGISTERS: RegistersCell = RegistersCell(core::cell::UnsafeCell::new(Registers::OFF));

#[repr(transparent)]
struct RegistersCell(core::cell::UnsafeCell<Registers>);

// SAFETY: `build_tables` writes it while the primary vCPU is the only one that runs; later only assembly reads it.
unsafe impl Sync for RegistersCell {}

/// Builds the page tables of the image. Returns the end of what they take of the pool, or 0 if they do not fit.
extern "C" fn build_tables() -> u64 {
    match mmu::map_image() {
        Ok((registers, end)) => {
            // SAFETY: no other vCPU runs yet and no reference to the cell exists.
            unsafe { REGISTERS.0.get().write_volatile(registers) };
            end
        }
        Err(_) => 0,
    }
}

/// Returns the address to register as the secondary vCPUs' entry point.
pub(crate) fn secondary_entry() -> u64 {
    (sp_secondary_entry as *const () as usize) as u64
}
