// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entering the host at EL1, on the first core and on those that it switches on.
#![expect(unsafe_code, reason = "EL1 is entered by assembly")]

use crate::{platform::HOST, stage2};
use core::{
    arch::global_asm,
    sync::atomic::{AtomicBool, Ordering},
};
use nwd::fatal;

/// HCR_EL2 (Arm ARM, D24.2): stage 2 on, SMC trapped; EL1 is AArch64, pointer authentication is its own affair.
const VM: u64 = 1 << 0;
const TSC: u64 = 1 << 19;
const RW: u64 = 1 << 31;
const APK: u64 = 1 << 40;
const API: u64 = 1 << 41;
/// VTCR_EL2: 48 bits of address from level 0 on, 4 KiB, inner-shareable write-back walks, RES1 bit 31.
const VTCR: u64 = 1 << 31 | 0b101 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 2 << 6 | 16;
/// VTTBR_EL2.VMID: one host, one number.
const VMID: u64 = 1 << 48;
/// SPSR_EL2: EL1 with its own stack pointer, everything masked.
pub(crate) const EL1H_MASKED: u64 = 0x3c5;

/// Whether the host is held by stage 2 and its calls are looked at.
static GUARDED: AtomicBool = AtomicBool::new(true);

global_asm!(
    r#"
    .section .text.host, "ax"
// x0: entry point, x1: what the host finds in x0, x2: HCR_EL2, x3: VTTBR_EL2, x4: VTCR_EL2, x5: SPSR_EL2. Does not return.
hypervisor_enter_host:
    msr     vttbr_el2, x3
    msr     vtcr_el2, x4
    msr     hcr_el2, x2
    adrp    x9, hypervisor_vectors
    add     x9, x9, :lo12:hypervisor_vectors
    msr     vbar_el2, x9
    mov     x9, #3                  // CNTHCTL_EL2: EL1 has counter and timer
    msr     cnthctl_el2, x9
    msr     cntvoff_el2, xzr
    mrs     x9, midr_el1
    msr     vpidr_el2, x9
    mrs     x9, mpidr_el1
    msr     vmpidr_el2, x9
    mrs     x9, S3_4_C12_C9_5       // ICC_SRE_EL2: system registers, also for EL1
    orr     x9, x9, #1
    orr     x9, x9, #8
    msr     S3_4_C12_C9_5, x9
    mov     x9, #0x0800             // SCTLR_EL1: RES1 bits, MMU and caches off
    movk    x9, #0x30d0, lsl #16
    msr     sctlr_el1, x9
    msr     elr_el2, x0
    msr     spsr_el2, x5
    dsb     ish
    isb
    tlbi    vmalls12e1
    ic      iallu
    dsb     ish
    isb
    mov     x0, x1
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    eret
"#
);

unsafe extern "C" {
    fn hypervisor_enter_host(entry: u64, context: u64, hcr: u64, vttbr: u64, vtcr: u64, spsr: u64) -> !;
}

/// Says that the host is held by nothing from now on: called before it runs, if at all.
pub(crate) fn set_unguarded() {
    GUARDED.store(false, Ordering::Relaxed);
}

/// Enters the host on the core that calls.
pub(crate) fn enter(entry: u64, context: u64) -> ! {
    let Some(root) = stage2::root() else { fatal(format_args!("hypervisor: no root of stage 2")) };
    let guards = if GUARDED.load(Ordering::Relaxed) { VM | TSC } else { 0 };
    // SAFETY: the root holds what the host may reach; this stack is the one that traps of this core use from now on.
    unsafe { hypervisor_enter_host(entry, context, guards | RW | APK | API, root | VMID, VTCR, EL1H_MASKED) }
}

/// Enters the host for the first time.
pub(crate) fn start() -> ! {
    enter(HOST.base, 0)
}
