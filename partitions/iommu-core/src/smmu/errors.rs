// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Global errors (IHI 0070, 6.3.19 and 7.5), and how an SMMU is given up, until it is rebuilt.

use super::gate;
use super::hardware::Hardware;
use super::spec::registers::GERROR;
use super::{Differences, SmmuError};
use crate::sync::{AtomicU32, AtomicU64};
use core::sync::atomic::Ordering::Relaxed;

/// Global errors that exist (6.3.19).
pub(super) const KNOWN: u32 = GERROR::CMDQ_ERR::SET.value
    | GERROR::EVENTQ_ABT_ERR::SET.value
    | GERROR::PRIQ_ABT_ERR::SET.value
    | GERROR::MSI_CMDQ_ABT_ERR::SET.value
    | GERROR::MSI_EVENTQ_ABT_ERR::SET.value
    | GERROR::MSI_PRIQ_ABT_ERR::SET.value
    | GERROR::MSI_GERROR_ABT_ERR::SET.value
    | GERROR::SFM_ERR::SET.value
    | GERROR::CMDQP_ERR::SET.value
    | GERROR::DPT_ERR::SET.value;
/// Errors after which the SMMU cannot go on: a command queue that stopped while nobody had a command in it, and the
/// service failure mode, in which it stands still (12.3).
pub(super) const FATAL: u32 = GERROR::CMDQ_ERR::SET.value | GERROR::SFM_ERR::SET.value;
/// An access to the event queue was aborted.
pub(super) const EVENTS_ABORTED: u32 = GERROR::EVENTQ_ABT_ERR::SET.value;

/// What happened to an SMMU since it was brought up, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Commands that the SMMU found illegal: somebody else wrote into the queue.
    pub skipped_commands: u32,
    /// Looks at the event queue that found records lost.
    pub event_overflows: u32,
    /// Times that an access to the event queue was aborted.
    pub event_aborts: u32,
    /// Times that errors were reported of what this driver never uses: messages, page requests, permission tables.
    pub stray_errors: u32,
    /// Times that registers were not as they were left, and nobody had said that they may be lost.
    pub tampered: u32,
    /// Times that registers were not as they were left, as somebody had said.
    pub lost: u32,
    /// Times that the SMMU was rebuilt.
    pub rebuilt: u32,
}

/// The counters behind [`Statistics`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) skipped_commands: AtomicU32,
    pub(super) event_overflows: AtomicU32,
    pub(super) event_aborts: AtomicU32,
    pub(super) stray_errors: AtomicU32,
    pub(super) tampered: AtomicU32,
    pub(super) lost: AtomicU32,
    pub(super) rebuilt: AtomicU32,
}

impl Counters {
    pub(super) fn read(&self) -> Statistics {
        Statistics {
            skipped_commands: self.skipped_commands.load(Relaxed),
            event_overflows: self.event_overflows.load(Relaxed),
            event_aborts: self.event_aborts.load(Relaxed),
            stray_errors: self.stray_errors.load(Relaxed),
            tampered: self.tampered.load(Relaxed),
            lost: self.lost.load(Relaxed),
            rebuilt: self.rebuilt.load(Relaxed),
        }
    }
}

/// Counts, and stays at the top rather than to start again.
pub(super) fn count(counter: &AtomicU32, by: u32) {
    // Under contention a count may be lost; these are for people.
    counter.store(counter.load(Relaxed).saturating_add(by), Relaxed);
}

/// Whether an SMMU still works, and why it does not.
#[derive(Debug, Default)]
pub(super) struct Health(AtomicU64);

const WORKS: u64 = 0;
const TIMED_OUT: u64 = 1;
/// Above this the global errors that were active, or the registers that differed.
const DETAIL_SHIFT: u32 = 32;
const GLOBAL: u64 = 2;
const DIFFERED: u64 = 3;
const KIND: u64 = 3;

impl Health {
    /// Answers with the reason for which the SMMU was given up, if it was.
    #[inline]
    pub(super) fn check(&self) -> Result<(), SmmuError> {
        match self.0.load(Relaxed) {
            WORKS => Ok(()),
            state => Err(Self::reason(state)),
        }
    }

    #[cold]
    fn reason(state: u64) -> SmmuError {
        match (state & KIND, u32::try_from(state >> DETAIL_SHIFT)) {
            (GLOBAL, Ok(errors)) => SmmuError::Global(errors),
            (DIFFERED, Ok(registers)) => SmmuError::Differed(Differences(registers)),
            _ => SmmuError::Timeout,
        }
    }

    /// Says that the SMMU works again. Under the lock of the command queue, like all that could find that it does not.
    pub(super) fn recovered(&self) {
        self.0.store(WORKS, Relaxed);
    }

    /// Gives the SMMU up: it aborts all DMA until it is rebuilt, and every call until then answers with the first reason.
    #[cold]
    pub(super) fn give_up<H: Hardware>(&self, hardware: &H, reason: SmmuError) -> SmmuError {
        let state = match reason {
            SmmuError::Timeout | SmmuError::Stream(_) => TIMED_OUT,
            SmmuError::Global(errors) => u64::from(errors) << DETAIL_SHIFT | GLOBAL,
            SmmuError::Differed(Differences(registers)) => u64::from(registers) << DETAIL_SHIFT | DIFFERED,
        };
        if self.0.compare_exchange(WORKS, state, Relaxed, Relaxed).is_ok() {
            gate::shut(hardware);
        }
        self.check().err().unwrap_or(reason)
    }
}
