// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory of others that this partition was given.

use core::sync::atomic::Ordering;
use sp_runtime::memory::{DeviceMemory, NonSecureMemory};
use sp_runtime::mmu::{self, PAGE_SIZE, World};
use spin::mutex::SpinMutex;

/// Most pages of others that cases let one partition reach.
const MAX_PAGES: usize = 8;

/// A page in this partition's own tables, where it stays; whether it is reached there is up to the partition manager.
#[derive(Clone, Copy)]
enum Page {
    /// Another partition's, without a copy of it in caches.
    Secure(DeviceMemory),
    NonSecure(NonSecureMemory),
}

static PAGES: SpinMutex<[Option<(u64, Page)>; MAX_PAGES]> = SpinMutex::new([None; MAX_PAGES]);

/// Returns the page at an address, if there is room for it.
fn page(address: u64, secure: bool) -> Option<Page> {
    let mut pages = PAGES.lock();
    if let Some((_, page)) = pages.iter().flatten().find(|(known, _)| *known == address) {
        return Some(*page);
    }
    let free = pages.iter_mut().find(|place| place.is_none())?;
    let size = PAGE_SIZE as u64;
    let page = if secure {
        Page::Secure(mmu::map_device(address, size, World::Secure).ok()?)
    } else {
        Page::NonSecure(mmu::map_non_secure(address, size).ok()?)
    };
    *free = Some((address, page));
    Some(page)
}

/// Reads the first word of a page.
pub(crate) fn load(address: u64, secure: bool) -> Option<u64> {
    match page(address, secure)? {
        Page::Secure(memory) => Some(memory.read64(0)),
        Page::NonSecure(memory) => memory.words().first().map(|word| word.load(Ordering::SeqCst)),
    }
}

/// Writes it.
pub(crate) fn store(address: u64, secure: bool, value: u64) -> Option<()> {
    match page(address, secure)? {
        Page::Secure(memory) => memory.write64(0, value),
        Page::NonSecure(memory) => memory.words().first()?.store(value, Ordering::SeqCst),
    }
    Some(())
}
