// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often locks on the way of a message were found taken. Only an image with the feature `count-locks` counts, and tells; with
//! `one-lock` there is one more, which each message takes: so a test shows that the counts would tell. Neither is for an image
//! that is to protect anything.

#[cfg(feature = "count-locks")]
pub(crate) use counted::{announce, answer_if_asked, hold_lock_for_all};

/// Says nothing: nothing is counted.
#[cfg(not(feature = "count-locks"))]
pub(crate) const fn announce() {}

/// Answers nothing: nothing is counted.
#[cfg(not(feature = "count-locks"))]
#[inline(always)]
pub(crate) const fn answer_if_asked(_: &[u64; 5]) -> Option<[u64; 5]> {
    None
}

/// There is no such lock.
#[cfg(not(feature = "count-locks"))]
#[inline(always)]
pub(crate) const fn hold_lock_for_all() -> Option<()> {
    None
}

#[cfg(feature = "count-locks")]
mod counted {
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use iommu_core::contention;
    use sp_runtime::log;
    use spin::mutex::{SpinMutex, SpinMutexGuard};

    /// A request that is none: x4 is the place of a lock in the order. Answer x3: 0 where there is such a lock; x4: how often it
    /// was taken; x5: how often it was found taken; x6: 1 where all clients of an SMMU or of the pool share it.
    const ASK: u64 = 0xc057;

    static LOCK_FOR_ALL: SpinMutex<()> = SpinMutex::new(());
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    static FOUND_TAKEN: AtomicU64 = AtomicU64::new(0);

    /// Says on the console what this image is.
    pub(crate) fn announce() {
        log!("LOCKS OF THE SERVICE ARE COUNTED");
        if cfg!(feature = "one-lock") {
            log!("ONE LOCK FOR ALL MESSAGES ON PURPOSE");
        }
    }

    /// Takes the lock that must not be there, and waits for it.
    pub(crate) fn hold_lock_for_all() -> Option<SpinMutexGuard<'static, ()>> {
        if !cfg!(feature = "one-lock") {
            return None;
        }
        TAKEN.fetch_add(1, Relaxed);
        Some(LOCK_FOR_ALL.try_lock().unwrap_or_else(|| {
            FOUND_TAKEN.fetch_add(1, Relaxed);
            LOCK_FOR_ALL.lock()
        }))
    }

    /// Answers the message that asks for the counts of a lock, and says them on the console.
    pub(crate) fn answer_if_asked(arguments: &[u64; 5]) -> Option<[u64; 5]> {
        let [ASK, place, ..] = *arguments else { return None };
        let (name, [taken, found], shared) = match contention::read(place) {
            Some(counts) => counts,
            None if place == contention::LOCKS => {
                ("lock for all", [TAKEN.load(Relaxed), FOUND_TAKEN.load(Relaxed)], false)
            }
            None => return Some([1, 0, 0, 0, 0]),
        };
        if taken | found != 0 {
            log!("{name}: taken {taken} times, found taken {found} times");
        }
        Some([0, taken, found, shared.into(), 0])
    }
}
