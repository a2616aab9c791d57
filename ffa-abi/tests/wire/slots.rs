// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots of rings: the file of vectors, and what is in each of them.

use std::collections::BTreeMap;

use ffa_abi::ring::{ANSWERED, DONE_WORD, Descriptor, List, ListEntry, MAX_ENTRIES, SLOT_WORDS, STATUS_WORD};
use ffa_abi::{DomainHandle, Iova, Protection, Status};

type Slot = [u64; SLOT_WORDS];

/// Returns the vectors by name.
pub(super) fn slots() -> BTreeMap<&'static str, Slot> {
    let mut all = BTreeMap::new();
    let lines = include_str!("../../slots.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let slot: Vec<u64> = words.map(|word| u64::from_str_radix(word, 16).unwrap()).collect();
        assert!(all.insert(name, slot.try_into().unwrap()).is_none(), "{name} stands there twice");
    }
    all
}

fn descriptors() -> [(&'static str, Descriptor); 5] {
    let domain = DomainHandle::new(7, 3).unwrap();
    let iova = Iova(0x12_3456_7000);
    let both = Protection::READ | Protection::WRITE;
    let map = |protection, list| Descriptor::MapList { domain, iova, protection, list };
    [
        ("MAP_LIST", map(both, List { entries: MAX_ENTRIES, done: 0 })),
        ("MAP_LIST.again", map(Protection::READ, List { entries: 17, done: 0x1_0000_2000 })),
        ("UNMAP_LIST", Descriptor::UnmapList { domain, list: List { entries: 1, done: 0 } }),
        (
            "UNMAP_LIST.again",
            Descriptor::UnmapList { domain, list: List { entries: 512, done: 0x89ab_c000 } },
        ),
        ("SYNC", Descriptor::Sync),
    ]
}

#[test]
fn descriptors_are_as_they_stand_there() {
    let slots = slots();
    for (name, descriptor) in descriptors() {
        assert_eq!(descriptor.encode(), slots[name], "{name}");
        assert_eq!(Descriptor::decode(&slots[name]), Ok(descriptor), "{name}");
    }
}

#[test]
fn entries_are_as_they_stand_there() {
    let entries = [1, 4096, 2].map(|pages| ListEntry::new(0x100_89ab_c000, pages).unwrap().0);
    assert_eq!(slots()["entries"][..3], entries);
    assert_eq!([1, 8, 9, 512].map(|entries| List { entries, done: 0 }.slots()), [1, 1, 2, 64]);
}

#[test]
fn answers_are_as_they_stand_there() {
    let slots = slots();
    let answers = [
        ("answer.ok", Some(Status::Ok), 0x2000, 0x1000),
        ("answer.again", Some(Status::Again), 0x10_0000, 0),
        ("answer.none", None, 0, 0),
    ];
    for (name, status, done, unmapped) in answers {
        let slot = slots[name];
        let word = status.map_or(0, |status| ANSWERED | u64::from(u32::from(status)));
        assert_eq!(
            (slot[STATUS_WORD], slot[DONE_WORD], slot[STATUS_WORD + 1]),
            (word, done, unmapped),
            "{name}"
        );
    }
    assert_eq!(slots.len(), descriptors().len() + answers.len() + 1, "each vector is looked at");
}
