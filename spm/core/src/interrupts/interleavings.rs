// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several cores at once, in many orders ([`crate::interleavings`]).

use std::sync::Arc;

use super::*;
use crate::interleavings::{both, in_many_orders};

/// Takes an interrupt, and runs the vCPU for what is pending, if no other core does.
fn take_and_look(spmc: &Spmc, index: u64) {
    spmc.take_interrupt(40, core(index), &FakeHardware::default());
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

#[test]
fn no_interrupt_is_left_that_nobody_looks_at() {
    in_many_orders(|| {
        let spmc = Arc::new(spmc());
        enable(&spmc, AT_FIRST, 40);
        let (one, other) = (Arc::clone(&spmc), Arc::clone(&spmc));
        both(move || take_and_look(&one, 0), move || take_and_look(&other, 1));
        let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
        assert!(!vcpu.interrupts.wakes());
        assert_eq!(vcpu.state(), VcpuState::Waiting);
    });
}

#[test]
fn a_direct_request_of_two_cores_reaches_its_vcpu_once() {
    in_many_orders(|| {
        let spmc = Arc::new(spmc());
        let request = |index| {
            let spmc = Arc::clone(&spmc);
            move || {
                let mut message = registers(&[0xc400_006f, FIRST]);
                let next = spmc.from_normal_world(&mut message, core(index), &FakeHardware::default());
                matches!(next, NormalNext::Request(..))
            }
        };
        let (one, other) = both(request(0), request(1));
        assert!(one != other);
    });
}
