// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random numbers for the hypervisor's key, of a source that may fail, and what other cores do while it is asked.

use super::Machine;
use iommu_core::entropy::Entropy;

/// The source of this thread's machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source;

impl Entropy for Source {
    fn word(&self) -> Option<u64> {
        let machine = Machine::current()?;
        let due = machine.inner().due();
        if let Some(act) = due {
            machine.interrupt(&act);
        }
        let mut inner = machine.inner();
        let word = inner.around.random.word();
        if let Some(left) = inner.dry.checked_sub(1) {
            inner.dry = left;
            inner.granted.failed = true;
            return None;
        }
        inner.granted.words.push(word);
        Some(word)
    }
}
