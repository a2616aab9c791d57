// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks that are waited for only so long: a message has a bound, and a caller can come again.
//!
//! The order in which locks are taken, each before those to its right, is that of [`Rank`](crate::sync::Rank), which tests of
//! interleavings check:
//!
//! | loan | opening an area | area | device | domain slot | page moves | faults | streams, queues of an SMMU | pool |
//! |---|---|---|---|---|---|---|---|---|
//! | | | shared or exclusive | | shared or exclusive | | | in the driver | innermost |
//!
//! The lock of page moves is the identity domain's, too: it is taken alone, or after a device's or that of loans,
//! before that of the pool and the queues of an SMMU. The fault queue is taken alone or after a device's, before the queues of an SMMU. Nobody takes a device's
//! lock under either. No lock is held when a message is answered, and no interrupt is taken meanwhile: the partition runs with
//! interrupts masked, and serves them when it waits for the next message. Whoever serves one does not wait for the fault queue: it
//! leaves the work to the core that has it.
//!
//! The fault queue and the driver's locks are waited for without giving up, each in its turn: what is done under them ends,
//! whatever SMMUs do.

use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, TRIES, wait};
use ffa_abi::Status;

fn try_for_a_while<G>(mut attempt: impl FnMut() -> Option<G>) -> Result<G, Status> {
    for _ in 0..TRIES {
        if let Some(guard) = attempt() {
            return Ok(guard);
        }
        wait();
    }
    Err(Status::Busy)
}

/// Takes a mutex, or answers that it is busy.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Status> {
    try_for_a_while(|| mutex.try_lock())
}

/// Takes the shared side, or answers that it is busy.
pub(crate) fn read<T>(lock: &RwLock<T>) -> Result<RwLockReadGuard<'_, T>, Status> {
    try_for_a_while(|| lock.try_read())
}

/// Takes the exclusive side, or answers that it is busy.
pub(crate) fn write<T>(lock: &RwLock<T>) -> Result<RwLockWriteGuard<'_, T>, Status> {
    try_for_a_while(|| lock.try_write())
}
