// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks and atomics at which `shuttle` decides which core goes on. All cores are one thread.
//!
//! A store that nobody is told to look for (`Relaxed`) is no such place: what stands before or behind it is. So a page of zeros is
//! written in one step, and the orders that are left differ in what is looked at.

use super::Rank;
use core::cell::{Cell, RefCell};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::Ordering;
use std::sync::PoisonError;

/// How often a lock is tried: so often that both ends are seen.
pub(crate) const TRIES: usize = 3;

std::thread_local! {
    /// Whether nobody else is let go on now.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

shuttle::thread_local! {
    /// Locks that this core has.
    static HELD: RefCell<Vec<Rank>> = RefCell::new(Vec::new());
}

/// Lets another core go on, or this one.
pub(crate) fn switch() {
    if !ALONE.get() && !std::thread::panicking() {
        shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
    }
}

/// Lets others go on before this one.
pub(crate) fn wait() {
    assert!(!ALONE.get(), "nobody else is let go on, and a lock is waited for");
    shuttle::thread::yield_now();
}

/// Does something while no other core is let go on.
pub(crate) fn at_once<R>(job: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
    job()
}

macro_rules! atomics {
    ($($vis:vis $name:ident: $value:ty),*) => {$(
        /// As that of `core`, in whose place it stands.
        #[derive(Debug, Default)]
        $vis struct $name(core::sync::atomic::$name);

        impl $name {
            /// As `core`'s.
            pub(crate) const fn new(value: $value) -> Self {
                Self(core::sync::atomic::$name::new(value))
            }

            /// As `core`'s.
            pub(crate) fn load(&self, order: Ordering) -> $value {
                switch();
                self.0.load(order)
            }

            /// As `core`'s.
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                if order != Ordering::Relaxed {
                    switch();
                }
                self.0.store(value, order);
            }
        }
    )*};
}

atomics!(pub(crate) AtomicBool: bool, pub AtomicU16: u16, pub AtomicU32: u32, pub AtomicU64: u64);

macro_rules! calls {
    ($($name:ident: $value:ty { $($call:ident),* })*) => {$(
        impl $name {
            $(
                /// As `core`'s.
                pub(crate) fn $call(&self, value: $value, order: Ordering) -> $value {
                    switch();
                    self.0.$call(value, order)
                }
            )*
        }
    )*};
}

calls! {
    AtomicBool: bool { swap }
    AtomicU32: u32 { swap, fetch_add, fetch_sub, fetch_or, fetch_and }
    AtomicU64: u64 { fetch_add, fetch_or, fetch_and }
}

macro_rules! exchanges {
    ($($name:ident: $value:ty),*) => {$(
        impl $name {
            /// As `core`'s.
            ///
            /// # Errors
            /// As `core`'s.
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                switch();
                self.0.compare_exchange(current, new, success, failure)
            }
        }
    )*};
}

exchanges!(AtomicU16: u16, AtomicU64: u64);

macro_rules! updates {
    ($($name:ident: $value:ty),*) => {$(
        impl $name {
            /// As `core`'s, in one step.
            ///
            /// # Errors
            /// As `core`'s.
            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                switch();
                self.0.fetch_update(success, failure, change)
            }
        }
    )*};
}

updates!(AtomicU16: u16, AtomicU32: u32);

/// Who has a lock.
#[derive(Debug)]
enum Users {
    /// So many share it.
    Shared(u32),
    /// One has it all.
    One,
}

/// A lock, without what it is for.
#[derive(Debug)]
struct Door {
    rank: Rank,
    users: std::sync::Mutex<Users>,
}

/// A lock is had, alone or with others.
#[derive(Debug)]
struct Permit<'a>(&'a Door);

impl Door {
    const fn new(rank: Rank) -> Self {
        Self { rank, users: std::sync::Mutex::new(Users::Shared(0)) }
    }

    fn users(&self) -> std::sync::MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_enter(&self, alone: bool) -> Option<Permit<'_>> {
        switch();
        let rank = self.rank;
        HELD.with(|held| {
            let held = held.borrow();
            assert!(held.iter().all(|other| *other < rank), "{rank:?} is taken after {held:?}");
        });
        let mut users = self.users();
        *users = match (&*users, alone) {
            (Users::Shared(0), true) => Users::One,
            (Users::Shared(count), false) => Users::Shared(count + 1),
            (Users::Shared(_), true) | (Users::One, _) => return None,
        };
        HELD.with(|held| held.borrow_mut().push(rank));
        Some(Permit(self))
    }

    fn enter(&self) -> Permit<'_> {
        loop {
            if let Some(permit) = self.try_enter(true) {
                return permit;
            }
            wait();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let Self(door) = self;
        let mut users = door.users();
        *users = match &*users {
            Users::Shared(count) => Users::Shared(count - 1),
            Users::One => Users::Shared(0),
        };
        drop(users);
        // Where a test has failed, nobody goes on.
        if !std::thread::panicking() {
            HELD.with(|held| held.borrow_mut().retain(|other| *other != door.rank));
            switch();
        }
    }
}

/// In place of `plain`'s.
#[derive(Debug)]
pub(crate) struct RwLock<T> {
    door: Door,
    value: std::sync::RwLock<T>,
}

/// In place of `plain`'s. What it leads to is let go before the lock is.
#[derive(Debug)]
pub(crate) struct RwLockReadGuard<'a, T> {
    value: std::sync::RwLockReadGuard<'a, T>,
    _permit: Permit<'a>,
}

/// In place of `plain`'s.
#[derive(Debug)]
pub(crate) struct RwLockWriteGuard<'a, T> {
    value: std::sync::RwLockWriteGuard<'a, T>,
    permit: Permit<'a>,
    lock: &'a RwLock<T>,
}

impl<T> RwLock<T> {
    pub(crate) const fn new(rank: Rank, value: T) -> Self {
        Self { door: Door::new(rank), value: std::sync::RwLock::new(value) }
    }

    pub(crate) fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let _permit = self.door.try_enter(false)?;
        let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
        Some(RwLockReadGuard { value, _permit })
    }

    pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let permit = self.door.try_enter(true)?;
        Some(self.alone(permit))
    }

    pub(crate) fn wait_until_left(&self, tries: &mut usize) -> Option<()> {
        while self.try_write().is_none() {
            *tries = tries.checked_sub(1)?;
            wait();
        }
        Some(())
    }

    fn alone<'a>(&'a self, permit: Permit<'a>) -> RwLockWriteGuard<'a, T> {
        let value = self.value.write().unwrap_or_else(PoisonError::into_inner);
        RwLockWriteGuard { value, permit, lock: self }
    }
}

impl<'a, T> RwLockWriteGuard<'a, T> {
    /// Goes on as one of those who share it; nobody else has it all in between.
    pub(crate) fn downgrade(self) -> RwLockReadGuard<'a, T> {
        let Self { value, permit, lock } = self;
        drop(value);
        *permit.0.users() = Users::Shared(1);
        let value = lock.value.read().unwrap_or_else(PoisonError::into_inner);
        RwLockReadGuard { value, _permit: permit }
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// In place of `plain`'s.
#[derive(Debug)]
pub(crate) struct Mutex<T>(RwLock<T>);

pub(crate) use Mutex as FairMutex;
pub(crate) use RwLockWriteGuard as MutexGuard;
pub(crate) use RwLockWriteGuard as FairMutexGuard;

impl<T> Mutex<T> {
    pub(crate) const fn new(rank: Rank, value: T) -> Self {
        Self(RwLock::new(rank, value))
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_write()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let permit = self.0.door.enter();
        self.0.alone(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interleavings::{in_many_orders, is_found};
    use std::sync::Arc;

    /// Lets two cores do the same.
    fn both(job: impl Fn() + Clone + Send + 'static) {
        let cores = [job.clone(), job].map(shuttle::thread::spawn);
        cores.into_iter().for_each(|core| core.join().unwrap());
    }

    fn taken_in_order(ranks: [Rank; 2]) {
        let locks = Arc::new(ranks.map(|rank| Mutex::new(rank, ())));
        both(move || {
            let [first, second] = &*locks;
            let _first = first.lock();
            let _second = second.lock();
        });
    }

    #[test]
    fn interleavings_find_locks_that_are_taken_in_another_order() {
        in_many_orders(|| taken_in_order([Rank::Slot, Rank::Pool]));
        assert!(is_found(|| taken_in_order([Rank::Pool, Rank::Slot])));
        assert!(is_found(|| taken_in_order([Rank::Slot, Rank::Slot])));
    }

    #[test]
    fn interleavings_find_what_is_changed_in_two_steps() {
        let count = |add: fn(&AtomicU32)| {
            let count = Arc::new(AtomicU32::new(0));
            let its = Arc::clone(&count);
            both(move || add(&its));
            assert_eq!(count.load(Ordering::Relaxed), 2);
        };
        let one_step = |count: &AtomicU32| _ = count.fetch_add(1, Ordering::Relaxed);
        let two_steps = |count: &AtomicU32| count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
        in_many_orders(move || count(one_step));
        assert!(is_found(move || count(two_steps)));
    }

    #[test]
    fn interleavings_see_one_core_in_a_lock_that_was_waited_for() {
        in_many_orders(|| {
            let lock = Arc::new((RwLock::new(Rank::Slot, 0_u32), AtomicU32::new(0)));
            let its = Arc::clone(&lock);
            both(move || {
                let (lock, inside) = &*its;
                let Some(mut value) = lock.try_write() else { return };
                assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                *value += 1;
                inside.fetch_sub(1, Ordering::Relaxed);
                let before = *value;
                let shared = value.downgrade();
                switch();
                assert_eq!(*shared, before, "somebody was faster in between");
            });
            assert!(matches!(*lock.0.try_read().unwrap(), 1 | 2));
        });
    }
}
