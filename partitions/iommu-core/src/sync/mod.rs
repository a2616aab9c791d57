// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The locks and atomics of what several cores share: domains and their tables, devices, accounts of pages, areas, the pool, faults,
//! and the driver of an SMMU.
//!
//! | file | what lives there |
//! |---|---|
//! | `rank` | the order of the locks |
//! | `plain` | those of `spin` and `core`: what runs |
//! | `counts` | how often a lock was found taken, where that is counted |
//! | `interleaved` | those of tests of interleavings |
//!
//! In this crate's tests with the feature `interleavings` `shuttle` decides at each access who goes on, and the order in which locks are
//! taken is checked. An image never has these: nothing but a test can.

#[cfg(feature = "count-contention")]
pub(crate) mod counts;
#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleaved;
#[cfg(not(all(test, feature = "interleavings")))]
mod plain;
mod rank;

#[cfg(all(test, feature = "interleavings"))]
use interleaved as chosen;
#[cfg(not(all(test, feature = "interleavings")))]
use plain as chosen;

// A word of the pool, which others see.
#[cfg(all(test, feature = "interleavings"))]
pub use chosen::AtomicU64;
#[cfg(not(all(test, feature = "interleavings")))]
pub(crate) use chosen::AtomicU64;
pub(crate) use chosen::{
    AtomicBool, AtomicU16, AtomicU32, FairMutex, FairMutexGuard, Mutex, MutexGuard, RwLock, RwLockReadGuard,
    RwLockWriteGuard, TRIES, wait,
};
#[cfg(test)]
pub(crate) use chosen::{at_once, switch};
pub(crate) use rank::Rank;
