// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first instructions: permissions of the image's parts, relocation, .bss, a stack. No Rust runs before them.
//!
//! All memory is code at the start, so nothing can be written before the first call.
#![expect(unsafe_code, reason = "the code that makes it possible for other code to run is assembly")]

use arm_ffa::FuncId;
use core::arch::global_asm;

// The only relocation a position-independent image without imports has (ELF for the Arm 64-bit Architecture, §5.7.14).
const R_AARCH64_RELATIVE: u32 = 1027;
/// FF-A 1.2.
const VERSION: u32 = 0x1_0002;
/// FFA_MEM_PERM_SET, w3: read and write; read only; neither of them executable.
const READ_WRITE: u32 = 0b101;
const READ_ONLY: u32 = 0b111;

global_asm!(
    r#"
    .section .text.entry, "ax"
    .global application_entry
application_entry:
    mov     x19, x0                     // boot information; the manifest names x0
    ldr     w0, ={version}
    ldr     w1, ={ffa_1_2}
    svc     #0
    adrp    x1, __text_end
    adrp    x2, __image_end
    mov     w3, #{read_write}
    bl      set_permissions

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
    b.ne    application_fail
    add     x2, x2, x20
    str     x2, [x20, x0]
    b       1b

2:  adrp    x0, __bss_start             // both are page-aligned
    adrp    x1, __bss_end
3:  cmp     x0, x1
    b.hs    4f
    stp     xzr, xzr, [x0], #16
    b       3b

4:  adrp    x1, __text_end
    adrp    x2, __rodata_end
    mov     w3, #{read_only}
    bl      set_permissions
    adrp    x0, __stack_end
    mov     sp, x0
    mov     x29, xzr
    mov     x0, x19
    bl      {main}
    // falls through

    // The end of the partition. Needs no stack and no memory.
    .global application_fail
application_fail:
    ldr     w0, ={error}
    mov     x1, xzr
    mov     w2, #-8                     // ABORTED
    mov     x3, xzr
    mov     x4, xzr
    mov     x5, xzr
    mov     x6, xzr
    mov     x7, xzr
    svc     #0
    udf     #0

    // x1 to x2: where; w3: which.
set_permissions:
    ldr     w0, ={perm_set}
    sub     x2, x2, x1
    lsr     x2, x2, #12
    mov     x4, xzr
    mov     x5, xzr
    mov     x6, xzr
    mov     x7, xzr
    svc     #0
    ldr     w9, ={success}
    cmp     w0, w9
    b.ne    application_fail
    ret
    .ltorg
"#,
    version = const FuncId::Version as u32,
    ffa_1_2 = const VERSION,
    perm_set = const FuncId::MemPermSet64 as u32,
    success = const FuncId::Success32 as u32,
    error = const FuncId::Error32 as u32,
    read_write = const READ_WRITE,
    read_only = const READ_ONLY,
    relative = const R_AARCH64_RELATIVE,
    main = sym crate::application_main,
);

unsafe extern "C" {
    /// Ends the partition.
    safe fn application_fail() -> !;
}

/// Ends the partition for good.
pub(crate) fn fail() -> ! {
    application_fail()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    fail()
}
