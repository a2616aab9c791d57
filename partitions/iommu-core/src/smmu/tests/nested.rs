// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stage 1 of a client's in front of stage 2: entries, with DMA attempted at every step, and what is forgotten.

use super::super::fake::{FakeSmmu, Route, Stage2Route};
use super::super::{Nested, NestedError, Smmu as _, SmmuError, Stage2, StreamConfig, TlbRange, Vmid};
use super::{DEVICES, Driver, bring_up, slow, try_bring_up};
use crate::table::{Geometry, LeafSize};
use ffa_abi::{Iova, PhysAddr, StreamId};
use std::sync::Arc;

const ROOT: u64 = 0x4801_0000;
const CONTEXT: u64 = 0x12_3456_7040;
/// Word 0 without its pointer: valid, both stages, one context descriptor.
const WORD0: u64 = 1 | 7 << 1;
/// Words 1 and 2 but for the VMID: descriptors are fetched write-back and inner shareable, incoming shareability; stage 2 as for a stream without stage 1.
const WORD1: u64 = 1 << 2 | 1 << 4 | 3 << 6 | 1 << 44;
/// S1STALLD, bit 91.
const NEVER_STALLS: u64 = 1 << 27;
const WORD2: u64 =
    (25 << 32 | 1 << 38 | 1 << 40 | 1 << 42 | 3 << 44 | 4 << 48 | 1 << 51 | 1 << 54 | 1 << 58) >> 16;

fn stage2(vmid: u16) -> Stage2 {
    Stage2 { vmid: Vmid(vmid), root: PhysAddr(ROOT), geometry: Geometry::Bits39 }
}

fn nested(vmid: u16, context: u64) -> StreamConfig {
    StreamConfig::Nested(Nested { context: Iova(context), stage2: stage2(vmid) })
}

fn route(vmid: u16, context: u64, word1: u64) -> Route {
    Route::Nested(context, WORD0, Stage2Route { vmid, root: ROOT, attributes: (word1, WORD2) })
}

fn set(fake: &FakeSmmu, driver: &Driver, (first, count): (u32, u16), vmid: u16, context: u64, word1: u64) {
    for stream in first..first + u32::from(count) {
        fake.state().allow_route(stream, route(vmid, context, word1));
    }
    driver.set_streams(StreamId(first), count, &nested(vmid, context)).unwrap();
    for stream in first..first + u32::from(count) {
        assert_eq!(fake.state().routes(stream), [route(vmid, context, word1)]);
    }
}

#[test]
fn stage_2_is_behind_it_at_every_step() {
    for device in DEVICES {
        let (fake, driver) = bring_up(slow());
        assert!(driver.features().nested);
        set(&fake, &driver, device, 7, CONTEXT, WORD1);
        // Another descriptor, another domain, and none: the old one, the new one and nothing are all that it may meet.
        set(&fake, &driver, device, 7, 0x80, WORD1);
        set(&fake, &driver, device, 129, 0x80, WORD1);
        driver.set_streams(StreamId(device.0), device.1, &StreamConfig::Abort).unwrap();
        for stream in device.0..device.0 + u32::from(device.1) {
            fake.state().disallow(stream);
            assert_eq!(fake.state().routes(stream), [Route::Aborted(Some(4))]);
        }
        fake.assert_no_violation();
    }
}

/// Where faults can stall, the entry says that they do not; where none can, the bit is illegal (5.2, S1STALLD).
#[test]
fn no_fault_of_it_stalls() {
    let fake = FakeSmmu::new(slow());
    {
        let mut state = fake.state();
        assert_eq!(state.idr[0] >> 24 & 3, 1, "no fault stalls");
        state.idr[0] &= !(3 << 24);
    }
    let driver = try_bring_up(&fake).unwrap();
    set(&fake, &driver, DEVICES[0], 7, CONTEXT, WORD1 | NEVER_STALLS);
    fake.assert_no_violation();
}

#[test]
fn an_smmu_with_one_stage_has_none_in_front() {
    for missing in [1, 2] {
        let fake = FakeSmmu::new(slow());
        fake.state().idr[0] &= !missing;
        let driver = try_bring_up(&fake).unwrap();
        assert!(!driver.features().nested);
        if missing == 1 {
            let refused = Err(SmmuError::Stream(StreamId(0x10)));
            assert_eq!(driver.set_streams(StreamId(0x10), 1, &nested(1, CONTEXT)), refused);
        }
        fake.assert_no_violation();
    }
}

fn sent(fake: &Arc<FakeSmmu>, act: impl FnOnce()) -> Vec<[u64; 2]> {
    let before = fake.completed().len();
    act();
    fake.completed().split_off(before)
}

#[test]
fn what_both_stages_come_to_is_forgotten_with_its_stage_2() {
    let (fake, driver) = bring_up(slow());
    let page = TlbRange { iova: Iova(0x5000), size: 0x1000, leaves: Some(LeafSize::Page4K), tables: false };
    let opcode = |commands: &[[u64; 2]]| commands.iter().map(|[low, _]| low & 0xff).collect::<Vec<_>>();
    assert_eq!(opcode(&sent(&fake, || driver.invalidate_range(Vmid(7), &page).unwrap())), [0x2a, 0x46]);
    set(&fake, &driver, DEVICES[0], 7, CONTEXT, WORD1);
    for left in [false, true] {
        if left {
            // What it has left in the caches is there still.
            driver.set_streams(StreamId(0x10), 1, &StreamConfig::Abort).unwrap();
        }
        let all = [[7 << 32 | 0x28, 0], [0x46, 0]];
        assert_eq!(sent(&fake, || driver.invalidate_range(Vmid(7), &page).unwrap()), all);
        let ranges = &mut [page, page].into_iter();
        assert_eq!(sent(&fake, || driver.invalidate_ranges(Vmid(7), ranges).unwrap()), all);
        assert_eq!(opcode(&sent(&fake, || driver.invalidate_range(Vmid(8), &page).unwrap())), [0x2a, 0x46]);
    }
}

#[test]
fn a_client_s_commands_are_for_its_own_streams_and_vmid() {
    let (fake, driver) = bring_up(slow());
    let (first, count) = DEVICES[2];
    let invalidate = |command| driver.invalidate_nested(StreamId(first), count, command);
    assert_eq!(invalidate([0x10, 0]), Err(NestedError::NotNested));
    set(&fake, &driver, DEVICES[2], 7, CONTEXT, WORD1);
    for (theirs, ours) in [
        ([0x10, 0], [7 << 32 | 0x10, 0]),
        ([5 << 48 | 9 << 32 | 0x11, 0], [5 << 48 | 7 << 32 | 0x11, 0]),
        ([5 << 48 | 0x12, 0x1234_5001], [5 << 48 | 7 << 32 | 0x12, 0x1234_5001]),
        ([0xffff << 32 | 0x13, 0x1234_5000], [7 << 32 | 0x13, 0x1234_5000]),
    ] {
        assert_eq!(sent(&fake, || invalidate(theirs).unwrap()), [ours, [0x46, 0]]);
    }
    // The stream ID that it names is no matter: all of the device's are meant.
    let streams = (u64::from(first)..).take(usize::from(count));
    let mut contexts: Vec<[u64; 2]> = streams.map(|stream| [stream << 32 | 0x05, 1]).collect();
    contexts.push([0x46, 0]);
    for theirs in [[0x05, 1], [0x10 << 32 | 0x05, 0], [0xffff_ffff << 32 | 0x06, 0]] {
        assert_eq!(sent(&fake, || invalidate(theirs).unwrap()), contexts);
    }
    // CMD_SYNC with a message, prefetching, resuming, others' streams and stage 2, everything.
    for refused in [
        [0x2046, 0x9000_0000],
        [0x46, 0],
        [0x01, 0],
        [0x44, 0],
        [0x45, 0],
        [0x03, 1],
        [0x04, 31],
        [0x28, 0],
        [0x2a, 0],
        [0x30, 0],
    ] {
        assert_eq!(sent(&fake, || assert_eq!(invalidate(refused), Err(NestedError::Refused))), [[0; 2]; 0]);
    }
    assert_eq!(driver.statistics().skipped_commands, 0);
    fake.assert_no_violation();
}
