// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The GIC of a partition that has no manager between it and the hardware: what `sp-gic` drives.
#![expect(unsafe_code, reason = "system registers")]

use core::arch::asm;

use sp_gic::Hardware;

use crate::memory::DeviceMemory;
use crate::vcpu::mpidr;

/// The distributor's registers, and the core's own. That ICC_* registers may be used is what `has_interface` tells, which
/// [`sp_gic::Gic::open`] asks first; EL3 has done the same for each core.
#[derive(Debug)]
pub struct Frames {
    distributor: DeviceMemory,
}

impl Frames {
    /// Takes over the distributor's frame.
    pub(crate) const fn new(distributor: DeviceMemory) -> Self {
        Self { distributor }
    }
}

impl Hardware for Frames {
    fn read32(&self, offset: usize) -> u32 {
        self.distributor.read32(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        self.distributor.write32(offset, value);
    }

    fn write64(&self, offset: usize, value: u64) {
        self.distributor.write64(offset, value);
    }

    fn has_interface(&self) -> bool {
        /// ID_AA64PFR0_EL1.GIC (Arm ARM, D24.2.75): not 0 where the registers are there.
        const GIC: u64 = 0xf << 24;
        /// ICC_SRE_EL1.SRE (IHI 0069, 12.2.23).
        const SRE: u64 = 1;
        let features: u64;
        // SAFETY: reading ID_AA64PFR0_EL1 has no effects.
        unsafe {
            asm!("mrs {0}, id_aa64pfr0_el1", out(reg) features, options(nomem, nostack, preserves_flags))
        };
        if features & GIC == 0 {
            return false;
        }
        let interface: u64;
        // SAFETY: the register is there, as the core says, and reading it has no effects.
        unsafe { asm!("mrs {0}, icc_sre_el1", out(reg) interface, options(nomem, nostack, preserves_flags)) };
        interface & SRE != 0
    }

    fn mpidr(&self) -> u64 {
        mpidr()
    }

    fn enable_group_1(&self) {
        // SAFETY: what is signalled then is masked in PSTATE, and taken by `acknowledge` alone.
        unsafe {
            asm!("msr icc_igrpen1_el1, {0}", "isb", in(reg) 1_u64, options(nostack, preserves_flags));
        };
    }

    fn acknowledge(&self) -> u32 {
        let intid: u64;
        // SAFETY: it changes the state of the GIC only. The barrier has it done before a device is looked at.
        unsafe {
            asm!("mrs {0}, icc_iar1_el1", "dsb sy", out(reg) intid, options(nostack, preserves_flags));
        };
        crate::ffa::low(intid)
    }

    fn end(&self, intid: u32) {
        // SAFETY: as above. What was written to devices before is done first.
        unsafe {
            asm!("dsb sy", "msr icc_eoir1_el1, {0}", "isb", in(reg) u64::from(intid), options(nostack, preserves_flags));
        };
    }

    fn ends_priority_only(&self) -> bool {
        /// ICC_CTLR_EL1.EOImode (IHI 0069, 12.2.6).
        const EOI_MODE: u64 = 1 << 1;
        let control: u64;
        // SAFETY: reading ICC_CTLR_EL1 has no effects.
        unsafe { asm!("mrs {0}, icc_ctlr_el1", out(reg) control, options(nomem, nostack, preserves_flags)) };
        control & EOI_MODE != 0
    }

    fn deactivate(&self, intid: u32) {
        // SAFETY: as above.
        unsafe {
            asm!("msr icc_dir_el1, {0}", "isb", in(reg) u64::from(intid), options(nostack, preserves_flags));
        };
    }
}
