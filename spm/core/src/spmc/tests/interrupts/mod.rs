// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose interrupts are, how partitions take them, and that none is lost between cores. Here is what those tests have in common.

mod hypercalls;
#[cfg(feature = "interleavings")]
mod interleavings;
mod scheduling;
mod signalling;

use super::*;
use crate::hardware::InterruptAction;
use crate::interrupts::hypercall::{
    INTERRUPT_DEACTIVATE, INTERRUPT_ENABLE, INTERRUPT_GET, INTERRUPT_RECONFIGURE, INTERRUPT_SEND_IPI, NONE,
    finish_all, reconfigure,
};
use crate::interrupts::routing::{Owner, Rounds};
use crate::interrupts::{InterruptLine, Signals};
use crate::manifest::interrupt::{DeviceInterrupt, MAX_INTERRUPTS, Trigger};

/// Partition 0x8001 has INTIDs 40 and 41, 0x8002 has 50 and 51, and so on.
pub(super) fn list(id: u16) -> Vec<DeviceInterrupt, MAX_INTERRUPTS> {
    let first = 30 + 10 * u32::from(id & 0xf);
    let interrupt = |intid| DeviceInterrupt { intid, priority: 0, trigger: Trigger::Level, target: None };
    Vec::from_slice(&[interrupt(first), interrupt(first + 1)]).unwrap()
}

const FAILED: u64 = u64::MAX;
const GET: [u64; 1] = [INTERRUPT_GET as u64];

fn hypercall(spmc: &Spmc, from: VcpuRef, hardware: &FakeHardware, values: &[u64]) -> u64 {
    let mut message = registers(values);
    let before = message;
    assert!(spmc.hypercall(from, &mut message, core(0), hardware));
    assert_eq!(message[1..], before[1..], "only x0 changes");
    message[0]
}

fn enable(spmc: &Spmc, from: VcpuRef, intid: u64) {
    let hardware = FakeHardware::default();
    assert_eq!(hypercall(spmc, from, &hardware, &[u64::from(INTERRUPT_ENABLE), intid, 1, 0]), 0);
}

fn done(hardware: &FakeHardware) -> std::vec::Vec<InterruptAction> {
    std::mem::take(&mut *hardware.interrupts.lock().unwrap())
}

/// Runs the first partition's vCPU for what is pending, as a core does that has reason to look, if no other core does.
fn look(spmc: &Spmc, index: u64) {
    let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
    let mut seen = 0;
    while spmc.claim_for_interrupt(core(index), &mut seen).is_some() {
        vcpu.set_core(core(index));
        while vcpu.interrupts.signals().irq {
            assert!(vcpu.interrupts.take().is_some());
        }
        vcpu.transition(VcpuState::Running, VcpuState::Waiting).unwrap();
        if vcpu.interrupts.wakes() {
            seen = 0;
        }
    }
}
