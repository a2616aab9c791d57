// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Assembles entry and vectors, and names the image's sections to the rest of spm.
#![expect(unsafe_code, reason = "assembly, linker symbols, and the functions that entry.s calls")]

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use spm_core::manifest::AddressRange;

use crate::cores::{BOOT_STACK_BYTES, Core, MAX_CORES, STACK_BYTES, STACK_GUARD_BYTES};

core::arch::global_asm!(
    include_str!("entry.s"),
    max_cores = const MAX_CORES,
    stack_stride = const STACK_BYTES + STACK_GUARD_BYTES,
    core_size = const size_of::<Core>(),
    emergency_stack = const offset_of!(Core, emergency_stack),
    entered = const offset_of!(Core, entered),
);
core::arch::global_asm!(
    include_str!("vectors.s"),
    emergency_stack = const offset_of!(Core, emergency_stack),
);

unsafe extern "C" {
    static __image_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __stacks_start: u8;
    static __stacks_end: u8;
    static __image_end: u8;
    fn secondary_start();
    fn park() -> !;
    fn mmu_switch(root: u64);
}

/// The final tables' root for secondary cores, 0 until it is set. entry.s reads it with the MMU off.
// SAFETY: the symbol is defined once, and only entry.s refers to it.
#[unsafe(no_mangle)]
static SECONDARY_TABLES: AtomicU64 = AtomicU64::new(0);

/// A part of the image, by its access rights.
#[derive(Clone, Copy)]
pub(crate) enum Section {
    /// Instructions.
    Text,
    /// Constants, relocated ones too.
    Rodata,
    /// Variables, without the stacks.
    Data,
    /// Stacks with their guard pages.
    Stacks,
    /// All of them.
    Image,
}

impl Section {
    /// Returns the addresses, start and end.
    pub(crate) fn bounds(self) -> (u64, u64) {
        let (start, end) = match self {
            Self::Text => (&raw const __image_start, &raw const __rodata_start),
            Self::Rodata => (&raw const __rodata_start, &raw const __data_start),
            Self::Data => (&raw const __data_start, &raw const __stacks_start),
            Self::Stacks => (&raw const __stacks_start, &raw const __stacks_end),
            Self::Image => (&raw const __image_start, &raw const __image_end),
        };
        (start.addr() as u64, end.addr() as u64)
    }

    /// Returns every stack without its guard page: the boot stack and each core's.
    pub(crate) fn stacks() -> impl Iterator<Item = (u64, u64)> {
        let (start, _) = Self::Stacks.bounds();
        let guard = STACK_GUARD_BYTES as u64;
        let boot = (start + guard, start + guard + BOOT_STACK_BYTES as u64);
        // The one behind the last is for cores that are refused.
        let cores = (0..=MAX_CORES as u64).map(move |core| {
            let lowest = boot.1 + core * (STACK_BYTES as u64 + guard) + guard;
            (lowest, lowest + STACK_BYTES as u64)
        });
        core::iter::once(boot).chain(cores)
    }

    /// Returns the addresses as a range of pages; none if the linker script left the section empty or unaligned.
    pub(crate) fn range(self) -> Option<AddressRange> {
        let (start, end) = self.bounds();
        AddressRange::new(start, end.checked_sub(start)?).ok()
    }
}

/// Stops this core for good: interrupts masked, asleep.
pub(crate) fn park_core() -> ! {
    // SAFETY: park never returns and touches nothing.
    unsafe { park() }
}

/// Makes the table at `root` the one that this core translates by.
///
/// # Safety
/// The table must map the image, the stacks and all else that this core uses to the same addresses as before.
pub(crate) unsafe fn switch_tables(root: u64) {
    // SAFETY: mmu_switch touches no memory while the MMU is off; the caller answers for the table.
    unsafe { mmu_switch(root) }
}

/// Lets secondary cores in: gives them the tables and returns the address at which EL3 is to enter them.
pub(crate) fn open_for_secondaries(root: u64) -> u64 {
    SECONDARY_TABLES.store(root, Ordering::Release);
    // SAFETY: cleaning a line of our own data only makes it visible to a core whose caches are off.
    unsafe {
        core::arch::asm!("dc cvac, {0}", "dsb sy", in(reg) SECONDARY_TABLES.as_ptr(), options(nostack));
    }
    (secondary_start as *const ()).addr() as u64
}

/// Goes on in Rust on the first core, on the boot stack; returns when all is set up.
// SAFETY: the symbol is defined once, and only entry.s refers to it.
#[unsafe(no_mangle)]
extern "C" fn primary_main(manifest: u64, core: u64, entered: u64) {
    crate::boot::primary(manifest, core, entered);
}

/// Goes on on the first core's own stack.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn serve_main(core: u64) -> ! {
    crate::boot::serve(core)
}

/// Goes on in Rust on every later core.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn secondary_main(core: u64) -> ! {
    crate::boot::secondary(core)
}

/// Says that there is no room for a core, which parks afterwards.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn surplus_main(core: u64) {
    crate::boot::refuse(core);
}
