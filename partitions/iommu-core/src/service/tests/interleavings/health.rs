// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SMMU that fails and is rebuilt while it is used, and faults that are reported meanwhile.

use super::world::in_world;
use super::*;
use crate::interleavings::in_many_orders;

/// The SMMU fails at some command; one core polls until it works again, the others map, unmap and set a device.
pub(super) fn what_a_failed_smmu_may_know_is_not_let_go() {
    in_world(|world| {
        let domain = world.attached();
        crate::sync::at_once(|| assert_eq!(world.map(domain, AT, RAM, K4), (Status::Ok, K4)));
        world.reach();
        world.smmu.can_be_rebuilt(1);
        world.smmu.fail_after(1);
        let unmap = || {
            let (status, _) = world.unmap(domain, AT, K4);
            assert!(matches!(status, Status::Ok | Status::Busy | Status::Hardware), "{status:?}");
            let (status, _) = world.map(domain, AT + K4, RAM + K4, K4);
            assert_eq!(status, Status::Ok);
            let (status, _) = world.unmap(domain, AT + K4, K4);
            assert!(matches!(status, Status::Ok | Status::Hardware), "{status:?}");
        };
        let set = || {
            let status = world.set(EDU, DeviceState::Blocked);
            assert!(matches!(status, Status::Ok | Status::Hardware), "{status:?}");
        };
        let poll = || {
            for _ in 0..4 {
                let status = world.status(Request::FaultPoll);
                assert!(matches!(status, Status::Ok | Status::Empty | Status::Hardware | Status::Busy));
            }
        };
        world.together(&[&unmap, &set, &poll]);
        crate::sync::at_once(|| {
            world.smmu.can_be_rebuilt(0);
            while world.smmu.report().state != ffa_abi::SmmuState::Works {
                world.status(Request::FaultPoll);
            }
            // What an unmap has left because of the failure goes with another.
            for page in [0, K4] {
                assert_eq!(world.unmap(domain, AT + page, K4), (Status::Ok, K4));
            }
        });
        world.end(&[domain]);
    });
}

#[test]
fn interleavings_of_a_failure() {
    in_many_orders(what_a_failed_smmu_may_know_is_not_let_go);
}

/// Two cores are interrupted, and the host polls: no report is lost.
pub(super) fn no_fault_is_lost() {
    in_world(|world| {
        crate::sync::at_once(|| world.service.watch(SmmuIndex(0)).unwrap());
        let fault = || {
            assert_eq!(world.dma(EDU, AT), None);
            world.service.interrupted(WIRES.event).unwrap();
        };
        let polled = AtomicU32::new(0);
        let poll = || {
            if world.status(Request::FaultPoll) == Status::Ok {
                polled.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
            }
        };
        shuttle::thread::scope(|scope| {
            scope.spawn(fault);
            scope.spawn(fault);
            scope.spawn(poll);
        });
        // Without the interrupts that were served there would be nothing to take but by a look of the poll itself.
        assert_eq!(world.smmu.waiting(), 0, "an interrupt that came was not served");
        let left = crate::sync::at_once(|| {
            (0..).take_while(|_| world.status(Request::FaultPoll) == Status::Ok).count()
        });
        assert_eq!(polled.load(core::sync::atomic::Ordering::Relaxed) as usize + left, 2);
    });
}

#[test]
fn interleavings_of_interrupts_and_polls() {
    in_many_orders(no_fault_is_lost);
}
