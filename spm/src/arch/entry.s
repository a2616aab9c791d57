// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From reset of the image to Rust. The SPMD enters the first core at _start and every later one at secondary_start,
// with the MMU and the caches off, x0 = address of the SPMC manifest, x4 = linear core number (TF-A, spmd_setup).
//
// The image is linked at 0. Before any Rust runs, the first core moves it: it adds the load address to every word that
// .rela.dyn names. It then maps the image alone, writable and executable, by one level-2 table of 2 MiB blocks: Rust may
// use exclusive accesses, which need cacheable memory. src/mmu.rs replaces these tables as its first act.

.equ R_AARCH64_RELATIVE, 1027           // ELF for the Arm 64-bit Architecture, 5.7.12
.equ BLOCK_NORMAL, 0x741                // valid block; AttrIndx 0; AP[1] res1; inner shareable; accessed
.equ TABLE, 0x3

.section .text.entry, "ax"
.global _start
_start:
    mrs     x22, cntpct_el0             // to say when the boot began
    mov     x20, x0
    mov     x21, x4
    msr     daifset, #15
    // Nothing of what is written with the caches off may be stale or dirty in one: the loaded part, and the boot tables
    // behind it.
    adrp    x0, __image_start
    adrp    x1, __bss_start
    bl      clean_and_invalidate

    adrp    x9, __image_start
    adrp    x0, __rela_start
    add     x0, x0, :lo12:__rela_start
    adrp    x1, __rela_end
    add     x1, x1, :lo12:__rela_end
1:  cmp     x0, x1
    b.hs    2f
    ldp     x2, x3, [x0], #16           // r_offset, r_info
    ldr     x5, [x0], #8                // r_addend
    cmp     x3, #R_AARCH64_RELATIVE
    b.ne    park                        // no other kind is linked; there is no console yet to say so
    add     x5, x5, x9
    str     x5, [x2, x9]
    b       1b
2:
    adrp    x0, boot_tables
    add     x1, x0, #0x3000
3:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    3b
    bl      check_el2
    // Boot tables: one level-0, one level-1 and one level-2 table. The image lies within one GiB (checked).
    adrp    x9, __image_start
    adrp    x10, __image_end
    sub     x10, x10, #1
    lsr     x1, x9, #30
    lsr     x2, x10, #30
    cmp     x1, x2
    b.ne    park
    adrp    x0, boot_tables
    add     x1, x0, #0x1000
    add     x2, x0, #0x2000
    orr     x3, x1, #TABLE
    ubfx    x4, x9, #39, #9
    str     x3, [x0, x4, lsl #3]
    orr     x3, x2, #TABLE
    ubfx    x4, x9, #30, #9
    str     x3, [x1, x4, lsl #3]
    and     x5, x9, #~0x1fffff
5:  ubfx    x4, x5, #21, #9
    mov     x3, #BLOCK_NORMAL
    orr     x3, x5, x3
    str     x3, [x2, x4, lsl #3]
    add     x5, x5, #0x200000
    cmp     x5, x10
    b.ls    5b

    // What was written since: .rela.dyn names nothing among the instructions.
    adrp    x0, __rodata_start
    adrp    x1, __bss_start
    bl      invalidate
    adrp    x0, boot_tables
    mov     x1, #0                      // writable and executable still: no WXN
    bl      mmu_on
    // Whole pages of zeros, by blocks of the cache if the CPU offers that and 16 of them are not more than a page
    // (DCZID_EL0: DZP is bit 4, BS the binary logarithm of a block's words).
    adrp    x0, __bss_start
    adrp    x1, __bss_end
    mrs     x2, dczid_el0
    and     x2, x2, #0x1f
    cmp     x2, #6
    b.hi    7f
    mov     x3, #4
    lsl     x3, x3, x2
6:  .rept   16
    dc      zva, x0
    add     x0, x0, x3
    .endr
    cmp     x0, x1
    b.lo    6b
    b       8f
7:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    7b
8:  mov     x0, x21
    bl      set_stack
    adrp    x0, __core_stacks_start     // the boot stack lies just below
    mov     sp, x0
    mov     x0, x20
    mov     x1, x21
    mov     x2, x22
    mov     x29, xzr
    mov     x30, xzr
    bl      primary_main
    mov     x0, x21
    bl      set_stack
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x21
    bl      serve_main
    b       park

.global secondary_start
secondary_start:
    msr     daifset, #15
    // A core that was off and comes back finds the registers of its last call in place of EL3's arguments (TF-A sets
    // x4 only once). But TF-A keeps TPIDR_EL2, which is 0 before spm has run on the core.
    mrs     x20, tpidr_el2
    cbz     x20, 1f
    adrp    x1, CORES
    add     x1, x1, :lo12:CORES
    sub     x21, x20, x1
    mov     x3, #{core_size}
    udiv    x4, x21, x3
1:  mov     x21, x4
    bl      check_el2
    adrp    x0, SECONDARY_TABLES
    ldr     x0, [x0, :lo12:SECONDARY_TABLES]
    cbz     x0, park
    mov     x1, #1
    bl      mmu_on
    cmp     x21, #{max_cores}
    b.hs    surplus
    // Two cores must never use one stack, whatever EL3 says of them.
    adrp    x0, CORES
    add     x0, x0, :lo12:CORES
    mov     x1, #{core_size}
    madd    x0, x21, x1, x0
    cbnz    x20, 3f
    add     x0, x0, #{entered}
    mov     w1, #1
2:  ldaxr   w2, [x0]
    stlxr   w3, w1, [x0]
    cbnz    w3, 2b
    cbnz    w2, park
3:  mov     x0, x21
    bl      set_stack
    mov     x0, x21
    mov     x29, xzr
    mov     x30, xzr
    bl      secondary_main
    b       park

// A core for which there is no room: it waits for the stack that such cores share, says so and parks.
surplus:
    adrp    x0, surplus_lock
    add     x0, x0, :lo12:surplus_lock
    mov     w1, #1
4:  ldaxr   w2, [x0]
    cbnz    w2, 4b
    stxr    w3, w1, [x0]
    cbnz    w3, 4b
    mov     x0, #{max_cores}
    bl      set_stack
    mov     x0, x21
    mov     x29, xzr
    mov     x30, xzr
    bl      surplus_main
    adrp    x0, surplus_lock
    add     x0, x0, :lo12:surplus_lock
    stlr    wzr, [x0]
    b       park

// Stops this core for good.
.global park
park:
    msr     daifset, #15
1:  wfi
    b       1b

// HCR_EL2.RW and nothing else, and the answer must say that E2H is off: every EL2 register below has its E2H=0 layout.
// A CPU where it cannot be off ends here, before there is a console.
check_el2:
    mov     x0, #1
    lsl     x0, x0, #31
    msr     hcr_el2, x0
    isb
    mrs     x0, hcr_el2
    tbnz    x0, #34, park
    ret

// x0 = first core's table or the final one, x1 = 1 to make writable memory never executable (SCTLR_EL2.WXN).
mmu_on:
    mov     x2, #0x44ff                 // MAIR: 0 = normal write-back, 1 = normal non-cacheable
    movk    x2, #0x0004, lsl #16        // 2 = device nGnRE
    msr     mair_el2, x2
    mrs     x3, id_aa64mmfr0_el1
    and     x3, x3, #0xf
    cmp     x3, #5                      // 48 bits are enough: 5 is the encoding of 48 bits
    mov     x4, #5
    csel    x3, x3, x4, ls
    mov     x2, #0x3510                 // T0SZ 16, walks write-back inner shareable, 4 KiB
    movk    x2, #0x8080, lsl #16        // res1
    orr     x2, x2, x3, lsl #16         // PS
    msr     tcr_el2, x2
    msr     ttbr0_el2, x0
    dsb     ish
    tlbi    alle2
    dsb     ish
    ic      iallu
    dsb     ish
    isb
    mov     x2, #0x183d                 // res1 bits 4, 5, 11; M, C, SA, I
    movk    x2, #0x30c5, lsl #16        // res1 bits 16, 18, 22, 23, 28, 29
    orr     x2, x2, x1, lsl #19
    msr     sctlr_el2, x2
    isb
    ret

// Changes to another set of tables of the same image. The MMU is off between, and no memory is touched, so that no walk
// and no cached entry can see a mix of both (Arm ARM D8.17, break-before-make).
.global mmu_switch
mmu_switch:
    mrs     x3, sctlr_el2
    mov     x4, #0x1005
    bic     x4, x3, x4
    msr     sctlr_el2, x4
    isb
    mov     x5, x30
    mov     x1, #1
    bl      mmu_on
    ret     x5

// x0 = core number: stack pointer, vectors and the core's own state. Clobbers x1-x3.
set_stack:
    adrp    x1, __core_stacks_start
    add     x2, x0, #1
    mov     x3, #{stack_stride}
    madd    x1, x2, x3, x1
    mov     sp, x1
    adrp    x1, CORES
    add     x1, x1, :lo12:CORES
    mov     x3, #{core_size}
    madd    x1, x0, x3, x1
    msr     tpidr_el2, x1
    adrp    x2, emergency_stacks
    add     x3, x0, #1
    add     x2, x2, x3, lsl #12
    str     x2, [x1, #{emergency_stack}]
    mov     w2, #1
    str     w2, [x1, #{entered}]
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el2, x1
    isb
    ret

// Cache maintenance by address over [x0, x1), which are whole pages. Clobbers x2-x3. A line has at most 2 KiB (CTR_EL0:
// DminLine), so that an even number of them is a page.
clean_and_invalidate:
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4
    mov     x3, #4
    lsl     x2, x3, x2
1:  dc      civac, x0
    add     x3, x0, x2
    dc      civac, x3
    add     x0, x0, x2, lsl #1
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret
invalidate:
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4
    mov     x3, #4
    lsl     x2, x3, x2
1:  dc      ivac, x0
    add     x3, x0, x2
    dc      ivac, x3
    add     x0, x0, x2, lsl #1
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret

.section .boot_tables, "aw", %nobits
.balign 4096
boot_tables:
    .space  3 * 4096

// Where an exception of spm itself is handled: its own stack may be what is broken.
.section .bss.emergency_stacks, "aw", %nobits
.balign 4096
emergency_stacks:
    .space  ({max_cores} + 1) * 4096

.section .bss.surplus_lock, "aw", %nobits
.balign 4
surplus_lock:
    .space  4
