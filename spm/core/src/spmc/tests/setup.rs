// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_VERSION as the SPMD forwards it, functions that are not there, and where secondary vCPUs start.

use super::*;

#[test]
fn the_spmd_asks_for_the_normal_worlds_version() {
    let spmc = Spmc::new(0x8000, Partitions::new(), NormalMemory::default(), memory());
    let ask = |version| call(&spmc, &[0x8400_006f, 0xffff_8000, 0x8000_0008, version]);
    assert_eq!(ask(0x1_0001), [0x8400_0070, 0x8000_ffff, 0x8000_0009, 0x1_0002, 0, 0, 0, 0]);
    assert_eq!(spmc.normal_version.agreed(), Version(1, 1));
    assert_eq!(ask(0x2_0000)[3], NOT_SUPPORTED);
    call(&spmc, &[0x8400_0064, 0x8400_0063]);
    assert_eq!(ask(0x1_0002)[3], NOT_SUPPORTED, "the version is settled by now");
    assert_eq!(ask(0x1_0001)[3], 0x1_0002);
}

#[test]
fn what_is_not_there_is_not_supported() {
    let spmc = spmc();
    for function in
        [0x8400_006c, 0x8400_0078, 0xc400_008e, 0x8400_006b, 0x8400_008a, 0x8400_00ff, 0x1234_5678]
    {
        assert_eq!(call(&spmc, &[function])[..3], [ERROR, 0, NOT_SUPPORTED], "{function:#x}");
    }
    spmc.normal_version.negotiate(0x1_0002);
    assert_eq!(call(&spmc, &[0x8400_0085])[..3], [OK, 0, 0x8000]);
}

#[test]
fn what_is_not_ffa_is_unknown() {
    for function in [0x8000_0000, 0x8400_0000, 0xc400_0003, 0x8400_005f, 0x8400_0100, 0xc300_0000] {
        let (next, answer) = call_as(&spmc(), AT_FIRST, &[function, 1, 2, 3]);
        assert_eq!(next, PartitionNext::Answer);
        assert_eq!(answer[..4], [u64::MAX, 1, 2, 3], "{function:#x}");
    }
}

#[test]
fn functions_newer_than_the_callers_version_are_not_there() {
    let spmc = Spmc::new(0x8000, Partitions::new(), NormalMemory::default(), memory());
    assert_eq!(call(&spmc, &[0x8400_0085])[..3], [ERROR, 0, NOT_SUPPORTED], "FFA_SPM_ID_GET in 1.0");
}

#[test]
fn entry_points_of_secondary_vcpus() {
    let spmc = spmc();
    let second = VcpuRef { partition: 1, vcpu: 0 };
    let memory = spmc.partitions()[1].memory();
    assert_eq!(spmc.partitions()[1].secondary_entry(), memory.start() + 0x4000, "the first one's");
    let good = [0xc400_0087, memory.start() + 8];
    assert_eq!(call_as(&spmc, second, &good).1[2], DENIED, "it has started");
    for vcpu in [0, 1] {
        spmc.partitions()[1].vcpu(vcpu).unwrap().set_work(Work::Start);
    }
    for (from, entry, status) in [
        (second, memory.end(), INVALID_PARAMETERS),
        (second, memory.start() + 2, INVALID_PARAMETERS),
        (AT_FIRST, memory.start(), NOT_SUPPORTED),
    ] {
        assert_eq!(call_as(&spmc, from, &[0xc400_0087, entry]).1[2], status);
    }
    assert_eq!(call_as(&spmc, second, &good).1[0], OK);
    assert_eq!(spmc.partitions()[1].secondary_entry(), memory.start() + 8);
    spmc.started(second, &FakeHardware::default());
    let another = VcpuRef { partition: 1, vcpu: 1 };
    assert_eq!(
        call_as(&spmc, another, &[0xc400_0087, memory.start()]).1[2],
        DENIED,
        "one that the first starts"
    );
    assert_eq!(spmc.partitions()[1].secondary_entry(), memory.start() + 8);
}
