// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists of pages and ranges, mapped and unmapped by rings.

use super::rings::{AT, Client};
use super::*;
use std::vec::Vec;

#[test]
fn a_list_is_mapped_page_behind_page_and_unmapped_here_and_there() {
    let client = Client::new();
    let pages = [(RAM + 5 * K4, 1), (RAM, 3), (RAM + 100 * K4, 1)];
    assert_eq!(client.run(client.map_list(AT, 3), &pages).0, (Status::Ok, 5 * K4, 0));
    for (index, pa) in [RAM + 5 * K4, RAM, RAM + K4, RAM + 2 * K4, RAM + 100 * K4].into_iter().enumerate() {
        assert_eq!(client.dma(AT + index as u64 * K4 + 8), Some(pa + 8));
    }
    assert_eq!(client.dma(AT + 5 * K4), None);
    // A hole is passed over.
    let ranges = [(AT + 4 * K4, 1), (AT, 1), (AT + 5 * K4, 2)];
    assert_eq!(client.run(client.unmap_list(3), &ranges).0, (Status::Ok, 4 * K4, 2 * K4));
    assert_eq!([0, 4, 5].map(|page| client.dma(AT + page * K4)), [None; 3]);
    assert_eq!(client.dma(AT + K4), Some(RAM));
    // What is free can be mapped again.
    assert_eq!(client.run(client.map_list(AT + 4 * K4, 1), &[(RAM, 1)]).0, (Status::Ok, K4, 0));
    assert_eq!(client.dma(AT + 4 * K4), Some(RAM));
}

#[test]
fn a_list_is_unmapped_by_one_invalidation_for_each_table() {
    let client = Client::new();
    let pages: Vec<_> = (0..64).map(|page| (RAM + 2 * page * K4, 1)).collect();
    assert_eq!(client.run(client.map_list(AT, 64), &pages), ((Status::Ok, 64 * K4, 0), 1));
    (0..64).for_each(|page| assert_eq!(client.dma(AT + page * K4), Some(RAM + 2 * page * K4)));
    let before = client.machine.smmus[0].invalidations();
    let ranges: Vec<_> = (0..32).map(|page| (AT + 2 * page * K4, 1)).collect();
    assert_eq!(client.run(client.unmap_list(32), &ranges), ((Status::Ok, 32 * K4, 32 * K4), 1));
    assert_eq!(client.machine.smmus[0].invalidations() - before, 1);
    for page in 0..64 {
        let expected = if page % 2 == 0 { None } else { Some(RAM + 2 * page * K4) };
        assert_eq!(client.dma(AT + page * K4), expected);
    }
}

#[test]
fn what_a_list_left_behind_when_its_smmu_failed_is_unmapped_by_the_next_unmap() {
    let client = Client::new();
    let (machine, smmu) = (&client.machine, &client.machine.smmus[0]);
    assert_eq!(machine.map(client.domain, AT, RAM, 2 * K4, BOTH).0, Status::Ok);
    smmu.fail_after(0);
    assert_eq!(client.run(client.unmap_list(1), &[(AT, 1)]).0.0, Status::Hardware);
    smmu.can_be_rebuilt(0);
    let check = Request::SmmuCheck { smmu: SmmuIndex(0), hint: ffa_abi::PowerHint::None };
    assert_eq!(machine.status(check), Status::Ok);
    assert_eq!(machine.unmap(client.domain, AT, K4), (Status::Ok, K4));
    assert_eq!(machine.map(client.domain, AT, RAM + 5 * K4, K4, BOTH).0, Status::Ok);
    assert_eq!(client.dma(AT), Some(RAM + 5 * K4));
}

#[test]
fn more_tables_than_are_noted_at_once_are_unmapped() {
    let client = Client::on(Machine::with_pool(128));
    for table in 0..20 {
        assert_eq!(client.machine.map(client.domain, AT + table * M2, RAM, K4, BOTH), (Status::Ok, K4));
        assert_eq!(client.dma(AT + table * M2), Some(RAM));
    }
    let ranges: Vec<_> = (0..20).map(|table| (AT + table * M2, 1)).collect();
    assert_eq!(client.run(client.unmap_list(20), &ranges).0, (Status::Ok, 20 * K4, 20 * K4));
    (0..20).for_each(|table| assert_eq!(client.dma(AT + table * M2), None));
    // One range over all of them, and a block.
    assert_eq!(client.machine.map(client.domain, AT + 20 * M2, RAM, M2, BOTH), (Status::Ok, M2));
    assert_eq!(client.dma(AT + 20 * M2), Some(RAM));
    assert_eq!(client.run(client.unmap_list(2), &[(AT + M2, 4096), (AT + 17 * M2, 4096)]).0.0, Status::Ok);
    assert_eq!(client.dma(AT + 20 * M2), None);
}

/// Between the first and the last page of a table each entry is looked at once more before the list is answered, and each wait for
/// the SMMU is one: a message has a bound for both, whatever the list names.
#[test]
fn pages_that_are_far_apart_and_pages_named_again_are_unmapped_in_bounded_messages() {
    let client = Client::on(Machine::with_pool(128));
    let smmu = &client.machine.smmus[0];
    let tables = 48;
    let ends: Vec<_> = (0..tables).flat_map(|table| [AT + table * M2, AT + (table + 1) * M2 - K4]).collect();
    let again: Vec<_> = ends.iter().flat_map(|page| [(*page, 1); 2]).collect();
    let apart: Vec<_> = ends.iter().map(|page| (*page, 1)).collect();
    for list in [apart, again] {
        for page in &ends {
            let status = client.machine.map(client.domain, *page, RAM, K4, BOTH).0;
            assert!([Status::Ok, Status::AlreadyMapped].contains(&status), "{status:?}");
        }
        smmu.take_leaves_forgotten();
        let mut waits = smmu.invalidations();
        let watch = || {
            // Some seven instructions each: less than 20,000.
            let looked_at = smmu.take_leaves_forgotten();
            assert!(looked_at <= 2700, "{looked_at} entries were looked at in a message");
            assert!(smmu.invalidations() - waits <= 10, "{} invalidations", smmu.invalidations() - waits);
            waits = smmu.invalidations();
        };
        let ((status, bytes, _), _) = client.run_watched(client.unmap_list(list.len()), &list, watch);
        assert_eq!((status, bytes), (Status::Ok, list.len() as u64 * K4));
        assert!(list.iter().all(|(page, _)| client.dma(*page).is_none()));
    }
}

#[test]
fn long_lists_are_done_in_bounded_steps() {
    let client = Client::new();
    // Entries that are more than a message does; entries so many that passing over them counts; blocks.
    let pages: Vec<_> = (0..500).map(|page| (RAM + (page * 7 % 501) * K4, 1)).collect();
    let ((status, bytes, _), messages) = client.run(client.map_list(AT, 500), &pages);
    assert_eq!((status, bytes), (Status::Ok, 500 * K4));
    assert!((2..20).contains(&messages), "{messages} messages");
    (0..500).for_each(|page| assert_eq!(client.dma(AT + page * K4), Some(RAM + (page * 7 % 501) * K4)));
    let ranges: Vec<_> = (0..500).rev().map(|page| (AT + page * K4, 1)).collect();
    let ((status, bytes, removed), messages) = client.run(client.unmap_list(500), &ranges);
    assert_eq!((status, bytes, removed), (Status::Ok, 500 * K4, 500 * K4));
    assert!((2..20).contains(&messages), "{messages} messages");
    (0..500).for_each(|page| assert_eq!(client.dma(AT + page * K4), None));
    // One page off, so that no block fits.
    let ((status, bytes, _), messages) = client.run(client.map_list(AT, 1), &[(RAM + K4, 2000)]);
    assert_eq!((status, bytes), (Status::Ok, 2000 * K4));
    assert!((4..8).contains(&messages), "{messages} messages");
    assert_eq!(client.dma(AT + 1999 * K4), Some(RAM + 2000 * K4));
    let ((status, _, removed), messages) = client.run(client.unmap_list(1), &[(AT, 2000)]);
    assert_eq!((status, removed), (Status::Ok, 2000 * K4));
    assert!((4..8).contains(&messages), "{messages} messages");
    assert_eq!(client.run(client.map_list(AT + 8 * M2, 1), &[(RAM, 4096)]), ((Status::Ok, 8 * M2, 0), 1));
}

#[test]
fn each_entry_is_checked_as_a_single_mapping_is() {
    let client = Client::new();
    let good = (RAM, 1);
    let frame = 0x5000_0000;
    for bad in [
        (POOL_BASE, 1),
        (POOL_BASE - K4, 2),
        (frame, 1),
        (RAM - K4, 1),
        (RAM + RAM_SIZE, 1),
        (RAM + RAM_SIZE - K4, 2),
        (0, 1),
        (!(K4 - 1), 1),
    ] {
        let end = bad.0.checked_add(bad.1 * K4);
        let wanted = if end.is_none() { Status::OutOfRange } else { Status::Denied };
        assert_eq!(client.run(client.map_list(AT, 2), &[good, bad]).0, (wanted, K4, 0), "{bad:x?}");
        assert_eq!(client.machine.map(client.domain, AT + K4, bad.0, bad.1 * K4, BOTH), (wanted, 0));
        assert_eq!((client.dma(AT), client.dma(AT + K4)), (Some(RAM), None));
        assert_eq!(client.run(client.unmap_list(1), &[(AT, 1)]).0, (Status::Ok, K4, K4));
    }
    let end = WINDOW.base + WINDOW.size;
    for (iova, pages, bytes) in [(WINDOW.base - K4, 1, 0), (end - K4, 2, K4), (!(K4 - 1), 2, 0)] {
        let entries = vec![(RAM, 1); pages];
        let answer = client.run(client.map_list(iova, pages), &entries).0;
        assert_eq!(answer, (Status::OutOfRange, bytes, 0), "{iova:#x}");
    }
    assert_eq!(client.dma(end - K4), Some(RAM));
    for range in [(WINDOW.base - K4, 2), (end - K4, 2), (!(K4 - 1), 1)] {
        assert_eq!(client.run(client.unmap_list(1), &[range]).0.0, Status::OutOfRange, "{range:x?}");
    }
    assert_eq!(client.dma(end - K4), Some(RAM));
    assert_eq!(client.run(client.map_list(AT, 3), &[good, good, good]).0.0, Status::Ok);
    assert_eq!(client.run(client.map_list(AT - K4, 2), &[good, good]).0, (Status::AlreadyMapped, K4, 0));
    assert_eq!(client.run(client.map_list(AT + 2 * M2, 1), &[(RAM, 512)]).0.0, Status::Ok);
    assert_eq!(
        client.run(client.unmap_list(2), &[(AT, 1), (AT + 2 * M2, 1)]).0,
        (Status::WouldSplit, K4, K4)
    );
    assert_eq!(client.dma(AT), None, "what was unmapped before is invalidated");
    assert_eq!(client.dma(AT + 2 * M2), Some(RAM));
}

#[test]
fn lists_of_pages_and_of_more_are_mapped_alike() {
    let client = Client::on(Machine::with_pool(256));
    // Over the ends of tables, of chunks that are read at a time, and with ranges among the pages.
    let entries: Vec<_> =
        (0..400_u64).map(|place| (RAM + place * 16 * K4, 1 + u64::from(place % 37 == 5) * 9)).collect();
    let pages: Vec<u64> =
        entries.iter().flat_map(|(at, pages)| (0..*pages).map(move |page| at + page * K4)).collect();
    let first = AT + M2 - 50 * K4;
    let all = pages.len() as u64 * K4;
    assert_eq!(client.run(client.map_list(first, 400), &entries).0, (Status::Ok, all, 0));
    let iovas: Vec<u64> = (0..pages.len() as u64).map(|page| first + page * K4).collect();
    for (iova, pa) in iovas.iter().zip(&pages) {
        assert_eq!(client.dma(*iova), Some(*pa));
    }
    // Every third page, of two tables in turn, and a range of pages at the end.
    let ranges: Vec<_> =
        iovas.iter().step_by(3).map(|iova| (*iova, 1)).chain([(first + all - 9 * K4, 9)]).collect();
    let removed = all.min((iovas.len().div_ceil(3) as u64 + 6) * K4);
    let answer = client.run(client.unmap_list(ranges.len()), &ranges).0;
    assert_eq!(answer, (Status::Ok, (ranges.len() as u64 + 8) * K4, removed));
    for (place, (iova, pa)) in iovas.iter().zip(&pages).enumerate() {
        let gone = place % 3 == 0 || place >= iovas.len() - 9;
        assert_eq!(client.dma(*iova), if gone { None } else { Some(*pa) }, "{place}");
    }
}
