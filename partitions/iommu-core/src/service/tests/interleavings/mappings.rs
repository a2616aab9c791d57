// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cores that map and unmap in one domain.

use super::world::in_world;
use super::*;
use crate::interleavings::in_many_orders;

/// Two cores unmap the same, and a third maps something else there: to whichever it is said that a page is gone, it is.
pub(super) fn what_is_unmapped_is_forgotten() {
    in_world(|world| {
        let domain = world.attached();
        crate::sync::at_once(|| assert_eq!(world.map(domain, AT, RAM, 2 * K4), (Status::Ok, 2 * K4)));
        world.reach();
        let unmap = || {
            let (status, bytes) = world.unmap(domain, AT, 2 * K4);
            assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
            for page in (0..bytes).step_by(4096) {
                let found = world.dma(EDU, AT + page);
                assert_ne!(found, Some(RAM + page), "it was said to be gone");
            }
        };
        let map = || {
            let (status, _) = world.map(domain, AT, RAM + 8 * K4, 2 * K4);
            assert!(matches!(status, Status::Ok | Status::Busy | Status::AlreadyMapped), "{status:?}");
        };
        world.together(&[&unmap, &unmap, &map]);
        world.end(&[domain]);
    });
}

#[test]
fn interleavings_of_unmaps() {
    in_many_orders(what_is_unmapped_is_forgotten);
}

/// A core removes a whole table while others map by it, and look up.
pub(super) fn no_table_goes_that_somebody_uses() {
    in_world(|world| {
        let domain = world.attached();
        crate::sync::at_once(|| assert_eq!(world.map(domain, AT, RAM, 2 * K4), (Status::Ok, 2 * K4)));
        world.reach();
        let unmap = || {
            let (status, bytes) = world.unmap(domain, AT, M2);
            assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
            if bytes == M2 {
                assert_ne!(world.dma(EDU, AT), Some(RAM));
            }
        };
        let map = || {
            let (status, bytes) = world.map(domain, AT + 5 * K4, RAM + 5 * K4, K4);
            assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
            let found = world.ask(Request::IovaToPa { domain, iova: Iova(AT + 5 * K4) });
            if found.status == Status::Ok {
                assert_eq!((bytes, found.values[0]), (K4, RAM + 5 * K4));
            }
        };
        world.together(&[&unmap, &map]);
        world.end(&[domain]);
    });
}

#[test]
fn interleavings_of_a_table_s_end() {
    in_many_orders(no_table_goes_that_somebody_uses);
}

/// Two cores need the same table, which is not there yet.
pub(super) fn a_table_is_made_once() {
    in_world(|world| {
        let domain = world.attached();
        let map = |page: u64| {
            move || assert_eq!(world.map(domain, AT + page * K4, RAM + page * K4, K4), (Status::Ok, K4))
        };
        world.together(&[&map(0), &map(1)]);
        for page in [0, K4] {
            assert_eq!(world.dma(EDU, AT + page), Some(RAM + page));
        }
        world.end(&[domain]);
    });
}

#[test]
fn interleavings_of_a_new_table() {
    in_many_orders(a_table_is_made_once);
}
