// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What another core may do, and be told, while an SMMU is still forgetting.

use super::*;

const AT: u64 = 0x1000_0000;

/// Unmaps a range that was mapped from `pa` on and used by a device, and lets another core ask for the same range
/// before the SMMU has forgotten it.
fn overlap(pa: u64, size: u64) {
    let machine: &'static Machine = kept(Machine::new());
    let domain = machine.alloc(0);
    let smmu = &machine.smmus[0];
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    assert_eq!(machine.map(domain, AT, pa, size, BOTH), (Status::Ok, size));
    assert_eq!(smmu.dma(EDU, AT, true), Some(pa));
    smmu.during_invalidation(move || {
        // It is not done yet, and must not be called so.
        assert_eq!(smmu.dma(EDU, AT, true), Some(pa));
        assert_eq!(machine.unmap(domain, AT, size), (Status::Busy, 0));
        assert_eq!(machine.unmap(domain, AT - K4, 2 * K4), (Status::Ok, K4));
        // Nothing may stand in its place before it is forgotten (break before make).
        assert_eq!(machine.map(domain, AT, RAM + M2, K4, BOTH), (Status::Busy, 0));
        assert_eq!(machine.map(domain, AT, RAM + M2, M2, BOTH), (Status::Busy, 0));
        assert_eq!(machine.map(domain, AT - K4, RAM, 2 * K4, BOTH), (Status::Ok, K4));
        assert_eq!(machine.status(Request::IovaToPa { domain, iova: Iova(AT) }), Status::NotMapped);
    });
    assert_eq!(machine.unmap(domain, AT, size), (Status::Ok, size));
    assert_eq!(smmu.dma(EDU, AT, true), None);
    // All of it can be used again.
    assert_eq!(machine.unmap(domain, AT, size), (Status::Ok, size));
    assert_eq!(machine.map(domain, AT, pa, size, BOTH), (Status::Ok, size));
    assert_eq!(smmu.dma(EDU, AT + size - 1, true), Some(pa + size - 1));
}

#[test]
fn a_page_is_unmapped_once_it_is_forgotten() {
    overlap(RAM, K4);
    overlap(RAM, 5 * K4);
}

#[test]
fn a_block_is_unmapped_once_it_is_forgotten() {
    overlap(RAM, M2);
    overlap(RAM, 3 * M2);
}

#[test]
fn a_table_is_unmapped_once_it_is_forgotten() {
    overlap(RAM + K4, M2);
}

/// Cores that unmap one range at the same time: to whichever it is said that a page is gone, it is.
#[test]
fn cores_that_unmap_the_same_are_told_the_truth() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    let smmu = &machine.smmus[0];
    for round in 0..if cfg!(miri) { 4 } else { 400 } {
        // Some pages, a block, or a table of pages.
        let (pa, size) = [(RAM, 6 * K4), (RAM, M2), (RAM + K4, M2)][round % 3];
        assert_eq!(machine.map(domain, AT, pa, size, BOTH), (Status::Ok, size));
        let offsets = [0, K4, (size / 2) & !(K4 - 1), size - K4];
        for offset in offsets {
            assert_eq!(smmu.dma(EDU, AT + offset, true), Some(pa + offset));
        }
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let machine = &machine;
                scope.spawn(move || {
                    let mut done = 0;
                    while done < size {
                        let (status, bytes) = machine.unmap(domain, AT + done, size - done);
                        assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
                        done += bytes;
                        for offset in offsets.into_iter().filter(|offset| *offset < done) {
                            assert_eq!(smmu.dma(EDU, AT + offset, true), None, "{offset:#x} of {done:#x}");
                        }
                    }
                });
            }
        });
    }
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
    assert_eq!(machine.pool.available(), POOL_PAGES);
}
