// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding out whether EL3 lets S-EL2 use a register that the ID registers promise.
//!
//! ID registers do not show what SCR_EL3 traps. TF-A answers such a trap with an undefined-instruction exception at
//! S-EL2, so a probe reads the register and sees whether the exception came. Made only while the core boots.

use core::sync::atomic::Ordering;

use super::sysreg::isb;
use crate::cores::Core;

/// Tells whether `access`, which must consist of a single register access, ends without an exception.
pub(crate) fn works(access: impl FnOnce()) -> bool {
    let core = Core::current();
    core.probe_hit.store(false, Ordering::Relaxed);
    core.probing.store(true, Ordering::Relaxed);
    access();
    isb();
    core.probing.store(false, Ordering::Relaxed);
    !core.probe_hit.load(Ordering::Relaxed)
}
