// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine: memory, SMMUs, devices that strike between any two writes of the service, and the service itself.
//!
//! | file | what lives there |
//! |---|---|
//! | `build` | a machine from a number, up to a service that runs on it |
//! | `edge` | where the service's accesses come in |
//! | `agents` | devices, and who else acts between two accesses |
//! | `acts` | what a step stands for |
//! | `guests` | what a hypervisor asks for its guests |
//! | `interrupts` | interrupts on their way to the service |
//! | `messages` | a message and its answer, and other cores' messages in its middle |
//! | `lending` | memory that is lent for tables |
//! | `entropy` | random numbers for the hypervisor's key |
//! | `settle` | what must be back when everything is freed |
//! | `sweep` | what must hold between messages, looked at as a whole |
//! | `tables` | whether a domain had the pages that its tables stand on, and no others |

mod acts;
mod agents;
mod build;
mod edge;
mod entropy;
mod guests;
mod interrupts;
mod lending;
mod messages;
mod settle;
mod sweep;
mod tables;

pub(crate) use build::FIRST_WIRE;
pub(crate) use edge::Port;
pub(crate) use lending::pages_of;

use crate::finding::{Finding, Invariant};
use crate::oracle::{Granted, Oracle};
use crate::script::Act;
use crate::smmu::{Smmu, Surroundings};
use ffa_abi::PoolHolder;
use iommu_core::policy::Policy;
use iommu_core::pool::Pool;
use iommu_core::service::Service;
use iommu_core::smmu::SmmuV3;
use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The service as the partition calls it.
type OurService = Service<'static, SmmuV3<'static, Port>>;

thread_local! {
    /// The machine that this thread's accesses belong to.
    static CURRENT: RefCell<Option<Rc<Machine>>> = const { RefCell::new(None) };
}

/// A machine. What the service borrows is never given back: a few tens of kilobytes each.
#[derive(Debug)]
pub(crate) struct Machine {
    inner: RefCell<Inner>,
    pool: OnceCell<&'static Pool<'static>>,
    service: OnceCell<&'static OurService>,
    /// Pages that the pool had left when the service was up: those of page tables.
    tables: OnceCell<usize>,
}

/// All that changes.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) policy: &'static Policy,
    pub(crate) smmus: Vec<Smmu>,
    pub(crate) around: Surroundings,
    pub(crate) oracle: Oracle,
    /// Which core runs.
    core: usize,
    /// The handles that clients have, under the names that scripts give them.
    labels: BTreeMap<u8, u32>,
    /// How many accesses of the service pass until others act, at most.
    gap: u64,
    left: u64,
    /// Messages of other cores, each after so many writes to tables.
    meanwhile: Vec<(u64, Act)>,
    /// Whether a core is inside of an SMMU's driver, and may hold its locks.
    driver_at_work: bool,
    /// Whether the core that runs is at work for reports of faults.
    looking: bool,
    wires: interrupts::Wires,
    /// Addresses that devices like to try.
    focus: Vec<u64>,
    /// By SMMU: whether its driver has taken it into its hands.
    armed: Vec<bool>,
    /// Random words that the source does not have before it has some.
    dry: u64,
    /// Handles of what the service got of what is lent.
    lent: BTreeSet<u64>,
    /// By handle: where the tables of domains begin, as entries said that led there.
    roots: BTreeMap<u32, tables::Tables>,
    /// What the source gave to the message under way.
    granted: Granted,
    /// By SMMU: what somebody has written over, since it was written by the service.
    meddled: BTreeMap<u16, [u32; 3]>,
    /// What the message under way has cost.
    cost: Cost,
    time: u64,
    digest: u64,
    pub(crate) counts: Counts,
}

/// Accesses that a message made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) words: u64,
    pub(crate) registers: u64,
}

/// What happened in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were answered.
    pub messages: u64,
    /// Of them, with OK.
    pub accepted: u64,
    /// Accesses that devices tried.
    pub tried: u64,
    /// Of them, that reached memory.
    pub reached: u64,
    /// Messages that another core sent in the middle of one.
    pub met: u64,
    /// Interrupts that were served.
    pub interrupts: u64,
    /// The most accesses to the pool that one message made.
    pub dearest: u64,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.accepted += other.accepted;
        self.tried += other.tried;
        self.reached += other.reached;
        self.met += other.met;
        self.interrupts += other.interrupts;
        self.dearest = self.dearest.max(other.dearest);
    }
}

impl Machine {
    /// Returns this thread's machine.
    fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    pub(crate) fn inner(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }

    /// Returns how many pages the pool has left.
    pub(crate) fn available(&self) -> usize {
        self.pool.get().map_or(0, |pool| pool.available())
    }

    /// Returns how many pages tables stand on, those that are lent included, beside what was reserved at boot.
    fn in_use(&self) -> u64 {
        let lent = self
            .pool
            .get()
            .map_or(0, |pool| PoolHolder::ALL.map(|holder| pool.lent(holder).used).iter().sum());
        let carve_out = self.tables.get().map_or(0, |all| all.saturating_sub(self.available()));
        u64::from(lent) + u64::try_from(carve_out).unwrap_or(u64::MAX)
    }

    /// Returns how many pages are the kernel's to take: half of the carve-out is set aside where others may hold devices, and what
    /// was lent for the kernel comes on top of the rest.
    pub(crate) fn left_for_the_kernel(&self) -> usize {
        let set_aside = if self.inner().oracle.others_may_hold_devices() {
            self.tables.get().map_or(0, |all| all / 2)
        } else {
            0
        };
        let lent = self.pool.get().map_or(0, |pool| {
            let lent = pool.lent(PoolHolder::Host);
            lent.there.saturating_sub(lent.used)
        });
        // What identity has not taken yet is its own.
        let to_come = if self.inner().oracle.moves_reach_identity() {
            usize::try_from(self.inner().policy.identity_pages_needed()).unwrap_or(0)
        } else {
            0
        };
        let left = self.available().saturating_sub(set_aside).saturating_sub(to_come);
        left.saturating_add(usize::try_from(lent).unwrap_or(0))
    }

    /// Returns what was found, if anything was.
    pub(crate) fn finding(&self) -> Option<Finding> {
        self.inner().around.findings.first().cloned()
    }

    /// Returns a number that stands for everything that was answered, and what happened in all.
    pub(crate) fn summary(&self) -> (u64, Counts) {
        let inner = self.inner();
        (inner.digest, inner.counts)
    }
}

impl Inner {
    /// Returns the seed-free part of what is to come: others act after so many accesses at most.
    pub(crate) fn prepare(&mut self, seed: u64, gap: u64, meanwhile: Vec<(u64, Act)>) {
        self.around.random = crate::random::Random::new(seed);
        self.gap = gap.max(1);
        self.left = 0;
        self.meanwhile = meanwhile;
    }

    /// Takes note of what cannot be.
    pub(crate) fn note(&mut self, invariant: Invariant, what: impl FnOnce() -> String) {
        self.around.findings.note(invariant, what);
    }

    fn stir(&mut self, word: u64) {
        self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
}
