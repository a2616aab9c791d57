// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SMMU with stage 1 alone: entries and context descriptors, with DMA attempted at every step, and invalidation by ASID.

use super::super::fake::{FakeSmmu, Faults, Route, Stage1Route, TlbEntry};
use super::super::{
    PoolMapping, Rebuilt, Smmu as _, SmmuError, Stage1, Stage2, StreamConfig, TlbRange, Vmid,
};
use super::{DEVICES, Driver, bring_up_in, slow};
use crate::table::{Format, Geometry, LeafSize};
use ffa_abi::{Iova, PhysAddr, StreamId};
use std::sync::Arc;

/// Words 0 and 1 of an entry without its pointer, word 0 of a descriptor without its ASID, MAIR: valid, stage 1, one
/// descriptor, fetched write-back and inner shareable, incoming shareability; 39 bits, 4 KiB, walks write-back and inner
/// shareable, no upper half, valid, 44-bit output, VMSAv8-64, faults recorded and aborted, never stalled, a private ASID;
/// attributes 0 are normal memory.
const ATTRIBUTES: [u64; 4] = [
    1 | 5 << 1,
    1 << 2 | 1 << 4 | 3 << 6 | 1 << 44,
    25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 30 | 1 << 31 | 4 << 32 | 1 << 41 | 1 << 45 | 1 << 46 | 1 << 47,
    0xff,
];

fn without_stage2(fake: &Arc<FakeSmmu>) {
    fake.state().idr[0] &= !1;
}

fn try_bring_up(fake: &Arc<FakeSmmu>, mapping: PoolMapping) -> Driver {
    without_stage2(fake);
    bring_up_in(fake, &fake.pool(), mapping).unwrap()
}

fn bring_up(faults: Faults) -> (Arc<FakeSmmu>, Driver) {
    let fake = FakeSmmu::new(faults);
    let driver = try_bring_up(&fake, PoolMapping::WriteBack);
    (fake, driver)
}

fn stage1(asid: u16, root: u64) -> StreamConfig {
    StreamConfig::Stage1(Stage1 { asid: Vmid(asid), root: PhysAddr(root), geometry: Geometry::Bits39 })
}

fn route(asid: u16, root: u64) -> Stage1Route {
    Stage1Route { asid, root, attributes: ATTRIBUTES }
}

fn allow(fake: &FakeSmmu, (first, count): (u32, u16), to: Stage1Route) {
    (first..first + u32::from(count)).for_each(|stream| fake.state().allow_stage1(stream, to));
}

fn disallow(fake: &FakeSmmu, (first, count): (u32, u16)) {
    (first..first + u32::from(count)).for_each(|stream| fake.state().disallow(stream));
}

fn assert_routes(fake: &FakeSmmu, (first, count): (u32, u16), to: Route) {
    for stream in first..first + u32::from(count) {
        assert_eq!(fake.state().routes(stream), [to], "{stream:#x}");
    }
}

#[test]
fn a_device_is_let_out_swapped_and_shut_without_ever_being_open() {
    for device in DEVICES {
        let (fake, driver) = bring_up(slow());
        assert_eq!(driver.features().format, Format::Stage1);
        let (first, count) = (StreamId(device.0), device.1);
        allow(&fake, device, route(7, 0x4801_0000));
        driver.set_streams(first, count, &stage1(7, 0x4801_0000)).unwrap();
        assert_routes(&fake, device, Route::Stage1(route(7, 0x4801_0000)));
        // While it changes, the old table, the new one, and nothing are all it may meet: never a mixture.
        allow(&fake, device, route(129, 0x4802_3000));
        driver.set_streams(first, count, &stage1(129, 0x4802_3000)).unwrap();
        disallow(&fake, device);
        allow(&fake, device, route(129, 0x4802_3000));
        assert_routes(&fake, device, Route::Stage1(route(129, 0x4802_3000)));
        driver.set_streams(first, count, &StreamConfig::Abort).unwrap();
        disallow(&fake, device);
        assert_routes(&fake, device, Route::Aborted(Some(4)));
        fake.assert_no_violation();
    }
}

#[test]
fn an_entry_for_the_stage_that_is_not_there_is_refused() {
    let stage2 = Stage2 { vmid: Vmid(1), root: PhysAddr(0x4801_0000), geometry: Geometry::Bits39 };
    let refused = Err(SmmuError::Stream(StreamId(0x10)));
    let (fake, driver) = bring_up(slow());
    assert_eq!(driver.set_streams(StreamId(0x10), 1, &StreamConfig::Stage2(stage2)), refused);
    fake.assert_no_violation();
    let (fake, driver) = super::bring_up(slow());
    assert_eq!(driver.features().format, Format::Stage2);
    assert_eq!(driver.set_streams(StreamId(0x10), 1, &stage1(1, 0x4801_0000)), refused);
    fake.assert_no_violation();
}

#[test]
fn tables_and_descriptors_are_not_cached_where_the_pool_is_not() {
    let fake = FakeSmmu::new(slow());
    let driver = try_bring_up(&fake, PoolMapping::NonCacheable);
    let [valid, _, how, mair] = ATTRIBUTES;
    let attributes = [valid, 1 << 44, how & !(0x3f << 8), mair];
    allow(&fake, DEVICES[0], Stage1Route { attributes, ..route(7, 0x4801_0000) });
    driver.set_streams(StreamId(0x10), 1, &stage1(7, 0x4801_0000)).unwrap();
    assert_routes(&fake, DEVICES[0], Route::Stage1(Stage1Route { attributes, ..route(7, 0x4801_0000) }));
    fake.assert_no_violation();
}

#[test]
fn descriptors_are_forgotten_with_entries() {
    let (fake, driver) = bring_up(slow());
    let before = fake.completed().len();
    allow(&fake, DEVICES[0], route(1, 0x4801_0000));
    driver.set_streams(StreamId(0x10), 1, &stage1(1, 0x4801_0000)).unwrap();
    let half = [[0x10_0000_0003, 1], [0x10_0000_0005, 1], [0x46, 0]];
    assert_eq!(fake.completed().split_off(before), [half, half].concat());
}

#[test]
fn translations_are_forgotten_by_asid() {
    for by_range in [true, false] {
        let fake = FakeSmmu::new(slow());
        if !by_range {
            fake.state().idr[3] &= !(1 << 10);
        }
        let driver = try_bring_up(&fake, PoolMapping::WriteBack);
        let entry = |asid, page: u64, table| TlbEntry {
            vmid: asid,
            address: page << 12,
            level: if table { 2 } else { 3 },
            table,
        };
        let all = [entry(9, 3, false), entry(9, 4, false), entry(10, 3, false), entry(9, 0, true)];
        fake.state().tlb = all.to_vec();
        let range =
            |size, tables| TlbRange { iova: Iova(0x3000), size, leaves: Some(LeafSize::Page4K), tables };
        let before = fake.completed().len();
        driver.invalidate_range(Vmid(9), &range(0x1000, false)).unwrap();
        let [[low, high], sync] = fake.completed().split_off(before)[..] else { panic!("two commands") };
        assert_eq!((low & 0xff, low >> 48, low >> 32 & 0xffff, high >> 12, high & 1), (0x12, 9, 0, 3, 1));
        assert_eq!(sync, [0x46, 0]);
        assert_eq!(fake.state().tlb, all[1..]);
        driver.invalidate_range(Vmid(9), &range(0x2000, true)).unwrap();
        assert_eq!(fake.state().tlb, [all[2]]);
        fake.state().tlb = all.to_vec();
        driver.invalidate_vmid(Vmid(9)).unwrap();
        assert_eq!(fake.completed().iter().rev().nth(1), Some(&[9 << 48 | 0x11, 0]));
        assert_eq!(fake.state().tlb, [all[2]]);
        assert_eq!(driver.statistics().skipped_commands, 0);
    }
}

/// What others have written where descriptors stand is written again before the SMMU works.
#[test]
fn descriptors_are_rebuilt() {
    let (fake, driver) = bring_up(slow());
    for (number, device) in (1..).zip(DEVICES) {
        allow(&fake, device, route(number, 0x4801_0000));
        driver.set_streams(StreamId(device.0), device.1, &stage1(number, 0x4801_0000)).unwrap();
    }
    fake.faults(|faults| faults.commands_stuck = true);
    assert!(driver.invalidate_vmid(Vmid(1)).is_err());
    fake.faults(|faults| faults.commands_stuck = false);
    let descriptor = |word: &u64| word & 0x0000_ffff_ffff_ffff == ATTRIBUTES[2];
    let memory = fake.memory();
    let places: Vec<usize> = (0..memory.len()).filter(|place| descriptor(&memory[*place])).collect();
    assert_eq!(places.len(), DEVICES.len());
    places.iter().for_each(|place| (0..8).for_each(|word| fake.scribble(place + word, !0)));
    while driver.rebuild() == Ok(Rebuilt::Again) {}
    for (number, device) in (1..).zip(DEVICES) {
        assert_routes(&fake, device, Route::Stage1(route(number, 0x4801_0000)));
    }
    assert_eq!(fake.memory(), memory);
    fake.assert_no_violation();
}
