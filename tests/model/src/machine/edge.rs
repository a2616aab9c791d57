// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the service's accesses come in: registers through the driver's own trait, words of the pool through its watcher.
//!
//! Between any two of them others act.

use super::agents::may_come;
use super::{CURRENT, Inner, Machine};
use crate::architecture::registers::{CMDQ_CONS, CR0, CR0ACK, EVENTQ_PROD, GBPA, IRQ_CTRLACK};
use crate::finding::Invariant;
use crate::script::Act;
use iommu_core::pool::{Access, Word, watch};
use iommu_core::smmu::Hardware;
use std::rc::Rc;

/// Accesses to the pool that a message may make: three for each of 512 entries that are looked at, taken out and
/// settled, and three new tables.
const MOST_WORDS: u64 = 8 * 512;
/// Accesses to registers: waiting ends by time.
const MOST_REGISTERS: u64 = 200_000;
/// Ticks of the clock in a millisecond.
const TICKS: u64 = 100;

/// Thrown through a message that does not end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endless;

/// An SMMU's registers, as a driver has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    index: usize,
}

impl Port {
    pub(super) const fn new(index: usize) -> Self {
        Self { index }
    }
}

/// Lets this thread's accesses go to a machine.
pub(super) fn enter(machine: &Rc<Machine>) {
    watch(accessed);
    CURRENT.set(Some(Rc::clone(machine)));
}

fn accessed(word: &Word, access: Access) {
    if let Some(machine) = Machine::current() {
        machine.accessed(word, access);
    }
}

impl Machine {
    fn accessed(&self, word: &Word, access: Access) {
        let mut inner = self.inner();
        let Some(index) = inner.around.memory.index(word) else { return };
        inner.cost.words += 1;
        if !inner.around.memory.is_mapped(index) {
            inner.note(Invariant::Service, || "memory is used that was given back".to_owned());
        }
        let core = inner.core;
        let (mut due, mut store) = (None, false);
        match access {
            Access::Load => inner.around.memory.loaded(core, index),
            Access::Store(value, order) => {
                let around = &mut inner.around;
                around.memory.stored(core, index, value, order, &mut around.random);
                inner.turn();
                if inner.around.memory.is_table(index, self.tables.get().copied()) {
                    due = inner.due();
                    store = true;
                }
            }
        }
        // There is no bound before the first message.
        let endless = self.service.get().is_some() && inner.cost.words > 4 * MOST_WORDS;
        drop(inner);
        if endless {
            std::panic::resume_unwind(Box::new(Endless));
        }
        if let Some(act) = due {
            self.interrupt(&act);
            return;
        }
        let mut inner = self.inner();
        let intid = if store && !inner.driver_at_work { inner.interrupt_meanwhile(8) } else { None };
        drop(inner);
        if let Some(intid) = intid {
            self.serve_meanwhile(intid);
        }
    }
}

impl Machine {
    /// Lets another core's message come while the driver of an SMMU is at work, where it waits for no lock of drivers:
    /// cores take turns here, so whoever waits for one that is held would wait for ever.
    fn waited(&self, offset: usize) {
        if self.service.get().is_none() {
            return;
        }
        let mut inner = self.inner();
        // These are waited for and read under the lock of the reports, unless an SMMU is rebuilt: who serves an interrupt passes by.
        let passes_by = matches!(offset, EVENTQ_PROD | IRQ_CTRLACK) && !inner.oracle.is_hurt();
        let intid = if inner.looking && passes_by { inner.interrupt_meanwhile(2) } else { None };
        if let Some(intid) = intid {
            let before = std::mem::replace(&mut inner.driver_at_work, true);
            drop(inner);
            self.serve_meanwhile(intid);
            self.inner().driver_at_work = before;
            return;
        }
        let moves_reach = inner.oracle.moves_reach_identity();
        let seldom = match inner.meanwhile.first() {
            Some((_, act)) if !may_come(act, moves_reach) => return,
            Some((_, Act::Move { .. })) => 3,
            Some(_) => 8,
            _ => return,
        };
        if !inner.around.random.once_in(seldom) {
            return;
        }
        let (_, act) = inner.meanwhile.remove(0);
        let before = std::mem::replace(&mut inner.driver_at_work, true);
        drop(inner);
        self.interrupt(&act);
        self.inner().driver_at_work = before;
    }
}

impl Inner {
    /// Finds what a message cost too much.
    pub(super) fn check_cost(&mut self) {
        let cost = self.cost;
        self.counts.dearest = self.counts.dearest.max(cost.words);
        if cost.words > MOST_WORDS || cost.registers > MOST_REGISTERS {
            self.note(Invariant::Bound, || format!("a message made {cost:?} accesses"));
        }
    }

    fn read(&mut self, index: usize, offset: usize) -> u64 {
        self.cost.registers += 1;
        self.turn();
        // Whoever waits sees the SMMU go on.
        let waits = matches!(offset, CMDQ_CONS | CR0ACK | GBPA | IRQ_CTRLACK);
        if waits {
            for _ in 0..=self.around.random.below(4) {
                self.step(index);
            }
        }
        self.smmus.get(index).map_or(0, |smmu| smmu.read(offset))
    }

    fn write(&mut self, index: usize, offset: usize, value: u64) {
        self.cost.registers += 1;
        self.turn();
        let Self { smmus, around, .. } = self;
        if let Some(smmu) = smmus.get_mut(index) {
            smmu.write(offset, value, around);
        }
        if offset == CR0
            && let Some(armed) = self.armed.get_mut(index)
        {
            *armed = true;
        }
        self.turn();
    }
}

impl Hardware for Port {
    fn read32(&self, offset: usize) -> u32 {
        crate::architecture::low(self.read64(offset))
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write64(offset, value.into());
    }

    fn read64(&self, offset: usize) -> u64 {
        Machine::current().map_or(0, |machine| {
            let value = machine.inner().read(self.index, offset);
            machine.waited(offset);
            value
        })
    }

    fn write64(&self, offset: usize, value: u64) {
        if let Some(machine) = Machine::current() {
            machine.inner().write(self.index, offset, value);
            machine.waited(offset);
        }
    }

    fn ticks(&self) -> u64 {
        Machine::current().map_or(0, |machine| {
            let mut inner = machine.inner();
            inner.time += 1;
            inner.time
        })
    }

    fn ticks_per_millisecond(&self) -> u64 {
        TICKS
    }

    fn publish(&self) {
        if let Some(machine) = Machine::current() {
            let mut inner = machine.inner();
            let core = inner.core;
            inner.around.memory.publish(core);
            inner.turn();
        }
    }

    fn observe(&self) {}
}
