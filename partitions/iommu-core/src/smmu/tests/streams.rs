// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stream states, with DMA attempted at every step of each change.

use super::super::fake::{FakeSmmu, Faults, Route};
use super::super::{PoolMapping, Quiet, Smmu as _, SmmuError, SmmuV3, Stage2, StreamConfig, TlbRange, Vmid};
use super::{DEVICES, bring_up, policy, slow};
use crate::table::{Geometry, LeafSize};
use ffa_abi::{Iova, PhysAddr, SmmuIndex, StreamId};
use std::sync::Arc;

/// Words 1 and 2 of an entry on this fake: incoming shareability; 39 bits from level 1, walks write-back and inner
/// shareable, 4 KiB, 44-bit output, VMSAv8-64, S2PTW, faults recorded and never stalled.
const ATTRIBUTES: (u64, u64) = (
    1 << 44,
    (25 << 32 | 1 << 38 | 1 << 40 | 1 << 42 | 3 << 44 | 4 << 48 | 1 << 51 | 1 << 54 | 1 << 58) >> 16,
);

fn stage2(vmid: u16, root: u64) -> StreamConfig {
    StreamConfig::Stage2(Stage2 { vmid: Vmid(vmid), root: PhysAddr(root), geometry: Geometry::Bits39 })
}

fn allow(fake: &FakeSmmu, (first, count): (u32, u16), vmid: u16, root: u64) {
    for stream in first..first + u32::from(count) {
        fake.state().allow(stream, vmid, root, ATTRIBUTES);
    }
}

fn disallow(fake: &FakeSmmu, (first, count): (u32, u16)) {
    for stream in first..first + u32::from(count) {
        fake.state().disallow(stream);
    }
}

fn assert_translated(fake: &FakeSmmu, (first, count): (u32, u16), vmid: u16, root: u64) {
    for stream in first..first + u32::from(count) {
        let routes = fake.state().routes(stream);
        let [Route::Translated(to)] = routes[..] else { panic!("{stream:#x}: {routes:x?}") };
        assert_eq!((to.vmid, to.root, to.attributes), (vmid, root, ATTRIBUTES));
    }
}

fn assert_aborted(fake: &FakeSmmu, (first, count): (u32, u16)) {
    for stream in first..first + u32::from(count) {
        assert_eq!(fake.state().routes(stream), [Route::Aborted(Some(4))]);
    }
}

#[test]
fn a_device_is_let_out_swapped_and_shut_without_ever_being_open() {
    for device in DEVICES {
        let (fake, driver) = bring_up(slow());
        let (first, count) = (StreamId(device.0), device.1);
        allow(&fake, device, 7, 0x4801_0000);
        driver.set_streams(first, count, &stage2(7, 0x4801_0000)).unwrap();
        assert_translated(&fake, device, 7, 0x4801_0000);
        // While it changes, the old table, the new one, and nothing are all it may meet: never a mixture.
        allow(&fake, device, 0xfffe, 0x4802_3000);
        driver.set_streams(first, count, &stage2(0xfffe, 0x4802_3000)).unwrap();
        disallow(&fake, device);
        allow(&fake, device, 0xfffe, 0x4802_3000);
        assert_translated(&fake, device, 0xfffe, 0x4802_3000);
        driver.set_streams(first, count, &StreamConfig::Abort).unwrap();
        disallow(&fake, device);
        assert_aborted(&fake, device);
        fake.assert_no_violation();
    }
}

/// The service starts again in the same memory, and knows nothing of what it has left: a device that reaches memory by a table in
/// the pool, events that nobody took, commands that were not done.
#[test]
fn what_an_earlier_life_has_let_out_is_shut_before_its_tables_are_touched() {
    for command_delay in [0, 3, 100] {
        let (fake, driver) = bring_up(Faults { command_delay, ..slow() });
        for device in DEVICES {
            allow(&fake, device, 7, 0x4801_0000);
            driver.set_streams(StreamId(device.0), device.1, &stage2(7, 0x4801_0000)).unwrap();
            assert_translated(&fake, device, 7, 0x4801_0000);
        }
        fake.state().routes(0x3f_ffff);
        fake.faults(|faults| faults.commands_stuck = true);
        let first = DEVICES[0];
        assert!(driver.set_streams(StreamId(first.0), first.1, &StreamConfig::Abort).is_err());
        drop(driver);
        fake.faults(|faults| faults.commands_stuck = false);

        let quiet = Quiet::new(Arc::clone(&fake)).unwrap();
        assert!(fake.state().aborts_when_off() && !fake.state().is_enabled());
        // From here on nothing of the old tables may be met, and whatever is written where they stood.
        DEVICES.into_iter().for_each(|device| disallow(&fake, device));
        let pool = fake.pool();
        let again = SmmuV3::bring_up(quiet, &policy(), SmmuIndex(0), &pool, PoolMapping::WriteBack).unwrap();
        DEVICES.into_iter().for_each(|device| assert_aborted(&fake, device));
        fake.assert_no_violation();
        assert!(fake.state().tlb.is_empty());
        allow(&fake, first, 9, 0x4803_0000);
        again.set_streams(StreamId(first.0), first.1, &stage2(9, 0x4803_0000)).unwrap();
        assert_translated(&fake, first, 9, 0x4803_0000);
        fake.assert_no_violation();
    }
}

#[test]
fn other_devices_stay_as_they_are() {
    let (fake, driver) = bring_up(slow());
    let [one, other, ..] = DEVICES;
    allow(&fake, one, 1, 0x4801_0000);
    driver.set_streams(StreamId(one.0), one.1, &stage2(1, 0x4801_0000)).unwrap();
    allow(&fake, other, 2, 0x4802_0000);
    driver.set_streams(StreamId(other.0), other.1, &stage2(2, 0x4802_0000)).unwrap();
    driver.set_streams(StreamId(other.0), other.1, &StreamConfig::Abort).unwrap();
    disallow(&fake, other);
    assert_translated(&fake, one, 1, 0x4801_0000);
    assert_aborted(&fake, other);
    fake.assert_no_violation();
}

#[test]
fn setting_what_is_there_already_costs_nothing() {
    let (fake, driver) = bring_up(slow());
    allow(&fake, DEVICES[0], 1, 0x4801_0000);
    driver.set_streams(StreamId(0x10), 1, &stage2(1, 0x4801_0000)).unwrap();
    let before = fake.writes().len();
    driver.set_streams(StreamId(0x10), 1, &stage2(1, 0x4801_0000)).unwrap();
    driver.set_streams(StreamId(0x18), 1, &StreamConfig::Abort).unwrap();
    assert_eq!(fake.writes().len(), before);
}

#[test]
fn streams_that_are_no_device_here_are_refused() {
    let (fake, driver) = bring_up(slow());
    for (first, count) in [(0x11, 1), (0x20, 1), (0x10, 2), (0x3e, 1), (0xffff, 1), (u32::MAX, u16::MAX)] {
        let first = StreamId(first);
        assert_eq!(driver.set_streams(first, count, &stage2(1, 0x4801_0000)), Err(SmmuError::Stream(first)));
    }
    fake.assert_no_violation();
}

#[test]
fn a_table_wider_than_the_smmu_is_refused() {
    let (fake, driver) = bring_up(slow());
    let wide = Stage2 { vmid: Vmid(1), root: PhysAddr(0x4801_0000), geometry: Geometry::FromLevel0(48) };
    let result = driver.set_streams(StreamId(0x10), 1, &StreamConfig::Stage2(wide));
    assert_eq!(result, Err(SmmuError::Stream(StreamId(0x10))));
    assert_aborted(&fake, DEVICES[0]);
}

#[test]
fn entries_are_invalidated_one_by_one_or_all_at_once() {
    let (fake, driver) = bring_up(slow());
    let sent = |device: (u32, u16)| {
        let before = fake.completed().len();
        allow(&fake, device, 1, 0x4801_0000);
        driver.set_streams(StreamId(device.0), device.1, &stage2(1, 0x4801_0000)).unwrap();
        fake.completed().split_off(before)
    };
    let few = sent(DEVICES[2]);
    let half =
        [[0x3e_0000_0003, 1], [0x3f_0000_0003, 1], [0x40_0000_0003, 1], [0x41_0000_0003, 1], [0x46, 0]];
    assert_eq!(few, [half, half].concat());
    let many = sent(DEVICES[3]);
    assert_eq!(many, [[0x4, 31], [0x46, 0], [0x4, 31], [0x46, 0]]);
}

#[test]
fn several_cores_at_once_are_each_served() {
    let (fake, driver) = bring_up(slow());
    for device in DEVICES {
        allow(&fake, device, 1, 0x4801_0000);
    }
    std::thread::scope(|scope| {
        for (place, device) in (0_u16..).zip(DEVICES) {
            let driver = &driver;
            scope.spawn(move || {
                for round in 0..3 {
                    let range = TlbRange {
                        iova: Iova(round << 12),
                        size: 0x1000,
                        leaves: Some(LeafSize::Page4K),
                        tables: false,
                    };
                    driver.set_streams(StreamId(device.0), device.1, &stage2(1, 0x4801_0000)).unwrap();
                    driver.invalidate_range(Vmid(place), &range).unwrap();
                    driver.check_errors().unwrap();
                    driver.poll_events(10, &mut |_| ());
                    driver.set_streams(StreamId(device.0), device.1, &StreamConfig::Abort).unwrap();
                }
            });
        }
    });
    for device in DEVICES {
        disallow(&fake, device);
        assert_aborted(&fake, device);
    }
    fake.assert_no_violation();
}
