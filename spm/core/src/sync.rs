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

    pub(crate) use spin::mutex::SpinMutex;
    pub(crate) use spin::{Mutex, RwLock};
}

#[cfg(all(test, feature = "interleavings"))]
mod chosen {
    use std::sync::PoisonError;

    pub(crate) use shuttle::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
    use shuttle::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

    pub(crate) use Mutex as SpinMutex;

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

pub(crate) use chosen::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Mutex, RwLock, SpinMutex};
