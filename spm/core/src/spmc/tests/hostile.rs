// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls with any function and any parameters, by anybody.

use super::*;

/// Function IDs that exist, some with hints and junk, and any number at all.
fn function_ids() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0x60_u64..0xa0, any::<bool>(), any::<bool>(), any::<u32>()).prop_map(|(number, wide, hint, junk)| {
            let base = if wide { 0xc400_0000 } else { 0x8400_0000 };
            base | number | u64::from(hint) << 16 | u64::from(junk) << 32
        }),
        1 => any::<u64>(),
    ]
}

/// Values near those that mean something.
fn values() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0_u64..0x40,
        (0x4000_0000_u64..0x4001_0000).prop_map(|address| address & !0xfff),
        prop::sample::select(vec![
            FIRST,
            SECOND,
            FIRST << 16,
            FIRST << 16 | SECOND,
            0xffff_8000,
            0x8000_0008,
            1 << 31
        ]),
    ]
}

proptest! {
    #[test]
    fn no_registers_stop_spm(
        calls in prop::collection::vec((any::<bool>(), 0_u64..8, function_ids(), prop::array::uniform17(values())), 1..60)
    ) {
        let (spmc, hardware) = (spmc(), FakeHardware::default());
        for (as_partition, at, function, rest) in calls {
            let mut message = [function; 18];
            message[1..].copy_from_slice(&rest);
            let before = message;
            if as_partition {
                let from = VcpuRef { partition: usize::from(at & 1 != 0), vcpu: 0 };
                match spmc.from_partition(from, &mut message, core(at), &hardware) {
                    PartitionNext::Answer => {
                        prop_assert!(message[8..] == before[8..] || discovery::uses_all(&before, &message));
                    }
                    // What a core would do next, so that later calls find the vCPUs waiting.
                    PartitionNext::Request(vcpu, _) | PartitionNext::Run(vcpu, _) => finish(&spmc, vcpu),
                    PartitionNext::Response(_)
                    | PartitionNext::Wait
                    | PartitionNext::Yield
                    | PartitionNext::Failed(_) => {}
                }
            } else {
                match spmc.from_normal_world(&mut message, core(at), &hardware) {
                    NormalNext::Answer => {
                        prop_assert!(message[8..] == before[8..] || discovery::uses_all(&before, &message));
                    }
                    NormalNext::Request(vcpu, _) | NormalNext::Run(vcpu, _) => finish(&spmc, vcpu),
                    NormalNext::CoreOff => spmc.agree_to_core_off(&mut message),
                    NormalNext::Interrupt | NormalNext::Aborted => {}
                }
            }
        }
    }
}
