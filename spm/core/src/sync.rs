// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The locks and atomics of what several cores share: vCPUs and their interrupts, mailboxes, notifications, memory management.
//!
//! They are those of `spin` and `core`. In this crate's tests with the feature `interleavings` they are those of `shuttle`, which
//! decides at each access who goes on (`interleavings.rs`). An image never has these: nothing but a test can.
//!
//! Not here is what the tests of interleavings do not reach: translation tables, and values that stand alone.

#[cfg(not(all(test, feature = "interleavings")))]
mod chosen {
    pub(crate) use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

    #[cfg(not(test))]
    use spin::Spin as Wait;
    pub(crate) use spin::{Mutex, RwLock};

    /// A lock that those who wait for it get in turn: for what a core may hold long.
    pub(crate) type FairMutex<T> = spin::mutex::TicketMutex<T, Wait>;

    /// Waits, and lets tests know of it ([`super::WAITS`]).
    #[cfg(test)]
    #[derive(Debug)]
    pub(crate) struct Wait;

    #[cfg(test)]
    impl spin::RelaxStrategy for Wait {
        fn relax() {
            super::WAITS.with_borrow(|waits| {
                if let Some(waits) = waits {
                    waits.store(true, core::sync::atomic::Ordering::Release);
                }
            });
            std::thread::yield_now();
        }
    }
}

#[cfg(all(test, not(feature = "interleavings")))]
std::thread_local! {
    /// Becomes true when this thread waits for a [`FairMutex`], where a test wants to know.
    pub(crate) static WAITS: core::cell::RefCell<Option<std::sync::Arc<core::sync::atomic::AtomicBool>>> =
        const { core::cell::RefCell::new(None) };
}

#[cfg(all(test, feature = "interleavings"))]
mod chosen {
    use std::sync::PoisonError;

    pub(crate) use shuttle::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
    use shuttle::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

    pub(crate) use Mutex as FairMutex;

    /// As `spin`'s, which does not know of panics.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// As `spin`'s, which does not know of panics.
    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(shuttle::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

pub(crate) use chosen::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, FairMutex, Mutex, RwLock};
