// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file of vectors.

use std::collections::BTreeMap;

use ffa_abi::Registers;

use super::{answers, requests};

/// Returns the vectors by name.
pub(super) fn vectors() -> BTreeMap<&'static str, Registers> {
    let mut all = BTreeMap::new();
    let lines = include_str!("../../vectors.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let registers: Vec<u64> = words.map(|word| u64::from_str_radix(word, 16).unwrap()).collect();
        assert!(all.insert(name, registers.try_into().unwrap()).is_none(), "{name} stands there twice");
    }
    all
}

#[test]
fn every_vector_is_looked_at() {
    let mut known: Vec<&str> = requests::all().iter().map(|(name, _)| *name).collect();
    known.extend(requests::all_of_the_hypervisor().iter().map(|(name, _)| *name));
    known.extend(answers::NAMES);
    known.sort_unstable();
    assert_eq!(known, vectors().into_keys().collect::<Vec<_>>());
}
