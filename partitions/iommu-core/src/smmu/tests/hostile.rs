// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers that answer whatever they like: every call ends, and nothing panics.

use super::super::fake::{FakeSmmu, Faults};
use super::super::{Smmu as _, Stage2, StreamConfig, TlbRange, Vmid};
use super::{bring_up, try_bring_up};
use crate::table::Geometry;
use ffa_abi::{Iova, PhysAddr, PowerHint, StreamId};
use proptest::prelude::*;

/// Values that look like what a driver waits for, among others.
fn arb_answers() -> impl Strategy<Value = Vec<u64>> {
    let likely = prop_oneof![
        Just(0),
        Just(1),
        Just(0xd),
        Just(1 << 20),
        Just(0x0d44_101b),
        Just(0x0273_0010),
        Just(0x0100_0000),
        0u64..0x400,
        any::<u64>(),
    ];
    proptest::collection::vec(likely, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]

    #[test]
    fn bring_up_ends(hostile in arb_answers()) {
        let fake = FakeSmmu::new(Faults { hostile, ..Faults::default() });
        let _ = try_bring_up(&fake);
    }

    #[test]
    fn every_call_ends(hostile in arb_answers(), budget in 0usize..3000) {
        let (fake, driver) = bring_up(Faults::default());
        fake.faults(|faults| faults.hostile = hostile);
        let root = PhysAddr(0x4801_0000);
        let stage2 = Stage2 { vmid: Vmid(1), root, geometry: Geometry::Bits39 };
        let range = TlbRange { iova: Iova(0), size: 0x10_0000, leaves: None, tables: true };
        for _ in 0..3 {
            let _ = driver.check_errors();
            let _ = driver.compare(PowerHint::Returned);
            let _ = driver.rebuild();
            let _ = driver.report();
            let _ = driver.set_interrupts(true);
            let _ = driver.set_interrupts(false);
            let mut seen = 0;
            driver.poll_events(budget, &mut |_| seen += 1);
            prop_assert!(seen <= budget);
            let _ = driver.invalidate_range(Vmid(1), &range);
            let _ = driver.set_streams(StreamId(0x10), 1, &StreamConfig::Stage2(stage2));
            let _ = driver.invalidate_vmid(Vmid(1));
            let _ = driver.set_streams(StreamId(0x10), 1, &StreamConfig::Abort);
        }
    }
}
