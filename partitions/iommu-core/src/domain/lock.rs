// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks that are waited for only so long: a message has a bound, and a caller can come again.
//!
//! The order in which locks are taken, each before those to its right:
//!
//! | area | device | domain slot | pool | queues of an SMMU |
//! |---|---|---|---|---|
//! | one at a time, shared or exclusive | one at a time | one at a time, shared or exclusive | innermost | innermost, in the driver |
//!
//! The lock of page moves is the identity domain's, too: it is taken alone or after a device's, before that of the pool and the
//! queues of an SMMU. The fault queue is taken alone or after a device's, before the queues of an SMMU. Nobody takes a device's
//! lock under either. No lock is held when a message is answered, and no interrupt is taken meanwhile: the partition runs with
//! interrupts masked, and serves them when it waits for the next message. Whoever serves one does not wait for the fault queue: it
//! leaves the work to the core that has it.
//!
//! The fault queue and the driver's locks are waited for without giving up, each in its turn: what is done under them ends,
//! whatever SMMUs do.

use ffa_abi::Status;
use spin::mutex::{SpinMutex, SpinMutexGuard};
use spin::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How often a lock is tried: some ten thousand instructions, longer than what is done under any of them but waiting
/// for hardware and freeing a domain.
const TRIES: usize = 1000;

fn try_for_a_while<G>(mut attempt: impl FnMut() -> Option<G>) -> Result<G, Status> {
    for _ in 0..TRIES {
        if let Some(guard) = attempt() {
            return Ok(guard);
        }
        core::hint::spin_loop();
    }
    Err(Status::Busy)
}

/// Takes a mutex, or answers that it is busy.
pub(crate) fn lock<T>(mutex: &SpinMutex<T>) -> Result<SpinMutexGuard<'_, T>, Status> {
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
