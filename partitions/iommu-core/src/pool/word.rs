// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A word of the pool: what the SMMU and this service both reach.
//!
//! Without the feature `watched-pool` it is the atomic of `core`, or that of tests of interleavings. With it, each access is told to whoever watches: a
//! model of an SMMU acts between any two of them. No image has it.

#[cfg(all(test, feature = "interleavings", not(feature = "watched-pool")))]
pub use crate::sync::AtomicU64 as Word;
#[cfg(not(any(all(test, feature = "interleavings"), feature = "watched-pool")))]
pub use core::sync::atomic::AtomicU64 as Word;

#[cfg(feature = "watched-pool")]
pub use watched::{Access, Word, watch};

#[cfg(feature = "watched-pool")]
mod watched {
    use core::sync::atomic::{AtomicU64, Ordering};
    use spin::Once;

    /// What was done with a word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Access {
        /// It is about to be read.
        Load,
        /// It was given a value, in an order with other writes.
        Store(u64, Ordering),
    }

    static WATCHER: Once<fn(&Word, Access)> = Once::new();

    /// Has all accesses of all words told from here on. The first watcher stays.
    pub fn watch(watcher: fn(&Word, Access)) {
        WATCHER.call_once(|| watcher);
    }

    fn tell(word: &Word, access: Access) {
        if let Some(watcher) = WATCHER.get() {
            watcher(word, access);
        }
    }

    /// An atomic that tells what is done with it.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct Word(AtomicU64);

    impl Word {
        /// Makes a word.
        #[must_use]
        pub const fn new(value: u64) -> Self {
            Self(AtomicU64::new(value))
        }

        /// As [`AtomicU64::load`].
        pub fn load(&self, order: Ordering) -> u64 {
            tell(self, Access::Load);
            self.0.load(order)
        }

        /// As [`AtomicU64::store`].
        pub fn store(&self, value: u64, order: Ordering) {
            self.0.store(value, order);
            tell(self, Access::Store(value, order));
        }

        /// As [`AtomicU64::compare_exchange`].
        ///
        /// # Errors
        /// Where the word holds another value: that one.
        pub fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            tell(self, Access::Load);
            let outcome = self.0.compare_exchange(current, new, success, failure);
            if outcome.is_ok() {
                tell(self, Access::Store(new, success));
            }
            outcome
        }

        /// Reads the word without telling, as another master does.
        #[must_use]
        pub fn peek(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        /// Writes the word without telling, as another master does.
        pub fn poke(&self, value: u64) {
            self.0.store(value, Ordering::Relaxed);
        }
    }
}
