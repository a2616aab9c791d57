// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System registers that can be written from EL2 and belong to EL1 and EL0 (Arm ARM, D24).
#![expect(unsafe_code, reason = "system registers are accessed by assembly")]

use core::arch::asm;

/// One register, and which of its bits hold what is written to them.
pub(super) struct Register {
    name: &'static str,
    bits: u64,
    read: fn() -> u64,
    write: fn(u64),
}

macro_rules! registers {
    ($($name:literal $bits:literal),* $(,)?) => {
        &[$(Register {
            name: $name,
            bits: $bits,
            read: || {
                let value: u64;
                // SAFETY: reads a register of EL1 or EL0, which this program at EL2 does not depend on.
                unsafe { asm!(concat!("mrs {value}, ", $name), value = out(reg) value, options(nostack)) };
                value
            },
            write: |value| {
                // SAFETY: writes a register of EL1 or EL0: EL2 runs with HCR_EL2.E2H and TGE clear, so that none
                // of them has an effect there; interrupts that the timers raise stay masked.
                unsafe { asm!(concat!("msr ", $name, ", {value}"), "isb", value = in(reg) value, options(nostack)) };
            },
        }),*]
    };
}

/// What every AArch64 EL1 has. Bits that are reserved, or that change by themselves, are left out.
pub(super) const SYSTEM: &[Register] = registers! {
    "sctlr_el1" 0x0000_0000_0000_0fff,
    "cpacr_el1" 0x0000_0000_0030_0000,
    "ttbr0_el1" 0xffff_ffff_ffff_fffe,
    "ttbr1_el1" 0xffff_ffff_ffff_fffe,
    "tcr_el1" 0x0000_0000_003f_003f,
    "mair_el1" 0xffff_ffff_ffff_ffff,
    "vbar_el1" 0xffff_ffff_ffff_f800,
    "elr_el1" 0xffff_ffff_ffff_ffff,
    "spsr_el1" 0x0000_0000_f000_03c0,
    "esr_el1" 0x0000_0000_ffff_ffff,
    "far_el1" 0xffff_ffff_ffff_ffff,
    "par_el1" 0x0000_0000_0000_0180,
    "contextidr_el1" 0x0000_0000_ffff_ffff,
    "tpidr_el1" 0xffff_ffff_ffff_ffff,
    "tpidr_el0" 0xffff_ffff_ffff_ffff,
    "tpidrro_el0" 0xffff_ffff_ffff_ffff,
    "sp_el0" 0xffff_ffff_ffff_ffff,
    "sp_el1" 0xffff_ffff_ffff_ffff,
    "cntkctl_el1" 0x0000_0000_0000_0303,
    "csselr_el1" 0x0000_0000_0000_0001,
    "mdscr_el1" 0x0000_0000_0000_1000,
    // VDISR_EL2: EL1's DISR_EL1 wherever EL2 takes the errors, as it does below both spm and a hypervisor.
    "S3_4_C12_C1_1" 0x0000_0000_81ff_ffff,
};

/// Control registers are kept masked and disabled or masked and enabled; their status bit is not theirs to keep.
pub(super) const TIMERS: &[Register] = registers! {
    "cntv_cval_el0" 0xffff_ffff_ffff_ffff,
    "cntp_cval_el0" 0xffff_ffff_ffff_ffff,
    "cntv_ctl_el0" 0x3,
    "cntp_ctl_el0" 0x3,
};

/// APIA, APIB, APDA, APDB and APGA, low and high halves.
pub(super) const KEYS: &[Register] = registers! {
    "S3_0_C2_C1_0" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C1_1" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C1_2" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C1_3" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C2_0" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C2_1" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C2_2" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C2_3" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C3_0" 0xffff_ffff_ffff_ffff,
    "S3_0_C2_C3_1" 0xffff_ffff_ffff_ffff,
};

/// The value of a register: the pattern, turned so that no two registers have the same.
const fn value(register: &Register, index: u32, pattern: u64) -> u64 {
    pattern.rotate_left(index * 7) & register.bits
}

/// Fills registers, and returns how many there are.
pub(super) fn fill(registers: &[Register], pattern: u64) -> usize {
    for (register, index) in registers.iter().zip(0..) {
        (register.write)(value(register, index, pattern));
    }
    registers.len()
}

/// Returns the first register that differs from what it was filled with.
pub(super) fn changed(registers: &[Register], pattern: u64) -> Option<&'static str> {
    registers
        .iter()
        .zip(0..)
        .find(|(register, index)| (register.read)() & register.bits != value(register, *index, pattern))
        .map(|(register, _)| register.name)
}
