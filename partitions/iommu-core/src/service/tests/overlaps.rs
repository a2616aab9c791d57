// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What another core may do, and be told, while an SMMU is still forgetting.

use super::*;

const AT: u64 = 0x1000_0000;

/// Unmaps a range that was mapped from `pa` on and used by a device, and lets another core ask for the same range
/// before the SMMU has forgotten it.
fn overlap(pa: u64, size: u64) {
    let machine: &'static Machine = leak(Machine::new());
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
