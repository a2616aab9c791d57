// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the parts of this image lie: the linker script's symbols as ranges.
#![expect(unsafe_code, reason = "linker symbols are declared as foreign statics")]

use core::ops::Range;

use crate::vcpu::MAX_VCPUS;

/// Bytes of a stack that a vCPU may use; as `__stack_size` in the linker script.
const STACK_SIZE: usize = 0x8000;
/// Unmapped bytes below each stack; as `__stack_guard` in the linker script.
pub(crate) const STACK_GUARD: usize = 0x1000;
/// Distance from one vCPU's stack to the next, in bytes.
pub(crate) const STACK_STRIDE: usize = STACK_GUARD + STACK_SIZE;

mod symbol {
    unsafe extern "C" {
        pub(super) safe static __image_start: u8;
        pub(super) safe static __text_end: u8;
        pub(super) safe static __rodata_end: u8;
        pub(super) safe static __data_end: u8;
        pub(super) safe static __policy_start: u8;
        pub(super) safe static __policy_end: u8;
        pub(super) safe static __bss_start: u8;
        pub(super) safe static __bss_end: u8;
        pub(super) safe static __stacks_start: u8;
        pub(super) safe static __tables_start: u8;
        pub(super) safe static __tables_end: u8;
        pub(super) safe static __image_end: u8;
    }
}

fn range(start: *const u8, end: *const u8) -> Range<usize> {
    start as usize..end as usize
}

/// Instructions.
pub(crate) fn text() -> Range<usize> {
    range(&raw const symbol::__image_start, &raw const symbol::__text_end)
}

/// Constants, and what relocation made constant.
pub(crate) fn rodata() -> Range<usize> {
    range(&raw const symbol::__text_end, &raw const symbol::__rodata_end)
}

/// Variables that have a value from the start.
pub(crate) fn data() -> Range<usize> {
    range(&raw const symbol::__rodata_end, &raw const symbol::__data_end)
}

/// The policy that was appended to the image; empty in a partition that asked for none.
pub(crate) fn policy() -> Range<usize> {
    range(&raw const symbol::__policy_start, &raw const symbol::__policy_end)
}

/// Variables that start as zero.
pub(crate) fn bss() -> Range<usize> {
    range(&raw const symbol::__bss_start, &raw const symbol::__bss_end)
}

/// The stacks, without their guard pages.
pub(crate) fn stacks() -> impl Iterator<Item = Range<usize>> {
    let base = &raw const symbol::__stacks_start as usize;
    (0..MAX_VCPUS).map(move |slot| {
        // All of them stand within the image.
        let start = base.wrapping_add(slot.wrapping_mul(STACK_STRIDE)).wrapping_add(STACK_GUARD);
        start..start.wrapping_add(STACK_SIZE)
    })
}

/// The pool of page tables.
pub(crate) fn tables() -> Range<usize> {
    range(&raw const symbol::__tables_start, &raw const symbol::__tables_end)
}

/// Everything from the first instruction to the end of the last page table.
pub(crate) fn whole() -> Range<usize> {
    range(&raw const symbol::__image_start, &raw const symbol::__image_end)
}

/// Returns the addresses of this image, stacks and page tables included.
#[must_use]
pub fn addresses() -> Range<u64> {
    let Range { start, end } = whole();
    start as u64..end as u64
}

/// Returns the policy's bytes.
pub(crate) fn policy_bytes() -> &'static [u8] {
    let policy = policy();
    let first = core::ptr::with_exposed_provenance::<u8>(policy.start);
    // SAFETY: 1. The range lies in the image and is mapped read-only for ever (`mmu::map_image`); it may be empty, its
    // start is not null. 2. Nothing writes it: the boot loader did before the first instruction. 3. Any byte is a valid
    // `u8`.
    unsafe { core::slice::from_raw_parts(first, policy.len()) }
}
