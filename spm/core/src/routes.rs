// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which cores are on, and who gets the shared interrupts of one that goes off. How an interrupt is routed is the machine's
//! business.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::mutex::SpinMutex;

use crate::partition::{CoreIndex, MAX_CORES};

/// No affinity.
const OFF: u64 = u64::MAX;

/// The cores that are on, by number, with their affinities as MPIDR_EL1 has them.
#[derive(Debug)]
pub struct Routes {
    affinities: [AtomicU64; MAX_CORES],
    /// Held by whoever sends interrupts to a core that is on, and by one that comes on or goes off. The core that had interrupts
    /// when no other was on.
    left: SpinMutex<Option<u64>>,
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// Makes the routes of a machine whose cores are all off.
    #[must_use]
    pub const fn new() -> Self {
        Self { affinities: [const { AtomicU64::new(OFF) }; MAX_CORES], left: SpinMutex::new(None) }
    }

    /// Returns a core's affinity, or nothing if it is off.
    #[must_use]
    pub fn affinity(&self, core: CoreIndex) -> Option<u64> {
        let affinity = self.affinities.get(core.get())?.load(Ordering::Acquire);
        (affinity != OFF).then_some(affinity)
    }

    /// Tells whether a core with this affinity is on.
    pub fn is_on(&self, affinity: u64) -> bool {
        affinity != OFF && self.affinities.iter().any(|place| place.load(Ordering::Acquire) == affinity)
    }

    /// A core comes on. `take_over` sends it the interrupts of a core, by that one's affinity, that found nobody to leave them to.
    pub fn come_on(&self, core: CoreIndex, affinity: u64, take_over: impl FnOnce(u64)) {
        let mut left = self.left.lock();
        self.set(core, affinity);
        if let Some(from) = left.take() {
            take_over(from);
        }
    }

    /// Lets `work` send interrupts to a core, which does not go off meanwhile without taking them along; nothing if it is off.
    pub fn while_on<R>(&self, core: CoreIndex, work: impl FnOnce(u64) -> R) -> Option<R> {
        let _held = self.left.lock();
        self.affinity(core).map(work)
    }

    /// A core goes off. `pass_on` sends its interrupts to another one that is on, whose affinity it gets; if there is none, the
    /// next that comes on takes them over.
    pub fn go_off(&self, core: CoreIndex, pass_on: impl FnOnce(u64)) {
        let mut left = self.left.lock();
        let own = self.affinity(core);
        self.set(core, OFF);
        let on =
            self.affinities.iter().map(|place| place.load(Ordering::Acquire)).find(|&other| other != OFF);
        match on {
            Some(affinity) => pass_on(affinity),
            // One that was off already leaves nothing: what waits is that of the last one that was on.
            None => *left = own.or(*left),
        }
    }

    fn set(&self, core: CoreIndex, affinity: u64) {
        if let Some(place) = self.affinities.get(core.get()) {
            place.store(affinity, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(number: u64) -> CoreIndex {
        CoreIndex::new(number).unwrap()
    }

    fn nobody(_: u64) {
        panic!("there is nobody");
    }

    #[test]
    fn a_core_that_goes_off_leaves_its_interrupts_to_one_that_is_on() {
        let routes = Routes::new();
        routes.come_on(core(0), 0x100, nobody);
        routes.come_on(core(1), 0x101, nobody);
        let mut to = None;
        routes.go_off(core(0), |affinity| to = Some(affinity));
        assert_eq!(to, Some(0x101));
        assert_eq!((routes.affinity(core(0)), routes.affinity(core(1))), (None, Some(0x101)));
        assert!(routes.is_on(0x101) && !routes.is_on(0x100) && !routes.is_on(OFF));
    }

    #[test]
    fn one_that_finds_nobody_leaves_them_to_the_next_that_comes_on() {
        let routes = Routes::new();
        routes.come_on(core(0), 0x100, nobody);
        routes.go_off(core(0), nobody);
        let mut from = None;
        routes.come_on(core(1), 0x101, |affinity| from = Some(affinity));
        assert_eq!(from, Some(0x100));
        routes.come_on(core(2), 0x102, nobody);
        // Its own, where it is the next itself.
        routes.go_off(core(2), |_| ());
        routes.go_off(core(1), nobody);
        routes.come_on(core(1), 0x101, |affinity| from = Some(affinity));
        assert_eq!(from, Some(0x101));
    }

    #[test]
    fn one_that_is_off_already_takes_nothing_from_the_next_that_comes_on() {
        let routes = Routes::new();
        routes.come_on(core(0), 0x100, nobody);
        routes.go_off(core(0), nobody);
        routes.go_off(core(0), nobody);
        routes.go_off(core(1), nobody);
        let mut from = None;
        routes.come_on(core(1), 0x101, |affinity| from = Some(affinity));
        assert_eq!(from, Some(0x100));
    }

    #[test]
    fn nothing_is_sent_to_a_core_that_is_off() {
        let routes = Routes::new();
        assert_eq!(routes.while_on(core(3), |affinity| affinity), None);
        routes.come_on(core(3), 3, nobody);
        assert_eq!(routes.while_on(core(3), |affinity| affinity), Some(3));
    }
}
