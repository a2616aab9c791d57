// SPDX-License-Identifier: Apache-2.0 OR MIT
//! This partition as an endpoint of the suite.
#![expect(unsafe_code, reason = "the calls are the cases'")]

use crate::alarm;
use crate::lent;
use crate::pages;
use crate::vcpu::Vcpu;
use arm_ffa::Version;
use conformance::case::{Instance, Spmc, World};
use conformance::endpoint::{Endpoint, Foreign, Registers};
use conformance::exchange::{Interruptions, PartitionEndpoint, Told, random_of};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_runtime::{EndpointId, interrupts, time};

/// What random numbers begin with, beside the time.
static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);

/// The partition while it does its side of a case.
pub(crate) struct Side {
    id: EndpointId,
    version: Version,
    vcpu: &'static Vcpu,
    /// Addresses that are the SPMC's and the other world's.
    foreign: [u64; 2],
}

impl Side {
    pub(crate) const fn new(
        id: EndpointId,
        version: Version,
        vcpu: &'static Vcpu,
        foreign: [u64; 2],
    ) -> Self {
        Self { id, version, vcpu, foreign }
    }
}

/// Makes a call with x0 to x17 as given, and returns those that come back.
pub(crate) fn enter(registers: Registers) -> Registers {
    let [x0, arguments @ ..] = registers;
    let [a, b, c, d, ..] = x0.to_le_bytes();
    // SAFETY: cases let the partition manager write, share and unmap nothing but `pages`, which Rust does not use
    // otherwise, and what is not this partition's, which it refuses.
    unsafe { sp_runtime::call(u32::from_le_bytes([a, b, c, d]), arguments) }
}

impl Endpoint for Side {
    fn call(&mut self, registers: Registers) -> Registers {
        enter(registers)
    }

    fn id(&self) -> u16 {
        self.id.0
    }

    fn instance(&self) -> Instance {
        Instance { world: World::Secure, version: self.version }
    }

    fn spmc(&self) -> Spmc {
        // Whatever it is: partitions are looked at under spm only.
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
        random_of(STATE.fetch_add(0x9e37_79b9_7f4a_7c15 ^ time::ticks(), Ordering::Relaxed))
    }
}

impl PartitionEndpoint for Side {
    fn arrival(&self) -> Registers {
        *self.vcpu.arrival.lock()
    }

    fn keep(&mut self, request: [u64; 5]) {
        *self.vcpu.kept.lock() = Some(request);
    }

    fn kept_outcome(&mut self) -> [u64; 5] {
        *self.vcpu.outcome.lock()
    }

    fn hypercall(&mut self, registers: [u64; 4]) -> u64 {
        interrupts::hypercall(registers)
    }

    fn signalled(&self) -> (bool, bool) {
        interrupts::signalled()
    }

    fn set_timer(&mut self, deadline: Option<u64>) {
        interrupts::set_timer(deadline);
    }

    fn now(&self) -> u64 {
        interrupts::now()
    }

    fn device(&self) -> u32 {
        alarm::interrupt()
    }

    fn quiet_device(&mut self) {
        alarm::quiet();
    }

    fn told_off(&self) -> Told {
        *self.vcpu.told_off.lock()
    }

    fn interruptions(&mut self) -> Interruptions {
        core::mem::take(&mut *self.vcpu.interruptions.lock())
    }

    fn wait(&mut self) {
        interrupts::wait();
    }

    fn load(&self, address: u64, secure: bool) -> Option<u64> {
        lent::load(address, secure)
    }

    fn store(&mut self, address: u64, secure: bool, value: u64) -> Option<()> {
        lent::store(address, secure, value)
    }

    fn fail(&mut self) -> ! {
        sp_runtime::stop()
    }
}

/// Takes what FFA_INTERRUPT came for, and notes it.
pub(crate) fn take_interrupts(vcpu: &Vcpu, arrival: [u64; 2]) {
    let mut noted = vcpu.interruptions.lock();
    noted.count += 1;
    noted.arrival = arrival;
    while let Some(intid) = interrupts::take() {
        noted.taken = u64::from(intid);
        noted.at = interrupts::now();
        if intid == interrupts::TIMER {
            interrupts::set_timer(None);
        } else if intid == alarm::interrupt() {
            alarm::quiet();
        }
    }
}
