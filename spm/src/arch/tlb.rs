// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Invalidation of what a change of stage 2 leaves behind in the TLBs.
#![expect(unsafe_code, reason = "TLB maintenance instructions")]

/// Forgets, on all cores, every translation of the partition whose VMID VTTBR_EL2 holds.
pub(crate) fn invalidate_current_vmid() {
    // SAFETY: invalidation only costs new walks.
    unsafe {
        core::arch::asm!(
            "dsb ishst",
            "tlbi vmalls12e1is",
            "dsb ish",
            "isb",
            options(nostack, preserves_flags)
        );
    }
}

/// Forgets, on this core alone, every translation of every partition.
pub(crate) fn invalidate_partitions_here() {
    // SAFETY: as above; in the secure world it reaches only secure translations.
    unsafe {
        core::arch::asm!("tlbi alle1", "dsb nsh", "isb", options(nostack, preserves_flags));
    }
}

/// Lets table entries that were invalid and are valid now be seen by all walks.
pub(crate) fn publish_new_entries() {
    // SAFETY: a barrier has no other effect.
    unsafe { core::arch::asm!("dsb ishst", options(nostack, preserves_flags)) };
}
