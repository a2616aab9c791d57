// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The locks that a direct message takes. None is waited for: who finds one taken does without.
//!
//! With the feature `count-contention`, which no image that is to protect anything has, each counts how often it was
//! taken, and how often it was found taken, and the normal world may ask for the sums. With `global-lock` there is one more,
//! which every call waits for: so a test shows that the counts would tell.

use spin::mutex::{SpinMutex, SpinMutexGuard};
#[cfg(not(feature = "count-contention"))]
use spm_core::registers::MessageRegisters;

/// A lock that is tried, and never waited for.
pub(crate) struct TriedLock<T> {
    inner: SpinMutex<T>,
    #[cfg(feature = "count-contention")]
    counts: counted::Counts,
}

impl<T> TriedLock<T> {
    /// A free lock.
    pub(crate) const fn new(value: T) -> Self {
        Self {
            inner: SpinMutex::new(value),
            #[cfg(feature = "count-contention")]
            counts: counted::Counts::new(),
        }
    }

    /// Takes the lock, unless it is taken.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<SpinMutexGuard<'_, T>> {
        let guard = self.inner.try_lock();
        #[cfg(feature = "count-contention")]
        self.counts.note(guard.is_some());
        guard
    }

    /// Returns the lock itself, for one whose holder is gone.
    pub(crate) const fn inner(&self) -> &SpinMutex<T> {
        &self.inner
    }

    #[cfg(feature = "count-contention")]
    pub(crate) const fn counts(&self) -> &counted::Counts {
        &self.counts
    }
}

#[cfg(feature = "count-contention")]
pub(crate) use counted::{Counts, announce, answer_if_asked, hold_global_lock};

/// Says nothing: nothing is counted.
#[cfg(not(feature = "count-contention"))]
pub(crate) const fn announce() {}

/// Answers nothing: nothing is counted.
#[cfg(not(feature = "count-contention"))]
#[inline(always)]
pub(crate) const fn answer_if_asked(_: &mut MessageRegisters) -> bool {
    false
}

/// There is no such lock.
#[cfg(not(feature = "count-contention"))]
#[inline(always)]
pub(crate) const fn hold_global_lock() -> Option<()> {
    None
}

#[cfg(feature = "count-contention")]
mod counted {
    use core::sync::atomic::{AtomicU64, Ordering};

    use spin::mutex::SpinMutexGuard;
    use spm_core::function;
    use spm_core::registers::{MessageRegisters, function_id, low_half, success};

    use super::TriedLock;
    use crate::console::say;
    use crate::contexts;

    /// FFA_FEATURES answers for this feature ID, which is reserved, with the sums.
    const FEATURE: u32 = 0xfe;

    /// What a lock has counted.
    pub(crate) struct Counts {
        taken: AtomicU64,
        found_taken: AtomicU64,
    }

    impl Counts {
        pub(super) const fn new() -> Self {
            Self { taken: AtomicU64::new(0), found_taken: AtomicU64::new(0) }
        }

        #[inline(always)]
        pub(super) fn note(&self, taken: bool) {
            let count = if taken { &self.taken } else { &self.found_taken };
            count.fetch_add(1, Ordering::Relaxed);
        }

        fn read(&self) -> (u64, u64) {
            (self.taken.load(Ordering::Relaxed), self.found_taken.load(Ordering::Relaxed))
        }
    }

    static GLOBAL: TriedLock<()> = TriedLock::new(());

    /// Says on the console what this image is.
    pub(crate) fn announce() {
        say!("LOCKS ARE COUNTED");
        if cfg!(feature = "global-lock") {
            say!("ONE LOCK FOR ALL ON PURPOSE");
        }
    }

    /// Takes the lock that must not be there, and waits for it.
    pub(crate) fn hold_global_lock() -> Option<SpinMutexGuard<'static, ()>> {
        cfg!(feature = "global-lock").then(|| GLOBAL.try_lock().unwrap_or_else(|| GLOBAL.inner().lock()))
    }

    /// Answers the call that asks for the counts: w2 how often locks were found taken, w3 how often they were taken. Each
    /// lock's own go to the console.
    pub(crate) fn answer_if_asked(registers: &mut MessageRegisters) -> bool {
        if function_id(registers) != function::FEATURES || low_half(registers[1]) != FEATURE {
            return false;
        }
        let global = [("lock for all", 0, GLOBAL.counts())].into_iter();
        let (mut all_taken, mut all_found) = (0_u64, 0_u64);
        for (kind, number, counts) in contexts::locks().chain(global) {
            let (taken, found_taken) = counts.read();
            if taken | found_taken != 0 {
                say!("{kind} {number}: taken {taken} times, found taken {found_taken} times");
            }
            all_taken = all_taken.saturating_add(taken);
            all_found = all_found.saturating_add(found_taken);
        }
        let half = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        success(registers, half(all_found), half(all_taken));
        true
    }
}
