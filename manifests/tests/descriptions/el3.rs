// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Platforms under TF-A's own SPMC, at EL3.

use crate::source::{altered, platform, with_set};
use iommu_core::policy;
use manifests::{Blob, CONFORMANCE_PLATFORMS, InterruptSource, Manager, Platform, Reason, Set};

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
        for property in ["abort-action", "notification-support"] {
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
fn the_policy_differs_in_where_accounts_stand() {
    for name in CONFORMANCE_PLATFORMS {
        for set in [Set::Product, Set::Hyp] {
            let (with_spm, platform) = (with_set(name, set).policy, at_el3(name, set));
            let [service] = platform.partitions.as_slice() else { panic!("{:?}", platform.partitions) };
            let policy = &platform.policy;
            assert_eq!(
                policy.accounts.map(|range| range.end()),
                with_spm.accounts.map(|_| service.memory.end())
            );
            let mut rest = policy.clone();
            rest.accounts = with_spm.accounts;
            assert_eq!(rest, with_spm);
            let blob = Blob::encode(policy).unwrap();
            assert_eq!(policy::decode(&blob.bytes, &blob.digest).as_ref(), Ok(policy));
        }
    }
}

fn manifest_of(platform: &Platform) -> manifests::Result<String> {
    Ok(platform.sp_manifest(platform.iommu_partition().unwrap())?.text)
}

#[test]
fn interrupts_come_by_what_the_manager_has() {
    for name in CONFORMANCE_PLATFORMS {
        let at_el3 = at_el3(name, Set::Product);
        assert_eq!(at_el3.interrupt_source(at_el3.iommu_partition().unwrap()), Ok(InterruptSource::Gic));
        let text = manifest_of(&at_el3).unwrap();
        let base = at_el3.devices.gic_distributor.base;
        // What the service reads; that it is told of cores that go off; the frame, readable, writable, secure.
        for line in [
            "sidguard,interrupt-source = \"gic\";".to_owned(),
            format!("sidguard,gic-distributor = <{:#x} {:#x}>;", base >> 32, base & 0xffff_ffff),
            "power-management-messages = <0x1>;".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        let (_, frame) = text.split_once("gic-distributor {").unwrap();
        let (frame, _) = frame.split_once('}').unwrap();
        assert!(frame.contains("pages-count = <0x10>;") && frame.contains("attributes = <0x3>;"), "{frame}");
        let with_spm = manifest_of(&platform(name)).unwrap();
        assert!(with_spm.contains("sidguard,interrupt-source = \"hafnium\";"));
        for word in ["gic", "power-management-messages"] {
            assert!(!with_spm.contains(word), "{word} is in {with_spm}");
        }
    }
}

#[test]
fn a_stated_way_binds_and_has_to_be_the_managers() {
    let stating = |word: &str| {
        let line = format!("guard = \"nobody\"; interrupt-source = \"{word}\";");
        altered(&[("guard = \"nobody\";", &line)])
    };
    let reason = |platform: &Platform| manifest_of(platform).unwrap_err().reason;
    let gic = stating("gic").unwrap();
    assert!(matches!(reason(&gic), Reason::Source("gic", why) if why.contains("spm keeps")));
    assert!(manifest_of(&gic.at_el3(CONTEXTS).unwrap()).unwrap().contains("interrupt-source = \"gic\";"));
    let calls = stating("hafnium").unwrap();
    assert!(manifest_of(&calls).unwrap().contains("interrupt-source = \"hafnium\";"));
    let at_el3 = calls.at_el3(CONTEXTS).unwrap();
    assert!(matches!(reason(&at_el3), Reason::Source("hafnium", why) if why.contains("no such calls")));
    let poll = stating("poll").unwrap();
    assert!(poll.policy.smmus.iter().all(|smmu| smmu.interrupts.is_none()));
    for platform in [poll.clone(), poll.at_el3(CONTEXTS).unwrap()] {
        let text = manifest_of(&platform).unwrap();
        assert!(text.contains("sidguard,interrupt-source = \"poll\";"), "{text}");
        for property in ["interrupts =", "gic-distributor", "power-management-messages"] {
            assert!(!text.contains(property), "{property} is in {text}");
        }
    }
    let other = stating("msi").unwrap_err();
    assert!(matches!(&other.reason, Reason::Word("interrupt-source", word, _) if word == "msi"), "{other}");
    let unwired = |source: &str| {
        let line = format!("guard = \"nobody\"; {source}");
        let wires = [("event-interrupt = <44>;", ""), ("error-interrupt = <47>;", "")];
        altered(&[wires[0], wires[1], ("guard = \"nobody\";", &line)]).unwrap()
    };
    let gic = unwired("interrupt-source = \"gic\";").at_el3(CONTEXTS).unwrap();
    assert!(matches!(reason(&gic), Reason::Source("gic", why) if why.contains("no SMMU")));
    for platform in [unwired(""), unwired("").at_el3(CONTEXTS).unwrap()] {
        assert!(manifest_of(&platform).unwrap().contains("interrupt-source = \"poll\";"));
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
