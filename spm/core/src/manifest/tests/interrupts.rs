// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of device regions.

use super::partitions::{parse, refused};
use super::{Tree, cells, partition_tree};
use crate::manifest::Reason;
use crate::manifest::interrupt::{Affinity, DeviceInterrupt, InterruptKind, MAX_INTERRUPTS, Trigger};

/// A secure, edge-triggered SPI of priority 0.
const SPI: u32 = 0x900;
/// A secure, level-triggered PPI of priority 0x80.
const PPI: u32 = 0x780;

/// A manifest whose device `smmu` has these interrupts.
fn with(interrupts: &[u32]) -> Tree {
    partition_tree().set("device-regions/smmu", "interrupts", cells(interrupts))
}

fn targeted(interrupts: &[u32], targets: &[u32]) -> Tree {
    with(interrupts).set("device-regions/smmu", "interrupts-target", cells(targets))
}

#[test]
fn each_attribute_is_read() {
    let manifest = parse(&targeted(&[56, SPI, 17, PPI], &[56, 0x2, 0x8003_0401])).unwrap();
    assert_eq!(
        manifest.interrupts.as_slice(),
        [
            DeviceInterrupt {
                intid: 56,
                priority: 0,
                trigger: Trigger::Edge,
                target: Some(Affinity::from_mpidr(0x0002_0003_0401).unwrap()),
            },
            DeviceInterrupt { intid: 17, priority: 0x80, trigger: Trigger::Level, target: None },
        ]
    );
    let kinds = [manifest.interrupts[0].kind(), manifest.interrupts[1].kind()];
    assert_eq!(kinds, [InterruptKind::Shared, InterruptKind::Private]);
    assert_eq!(manifest.interrupts[0].target.unwrap().mpidr(), 0x0002_0003_0401);
    assert!(parse(&with(&[])).unwrap().interrupts.is_empty());
}

#[test]
fn interrupts_of_all_devices_are_the_partitions() {
    let tree = with(&[40, SPI]).set("device-regions/other", "interrupts", cells(&[41, SPI]));
    let manifest = parse(&tree).unwrap();
    assert_eq!(manifest.interrupts.iter().map(|interrupt| interrupt.intid).collect::<Vec<_>>(), [40, 41]);
    let twice = with(&[40, SPI]).set("device-regions/other", "interrupts", cells(&[40, SPI]));
    refused(&twice, "other", "interrupts", Reason::Duplicate);
    // A target is named where the interrupt is.
    let elsewhere = with(&[40, SPI]).set("device-regions/other", "interrupts-target", cells(&[40, 0, 0]));
    refused(&elsewhere, "other", "interrupts-target", Reason::OutOfRange(40));
}

#[test]
fn number_and_kind_have_to_agree() {
    for intid in [16, 17, 18] {
        assert!(parse(&with(&[intid, PPI])).is_ok(), "{intid}");
        refused(&with(&[intid, SPI]), "smmu", "interrupts", Reason::OutOfRange(intid.into()));
    }
    for intid in [32, 1019] {
        assert!(parse(&with(&[intid, SPI])).is_ok(), "{intid}");
        refused(&with(&[intid, PPI]), "smmu", "interrupts", Reason::OutOfRange(intid.into()));
    }
    for intid in [15, 31, 1020, 1023, 1024, 4095, 5120, 8192, u32::MAX] {
        refused(&with(&[intid, SPI]), "smmu", "interrupts", Reason::OutOfRange(intid.into()));
    }
}

#[test]
fn what_is_no_device_interrupt_of_the_secure_world_is_refused() {
    let own = Reason::NotSupported("this PPI is the CPU's own, not a device's");
    for intid in 19..=31 {
        refused(&with(&[intid, PPI]), "smmu", "interrupts", own);
    }
    for (intid, attributes, reason) in [
        (56, 0x800, Reason::NotSupported("a non-secure interrupt is the normal world's")),
        (56, 0x1900, Reason::OutOfRange(0x1900)),
        (56, 0xd00, Reason::OutOfRange(56)),
        (8, 0x100, Reason::NotSupported("an SGI is software's, not a device's")),
        (16, 0x100, Reason::OutOfRange(16)),
        (5000, SPI, Reason::NotSupported("extended SPIs")),
    ] {
        refused(&with(&[intid, attributes]), "smmu", "interrupts", reason);
    }
}

#[test]
fn lists_are_whole_and_bounded() {
    for length in [4, 7, 12] {
        let tree = partition_tree().set("device-regions/smmu", "interrupts", vec![0; length]);
        refused(&tree, "smmu", "interrupts", Reason::WrongLength);
    }
    let numbers = |count: usize| (32..).take(count).flat_map(|intid| [intid, SPI]).collect::<Vec<u32>>();
    assert_eq!(parse(&with(&numbers(MAX_INTERRUPTS))).unwrap().interrupts.len(), MAX_INTERRUPTS);
    let many = with(&numbers(MAX_INTERRUPTS + 1));
    refused(&many, "smmu", "interrupts", Reason::TooMany(MAX_INTERRUPTS));
    refused(&with(&[56, SPI, 56, SPI]), "smmu", "interrupts", Reason::Duplicate);
}

#[test]
fn a_target_is_a_core_for_a_shared_interrupt() {
    let target = "interrupts-target";
    refused(&targeted(&[56, SPI], &[56, 0]), "smmu", target, Reason::WrongLength);
    refused(&targeted(&[56, SPI], &[57, 0, 0]), "smmu", target, Reason::OutOfRange(57));
    let twice = targeted(&[56, SPI], &[56, 0, 0, 56, 0, 1]);
    refused(&twice, "smmu", target, Reason::Duplicate);
    let private = targeted(&[16, PPI], &[16, 0, 0]);
    refused(&private, "smmu", target, Reason::NotSupported("a PPI is each core's own"));
    for (high, low) in [(0x100, 0), (0, 0x0200_0000), (0x8000_0000, 0)] {
        let mpidr = u64::from(high) << 32 | u64::from(low);
        refused(&targeted(&[56, SPI], &[56, high, low]), "smmu", target, Reason::OutOfRange(mpidr));
    }
    // Bits that MPIDR_EL1 has beside affinities do not matter.
    let same = [0xc100_0000, 0].map(|low| parse(&targeted(&[56, SPI], &[56, 0, low])).unwrap());
    assert_eq!(same[0], same[1]);
}
