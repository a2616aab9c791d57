// SPDX-License-Identifier: Apache-2.0 OR MIT
//! As much of a GICv3 as it takes for a timer to end a `WFI` on the first core, and to see that an interrupt came.
#![expect(unsafe_code, reason = "the CPU interface is made of system registers")]

use crate::{level, mmio::Mmio};
use core::arch::asm;

/// GICD_CTLR as the non-secure side sees it: EnableGrp1A at bit 1, ARE_NS at bit 4 (GICv3, IHI 0069, 12.9.4).
const GICD_CTLR: u64 = 0x0000;
const ENABLE_GROUP1: u32 = 1 << 1 | 1 << 4;
/// Bytes of a redistributor, both frames (IHI 0069, 12.10).
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// Redistributor's SGI frame and its registers (IHI 0069, 12.11).
const SGI_FRAME: u64 = 0x1_0000;
const GICR_ISENABLER0: u64 = SGI_FRAME + 0x0100;
const GICR_ICENABLER0: u64 = SGI_FRAME + 0x0180;
const GICR_IPRIORITYR: u64 = SGI_FRAME + 0x0400;
/// A priority above the mask's.
const PRIORITY: u32 = 0x80;
/// INTIDs from here on are no interrupts (IHI 0069, 2.2.1).
const SPECIAL: u64 = 1020;

/// Lets a private interrupt of a core, the one that calls, wake it.
pub(crate) fn let_wake(distributor: Mmio, redistributor: Mmio, interrupt: u32) {
    distributor.write32(GICD_CTLR, distributor.read32(GICD_CTLR) | ENABLE_GROUP1);
    let register = GICR_IPRIORITYR + u64::from(interrupt / 4 * 4);
    let shift = interrupt % 4 * 8;
    redistributor.write32(register, redistributor.read32(register) & !(0xff << shift) | PRIORITY << shift);
    redistributor.write32(GICR_ISENABLER0, 1 << interrupt);
    if level::is_kernel() {
        // SAFETY: ICC_SRE_EL1 decides only how the CPU interface is accessed; the hypervisor has allowed that it be set.
        unsafe {
            asm!(
                "mrs {value}, S3_0_C12_C12_5",
                "orr {value}, {value}, #1",
                "msr S3_0_C12_C12_5, {value}",
                "isb",
                value = out(reg) _,
                options(nostack),
            );
        }
    } else {
        // SAFETY: ICC_SRE_EL2 decides only how the CPU interface is accessed, at EL1 too.
        unsafe {
            asm!(
                "mrs {value}, S3_4_C12_C9_5",
                "orr {value}, {value}, #1",
                "msr S3_4_C12_C9_5, {value}",
                "isb",
                value = out(reg) _,
                options(nostack),
            );
        }
    }
    // SAFETY: ICC_PMR_EL1 and ICC_IGRPEN1_EL1 decide only which interrupts become pending at this core, and those stay
    // masked in PSTATE.
    unsafe {
        asm!(
            "msr S3_0_C4_C6_0, {mask}",
            "msr S3_0_C12_C12_7, {enable}",
            "isb",
            mask = in(reg) 0xff_u64,
            enable = in(reg) 1_u64,
            options(nostack),
        );
    }
}

/// Keeps a private interrupt of a core from being signalled.
pub(crate) fn keep_off(redistributor: Mmio, interrupt: u32) {
    redistributor.write32(GICR_ICENABLER0, 1 << interrupt);
}

/// Takes the interrupt that is signalled to this core, if there is one, and ends it. None is ever handled.
#[must_use]
pub fn take() -> Option<u64> {
    let interrupt: u64;
    // SAFETY: acknowledging and ending an interrupt changes nothing but which one is signalled next; none interrupts this
    // program, since they are masked in PSTATE.
    unsafe {
        asm!(
            "isb",
            "mrs {interrupt}, S3_0_C12_C12_0",
            "dsb sy",
            "msr S3_0_C12_C12_1, {interrupt}",
            "isb",
            interrupt = out(reg) interrupt,
            options(nostack),
        );
    }
    (interrupt < SPECIAL).then_some(interrupt)
}
