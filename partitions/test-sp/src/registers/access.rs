// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading and writing system registers by name, and the one list that fills and compares them.
#![expect(unsafe_code, reason = "reads ID registers")]

use core::arch::asm;

/// Defines `read` and `write_all` for a list of `(register, bits)`: only `bits` are filled, the others stay as they are.
/// A register without bits is compared but not filled.
macro_rules! register_list {
    ($(($register:literal, $bits:expr)),+ $(,)?) => {
        /// Reads all registers of the list.
        pub(super) fn read(values: &mut super::Values) {
            let mut places = values.iter_mut();
            $(
                if let Some(place) = places.next() {
                    // SAFETY: reading this register has no effects.
                    unsafe { core::arch::asm!(concat!("mrs {0}, ", $register), out(reg) *place, options(nostack)) };
                }
            )+
        }

        /// Fills all registers of the list that may be filled, and keeps in `values` what they then hold.
        fn write_all(pattern: u64, values: &mut super::Values) {
            read(values);
            let mut values_now = values.iter();
            let mut index = 0;
            $(
                let bits: u64 = $bits;
                let before = values_now.next().copied().unwrap_or_default();
                let after = (before & !bits) | (super::mixed(pattern, index) & bits);
                if bits != 0 {
                    // SAFETY: the list names only bits on which neither the running code nor the core's safety depends.
                    unsafe { core::arch::asm!(concat!("msr ", $register, ", {0}"), in(reg) after, options(nostack)) };
                }
                index += 1;
            )+
            let _ = index;
            // SAFETY: a barrier only waits.
            unsafe { core::arch::asm!("isb", options(nostack)) };
            read(values);
        }
    };
}
pub(super) use register_list;

/// Defines a function that reads an ID register.
macro_rules! id_register {
    ($function:ident, $register:literal) => {
        pub(super) fn $function() -> u64 {
            let value;
            // SAFETY: reading an ID register has no effects.
            unsafe { asm!(concat!("mrs {0}, ", $register), out(reg) value, options(nomem, nostack, preserves_flags)) };
            value
        }
    };
}

id_register!(pfr0, "id_aa64pfr0_el1");
id_register!(pfr1, "id_aa64pfr1_el1");
id_register!(isar1, "id_aa64isar1_el1");
// ID_AA64ISAR2_EL1, by its number: the assembler knows the name only with newer architectures.
id_register!(isar2, "s3_0_c0_c6_2");
id_register!(dfr0, "id_aa64dfr0_el1");

/// Returns the 4-bit field of `register` that starts at bit `shift`.
pub(super) const fn field(register: u64, shift: u32) -> u64 {
    (register >> shift) & 0xf
}

/// Sets bits of CPACR_EL1: no trap to EL1 for what they stand for.
pub(super) fn allow(bits: u64) {
    // SAFETY: only what traps changes; this partition's Rust code uses no floating point.
    unsafe {
        asm!(
            "mrs {0}, cpacr_el1",
            "orr {0}, {0}, {1}",
            "msr cpacr_el1, {0}",
            "isb",
            out(reg) _, in(reg) bits, options(nostack),
        );
    }
}

/// Returns CPACR_EL1.
pub(super) fn allowed() -> u64 {
    let value;
    // SAFETY: reading the register has no effects.
    unsafe { asm!("mrs {0}, cpacr_el1", out(reg) value, options(nostack, preserves_flags)) };
    value
}
