// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks of `spin` that know their [`Rank`], which costs nothing where nobody counts.

use super::Rank;
#[cfg(feature = "count-contention")]
use super::counts;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64};
use spin::mutex::{SpinMutex, TicketMutex};
pub(crate) use spin::mutex::{SpinMutexGuard as MutexGuard, TicketMutexGuard as FairMutexGuard};
pub(crate) use spin::rwlock::{RwLockReadGuard, RwLockWriteGuard};

/// How often a lock is tried: some ten thousand instructions, longer than what is done under any of them but waiting
/// for hardware and freeing a domain.
pub(crate) const TRIES: usize = 1000;

/// Lets a moment pass before the next try.
#[inline(always)]
pub(crate) fn wait() {
    core::hint::spin_loop();
}

/// Says how a lock was found, where that is counted.
#[inline(always)]
fn found<G>(_rank: RankOf, guard: Option<G>) -> Option<G> {
    #[cfg(feature = "count-contention")]
    counts::note(_rank.rank, guard.is_some());
    guard
}

/// Waits for a lock, and says how it was found, where that is counted.
#[inline(always)]
fn waited<G>(_rank: RankOf, _attempt: impl FnOnce() -> Option<G>, wait: impl FnOnce() -> G) -> G {
    #[cfg(feature = "count-contention")]
    if let Some(guard) = found(_rank, _attempt()) {
        return guard;
    }
    let guard = wait();
    #[cfg(feature = "count-contention")]
    counts::note(_rank.rank, true);
    guard
}

/// The rank of a lock, where somebody asks for it.
#[derive(Clone, Copy, Debug)]
struct RankOf {
    #[cfg(feature = "count-contention")]
    rank: Rank,
}

impl RankOf {
    const fn new(_rank: Rank) -> Self {
        Self {
            #[cfg(feature = "count-contention")]
            rank: _rank,
        }
    }
}

/// A lock that one core has, or another.
#[derive(Debug)]
pub(crate) struct Mutex<T> {
    inner: SpinMutex<T>,
    rank: RankOf,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(rank: Rank, value: T) -> Self {
        Self { inner: SpinMutex::new(value), rank: RankOf::new(rank) }
    }

    /// Takes the lock, unless it is taken.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        found(self.rank, self.inner.try_lock())
    }

    /// Waits for the lock.
    #[inline(always)]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        waited(self.rank, || self.inner.try_lock(), || self.inner.lock())
    }
}

/// A lock that those who wait for it get in turn: for what a core may hold long.
#[derive(Debug)]
pub(crate) struct FairMutex<T> {
    inner: TicketMutex<T>,
    rank: RankOf,
}

impl<T> FairMutex<T> {
    pub(crate) const fn new(rank: Rank, value: T) -> Self {
        Self { inner: TicketMutex::new(value), rank: RankOf::new(rank) }
    }

    /// Takes the lock, unless it is taken.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<FairMutexGuard<'_, T>> {
        found(self.rank, self.inner.try_lock())
    }

    /// Waits for the lock.
    #[inline(always)]
    pub(crate) fn lock(&self) -> FairMutexGuard<'_, T> {
        waited(self.rank, || self.inner.try_lock(), || self.inner.lock())
    }
}

/// A lock that many cores share, or one has.
#[derive(Debug)]
pub(crate) struct RwLock<T> {
    inner: spin::rwlock::RwLock<T>,
    rank: RankOf,
}

impl<T> RwLock<T> {
    pub(crate) const fn new(rank: Rank, value: T) -> Self {
        Self { inner: spin::rwlock::RwLock::new(value), rank: RankOf::new(rank) }
    }

    /// Takes the shared side, unless one core has it all.
    #[inline(always)]
    pub(crate) fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        found(self.rank, self.inner.try_read())
    }

    /// Takes it all, unless another core has a part of it.
    #[inline(always)]
    pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        found(self.rank, self.inner.try_write())
    }

    /// Waits until everybody was out of it at one time, and keeps out who comes meanwhile. `None` where `tries` is used up, or one
    /// core has it all.
    pub(crate) fn wait_until_left(&self, tries: &mut usize) -> Option<()> {
        let mut inside = self.inner.try_upgradeable_read()?;
        while let Err(not_yet) = inside.try_upgrade() {
            inside = not_yet;
            *tries = tries.checked_sub(1)?;
            wait();
        }
        Some(())
    }
}

/// Nothing here decides who goes on.
#[cfg(test)]
pub(crate) const fn switch() {}

/// Does something while no other core is let go on: as any other thing, here.
#[cfg(test)]
pub(crate) fn at_once<R>(job: impl FnOnce() -> R) -> R {
    job()
}
