// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is particular to AArch64 at S-EL2: entry, vectors, system registers, and each register context that a world
//! switch has to exchange. No FF-A and no policy here.

pub(crate) mod cache;
mod copy;
pub(crate) mod distributor;
pub(crate) mod el1_context;
pub(crate) mod el2_control;
pub(crate) mod entry;
pub(crate) mod exceptions;
pub(crate) mod features;
pub(crate) mod fp_context;
pub(crate) mod gic;
pub(crate) mod id_registers;
pub(crate) mod pac_keys;
pub(crate) mod probe;
pub(crate) mod redistributor;
pub(crate) mod smc;
pub(crate) mod sysreg;
pub(crate) mod timer;
pub(crate) mod tlb;
pub(crate) mod undefined;
