// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a description must not say, each by the words with which it is refused.

use crate::source::altered;
use manifests::{Platform, Reason};
use std::path::Path;

/// Checks that a changed description is refused, at a node, with certain words.
fn refused(changes: &[(&str, &str)], node: &str, words: &str) {
    match altered(changes) {
        Ok(_) => panic!("{changes:?} was accepted"),
        Err(error) => {
            assert_eq!(error.node, node, "{error}");
            assert!(error.reason.to_string().contains(words), "{error}");
            let whole = error.to_string();
            assert!(whole.contains("policy.dts") && whole.contains(node), "{whole}");
        }
    }
}

#[test]
fn unchanged_is_accepted() {
    altered(&[]).unwrap();
}

#[test]
fn missing_file_and_bad_syntax_are_told() {
    let missing = Platform::load(Path::new("nowhere"), "nothing").unwrap_err();
    assert!(matches!(missing.reason, Reason::Unreadable(_)), "{missing}");
    let syntax = altered(&[("guard = \"nobody\";", "guard = nobody;")]).unwrap_err();
    assert!(matches!(&syntax.reason, Reason::Compiler(words) if words.contains("syntax error")), "{syntax}");
    let label = altered(&[("smmu = <&smmu0>", "smmu = <&smmu9>")]).unwrap_err();
    assert!(matches!(&label.reason, Reason::Compiler(words) if words.contains("smmu9")), "{label}");
}

#[test]
fn another_binding_is_refused() {
    refused(&[("sidguard,platform-1", "sidguard,platform-2")], "", "compatible is not");
    refused(&[("\"arm,smmu-v3\"", "\"arm,mmu-500\"")], "/devices/smmu", "compatible is not");
    refused(&[("\"arm,pl011\"", "\"ns16550a\"")], "/devices/normal-uart", "compatible is not");
}

#[test]
fn typing_errors_are_refused() {
    refused(
        &[("holders = \"host\"", "holder = \"host\"")],
        "/policy/devices/edu0",
        "property holder is not known",
    );
    refused(&[("scratch {", "scrach {")], "/memory", "node scrach is not known");
    refused(&[("holders = \"host\";", "")], "/policy/devices/edu0", "property holders is missing");
    refused(
        &[("holders = \"host\"", "holders = \"host\", \"none\"")],
        "/policy/devices/edu0",
        "\"none\" is none of",
    );
    refused(&[("guard = \"nobody\"", "guard = \"somebody\"")], "/policy", "\"somebody\" is none of");
    refused(&[("hyp = \"absent\"", "hyp = \"present\"")], "/policy", "\"present\" is none of");
    refused(
        &[("essential;", "essential = <1>;")],
        "/partitions/iommu-sp",
        "essential is not without a value",
    );
    refused(&[("edu0: edu0", "edu0: Edu0")], "/policy/devices/Edu0", "small letters");
    refused(&[("\"ahci\"", "\"ahci of the whole board\"")], "/policy", "longer than 16");
    refused(&[("\"QEMU sbsa-ref\"", "\"QEMU */ sbsa-ref\"")], "/", "model is not");
}

#[test]
fn ranges_must_be_ranges() {
    refused(
        &[("<0x0 0x60000000 0x0 0x1000>", "<0x60000000 0x1000>")],
        "/devices/normal-uart",
        "<address address",
    );
    refused(
        &[("<0x0 0x60000000 0x0 0x1000>", "<0x0 0x60000000 0x0 0x0>")],
        "/devices/normal-uart",
        "<address address",
    );
    refused(
        &[("<0x0 0x60000000 0x0 0x1000>", "<0x0 0x60000000 0x0 0x900>")],
        "/devices/normal-uart",
        "whole pages",
    );
    refused(
        &[("<0x108 0x00000000 0x0 0x00200000>", "<0xffffffff 0xfffff000 0x0 0x2000>")],
        "/memory/hole",
        "<address address",
    );
}

#[test]
fn nothing_stands_at_two_places_and_nothing_twice() {
    refused(&[("0x60030000", "0x60000000")], "/devices/secure-uart", "overlaps /devices/normal-uart");
    refused(&[("0x60050000", "0x3f000000")], "/devices/smmu", "overlaps /memory/secure-ram");
    refused(&[("0x20c00000", "0x20600000")], "/partitions/test-sp", "overlaps /partitions/iommu-sp");
    refused(&[("0x20400000", "0x20200000")], "/partitions/iommu-sp", "overlaps /memory/secure-ram");
}

#[test]
fn what_belongs_inside_stands_inside() {
    refused(
        &[("<0x0 0x20c00000 0x0 0x00200000>", "<0x1 0x00000000 0x0 0x00200000>")],
        "/partitions/test-sp",
        "does not lie in secure-ram",
    );
    refused(&[("<0x100 0x7f000000", "<0x108 0x7f000000")], "/memory/pool", "does not lie in normal-ram");
    refused(&[("<0x100 0x1f000000", "<0x0 0x1f000000")], "/memory/mailbox", "does not lie in normal-ram");
    refused(
        &[("spm-size = <0x300000>", "spm-size = <0x20000000>")],
        "/memory/secure-ram",
        "a part of secure RAM",
    );
    refused(
        &[("<0x100 0x1f000000", "<0x100 0x20001000")],
        "/memory/mailbox",
        "overlaps /memory/normal-image",
    );
}

#[test]
fn packages_are_loaded_below_4_gib() {
    refused(
        &[
            ("<0x0 0x20100000 0x0 0x1f000000>", "<0x1 0x20100000 0x0 0x1f000000>"),
            ("<0x0 0x20400000", "<0x1 0x20400000"),
            ("<0x0 0x20c00000", "<0x1 0x20c00000"),
        ],
        "/partitions/iommu-sp",
        "not below 4 GiB",
    );
}

#[test]
fn partitions_are_different_and_one_is_the_service() {
    refused(
        &[("b4b5671e-4a90-4fe1-b81f-fb13dae1dacb", "6f1d9d7e-3c0a-4b52-9d6e-8a3f51c2e7b4")],
        "/partitions/test-sp",
        "6f1d9d7e-3c0a-4b52-9d6e-8a3f51c2e7b4 is used twice",
    );
    refused(
        &[("b4b5671e-4a90-4fe1-b81f-fb13dae1dacb", "b4b5671e")],
        "/partitions/test-sp",
        "uuid is not a UUID",
    );
    refused(&[("iommu-service;", "")], "/partitions", "with iommu-service is missing");
    refused(
        &[("uuid = \"b4b5671e", "iommu-service; uuid = \"b4b5671e")],
        "/partitions",
        "iommu-service is used twice",
    );
}

#[test]
fn a_manifest_of_its_own_is_read_and_nothing_else_is() {
    altered(&[("essential;", "essential; manifest { execution-ctx-count = <1>; };")]).unwrap();
    refused(
        &[("essential;", "essential; manifests { };")],
        "/partitions/iommu-sp",
        "node manifests is not known",
    );
    refused(
        &[("essential;", "essential; manifest { execution-ctx-count = <1 2>; };")],
        "/partitions/iommu-sp/manifest",
        "execution-ctx-count is not one 32-bit cell",
    );
}

#[test]
fn what_follows_from_the_policy_is_not_replaced() {
    for (content, name) in [
        ("device-regions { };", "device-regions"),
        ("memory-regions { };", "memory-regions"),
        ("sidguard,policy-digest = <0>;", "sidguard,policy-digest"),
    ] {
        refused(
            &[("essential;", &format!("essential; manifest {{ {content} }};"))],
            "/partitions/iommu-sp/manifest",
            &format!("{name} of the iommu service follows from the policy"),
        );
    }
}

#[test]
fn interrupts_are_both_there_and_one_device_s() {
    refused(&[("event-interrupt = <44>;", "")], "/devices/smmu", "property event-interrupt is missing");
    refused(&[("error-interrupt = <47>;", "")], "/devices/smmu", "property error-interrupt is missing");
    let polled = altered(&[("event-interrupt = <44>;", ""), ("error-interrupt = <47>;", "")]).unwrap();
    assert_eq!(polled.policy.smmus[0].interrupts, None);
    let service = polled.iommu_partition().unwrap();
    assert!(!polled.sp_manifest(service).unwrap().text.contains("interrupts ="));
    let combined = altered(&[("error-interrupt = <47>;", "error-interrupt = <44>;")]).unwrap();
    let text = combined.sp_manifest(service).unwrap().text;
    assert!(text.contains("interrupts = <0x2c 0x900>;"), "{text}");
    refused(
        &[("event-interrupt = <44>", "event-interrupt = <31>")],
        "/policy",
        "SMMU smmu: interrupt 31 is no SPI",
    );
    // Those that the description gives to Linux: the console, and one of PCI.
    refused(
        &[("event-interrupt = <44>", "event-interrupt = <33>")],
        "/devices",
        "interrupt 33 is used twice",
    );
    refused(
        &[("error-interrupt = <47>", "error-interrupt = <38>")],
        "/devices",
        "interrupt 38 is used twice",
    );
}

#[test]
fn cores_are_eight_at_most_and_different() {
    refused(&[("0x6 0x7>", "0x6 0x6>")], "/", "core 0x6 is used twice");
    refused(&[("0x6 0x7>", "0x6 0x7 0x8>")], "/", "more than 8 cores");
}

#[test]
fn phandles_point_to_what_is_meant() {
    refused(
        &[("smmu = <&smmu0>", "smmu = <&pool>")],
        "/policy/devices/edu0",
        "smmu does not point to an SMMU",
    );
    refused(
        &[("smmu = <&smmu0>", "smmu = <0x1234>")],
        "/policy/devices/edu0",
        "smmu does not point to an SMMU",
    );
    refused(&[("pool = <&pool>", "pool = <&normal_ram>")], "/policy", "pool does not point to /memory/pool");
    refused(
        &[("managed = <&normal_ram>", "managed = <&secure_ram>")],
        "/policy",
        "managed does not point to",
    );
    refused(&[("allowed = <&edu0>", "allowed = <&edu1>")], "/scenarios", "allowed does not point to");
    refused(&[("refused = <&edu1>", "refused = <&edu0>")], "/scenarios", "refused does not point to");
    refused(
        &[("outside-stream-id = <0x20>", "outside-stream-id = <0x18>")],
        "/scenarios",
        "outside of the policy",
    );
}

#[test]
fn policies_that_do_not_fit_are_refused_by_name() {
    refused(
        &[("<0x100 0x7f000000 0x0 0x01000000>", "<0x100 0x7f000000 0x0 0x00010000>")],
        "/policy",
        "pool 0x1007f000000+0x10000 is too small",
    );
    refused(
        &[("<0x100 0x7f000000 0x0 0x01000000>", "<0x100 0x7b000000 0x0 0x05000000>")],
        "/policy",
        "has more than 16384 pages",
    );
    // A stream table that one device alone makes too large.
    refused(
        &[
            ("<0x100 0x7f000000 0x0 0x01000000>", "<0x100 0x7f000000 0x0 0x00040000>"),
            ("stream-ids = <0x10 1>", "stream-ids = <0xff000 0x100>"),
        ],
        "/policy",
        "is too small: the SMMUs and devices of this policy need",
    );
}

/// 2 GiB of managed memory need 1 MiB and a bit.
#[test]
fn managed_memory_that_cannot_be_accounted_for_is_refused() {
    let required = ("hyp = \"absent\"", "hyp = \"required\"");
    altered(&[required]).unwrap();
    refused(
        &[required, ("<0x0 0x20400000 0x0 0x00400000>", "<0x0 0x20400000 0x0 0x000f0000>")],
        "/partitions/iommu-sp",
        "what accounts for managed pages has 0xff000 bytes, its place has 0xf0000",
    );
    refused(
        &[required, ("<0x100 0x00000000 0x0 0x80000000>", "<0x100 0x00000000 0x8 0x00000000>")],
        "/partitions/iommu-sp",
        "what accounts for managed pages",
    );
}

#[test]
fn policies_that_contradict_themselves_are_refused_by_name() {
    refused(&[("<0x18 1>", "<0x10 1>")], "/policy", "devices edu0 and edu1 share a stream ID");
    refused(&[("<0x10 1>", "<0x0c 16>")], "/policy", "devices edu0 and edu1 share a stream ID");
    refused(&[("<0x10 1>", "<0x10 0>")], "/policy", "device edu0: stream IDs from 0x10, 0 of them");
    refused(&[("<0x10 1>", "<0xfffff 2>")], "/policy", "device edu0: stream IDs from 0xfffff");
    refused(&[("<0x10 1>", "<0x10 0x10000>")], "/policy/devices/edu0", "stream-ids is not <first count>");
    refused(
        &[("<0x0 0x40000000 0x10 0x00000000>", "<0x0 0x40000800 0x10 0x00000000>")],
        "/policy",
        "device edu0: IOVA window",
    );
    refused(
        &[("<0x0 0x40000000 0x10 0x00000000>", "<0x0 0x40000000 0x80 0x00000000>")],
        "/policy",
        "device edu0: IOVA window",
    );
    refused(
        &[("holders = \"host\"", "holders = \"host\", \"guests\"")],
        "/policy",
        "device edu0: nobody guards",
    );
    refused(
        &[("managed = <&normal_ram>", "managed = <&normal_ram &normal_ram>")],
        "/policy",
        "overlaps managed memory",
    );
    refused(
        &[("<0x0 0x60050000 0x0 0x20000>", "<0x0 0x60050000 0x0 0x10000>")],
        "/policy",
        "is not 128 KiB or more",
    );
    let power = "power = \"always-on\"";
    let open = "lets all DMA pass after reset, so it must never lose its power";
    refused(&[(power, "power = \"may-go\"")], "/policy", open);
    refused(&[("\t\t\tpower = \"always-on\";\n", "")], "/policy", open);
    refused(&[(power, "power = \"perhaps\"")], "/devices/smmu", "may-go, always-on, resumes-secure");
}
