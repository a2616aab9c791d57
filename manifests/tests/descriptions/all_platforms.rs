// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What holds on every platform.

use crate::source::{folder, platform, with_set};
use iommu_core::policy::{self, Guard, HypRole};
use manifests::{Blob, CONFORMANCE_PLATFORMS, PLATFORMS, Reason, Set};
use std::{fs, path::PathBuf};

#[test]
fn everything_is_generated() {
    for name in PLATFORMS {
        let platform = platform(name);
        assert!(platform.spmc_manifest().unwrap().blob.len() <= 4096, "{name}");
        assert!(platform.tb_fw_config().unwrap().blob.len() <= 4096, "{name}");
        for partition in &platform.partitions {
            assert!(platform.sp_manifest(partition).unwrap().blob.len() <= 4096, "{name}");
        }
        assert!(platform.constants().unwrap().contains(&format!("{name:?}")), "{name}");
    }
}

#[test]
fn partitions_are_those_that_the_wire_protocol_and_the_tests_know() {
    for name in PLATFORMS {
        let platform = platform(name);
        let iommu = platform.iommu_partition().unwrap();
        assert_eq!((iommu.name.as_str(), iommu.id, iommu.essential), ("iommu-sp", 0x8001, true));
        assert_eq!(iommu.uuid, ffa_abi::HOST_SERVICE);
        let test = platform.partition("test-sp").unwrap();
        assert_eq!((test.id, test.essential), (0x8002, false));
        assert_eq!(test.uuid.to_string(), "b4b5671e-4a90-4fe1-b81f-fb13dae1dacb");
    }
}

#[test]
fn policies_say_what_the_scenarios_show() {
    for name in PLATFORMS {
        let platform = platform(name);
        let policy = &platform.policy;
        assert_eq!((policy.guard, policy.hyp), (Guard::Nobody, HypRole::Absent));
        let [managed] = policy.managed.as_slice() else { panic!("{:?}", policy.managed) };
        assert!(managed.contains(&platform.memory.scratch) && managed.contains(&platform.memory.mailbox));
        assert!(!managed.overlaps(&policy.pool));
        assert!(policy.devices[platform.roles.allowed].holders.host);
        assert_eq!(policy.devices[platform.roles.refused].holders, policy::Holders::default());
        assert!(policy.device(0, platform.roles.outside_stream_id).is_none());
    }
}

#[test]
fn the_policy_with_a_hypervisor_differs_in_a_device_of_its_own_and_nothing_else() {
    for name in CONFORMANCE_PLATFORMS {
        let (plain, platform) = (platform(name).policy, with_set(name, Set::Hyp));
        let with_hyp = platform.policy.clone();
        assert_eq!((with_hyp.guard, with_hyp.hyp), (Guard::El2, HypRole::Required));
        // Accounts at the end of the service's own memory, not more than 1 MiB for 1 GiB.
        let (accounts, service) = (with_hyp.accounts.unwrap(), platform.iommu_partition().unwrap());
        assert_eq!(accounts.end(), service.memory.end());
        assert!(accounts.size >= with_hyp.accounts_bytes_needed());
        assert!(accounts.size * 1024 <= with_hyp.managed.iter().map(|range| range.size).sum());
        assert!(platform.check_room(service, service.memory.size - accounts.size - 0x4000).is_ok());
        let refused = platform.check_room(service, service.memory.size - accounts.size - 0x3fff).unwrap_err();
        assert!(
            matches!(&refused.reason, Reason::TooLarge(what, ..) if what == "image of iommu-sp"),
            "{refused}"
        );
        assert!(refused.to_string().contains("/partitions/iommu-sp"), "{refused}");
        let own = policy::Holders { hyp: true, ..policy::Holders::default() };
        let theirs = with_hyp.devices.iter().filter(|device| device.holders == own);
        assert_eq!((theirs.count(), with_hyp.fault_rate), (1, 500));
        let mut rest =
            policy::Policy { guard: plain.guard, hyp: plain.hyp, accounts: None, fault_rate: 0, ..with_hyp };
        for device in rest.devices.iter_mut().filter(|device| device.holders == own) {
            device.holders = policy::Holders::default();
        }
        // Guests may have the kernel's device.
        let given = &mut rest.devices[platform.roles.allowed];
        assert!(core::mem::take(&mut given.holders.guests));
        assert_eq!(rest, plain);
    }
}

#[test]
fn blobs_read_back_as_the_policy() {
    for name in PLATFORMS {
        let policy = platform(name).policy;
        let blob = Blob::encode(&policy).unwrap();
        assert_eq!(policy::decode(&blob.bytes, &blob.digest), Ok(policy));
    }
}

#[test]
fn manifests_carry_the_digest_of_the_blob() {
    for name in PLATFORMS {
        let platform = platform(name);
        let digest: String =
            Blob::encode(&platform.policy).unwrap().digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let manifest = platform.sp_manifest(platform.iommu_partition().unwrap()).unwrap();
        assert!(
            manifest.text.contains(&format!("sidguard,policy-digest = [{digest}];")),
            "{}",
            manifest.text
        );
    }
}

/// Addresses are 64-bit values in two cells; each is allowed to stand in one line only.
#[test]
fn every_address_is_written_once() {
    for name in PLATFORMS {
        let mut seen: Vec<(String, PathBuf)> = Vec::new();
        for file in ["platform.dtsi", "policy.dts"] {
            let file = folder().join(name).join(file);
            let text = fs::read_to_string(&file).unwrap();
            for line in text.lines().filter(|line| line.trim_start().starts_with("reg = <")) {
                let cells: Vec<_> = line.split(['<', '>']).nth(1).unwrap().split_whitespace().collect();
                let base = cells[..2].join(" ");
                assert!(!seen.iter().any(|(other, _)| *other == base), "{}: {base} again", file.display());
                seen.push((base, file.clone()));
            }
        }
        assert!(seen.len() > 10);
    }
}
