// SPDX-License-Identifier: Apache-2.0 OR MIT
//! This partition as an endpoint of the suite.
#![expect(
    unsafe_code,
    reason = "breaks the rules of its own memory when a case asks for it, and reads a counter"
)]

use crate::gpio::Gpio;
use crate::{entry, pages, svc, vectors};
use arm_ffa::{FuncId, Version};
use conformance::application::{ApplicationEndpoint, Violation};
use conformance::case::{Instance, Spmc, World};
use conformance::chapters::at_start;
use conformance::endpoint::{Endpoint, Foreign, Registers, call};
use conformance::exchange::{self, Interruptions, PartitionEndpoint, Told, random_of};
use conformance::outcome::{Failure, Outcome};
use conformance::vectors::Vectors;

/// Everything that it knows.
pub(crate) struct Application {
    id: u16,
    /// Registers with which it was entered last.
    pub(crate) arrival: Registers,
    /// Addresses that are the SPMC's and the other world's.
    foreign: [u64; 2],
    /// What it is to do at its next FFA_RUN.
    kept: Option<[u64; 5]>,
    /// What came of that.
    outcome: [u64; 5],
    /// What came of the cases that only make sense while it starts.
    started: Outcome,
    /// What FFA_INTERRUPT brought.
    interruptions: Interruptions,
    gpio: Gpio,
    random: u64,
}

impl Application {
    /// Learns its ID, and does what only can be done now.
    pub(crate) fn start(boot_information: u64) -> Option<Self> {
        let mut application = Self {
            id: 0,
            arrival: [0; 18],
            foreign: [0; 2],
            kept: None,
            outcome: [2, 0, 0, 0, 0],
            started: Ok(()),
            interruptions: Interruptions::default(),
            gpio: Gpio::find(boot_information)?,
            random: 0x9e37_79b9_7f4a_7c15,
        };
        let answer = call(&mut application, FuncId::IdGet, &[]);
        answer.success().ok()?;
        application.id = u16::try_from(answer.w(2)).ok()?;
        let code = (application_code as *const ()).addr() as u64;
        application.started = at_start(&mut application, code);
        Some(application)
    }

    /// Does its side of a case.
    pub(crate) fn serve(&mut self, request: [u64; 5]) -> [u64; 5] {
        let [_, spmc, other_world, ..] = request;
        self.foreign = [spmc, other_world];
        exchange::serve(self, request)
    }

    /// Does what it was asked for beforehand.
    pub(crate) fn run(&mut self) {
        if let Some(request) = self.kept.take() {
            self.outcome = exchange::serve(self, request);
        }
    }

    /// Takes note of an interrupt, and ends its cause.
    pub(crate) fn interrupted(&mut self, arrival: [u64; 2]) {
        let [_, taken] = arrival;
        self.gpio.quiet();
        let count = self.interruptions.count + 1;
        self.interruptions = Interruptions { count, arrival, taken, at: now() };
    }
}

/// Returns the physical counter.
fn now() -> u64 {
    let ticks: u64;
    // SAFETY: reading a counter has no effect.
    unsafe { core::arch::asm!("isb", "mrs {0}, cntpct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// Any instruction of this partition.
extern "C" fn application_code() {}

impl Endpoint for Application {
    fn call(&mut self, registers: Registers) -> Registers {
        svc::call(registers)
    }

    fn id(&self) -> u16 {
        self.id
    }

    fn instance(&self) -> Instance {
        Instance { world: World::Application, version: Version(1, 2) }
    }

    fn spmc(&self) -> Spmc {
        Spmc::Spm
    }

    fn pages(&self) -> u64 {
        pages::address()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) {
        pages::read(offset, bytes);
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        pages::write(offset, bytes);
    }

    fn foreign(&self, which: Foreign) -> u64 {
        let [spmc, other_world] = self.foreign;
        match which {
            Foreign::Spmc => spmc,
            Foreign::OtherWorld => other_world,
        }
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15 ^ now());
        random_of(self.random)
    }
}

impl PartitionEndpoint for Application {
    fn arrival(&self) -> Registers {
        self.arrival
    }

    fn keep(&mut self, request: [u64; 5]) {
        self.kept = Some(request);
    }

    fn kept_outcome(&mut self) -> [u64; 5] {
        self.outcome
    }

    fn hypercall(&mut self, _: [u64; 4]) -> u64 {
        not_at_el0()
    }

    fn signalled(&self) -> (bool, bool) {
        not_at_el0()
    }

    fn set_timer(&mut self, _: Option<u64>) {
        not_at_el0()
    }

    fn now(&self) -> u64 {
        now()
    }

    fn device(&self) -> u32 {
        not_at_el0()
    }

    fn quiet_device(&mut self) {
        self.gpio.quiet();
    }

    fn interruptions(&mut self) -> Interruptions {
        core::mem::take(&mut self.interruptions)
    }

    fn wait(&mut self) {
        // SAFETY: a hint that waits, at most.
        unsafe { core::arch::asm!("wfi", options(nostack, preserves_flags)) };
    }

    fn told_off(&self) -> Told {
        // Power management messages are not for partitions at S-EL0.
        Told::default()
    }

    fn load(&self, _: u64, _: bool) -> Option<u64> {
        None
    }

    fn store(&mut self, _: u64, _: bool, _: u64) -> Option<()> {
        None
    }

    fn fail(&mut self) -> ! {
        entry::fail()
    }

    fn application(&mut self) -> Outcome<&mut dyn ApplicationEndpoint> {
        Ok(self)
    }
}

/// There is no HVC, no vector and no timer, and no case asks for them.
fn not_at_el0() -> ! {
    entry::fail()
}

impl Vectors for Application {
    fn fill_vectors(&mut self, word: u64) {
        vectors::fill(word);
    }

    fn vectors_held(&self, word: u64) -> u64 {
        vectors::held(word)
    }
}

impl ApplicationEndpoint for Application {
    fn started(&self) -> Outcome {
        self.started
    }

    fn alarm(&mut self) {
        self.gpio.ring();
    }

    fn violate(&mut self, violation: Violation) -> Outcome {
        match violation {
            Violation::WriteCode => {
                let code = (application_code as *const ()).addr();
                let word = core::ptr::with_exposed_provenance_mut::<u32>(code);
                // SAFETY: code can be read.
                let same = unsafe { word.read_volatile() };
                // SAFETY: if the write is let through, which is what the case looks for, the same word is there.
                unsafe { word.write_volatile(same) };
            }
            Violation::ExecuteData => {
                const RET: u32 = 0xd65f_03c0;
                pages::write(0, &RET.to_le_bytes());
                let at = pages::address();
                // SAFETY: the page holds a function that returns at once, if it can be executed.
                unsafe { core::arch::asm!("blr {0}", in(reg) at, clobber_abi("C")) };
            }
        }
        Err(Failure::here([0; 3]))
    }
}
