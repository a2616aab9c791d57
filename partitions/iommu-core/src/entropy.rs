// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random numbers that nobody can guess: what the service needs from the platform for the hypervisor's key.

use core::fmt;

/// A source of random numbers.
pub trait Entropy: Sync {
    /// Returns 64 random bits, or `None` where the platform has no source or the source fails. Returns within a bound.
    fn word(&self) -> Option<u64>;
}

impl fmt::Debug for dyn Entropy + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// A platform without a source.
#[derive(Clone, Copy, Debug)]
pub struct NoEntropy;

impl Entropy for NoEntropy {
    fn word(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
pub(crate) use fake::FakeEntropy;

#[cfg(test)]
mod fake {
    use super::Entropy;
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    /// Numbers that a test can guess: each is the one before plus one. It fails from a word on that the test names.
    #[derive(Debug)]
    pub(crate) struct FakeEntropy {
        next: AtomicU64,
        fails_from: u64,
    }

    impl FakeEntropy {
        pub(crate) const fn new(first: u64, words: u64) -> Self {
            Self { next: AtomicU64::new(first), fails_from: first + words }
        }
    }

    impl Entropy for FakeEntropy {
        fn word(&self) -> Option<u64> {
            Some(self.next.fetch_add(1, Relaxed)).filter(|word| *word < self.fails_from)
        }
    }
}
