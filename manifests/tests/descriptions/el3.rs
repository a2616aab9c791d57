// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Platforms under TF-A's own SPMC, at EL3.

use crate::source::{platform, with_set};
use iommu_core::policy;
use manifests::{Blob, CONFORMANCE_PLATFORMS, Manager, Platform, Reason, Set};

const CONTEXTS: u32 = 32;

fn at_el3(name: &str, set: Set) -> Platform {
    with_set(name, set).at_el3(CONTEXTS).unwrap()
}

#[test]
fn one_partition_stands_where_spm_would() {
    for name in CONFORMANCE_PLATFORMS {
        for set in [Set::Product, Set::Hyp] {
            let platform = at_el3(name, set);
            let [service] = platform.partitions.as_slice() else { panic!("{:?}", platform.partitions) };
            assert!(service.iommu_service);
            assert_eq!(service.memory.base, with_set(name, set).memory.spm.base);
            assert!(platform.memory.secure_ram.contains(&service.memory));
            assert_eq!((platform.manager, platform.left_out.len()), (Manager::El3, 1));
        }
    }
}

#[test]
fn the_manifest_has_what_this_spmc_demands_and_nothing_that_it_cannot_do() {
    for name in CONFORMANCE_PLATFORMS {
        let platform = at_el3(name, Set::Product);
        let [service] = platform.partitions.as_slice() else { panic!("{:?}", platform.partitions) };
        let manifest = platform.sp_manifest(service).unwrap();
        let base = service.memory.base;
        for property in [
            format!("execution-ctx-count = <{CONTEXTS:#x}>;"),
            format!("load-address = <0x0 {base:#x}>;"),
            "entrypoint-offset = <0x0>;".to_owned(),
            "messaging-method = <0x1>;".to_owned(),
            "gp-register-num = <0x0>;".to_owned(),
        ] {
            assert!(manifest.text.contains(&property), "{property} is not in {}", manifest.text);
        }
        for property in ["interrupts =", "abort-action", "notification-support"] {
            assert!(!manifest.text.contains(property), "{property} is in {}", manifest.text);
        }
        // With header and one descriptor it has to fit a page.
        assert!(manifest.blob.len() + 64 <= 4096);
    }
}

#[test]
fn contexts_beyond_the_images_have_memory_for_stacks_behind_the_service() {
    for name in CONFORMANCE_PLATFORMS {
        let platform = at_el3(name, Set::Hyp);
        let [service] = platform.partitions.as_slice() else { panic!("{:?}", platform.partitions) };
        let stacks = service.stacks.unwrap();
        assert_eq!(Some(stacks.base), service.memory.end());
        assert_eq!(stacks.size, u64::from(CONTEXTS - 8) * 0x9000);
        assert!(platform.memory.secure_ram.contains(&stacks) && platform.memory.spm.contains(&stacks));
        let property = format!("sidguard,stacks = <0x0 {:#x} 0x0 {:#x}>;", stacks.base, stacks.size);
        assert!(platform.sp_manifest(service).unwrap().text.contains(&property));
        assert_eq!(platform.core_affinities.len(), 10);
        let few = with_set(name, Set::Hyp).at_el3(8).unwrap();
        assert!(few.partitions.iter().all(|partition| partition.stacks.is_none()));
    }
}

#[test]
fn the_policy_differs_in_interrupts_and_where_accounts_stand() {
    for name in CONFORMANCE_PLATFORMS {
        for set in [Set::Product, Set::Hyp] {
            let (with_spm, platform) = (with_set(name, set).policy, at_el3(name, set));
            let [service] = platform.partitions.as_slice() else { panic!("{:?}", platform.partitions) };
            let policy = &platform.policy;
            assert!(policy.smmus.iter().all(|smmu| smmu.interrupts.is_none()));
            assert_eq!(
                policy.accounts.map(|range| range.end()),
                with_spm.accounts.map(|_| service.memory.end())
            );
            let mut rest = policy.clone();
            rest.accounts = with_spm.accounts;
            for (smmu, other) in rest.smmus.iter_mut().zip(&with_spm.smmus) {
                smmu.interrupts = other.interrupts;
            }
            assert_eq!(rest, with_spm);
            let blob = Blob::encode(policy).unwrap();
            assert_eq!(policy::decode(&blob.bytes, &blob.digest).as_ref(), Ok(policy));
        }
    }
}

#[test]
fn a_service_that_does_not_fit_is_refused() {
    let mut small = platform("qemu-virt");
    let size = small.partition("iommu-sp").unwrap().memory.size;
    for (secure, contexts) in [(size - 0x1000, 8), (size, 9), (size + 0x8fff, 9)] {
        small.memory.secure_ram.size = secure;
        let refused = small.clone().at_el3(contexts).unwrap_err();
        assert!(matches!(refused.reason, Reason::Outside(..)), "{refused}");
        assert!(refused.to_string().contains("/partitions/iommu-sp"), "{refused}");
    }
    small.memory.secure_ram.size = size + 0x9000;
    assert!(small.at_el3(9).is_ok());
}
