// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that is shared with the service: opened, rung and closed by several cores, while its page may be taken.

use super::world::in_world;
use super::*;
use crate::interleavings::in_many_orders;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::ring::{Descriptor, Doorbell, List, ListEntry, SLOT_WORDS};

/// The page of the ring.
const RING: u64 = RAM + M2;

/// One core rings, one closes the ring, one takes its page: the ring is not closed while it is read, and its page not taken while it
/// is open. The fakes fail where somebody reaches what is not mapped.
pub(super) fn a_ring_is_there_while_it_is_read() {
    in_world(|world| {
        let domain = world.attached();
        world.shared.share(1, &[RING]);
        let area = crate::sync::at_once(|| world.open(1).unwrap());
        let list = List { entries: 2, done: 0 };
        let descriptor = Descriptor::MapList { domain, iova: Iova(AT), protection: BOTH, list };
        let entries = [0, 5].map(|page| ListEntry::new(RAM + page * K4, 1).unwrap().0);
        let words = world.shared.words(area.place());
        let ring = descriptor.encode().into_iter().chain(entries);
        words.iter().zip(ring).for_each(|(word, value)| word.store(value, Relaxed));
        assert!(SLOT_WORDS >= entries.len());
        let ring = || {
            let bell = Doorbell { area, first: 0, slots: 2 };
            let status = world.status(Request::Doorbell(bell));
            assert!(matches!(status, Status::Ok | Status::Busy | Status::InvalidHandle), "{status:?}");
            world.reach();
        };
        let close = || {
            let status = world.insist(|| world.status(Request::AreaClose(area)));
            assert_eq!(status, Status::Ok);
            assert!(world.shared.reclaim(1), "it was given back");
        };
        let take = || match world.own(RING) {
            Status::Ok => {
                assert!(!world.shared.is_mapped(RING));
                assert_eq!(world.insist(|| world.disown(RING)), Status::Ok);
            }
            status => assert_eq!(status, Status::Busy),
        };
        world.together(&[&ring, &close, &take]);
        world.end(&[domain]);
    });
}

#[test]
fn interleavings_of_a_ring_and_its_end() {
    in_many_orders(a_ring_is_there_while_it_is_read);
}

/// Two cores open the same memory, and close what they got.
pub(super) fn memory_is_opened_once() {
    in_world(|world| {
        world.shared.share(1, &[RING]);
        let open = || match world.open(1) {
            Ok(area) => {
                let status = world.insist(|| world.status(Request::AreaClose(area)));
                assert_eq!(status, Status::Ok);
            }
            Err(status) => assert!(matches!(status, Status::Denied | Status::Busy), "{status:?}"),
        };
        world.together(&[&open, &open]);
        assert!(world.shared.reclaim(1));
        world.end(&[]);
    });
}

#[test]
fn interleavings_of_two_opens() {
    in_many_orders(memory_is_opened_once);
}
