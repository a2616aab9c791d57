// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a partition is in its life, as a whole (FF-A 1.3 §7.2, §7.4.4). What each of its vCPUs does is in [`crate::vcpu`], what is
//! done at each step in [`crate::abort`].

use core::sync::atomic::{AtomicBool, Ordering};

use crate::sync::AtomicU8;

/// How often a partition can start again. One that aborts as soon as it serves would otherwise do so without end.
pub const MAX_RESTARTS: u8 = 16;

/// What all of a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It starts or serves.
    Alive,
    /// A vCPU of it failed. Cores may still have others; or its memory is still lent.
    Aborted,
    /// No core has any, and one of them cleans up.
    Ending,
    /// It never runs again.
    Stopped,
    /// It never runs again, and it is as if there had never been one: FF-A's NULL state.
    Destroyed,
}

impl Phase {
    const fn encode(self) -> u8 {
        match self {
            Self::Alive => 0,
            Self::Aborted => 1,
            Self::Ending => 2,
            Self::Stopped => 3,
            Self::Destroyed => 4,
        }
    }

    const fn decode(value: u8) -> Self {
        match value {
            0 => Self::Alive,
            1 => Self::Aborted,
            2 => Self::Ending,
            4 => Self::Destroyed,
            _ => Self::Stopped,
        }
    }
}

/// A partition's life.
#[derive(Debug)]
pub struct Life {
    phase: AtomicU8,
    /// How often it has started again.
    restarts: AtomicU8,
    /// The vCPU that starts before the others, when it starts again.
    first: AtomicU8,
    /// That one has come to its first FFA_MSG_WAIT.
    started: AtomicBool,
    /// What failed was its start: it would fail again.
    hopeless: AtomicBool,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Alive.encode()),
            restarts: AtomicU8::new(0),
            first: AtomicU8::new(0),
            started: AtomicBool::new(false),
            hopeless: AtomicBool::new(false),
        }
    }
}

impl Life {
    /// Returns the phase at this moment; another core may change it.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::decode(self.phase.load(Ordering::SeqCst))
    }

    /// Moves from one phase to another. False if it is in another one than `from`: some other core was first.
    #[must_use]
    pub(crate) fn pass(&self, from: Phase, to: Phase) -> bool {
        let (from, to) = (from.encode(), to.encode());
        self.phase.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Returns how often it has started again.
    #[must_use]
    pub fn restarts(&self) -> u8 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Tells whether its first vCPU has come to its first FFA_MSG_WAIT, so that others may start.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }

    /// Tells whether vCPU `index` starts before the others.
    pub(crate) fn is_first(&self, index: usize) -> bool {
        usize::from(self.first.load(Ordering::Relaxed)) == index
    }

    /// Notes that the first vCPU waits for messages. True if it did not before.
    pub(crate) fn start_is_over(&self) -> bool {
        !self.started.swap(true, Ordering::SeqCst)
    }

    /// Notes that it failed while it started.
    pub(crate) fn give_up_hope(&self) {
        self.hopeless.store(true, Ordering::Relaxed);
    }

    /// Tells whether it failed while it started.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.hopeless.load(Ordering::Relaxed)
    }

    /// Begins another life, with vCPU `first`. Only the core that ends the last one; the partition's phase is still that.
    pub(crate) fn begin_again(&self, first: usize) -> u8 {
        self.started.store(false, Ordering::SeqCst);
        self.first.store(u8::try_from(first).unwrap_or_default(), Ordering::Relaxed);
        let restarts = self.restarts().saturating_add(1);
        self.restarts.store(restarts, Ordering::Relaxed);
        restarts
    }
}
