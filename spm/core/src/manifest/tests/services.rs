// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The services of a partition, in both versions of the binding.

use uuid::uuid;

use super::partitions::{parse, refused};
use super::{Tree, cells, partition_tree, text};
use crate::manifest::messaging::MessagingMethod;
use crate::manifest::{MAX_SERVICES, Reason};

const UUID: &str = "b4b5671e-4a90-4fe1-b81f-fb13dae1dacb";
const METHOD: &str = "messaging-method";

/// A manifest of binding 1.1 with these services.
fn newer(services: Vec<Tree>) -> Tree {
    let list = Tree::node("services").with("compatible", text("arm,ffa-manifest-services"));
    partition_tree()
        .set("", "compatible", text("arm,ffa-manifest-1.1"))
        .without("uuid")
        .without(METHOD)
        .child(services.into_iter().fold(list, Tree::child))
}

fn service(name: &str, uuid: &str, method: u32) -> Tree {
    Tree::node(name).with("uuid", text(uuid)).with(METHOD, cells(&[method]))
}

#[test]
fn binding_1_1_has_a_node_for_each_service() {
    let other = "B4B5671E-4A90-4FE1-B81F-FB13DAE1DACC";
    let manifest = parse(&newer(vec![service("a", UUID, 1), service("b", other, 0x602)])).unwrap();
    let [a, b] = manifest.services.as_slice() else { panic!("{manifest:?}") };
    assert_eq!((a.uuid, a.messaging), (uuid!(UUID), MessagingMethod::RECEIVES_DIRECT));
    assert_eq!(b.uuid, uuid!("b4b5671e-4a90-4fe1-b81f-fb13dae1dacc"));
    assert!(b.messaging.allows(MessagingMethod::SENDS_DIRECT.with(MessagingMethod::RECEIVES_DIRECT2)));
    // The same text and the same cells are the same UUID.
    assert_eq!(parse(&partition_tree()).unwrap().services[0].uuid, a.uuid);
}

#[test]
fn what_is_wrong_with_a_service_is_said_at_its_node() {
    refused(&newer(vec![]), "services", "", Reason::Missing);
    refused(&newer(vec![]).without("services"), "services", "", Reason::Missing);
    let one = || newer(vec![service("a", UUID, 1)]);
    let other = one().set("services", "compatible", text("arm,ffa-manifest"));
    refused(&other, "services", "", Reason::WrongCompatible("arm,ffa-manifest-services"));
    refused(&one().set("services", "x", vec![]), "services", "x", Reason::Unknown);
    refused(&one().set("services/a", "x", vec![]), "a", "x", Reason::Unknown);
    refused(&one().set("", "uuid", text(UUID)), "/", "uuid", Reason::Duplicate);
    refused(&one().set("services/a", METHOD, cells(&[1, 1])), "a", METHOD, Reason::WrongLength);
    for missing in ["uuid", METHOD] {
        refused(&one().edit("services/a", |node| node.without(missing)), "a", missing, Reason::Missing);
    }
    let twice = newer(vec![service("a", UUID, 1), service("b", UUID, 2)]);
    refused(&twice, "b", "uuid", Reason::Duplicate);
    let named = |number: usize| service(&format!("s{number}"), &format!("{number:08}{}", &UUID[8..]), 1);
    let many = newer((0..=MAX_SERVICES).map(named).collect());
    refused(&many, &format!("s{MAX_SERVICES}"), "uuid", Reason::TooMany(MAX_SERVICES));
}

#[test]
fn a_uuid_is_written_in_one_way() {
    let with = |uuid: &str| newer(vec![service("a", uuid, 1)]);
    for wrong in [
        "",
        "b4b5671e4a904fe1b81ffb13dae1dacb",
        "b4b5671e-4a90-4fe1-b81f-fb13dae1dac",
        "b4b5671e-4a90-4fe1-b81f-fb13dae1dacb0",
        "b4b5671e-4a90-4fe1-b81f-fb13dae1dacb-",
        "b4b5671-e4a90-4fe1-b81f-fb13dae1dacb",
        "{b4b5671e-4a90-4fe1-b81f-fb13dae1dacb}",
        "g4b5671e-4a90-4fe1-b81f-fb13dae1dacb",
        "b4b5671e-4a90-4fe1-b81f-fb13dae1+acb",
    ] {
        refused(&with(wrong), "a", "uuid", Reason::NotUuid);
    }
    refused(&with("00000000-0000-0000-0000-000000000000"), "a", "uuid", Reason::OutOfRange(0));
    refused(
        &newer(vec![service("a", UUID, 1)]).set("services/a", "uuid", vec![1; 16]),
        "a",
        "uuid",
        Reason::NotText,
    );
}

#[test]
fn binding_1_0_has_two_lists() {
    let lists = |uuids: &[u32], methods: &[u32]| {
        partition_tree().set("", "uuid", cells(uuids)).set("", METHOD, cells(methods))
    };
    let methods = |tree: &Tree| {
        let manifest = parse(tree).unwrap();
        manifest.services.iter().map(|service| service.messaging.bits()).collect::<Vec<_>>()
    };
    let two = [1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(methods(&lists(&two, &[3])), [3, 3]);
    assert_eq!(methods(&lists(&two, &[1, 2])), [1, 2]);
    for wrong in [&[][..], &[1, 2, 3]] {
        refused(&lists(&two, wrong), "/", METHOD, Reason::WrongLength);
    }
    refused(&lists(&two[..4], &[1, 2]), "/", METHOD, Reason::WrongLength);
    refused(&lists(&[1, 2, 3, 4, 1, 2, 3, 4], &[1]), "/", "uuid", Reason::Duplicate);
    refused(&lists(&[0; 4], &[1]), "/", "uuid", Reason::OutOfRange(0));
    let many: Vec<u32> = (0..4 * (u32::try_from(MAX_SERVICES).unwrap() + 1)).collect();
    refused(&lists(&many, &[1]), "/", "uuid", Reason::TooMany(MAX_SERVICES));
    let node = partition_tree().child(Tree::node("services"));
    let why = "services as nodes before binding 1.1";
    refused(&node, "services", "", Reason::NotSupported(why));
}

#[test]
fn messages_that_a_version_does_not_have_are_refused() {
    let why = Reason::NotSupported("FFA_MSG_SEND_DIRECT_REQ2 before FF-A 1.2");
    for method in [0x200, 0x401] {
        let with = |version: u32| {
            partition_tree().set("", METHOD, cells(&[method])).set("", "ffa-version", cells(&[version]))
        };
        assert!(parse(&with(0x1_0002)).is_ok());
        refused(&with(0x1_0001), "/", METHOD, why);
    }
    for (method, bits) in [(0x807, 0x807), (8, 8)] {
        refused(&partition_tree().set("", METHOD, cells(&[method])), "/", METHOD, Reason::OutOfRange(bits));
    }
}
