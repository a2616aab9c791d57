// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Invalidation of translations against a TLB that forgets no more than it must.

use super::super::fake::{FakeSmmu, TlbEntry};
use super::super::{Smmu as _, TlbRange, Vmid};
use super::{Driver, slow, try_bring_up};
use crate::table::LeafSize;
use ffa_abi::Iova;
use proptest::prelude::*;
use std::sync::Arc;

const VMID: Vmid = Vmid(9);

fn without_ranges() -> (Arc<FakeSmmu>, Driver) {
    let fake = FakeSmmu::new(slow());
    fake.state().idr[3] &= !(1 << 10);
    let driver = try_bring_up(&fake).unwrap();
    (fake, driver)
}

fn range(iova: u64, size: u64, leaves: Option<LeafSize>, tables: bool) -> TlbRange {
    TlbRange { iova: Iova(iova), size, leaves, tables }
}

#[test]
fn one_page_takes_one_command_and_one_sync() {
    for (fake, driver) in [super::bring_up(slow()), without_ranges()] {
        let before = fake.completed().len();
        driver.invalidate_range(VMID, &range(0x1234_5000, 0x1000, Some(LeafSize::Page4K), false)).unwrap();
        let [[low, high], sync] = fake.completed().split_off(before)[..] else { panic!("two commands") };
        assert_eq!((low & 0xff, low >> 32, high >> 12, high & 1), (0x2a, 9, 0x1_2345, 1));
        assert_eq!(sync, [0x46, 0]);
    }
}

#[test]
fn one_page_of_any_level_is_no_reserved_command() {
    let (fake, driver) = super::bring_up(slow());
    for tables in [false, true] {
        driver.invalidate_range(VMID, &range(0x5000, 0x1000, None, tables)).unwrap();
    }
    assert_eq!(driver.statistics().skipped_commands, 0);
    assert_eq!(fake.completed().last(), Some(&[0x46, 0]));
}

#[test]
fn many_pages_without_ranges_forget_the_vmid() {
    let (fake, driver) = without_ranges();
    let commands = |pages: u64| {
        let before = fake.completed().len();
        driver.invalidate_range(VMID, &range(0, pages << 12, Some(LeafSize::Page4K), true)).unwrap();
        fake.completed().split_off(before)
    };
    assert_eq!(commands(64).len(), 65);
    assert_eq!(commands(65), [[0x9_0000_0028, 0], [0x46, 0]]);
}

#[test]
fn a_batch_larger_than_the_queue_is_sent_in_parts() {
    let fake = FakeSmmu::new(slow());
    {
        let mut state = fake.state();
        state.idr[3] &= !(1 << 10);
        state.idr[1] = state.idr[1] & !(0x1f << 21) | 3 << 21;
    }
    let driver = try_bring_up(&fake).unwrap();
    let before = fake.completed().len();
    driver.invalidate_range(VMID, &range(0x1000, 60 << 12, Some(LeafSize::Page4K), false)).unwrap();
    let completed = fake.completed().split_off(before);
    assert_eq!(completed.len(), 61);
    assert!(completed.iter().take(60).enumerate().all(|(place, [_, high])| high >> 12 == place as u64 + 1));
    fake.assert_no_violation();
}

fn arb_leaf() -> impl Strategy<Value = (Option<LeafSize>, u8, u64)> {
    prop_oneof![
        Just((Some(LeafSize::Page4K), 3, 1 << 12)),
        Just((Some(LeafSize::Block2M), 2, 1 << 21)),
        Just((Some(LeafSize::Block1G), 1, 1 << 30)),
        Just((None, 3, 1 << 12)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 48 }))]

    /// After the call nothing of the range is cached any more; other VMIDs keep all that is theirs.
    #[test]
    fn what_was_removed_is_forgotten(
        by_range: bool,
        tables: bool,
        (leaves, level, unit) in arb_leaf(),
        first in 0u64..64,
        count in 1u64..200,
        probes in proptest::collection::vec(0u64..300, 1..20),
    ) {
        let (fake, driver) = if by_range { super::bring_up(slow()) } else { without_ranges() };
        let (start, end) = (first * unit, (first + count) * unit);
        let levels = if leaves.is_none() { vec![1, 2, 3] } else { vec![level] };
        let mut must_go = Vec::new();
        for probe in probes {
            for level in &levels {
                let size = [1_u64 << 30, 1 << 21, 1 << 12][usize::from(*level) - 1];
                let address = probe * unit / size * size;
                let inside = address >= start && address + size <= end;
                let entry = TlbEntry { vmid: 9, address, level: *level, table: false };
                let stranger = TlbEntry { vmid: 10, ..entry };
                fake.state().tlb.extend([entry, stranger]);
                if inside {
                    must_go.push(entry);
                }
                if tables && *level > 1 {
                    // The table descriptor above a leaf that was removed.
                    let above = [1_u64 << 30, 1 << 21][usize::from(*level) - 2];
                    let table =
                        TlbEntry { vmid: 9, address: address / above * above, level: level - 1, table: true };
                    fake.state().tlb.push(table);
                    if inside {
                        must_go.push(table);
                    }
                }
            }
        }
        let strangers = fake.state().tlb.iter().filter(|entry| entry.vmid == 10).count();
        driver.invalidate_range(VMID, &range(start, end - start, leaves, tables)).unwrap();
        let state = fake.state();
        for entry in must_go {
            prop_assert!(!state.tlb.contains(&entry), "{entry:x?}");
        }
        prop_assert_eq!(state.tlb.iter().filter(|entry| entry.vmid == 10).count(), strangers);
    }
}

#[test]
fn a_vmid_is_forgotten_whole() {
    let (fake, driver) = super::bring_up(slow());
    let entry = |vmid, table| TlbEntry { vmid, address: 0x4000_0000, level: 2, table };
    fake.state().tlb = vec![entry(9, false), entry(9, true), entry(10, false)];
    driver.invalidate_vmid(VMID).unwrap();
    assert_eq!(fake.state().tlb, [entry(10, false)]);
}
