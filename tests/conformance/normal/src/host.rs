// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The normal world as an endpoint of the suite, and the other cores that cases let work.

use crate::{platform, vectors};
use conformance::case::{Instance, Spmc};
use conformance::endpoint::{Endpoint, Foreign, PAGE, PAGES, Registers};
use conformance::exchange::NormalWorld;
use conformance::outcome::{Failure, Outcome};
use conformance::vectors::Vectors;
use nwd::ram::Ram;
use nwd::random::Random;
use nwd::{Machine, cores, counter, ffa, gic, timer};
use spin::mutex::SpinMutex;

/// Most cores that cases use.
const CORES: usize = 4;
/// Seconds until a core counts as lost.
const PATIENCE: u64 = 30;

/// The normal world on one core.
pub(crate) struct Host {
    pub(crate) spmc: Spmc,
    pub(crate) instance: Instance,
    pub(crate) memory: Ram,
    pub(crate) random: Random,
    pub(crate) machine: Machine,
    /// The number of this core.
    pub(crate) core: usize,
    pub(crate) cores: usize,
    /// The number of the case that runs.
    pub(crate) number: u64,
}

impl Endpoint for Host {
    fn call(&mut self, registers: Registers) -> Registers {
        ffa::registers(registers)
    }

    fn id(&self) -> u16 {
        ffa::SELF
    }

    fn instance(&self) -> Instance {
        self.instance
    }

    fn spmc(&self) -> Spmc {
        self.spmc
    }

    fn pages(&self) -> u64 {
        self.memory.address().0
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) {
        self.memory.part(0, PAGE * PAGES).read(offset, bytes);
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.memory.part(0, PAGE * PAGES).write(offset, bytes);
    }

    fn foreign(&self, which: Foreign) -> u64 {
        let (base, size) = platform::SECURE_RAM;
        match which {
            // spm stands at the start of secure RAM, partitions behind it.
            Foreign::Spmc => base,
            Foreign::OtherWorld => base + size - PAGE,
        }
    }

    fn random(&mut self) -> u64 {
        self.random.word()
    }
}

/// What another core is to do, and what came of it.
struct Work {
    job: fn(&mut dyn Endpoint, u64) -> Outcome,
    host: Host,
    outcome: Option<Outcome>,
}

static WORK: [SpinMutex<Option<Work>>; CORES] = [const { SpinMutex::new(None) }; CORES];

/// Runs on another core.
fn work(core: usize) {
    let Some(mut place) = WORK.get(core).map(SpinMutex::lock) else { return };
    if let Some(work) = place.as_mut() {
        work.outcome = Some((work.job)(&mut work.host, core as u64));
    }
}

impl Vectors for Host {
    fn fill_vectors(&mut self, word: u64) {
        vectors::fill(word);
    }

    fn vectors_held(&self, word: u64) -> u64 {
        vectors::held(word)
    }
}

impl NormalWorld for Host {
    fn number(&self) -> u64 {
        self.number
    }

    fn with_other_cores(
        &mut self,
        job: fn(&mut dyn Endpoint, u64) -> Outcome,
        meanwhile: fn(&mut dyn NormalWorld) -> Outcome,
    ) -> Outcome {
        let others = 1..self.cores.min(CORES);
        for core in others.clone() {
            let host = Host { random: Random::new(self.random.word()), core, ..*self };
            if let Some(place) = WORK.get(core) {
                *place.lock() = Some(Work { job, host, outcome: None });
            }
            cores::run(self.machine.cores(), core, work).map_err(|_| Failure::here([core as u64, 0, 0]))?;
        }
        let mut outcome = meanwhile(self);
        for core in others {
            let back = cores::wait(self.machine.cores(), core, PATIENCE);
            let done = WORK.get(core).and_then(|place| place.try_lock()?.take()?.outcome);
            let lost = Failure::here([core as u64, u64::from(back.is_ok()), 1]);
            outcome = outcome.and(done.unwrap_or(Err(lost)));
        }
        outcome
    }

    fn receive_interrupt(&mut self, interrupt: u32) {
        self.machine.receive(self.core, interrupt);
    }

    fn refuse_interrupt(&mut self, interrupt: u32) {
        self.machine.refuse(self.core, interrupt);
    }

    fn take_interrupt(&mut self) -> Option<u64> {
        gic::take()
    }

    fn start_timer(&mut self, microseconds: u64) -> u64 {
        timer::start_us(microseconds);
        u64::from(timer::INTERRUPT)
    }

    fn start_virtual_timer(&mut self, microseconds: u64) -> u64 {
        self.machine.receive(self.core, timer::VIRTUAL_INTERRUPT);
        timer::start_virtual_us(microseconds);
        u64::from(timer::VIRTUAL_INTERRUPT)
    }

    fn stop_timer(&mut self) {
        timer::stop();
    }

    fn raise_device(&mut self) {
        // PL031 (DDI 0224, 3.3): an alarm at the very second that it is.
        const DATA: u64 = 0x00;
        const MATCH: u64 = 0x04;
        const MASK: u64 = 0x10;
        if let Some(alarm) = self.machine.alarm() {
            alarm.write32(MASK, 1);
            alarm.write32(MATCH, alarm.read32(DATA));
        }
    }

    fn now(&self) -> u64 {
        counter::now()
    }

    fn endpoint(&mut self) -> &mut dyn Endpoint {
        self
    }
}
