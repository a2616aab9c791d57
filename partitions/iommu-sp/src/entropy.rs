// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The core's own random numbers: RNDR (FEAT_RNG).
#![expect(unsafe_code, reason = "reads system registers")]

use core::arch::asm;
use iommu_core::entropy::Entropy;

/// How often RNDR is read where it fails: it fails when more is read than the source gives (Arm ARM, K1.1).
const TRIES: usize = 1000;

/// RNDR, where the core has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rndr(());

impl Rndr {
    /// Returns the source, or `None` where ID_AA64ISAR0_EL1.RNDR, bits 63:60, says that there is none.
    pub(crate) fn find() -> Option<Self> {
        let features: u64;
        // SAFETY: reading ID_AA64ISAR0_EL1 has no effects.
        unsafe {
            asm!("mrs {0}, id_aa64isar0_el1", out(reg) features, options(nomem, nostack, preserves_flags))
        };
        (features >> 60 != 0).then_some(Self(()))
    }
}

impl Entropy for Rndr {
    fn word(&self) -> Option<u64> {
        for _ in 0..TRIES {
            let (word, good): (u64, u64);
            // SAFETY: 1. RNDR is there, or `find` had made no such value. 2. Reading it changes nothing but the condition
            // flags, which say whether it worked: Z is set where not.
            unsafe {
                asm!(
                    "mrs {word}, s3_3_c2_c4_0",
                    "cset {good}, ne",
                    word = out(reg) word,
                    good = out(reg) good,
                    options(nomem, nostack)
                )
            };
            if good != 0 {
                return Some(word);
            }
            core::hint::spin_loop();
        }
        None
    }
}
