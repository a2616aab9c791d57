// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that change their domain while domains end and their slots are used again.

use super::world::in_world;
use super::*;
use crate::interleavings::in_many_orders;

/// One core blocks the device, one frees its domain, one makes a new domain, which may be the same slot, for another.
pub(super) fn no_domain_ends_that_a_device_uses() {
    in_world(|world| {
        let first = world.attached();
        crate::sync::at_once(|| assert_eq!(world.map(first, AT, RAM, K4), (Status::Ok, K4)));
        world.reach();
        let block = || assert_eq!(world.insist(|| world.set(EDU, DeviceState::Blocked)), Status::Ok);
        let free = || {
            let status = world.insist(|| world.status(Request::DomainFree(first)));
            assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
        };
        let other = || {
            let Ok(second) = world.alloc() else { return };
            assert_eq!(world.map(second, AT + K4, RAM + K4, K4), (Status::Ok, K4));
            assert_eq!(world.set(OTHER, DeviceState::Paging(second)), Status::Ok);
            assert_eq!(world.dma(OTHER, AT), None, "what the domain before has mapped");
            assert_eq!(world.dma(OTHER, AT + K4), Some(RAM + K4));
            assert_eq!(world.set(OTHER, DeviceState::Blocked), Status::Ok);
            assert_eq!(world.insist(|| world.status(Request::DomainFree(second))), Status::Ok);
        };
        world.together(&[&block, &free, &other]);
        world.end(&[first]);
    });
}

#[test]
fn interleavings_of_attach_and_free() {
    in_many_orders(no_domain_ends_that_a_device_uses);
}

/// Two cores set one device to different domains, of which a third frees one.
pub(super) fn a_device_is_in_one_domain() {
    in_world(|world| {
        let (first, second) = crate::sync::at_once(|| (world.alloc().unwrap(), world.alloc().unwrap()));
        let attach = |domain| {
            move || {
                let status = world.insist(|| world.set(EDU, DeviceState::Paging(domain)));
                assert!(matches!(status, Status::Ok | Status::InvalidHandle), "{status:?}");
            }
        };
        let free = || {
            let status = world.insist(|| world.status(Request::DomainFree(second)));
            assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
        };
        world.together(&[&attach(first), &attach(second), &free]);
        world.end(&[first, second]);
    });
}

#[test]
fn interleavings_of_two_attaches() {
    in_many_orders(a_device_is_in_one_domain);
}
