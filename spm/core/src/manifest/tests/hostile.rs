// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blobs made to break the parser: whatever the bytes, there is an answer, and what is accepted holds together.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node as _, Property as _};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Tree, cells, partition_tree, spmc_tree, text};
use crate::manifest::token::Structure;
use crate::manifest::{BlobFault, MAX_DTB_BYTES, ManifestError, PartitionManifest, Reason, SpmcManifest};

/// Depth, name and properties of a node.
type Listed = (usize, String, Vec<(String, Vec<u8>)>);

fn list_by_dtoolkit(node: &FdtNode<'_>, depth: usize, list: &mut Vec<Listed>) {
    let properties =
        node.properties().map(|property| (property.name().to_owned(), property.value().to_owned()));
    list.push((depth, node.name().to_owned(), properties.collect()));
    node.children().fuse().for_each(|child| list_by_dtoolkit(&child, depth + 1, list));
}

fn list_by_tokens(tree: Structure<'_>, name: &str, at: usize, depth: usize, list: &mut Vec<Listed>) {
    let (mut properties, mut next) = (vec![], at);
    while let Some((name, value, behind)) = tree.property(next) {
        properties.push((name.text().expect("text").to_owned(), value.to_owned()));
        next = behind;
    }
    list.push((depth, name.to_owned(), properties));
    let (mut below, mut next) = (0, at);
    while let Some((child, inside)) = tree.next_child(&mut below, next) {
        list_by_tokens(tree, child, inside, depth + 1, list);
        next = inside;
    }
}

/// Checks that what passed the parser is walked here as the parser walks it. Returns whether it passed.
fn walks_agree(bytes: &[u8]) -> bool {
    let Ok(tree) = Fdt::new(bytes) else { return false };
    let (mut expected, mut seen) = (vec![], vec![]);
    list_by_dtoolkit(&tree.root(), 0, &mut expected);
    let tokens = Structure::of(bytes).unwrap();
    list_by_tokens(tokens, "", tokens.root().unwrap(), 0, &mut seen);
    assert_eq!(seen, expected);
    true
}

/// Parses as both kinds, and checks what the types do not enforce by themselves.
fn parse_both(bytes: &[u8]) {
    walks_agree(bytes);
    if let Ok(manifest) = SpmcManifest::parse(bytes) {
        for (number, one) in manifest.memory.iter().enumerate() {
            assert!(manifest.memory.iter().skip(number + 1).all(|other| !one.range.overlaps(other.range)));
        }
        assert!(manifest.spmc_id >= 0x8000);
    }
    if let Ok(manifest) = PartitionManifest::parse(bytes) {
        assert!(!manifest.services.is_empty() && manifest.entry_offset.unwrap_or(0) % 4 == 0);
        for region in manifest.memory_regions.iter().chain(&manifest.device_regions) {
            assert!(region.range(0).is_ok(), "{region:?}");
        }
        for (number, service) in manifest.services.iter().enumerate() {
            assert!(!service.uuid.is_nil());
            assert!(manifest.services.iter().skip(number + 1).all(|other| other.uuid != service.uuid));
        }
        for (number, one) in manifest.interrupts.iter().enumerate() {
            assert!(matches!(one.intid, 16..19 | 32..1020), "{one:?}");
            assert!(one.target.is_none() || one.intid >= 32, "{one:?}");
            assert!(manifest.interrupts.iter().skip(number + 1).all(|other| other.intid != one.intid));
        }
    }
}

/// A partition manifest of binding 1.1 with interrupts, targets and streams.
fn full_tree() -> Tree {
    let service = |name: &str, last: char| {
        let uuid = format!("b4b5671e-4a90-4fe1-b81f-fb13dae1dac{last}");
        Tree::node(name).with("uuid", text(&uuid)).with("messaging-method", cells(&[0x607]))
    };
    let services = Tree::node("services").with("compatible", text("arm,ffa-manifest-services"));
    partition_tree()
        .set("", "compatible", text("arm,ffa-manifest-1.1"))
        .without("uuid")
        .without("messaging-method")
        .set("", "other-s-interrupts-action", cells(&[0]))
        .set("", "lifecycle-support", vec![])
        .set("", "abort-action", cells(&[0]))
        .child(services.child(service("a", 'a')).child(service("b", 'b')))
        .set("memory-regions/pool", "stream-ids", cells(&[0, 1]))
        .set("device-regions/smmu", "interrupts", cells(&[56, 0x900, 16, 0x780]))
        .set("device-regions/smmu", "interrupts-target", cells(&[56, 0, 0x100]))
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Byte(Index, u8),
    Word(Index, u32),
    Cut(Index),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    // Words that mean something: tokens, small lengths, extremes.
    let word = prop_oneof![0u32..16, Just(u32::MAX), Just(0x8000_0000), Just(0x7fff_ffff), any::<u32>()];
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        5 => (any::<Index>(), word).prop_map(|(at, word)| Change::Word(at, word)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn apply(blob: &mut Vec<u8>, change: &Change) {
    if blob.len() < 8 {
        return;
    }
    let words = blob.len() / 4;
    match change {
        Change::Byte(at, byte) => {
            let at = at.index(blob.len());
            blob[at] = *byte;
        }
        Change::Word(at, word) => {
            let at = at.index(words) * 4;
            blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        Change::Cut(at) => {
            let length = 8 + at.index(blob.len() - 7);
            blob.truncate(length.min(blob.len()));
            let total = u32::try_from(blob.len()).unwrap();
            blob[4..8].copy_from_slice(&total.to_be_bytes());
        }
        Change::Swap(one, other) => {
            let (one, other) = (one.index(words) * 4, other.index(words) * 4);
            for byte in 0..4 {
                blob.swap(one + byte, other + byte);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 4000 }))]

    #[test]
    fn changed_blobs_are_answered(tree in 0..3, changes in vec(change(), 1..6)) {
        let mut blob = match tree {
            0 => spmc_tree(),
            1 => partition_tree(),
            _ => full_tree(),
        }
        .blob();
        for change in &changes {
            apply(&mut blob, change);
        }
        parse_both(&blob);
    }

    #[test]
    fn any_bytes_behind_a_sound_header_are_answered(structure in vec(prop_oneof![0u32..10, any::<u32>()], 0..64)) {
        let mut blob = Tree::node("").blob();
        let added: Vec<u8> = structure.iter().flat_map(|word| word.to_be_bytes()).collect();
        // Header and reservations stay; offsets and sizes are made to match.
        blob.truncate(56);
        blob.extend(&added);
        let sizes = [(4, blob.len()), (12, blob.len()), (32, 0), (36, added.len())];
        for (at, value) in sizes {
            blob[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_be_bytes());
        }
        parse_both(&blob);
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..128)) {
        parse_both(&bytes);
    }
}

#[test]
fn sound_blobs_are_walked_alike() {
    assert!(PartitionManifest::parse(&full_tree().blob()).is_ok());
    for tree in [spmc_tree(), partition_tree(), full_tree()] {
        assert!(walks_agree(&tree.blob()));
    }
    // Words without meaning between the tokens: one where the root's properties begin, one behind the last node.
    let mut blob = spmc_tree().blob();
    let behind = usize::try_from(u32::from_be_bytes(blob[12..16].try_into().unwrap())).unwrap() - 8;
    for at in [behind, 64] {
        blob.splice(at..at, [0, 0, 0, 4]);
    }
    for (at, more) in [(4, 8), (12, 8), (36, 8)] {
        let value = u32::from_be_bytes(blob[at..at + 4].try_into().unwrap()) + more;
        blob[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    assert!(walks_agree(&blob));
    assert_eq!(SpmcManifest::parse(&blob), SpmcManifest::parse(&spmc_tree().blob()));
}

#[test]
fn every_truncation_is_refused() {
    for tree in [spmc_tree(), partition_tree(), full_tree()] {
        let blob = tree.blob();
        for length in 0..blob.len() {
            assert!(SpmcManifest::parse(&blob[..length]).is_err());
            let mut shortened = blob[..length].to_vec();
            if length >= 8 {
                shortened[4..8].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
            }
            assert!(
                SpmcManifest::parse(&shortened).is_err() && PartitionManifest::parse(&shortened).is_err()
            );
        }
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let blob = |bytes: usize| partition_tree().with("vendor,fill", vec![0; bytes]).blob();
    let fitting = (MAX_DTB_BYTES - blob(0).len()) / 4 * 4;
    assert!(PartitionManifest::parse(&blob(fitting)).is_ok());
    let large = blob(fitting + 4);
    let size = u32::try_from(large.len()).unwrap();
    assert_eq!(PartitionManifest::parse(&large), Err(ManifestError::Blob(BlobFault::TooLarge(size))));
    // As deep as the size allows; the parser does not recurse.
    let deep = (0..1000).fold(Tree::node("n"), |inner, _| Tree::node("n").child(inner));
    let tree = partition_tree().child(Tree::node("vendor,deep").child(deep));
    assert!(PartitionManifest::parse(&tree.blob()).is_ok());
    let many = (0..65).fold(partition_tree(), |tree, number| tree.with(&format!("vendor,{number}"), vec![]));
    let refused = PartitionManifest::parse(&many.blob());
    assert_eq!(refused, Err(ManifestError::node("/", Reason::TooMany(64))));
}
