// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifests of the kinds that partitions for Hafnium come with: each is accepted as it is, or refused for one known reason.

use super::partitions::{parse, refused};
use super::{Tree, cells, region, spmc_tree, text, wide};
use crate::manifest::actions::NsInterruptsAction;
use crate::manifest::partition::ExceptionLevel;
use crate::manifest::{ManifestError, PartitionManifest, Reason, SpmcManifest};

/// What spm may still lack; see `docs/manifests.md`.
const NOT_YET: [&str; 4] =
    ["ns-interrupts-action", "notification-support", "power-management-messages", "vm-availability-messages"];

/// Takes away what spm still lacks, and checks that it is nothing else.
#[track_caller]
fn accepted(mut tree: Tree) -> PartitionManifest {
    for _ in 0..=NOT_YET.len() {
        match parse(&tree) {
            Ok(manifest) => return manifest,
            Err(ManifestError::Property { property, reason: Reason::NotSupported(_), .. })
                if NOT_YET.contains(&property.as_str()) =>
            {
                tree = tree.without(property.as_str());
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("refused again and again");
}

/// What all of them say.
fn common(contexts: u32) -> Tree {
    Tree::node("")
        .with("compatible", text("arm,ffa-manifest-1.0"))
        .with("ffa-version", cells(&[0x1_0002]))
        .with("uuid", cells(&[0x0102_0304, 0x0506_0708, 0x090a_0b0c, 0x0d0e_0f10]))
        .with("execution-ctx-count", cells(&[contexts]))
        .with("exception-level", cells(&[2]))
        .with("execution-state", cells(&[0]))
        .with("load-address", cells(&[0x0700_0000]))
        .with("entrypoint-offset", cells(&[0x2000]))
        .with("messaging-method", cells(&[3]))
}

/// `rx_tx-info` and `memory-regions` with the two buffers that it names.
fn with_buffers(tree: Tree) -> Tree {
    let buffer = |name: &str, base, attributes, handle| {
        region(name, base, 1, attributes).with("phandle", cells(&[handle]))
    };
    tree.child(
        Tree::node("rx_tx-info")
            .with("compatible", text("arm,ffa-manifest-rx_tx-buffer"))
            .with("rx-buffer", cells(&[1]))
            .with("tx-buffer", cells(&[2])),
    )
    .child(
        Tree::node("memory-regions")
            .with("compatible", text("arm,ffa-manifest-memory-regions"))
            .child(buffer("rx-buffer", 0x0770_0000, 1, 1))
            .child(buffer("tx-buffer", 0x0770_1000, 3, 2)),
    )
}

#[test]
fn a_test_partition_on_all_cores_with_devices_and_dma() {
    let streams = |tree: Tree| tree.with("smmu-id", cells(&[0])).with("stream-ids", cells(&[0, 1]));
    let tree = with_buffers(common(8))
        .with("id", cells(&[1]))
        .with("auxiliary-id", cells(&[0xae]))
        .with("stream-endpoint-ids", cells(&[0, 1, 2, 3]))
        .with("xlat-granule", cells(&[0]))
        .with("boot-order", cells(&[0]))
        .with("ns-interrupts-action", cells(&[1]))
        .with("notification-support", vec![])
        .with("power-management-messages", cells(&[1]))
        .with("gp-register-num", cells(&[0]))
        .child(
            Tree::node("boot-info")
                .with("compatible", text("arm,ffa-manifest-boot-info"))
                .with("ffa_manifest", vec![]),
        )
        .edit("memory-regions", |list| {
            let permissions = cells(&[0xb, 0xb]);
            let scratch = streams(region("dma-target", 0x9000_0000, 8, 0xb));
            list.child(scratch.with("stream-ids-access-permissions", permissions))
        })
        .child(
            Tree::node("device-regions")
                .with("compatible", text("arm,ffa-manifest-device-regions"))
                .child(streams(region("dma-engine", 0x2b50_0000, 32, 3)))
                .child(region("watchdog", 0x2a49_0000, 32, 3).with("interrupts", cells(&[56, 0x900]))),
        );
    let manifest = accepted(tree.clone());
    assert_eq!((manifest.id, manifest.boot_register, manifest.wants_manifest), (None, Some(0), true));
    assert_eq!(manifest.memory_regions.len(), 3);
    assert_eq!(manifest.devices().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["watchdog"]);
    assert_eq!(manifest.interrupts.iter().map(|interrupt| interrupt.intid).collect::<Vec<_>>(), [56]);
    // Three things keep it out: a later FF-A, an interrupt that only GICv3.1 has, a HOB list.
    let tree = NOT_YET.into_iter().fold(tree, Tree::without);
    let later = tree.clone().set("", "ffa-version", cells(&[0x1_0003]));
    refused(&later, "/", "ffa-version", Reason::NotSupported("FF-A later than 1.2"));
    let extended = tree.clone().set("device-regions/watchdog", "interrupts", cells(&[5000, 0x900]));
    refused(&extended, "watchdog", "interrupts", Reason::NotSupported("extended SPIs"));
    let hob = tree.set("boot-info", "hob_list", vec![]);
    refused(&hob, "boot-info", "hob_list", Reason::NotSupported("packages hold no HOB list"));
}

#[test]
fn a_test_partition_that_moves_between_cores() {
    let tree = common(1)
        .with("image-size", cells(&[0x30_0000]))
        .with("managed-exit", vec![])
        .with("managed-exit-virq", vec![])
        .with("run-time-model", cells(&[1]))
        .with("gp-register-num", cells(&[0]));
    let manifest = parse(&tree).or_else(|_| parse(&tree.without("managed-exit"))).unwrap();
    assert_eq!((manifest.boot_register, manifest.wants_manifest), (Some(0), false));
    assert!(!manifest.interrupt_actions.managed_exit_by_fiq);
}

#[test]
fn a_trusted_os() {
    let tree = common(8)
        .with("description", text("tos"))
        .with("id", cells(&[1]))
        .set("", "ffa-version", cells(&[0x1_0000]))
        .with("xlat-granule", cells(&[0]))
        .with("boot-order", cells(&[0]))
        .child(
            Tree::node("device-regions")
                .with("compatible", text("arm,ffa-manifest-device-regions"))
                .child(region("uart", 0x2a41_0000, 1, 3)),
        );
    let manifest = parse(&tree).unwrap();
    assert_eq!(manifest.device_regions.len(), 1);
    assert_eq!((manifest.boot_register, manifest.interrupts.len()), (None, 0));
}

#[test]
fn a_service_in_the_newer_binding() {
    let service = Tree::node("service0")
        .with("uuid", text("01020304-0506-0708-090a-0b0c0d0e0f10"))
        .with("messaging-method", cells(&[0x607]));
    let tree = common(1)
        .set("", "compatible", text("arm,ffa-manifest-1.1"))
        .without("uuid")
        .without("messaging-method")
        .with("debug_name", text("service"))
        .with("vm-availability-messages", cells(&[3]))
        .with("ns-interrupts-action", cells(&[2]))
        .with("notification-support", vec![])
        .child(Tree::node("services").with("compatible", text("arm,ffa-manifest-services")).child(service));
    let manifest = accepted(tree);
    assert_eq!(manifest.services.len(), 1);
    assert_ne!(manifest.interrupt_actions.non_secure, NsInterruptsAction::ManagedExit);
}

#[test]
fn an_application_at_s_el0() {
    let tree = common(1).set("", "exception-level", cells(&[1])).with("gp-register-num", cells(&[0]));
    let manifest = accepted(tree);
    assert_eq!((manifest.contexts.get(), manifest.exception_level), (1, ExceptionLevel::SEl0));
}

#[test]
fn an_spmc_manifest_with_more_than_spm_reads() {
    let cpu = |name: &str, affinity: u64| {
        Tree::node(name).with("device_type", text("cpu")).with("reg", wide(&[affinity]))
    };
    let cpus = Tree::node("cpus")
        .with("#address-cells", cells(&[2]))
        .with("#size-cells", cells(&[0]))
        .child(cpu("cpu@0", 0))
        .child(cpu("cpu@100", 0x100));
    let tree = spmc_tree()
        .child(cpus)
        .child(Tree::node("chosen"))
        .set("hypervisor", "ffa_tee_enabled", vec![])
        .set("hypervisor/vm1", "fdt_filename", text("p.dtb"));
    assert_eq!(SpmcManifest::parse(&tree.blob()), SpmcManifest::parse(&spmc_tree().blob()));
    assert!(SpmcManifest::parse(&tree.blob()).is_ok());
}
