// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads ID registers by number, for partitions whose reads trap (HCR_EL2.TID3). What a partition gets to see of them is
//! decided in `spm_core::id_registers`.
#![expect(unsafe_code, reason = "system registers are reached by MRS")]

macro_rules! id_registers {
    ($crm:ident, $op2:ident; $($m:literal: $($o:literal)*;)*) => {
        match ($crm, $op2) {
            $($(($m, $o) => {
                let value: u64;
                // SAFETY: ID registers and the reserved encodings between them (which read as zero) have no side effect.
                unsafe {
                    core::arch::asm!(
                        concat!("mrs {0}, s3_0_c0_c", $m, "_", $o),
                        out(reg) value, options(nomem, nostack, preserves_flags)
                    );
                }
                value
            })*)*
            _ => 0,
        }
    };
}

/// Reads the AArch64 ID register S3_0_C0_C`crm`_`op2`; 0 outside of that space (`crm` 4–7, `op2` 0–7).
pub(crate) fn read(crm: u8, op2: u8) -> u64 {
    id_registers! { crm, op2;
        4: 0 1 2 3 4 5 6 7;
        5: 0 1 2 3 4 5 6 7;
        6: 0 1 2 3 4 5 6 7;
        7: 0 1 2 3 4 5 6 7;
    }
}
