// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a partition is in its life, as a whole (FF-A 1.3 §7.2, §7.4.4). What each of its vCPUs does is in [`crate::vcpu`], what is
//! done at each step in [`crate::abort`].

use core::sync::atomic::Ordering;

use crate::sync::AtomicU8;

/// What all of a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It starts or serves.
    Alive,
    /// A vCPU of it failed. Cores may still have others.
    Aborted,
    /// No core has any, and one of them cleans up.
    Ending,
    /// It never runs again.
    Stopped,
}

impl Phase {
    const fn encode(self) -> u8 {
        match self {
            Self::Alive => 0,
            Self::Aborted => 1,
            Self::Ending => 2,
            Self::Stopped => 3,
        }
    }

    const fn decode(value: u8) -> Self {
        match value {
            0 => Self::Alive,
            1 => Self::Aborted,
            2 => Self::Ending,
            _ => Self::Stopped,
        }
    }
}

/// A partition's life.
#[derive(Debug)]
pub struct Life {
    phase: AtomicU8,
}

impl Default for Life {
    fn default() -> Self {
        Self { phase: AtomicU8::new(Phase::Alive.encode()) }
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
}
