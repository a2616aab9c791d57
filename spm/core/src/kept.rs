// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What tests lend out to the end of the process, as a static is on a machine. It stays reachable, so that a search for leaks
//! finds only what nobody meant.

use std::any::Any;
use std::sync::Mutex;

static KEPT: Mutex<Vec<&'static (dyn Any + Send + Sync)>> = Mutex::new(Vec::new());

/// Keeps a value for ever.
pub(crate) fn kept<T: Send + Sync + 'static>(value: T) -> &'static T {
    let value: &'static T = Box::leak(Box::new(value));
    KEPT.lock().unwrap().push(value);
    value
}
