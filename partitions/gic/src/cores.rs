// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which cores are on, and which of them gets the partition's interrupts: the GIC need not choose one itself (GICD_TYPER.No1N).

use crate::spec::AFFINITY;
use core::num::NonZeroU64;

/// Most cores that are known; one that comes on when the list is full gets no interrupts of others.
pub const MAX_CORES: usize = 512;

/// Bit 31 of MPIDR_EL1, which is reserved as one: it tells a core from none.
const THERE: NonZeroU64 = NonZeroU64::MIN.saturating_add((1 << 31) - 1);

/// A core, by its affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Core(NonZeroU64);

impl Core {
    pub(crate) fn of(mpidr: u64) -> Self {
        Self(THERE | mpidr & AFFINITY)
    }

    /// Returns what GICD_IROUTER holds for it.
    pub(crate) const fn route(self) -> u64 {
        self.0.get() & AFFINITY
    }
}

/// The cores that are on.
#[derive(Debug)]
pub(crate) struct Cores {
    /// In no order.
    on: [Option<Core>; MAX_CORES],
    /// The one that gets the interrupts; none while all are off.
    receiver: Option<Core>,
}

impl Cores {
    pub(crate) const NONE: Self = Self { on: [None; MAX_CORES], receiver: None };

    /// Takes note of a core that comes on. Returns it, if it gets the interrupts from now on.
    pub(crate) fn comes_on(&mut self, core: Core) -> Option<Core> {
        if !self.on.contains(&Some(core))
            && let Some(place) = self.on.iter_mut().find(|place| place.is_none())
        {
            *place = Some(core);
        }
        if self.receiver.is_some() {
            return None;
        }
        self.receiver = Some(core);
        self.receiver
    }

    /// Takes note of a core that goes off. Returns the one that gets the interrupts in its place, if it got them, and there is
    /// another.
    pub(crate) fn goes_off(&mut self, core: Core) -> Option<Core> {
        for place in self.on.iter_mut().filter(|place| **place == Some(core)) {
            *place = None;
        }
        if self.receiver != Some(core) {
            return None;
        }
        self.receiver = self.on.iter().flatten().next().copied();
        self.receiver
    }

    /// Returns the core that gets the interrupts.
    pub(crate) const fn receiver(&self) -> Option<Core> {
        self.receiver
    }
}
