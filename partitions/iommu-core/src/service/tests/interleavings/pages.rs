// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages that move while the kernel maps them. After each step of each core it is looked at what devices reach: a page that
//! was taken is in nobody's table when the call has returned.

use super::world::{in_world, with_identity};
use super::*;
use crate::interleavings::in_many_orders;

/// Takes a page, and gives it back if it was given.
fn take(world: &World<'_>, page: u64) {
    match world.own(page) {
        Status::Ok => {
            for sid in [EDU, OTHER] {
                for iova in [AT, RAM] {
                    assert_ne!(world.dma(sid, iova), Some(page), "it is another's");
                }
            }
            assert_eq!(world.insist(|| world.disown(page)), Status::Ok);
        }
        // It is mapped, or the other core has taken it.
        status => assert!(matches!(status, Status::Busy | Status::Denied), "{status:?}"),
    }
}

/// A page is mapped and unmapped while it is taken and given back.
pub(super) fn a_page_that_is_taken_is_out_of_reach() {
    in_world(|world| {
        let domain = world.attached();
        let map = || {
            let (status, bytes) = world.map(domain, AT, RAM, K4);
            assert!(matches!(status, Status::Ok | Status::Busy | Status::Denied), "{status:?}");
            if bytes != 0 {
                world.reach();
                assert_eq!(world.unmap(domain, AT, K4), (Status::Ok, K4));
                assert_eq!(world.dma(EDU, AT), None);
            }
        };
        world.together(&[&map, &|| take(world, RAM), &|| take(world, RAM)]);
        world.end(&[domain]);
    });
}

#[test]
fn interleavings_of_own_and_map() {
    in_many_orders(a_page_that_is_taken_is_out_of_reach);
}

/// A block is mapped as one while a page of it is taken.
pub(super) fn a_block_with_a_page_that_is_taken_is_not_mapped_as_one() {
    in_world(|world| {
        let domain = world.attached();
        let map = || {
            let (status, _) = world.map(domain, AT, RAM, M2);
            assert!(matches!(status, Status::Ok | Status::Busy | Status::Denied), "{status:?}");
            world.reach();
        };
        world.together(&[&map, &|| take(world, RAM)]);
        world.end(&[domain]);
    });
}

#[test]
fn interleavings_of_own_and_blocks() {
    in_many_orders(a_block_with_a_page_that_is_taken_is_not_mapped_as_one);
}

/// A page is taken while a device is set to all of the kernel's memory.
pub(super) fn identity_follows() {
    with_identity(|world| {
        let enter = |sid| {
            move || {
                let status = world.insist(|| world.set(sid, DeviceState::Identity));
                assert_eq!(status, Status::Ok);
                world.reach();
            }
        };
        world.together(&[&enter(EDU), &enter(OTHER), &|| take(world, RAM)]);
        for sid in [EDU, OTHER] {
            assert_eq!(world.dma(sid, RAM), Some(RAM));
        }
        world.end(&[]);
    });
}

#[test]
fn interleavings_of_own_and_identity() {
    in_many_orders(identity_follows);
}
