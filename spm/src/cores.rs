// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Per-core state. A core finds its own by TPIDR_EL2, which TF-A exchanges with the normal world's.
#![expect(unsafe_code, reason = "TPIDR_EL2 is a pointer")]

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};

use spm_core::partition::CoreIndex;
use spm_core::routes::Routes;

use crate::address::to_usize;
use crate::arch::sysreg::{MPIDR_EL1, TPIDR_EL2};

/// Most cores that spm runs on; the linker script has their stacks.
pub(crate) const MAX_CORES: usize = spm_core::partition::MAX_CORES;
/// Size of a core's stack in bytes, as in the linker script.
pub(crate) const STACK_BYTES: usize = 0x4000;
/// Size of the first core's stack while it boots, in bytes, as in the linker script.
pub(crate) const BOOT_STACK_BYTES: usize = 0x18000;
/// Unmapped bytes below each stack, as in the linker script.
pub(crate) const STACK_GUARD_BYTES: usize = 0x1000;

/// What belongs to one core. Other cores do not look at it. The element behind the last is for cores that are refused.
#[repr(C, align(64))]
pub(crate) struct Core {
    /// End of the stack on which exceptions of spm itself are handled. entry.s sets it, vectors.s uses it.
    pub(crate) emergency_stack: AtomicU64,
    /// Where its GIC redistributor is, mapped for good; 0 until it was found (arch/redistributor.rs).
    pub(crate) redistributor: AtomicUsize,
    /// Not 0 once the core has entered spm.
    pub(crate) entered: AtomicU32,
    /// A probe is under way (arch/probe.rs).
    pub(crate) probing: AtomicBool,
    /// It ended in an exception.
    pub(crate) probe_hit: AtomicBool,
    /// The core reports why spm failed (panic.rs).
    pub(crate) reporting: AtomicBool,
}

#[expect(clippy::declare_interior_mutable_const, reason = "initial value of an array's elements")]
const NEW: Core = Core {
    emergency_stack: AtomicU64::new(0),
    redistributor: AtomicUsize::new(0),
    entered: AtomicU32::new(0),
    probing: AtomicBool::new(false),
    probe_hit: AtomicBool::new(false),
    reporting: AtomicBool::new(false),
};

// SAFETY: the symbol is defined once; entry.s computes addresses in it by MAX_CORES and the size of a Core.
#[unsafe(no_mangle)]
static CORES: [Core; MAX_CORES + 1] = [NEW; MAX_CORES + 1];

impl Core {
    /// Returns the state of the core that asks.
    pub(crate) fn current() -> &'static Self {
        let address = TPIDR_EL2::read();
        let pointer: *const Self = core::ptr::with_exposed_provenance(to_usize(address));
        // SAFETY: entry.s put the address of this core's element of CORES there, before any Rust ran on this core, and
        // nothing else writes the register. Its fields are atomic.
        unsafe { &*pointer }
    }

    /// Returns its number.
    pub(crate) fn index(&self) -> Option<CoreIndex> {
        let offset = (&raw const *self).addr() - CORES.as_ptr().addr();
        CoreIndex::new((offset / size_of::<Self>()) as u64)
    }
}

/// Which cores are on.
pub(crate) static ROUTES: Routes = Routes::new();

/// This core comes on; `take_over` as [`Routes::come_on`] says.
pub(crate) fn come_on(core: CoreIndex, take_over: impl FnOnce(u64)) {
    ROUTES.come_on(core, MPIDR_EL1::read(), take_over);
}
