// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The GIC's CPU interface: which interrupts are signalled while a partition runs, taking and ending secure ones, making
//! another core look, and interrupting the normal world for notifications. Partitions reach none of it.
//!
//! Seen from the secure world, the normal world's priorities are 0x80–0xff (GICv3, IHI 0069, 4.8.6).
#![expect(unsafe_code, reason = "writes interrupt controller registers")]

use spm_core::gic::{KICK_SGI, SCHEDULE_RECEIVER_SGI, sgi_to};

use super::features::Features;
use super::sysreg::{
    ICC_ASGI1R_EL1, ICC_CTLR_EL1, ICC_EOIR1_EL1, ICC_HPPIR0_EL1, ICC_IAR1_EL1, ICC_PMR_EL1, ICC_SGI1R_EL1,
    ICC_SRE_EL2, ICH_HCR, ICH_HCR_EL2, isb,
};
use super::{distributor, redistributor};

/// ICC_PMR_EL1 while a partition runs that the normal world's interrupts wait for: only more urgent ones, which are all
/// secure, are signalled.
pub(crate) const PMR_SECURE_ONLY: u64 = 0x80;
/// ICC_PMR_EL1 while one runs that they do not wait for.
pub(crate) const PMR_ALL: u64 = 0xff;
/// ICC_CTLR_EL1.EOImode, secure copy: end of interrupt lowers the priority but leaves the interrupt active.
const EOI_MODE: u64 = 1 << 1;
/// ICC_SRE_EL2.Enable: EL1 may use ICC_SRE_EL1.
const SRE_ENABLE: u64 = 1 << 3;
/// INTIDs that are no interrupts but say something about one (GICv3, 2.2.1), up to the locality-specific ones.
const SPECIAL_INTIDS: core::ops::Range<u64> = 1020..0x2000;

/// Sets up this core's CPU interface. Partitions' accesses to it trap.
pub(crate) fn initialise(features: &Features) {
    if !features.gic {
        return;
    }
    let traps = ICH_HCR::TC::SET + ICH_HCR::TALL0::SET + ICH_HCR::TALL1::SET;
    // SAFETY: interrupt delivery does not concern memory; spm runs with all interrupts masked.
    unsafe { ICH_HCR_EL2::write(traps.value) };
    // SAFETY: as above.
    unsafe { ICC_SRE_EL2::write(ICC_SRE_EL2::read() & !SRE_ENABLE) };
    // SAFETY: as above.
    unsafe { ICC_CTLR_EL1::write(ICC_CTLR_EL1::read() | EOI_MODE) };
}

/// Keeps the normal world's interrupts pending. Its own mask was stored with its other registers.
#[inline(always)]
pub(crate) fn mask_normal_world() {
    // SAFETY: as above.
    unsafe { ICC_PMR_EL1::write(PMR_SECURE_ONLY) };
}

/// Takes the most urgent secure interrupt: it is active, and not signalled again before [`deactivate`]; less urgent ones are
/// signalled again. Returns its number, or nothing if there is none.
pub(crate) fn take() -> Option<u32> {
    let interrupt = ICC_IAR1_EL1::read();
    if SPECIAL_INTIDS.contains(&interrupt) {
        return None;
    }
    // SAFETY: as above.
    unsafe { ICC_EOIR1_EL1::write(interrupt) };
    u32::try_from(interrupt).ok()
}

/// Ends an interrupt that was taken, one of this core's own or a shared one.
///
/// By the registers of the distributor or redistributor, not by ICC_DIR_EL1: QEMU 10 ignores that at secure EL2 for secure
/// interrupts.
pub(crate) fn deactivate(interrupt: u32) {
    if !redistributor::deactivate(interrupt) {
        distributor::deactivate(interrupt);
    }
}

/// Makes the core with this affinity, of MPIDR_EL1, look.
pub(crate) fn kick(affinity: u64) {
    // What the core is to find is written before.
    // SAFETY: a barrier has no other effect.
    unsafe { core::arch::asm!("dsb ishst", options(nostack, preserves_flags)) };
    // SAFETY: as above.
    unsafe { ICC_SGI1R_EL1::write(sgi_to(affinity, KICK_SGI)) };
    isb();
}

/// Waits until an interrupt is signalled that the mask lets through, or anything else lets the core go on.
pub(crate) fn wait() {
    // SAFETY: spm runs with all interrupts masked: they end the wait and are not taken.
    unsafe { core::arch::asm!("dsb sy", "wfi", options(nostack, preserves_flags)) };
}

/// Sends the core with this affinity, of MPIDR_EL1, the normal world's schedule receiver interrupt. It is taken when the core is
/// there.
pub(crate) fn raise_schedule_receiver_interrupt(affinity: u64) {
    // SAFETY: as above.
    unsafe { ICC_ASGI1R_EL1::write(sgi_to(affinity, SCHEDULE_RECEIVER_SGI)) };
    isb();
}

/// Tells whether an interrupt of EL3's (group 0) is pending.
pub(crate) fn is_for_el3() -> bool {
    !SPECIAL_INTIDS.contains(&ICC_HPPIR0_EL1::read())
}
