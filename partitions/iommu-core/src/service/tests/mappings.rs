// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Domains, map, unmap and lookup, seen by a device.

use super::*;

/// A domain with the first device in it.
fn attached(machine: &Machine) -> DomainHandle {
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    domain
}

const AT: u64 = 0x1000_0000;

#[test]
fn a_device_reaches_what_is_mapped_and_no_byte_more() {
    let machine = Machine::new();
    let domain = attached(&machine);
    let smmu = &machine.smmus[0];
    assert_eq!(smmu.dma(EDU, AT, false), None);
    assert_eq!(machine.map(domain, AT, RAM, 2 * K4, READ), (Status::Ok, 2 * K4));
    assert_eq!(smmu.dma(EDU, AT + 2 * K4 - 1, false), Some(RAM + 2 * K4 - 1));
    assert_eq!(smmu.dma(EDU, AT, true), None);
    assert_eq!(smmu.dma(EDU, AT - 1, false), None);
    assert_eq!(smmu.dma(EDU, AT + 2 * K4, false), None);
    // The same stream ID behind another SMMU is another stream.
    assert_eq!(machine.smmus[1].dma(EDU, AT, false), None);
}

#[test]
fn an_unmapped_page_is_unreachable_at_once() {
    let machine = Machine::new();
    let domain = attached(&machine);
    let smmu = &machine.smmus[0];
    // Page by page, a whole table at once, a block, and what spans all of them.
    for (pa, size) in [(RAM, K4), (RAM + K4, M2), (RAM, M2), (RAM + K4, 3 * M2), (RAM, 2 * M2 + 3 * K4)] {
        let mut done = 0;
        while done < size {
            let (status, bytes) = machine.map(domain, AT + done, pa + done, size - done, BOTH);
            assert_eq!(status, Status::Ok);
            done += bytes;
        }
        for offset in (0..size).step_by(4096) {
            assert_eq!(smmu.dma(EDU, AT + offset, true), Some(pa + offset));
        }
        let mut done = 0;
        while done < size {
            let (status, bytes) = machine.unmap(domain, AT + done, size - done);
            assert!(status == Status::Ok && bytes > 0);
            for offset in (0..done + bytes).step_by(4096) {
                assert_eq!(smmu.dma(EDU, AT + offset, true), None);
            }
            done += bytes;
        }
    }
}

#[test]
fn a_table_that_goes_takes_walk_caches_with_it() {
    let machine = Machine::new();
    let domain = attached(&machine);
    let before = machine.pool.available();
    assert_eq!(machine.map(domain, AT, RAM + K4, M2, BOTH), (Status::Ok, M2));
    assert!(machine.smmus[0].dma(EDU, AT, true).is_some());
    assert_eq!(machine.unmap(domain, AT, M2), (Status::Ok, M2));
    // The table of pages went back, the one above stays.
    assert_eq!(machine.pool.available(), before - 1);
    // Another domain gets the page: the SMMU must not take its entries for ours.
    let other = machine.alloc(0);
    assert_eq!(machine.map(other, AT, RAM + K4, K4, BOTH).0, Status::Ok);
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), None);
}

#[test]
fn nothing_is_invalidated_for_nothing() {
    let machine = Machine::new();
    let domain = attached(&machine);
    let before = machine.smmus[0].invalidations();
    assert_eq!(machine.map(domain, AT, RAM, 4 * K4, BOTH).0, Status::Ok);
    assert_eq!(machine.unmap(domain, AT + M2, K4), (Status::Ok, K4));
    assert_eq!(machine.smmus[0].invalidations(), before);
    assert_eq!(machine.unmap(domain, AT, 4 * K4), (Status::Ok, 4 * K4));
    assert_eq!(machine.smmus[0].invalidations(), before + 1);
}

#[test]
fn sizes_alignments_and_ranges_get_their_status() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    let map = |iova, pa, size| machine.map(domain, iova, pa, size, READ);
    for (iova, pa, size) in [(AT + 1, RAM, K4), (AT, RAM + 8, K4), (AT, RAM, K4 + 1), (AT, RAM, 1)] {
        assert_eq!(map(iova, pa, size), (Status::Misaligned, 0));
    }
    assert_eq!(map(AT, RAM, 0), (Status::OutOfRange, 0));
    assert_eq!(map(AT, 0u64.wrapping_sub(K4), 2 * K4), (Status::OutOfRange, 0));
    assert_eq!(map(0u64.wrapping_sub(K4), RAM, 2 * K4), (Status::OutOfRange, 0));
    assert_eq!(map(1 << 39, RAM, K4), (Status::OutOfRange, 0));
    assert_eq!(map(WINDOW.base - K4, RAM, 2 * K4), (Status::OutOfRange, 0));
    assert_eq!(map(WINDOW.end().unwrap() - K4, RAM, 2 * K4), (Status::OutOfRange, 0));
    assert_eq!(map(WINDOW.end().unwrap() - K4, RAM, K4), (Status::Ok, K4));
    assert_eq!(machine.unmap(domain, AT + 1, K4), (Status::Misaligned, 0));
    assert_eq!(machine.unmap(domain, AT, 5), (Status::Misaligned, 0));
    assert_eq!(machine.unmap(domain, AT, 0), (Status::OutOfRange, 0));
    assert_eq!(machine.unmap(domain, AT, u64::MAX - K4 + 1), (Status::OutOfRange, 0));
    assert_eq!(machine.unmap(domain, 0, K4), (Status::OutOfRange, 0));
}

#[test]
fn only_managed_memory_is_mapped() {
    let machine = Machine::new();
    let domain = attached(&machine);
    let frame = 0x5000_0000;
    let denied = [POOL_BASE, POOL_BASE + K4, frame, 0, 0x2000_0000, RAM - K4, RAM + RAM_SIZE, (1 << 48) - K4];
    for pa in denied {
        assert_eq!(machine.map(domain, AT, pa, K4, BOTH), (Status::Denied, 0));
    }
    assert_eq!(machine.map(domain, AT, RAM + RAM_SIZE - K4, 2 * K4, BOTH), (Status::Denied, 0));
    assert_eq!(machine.map(domain, AT, RAM - K4, 2 * K4, BOTH), (Status::Denied, 0));
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), None);
    assert_eq!(machine.map(domain, AT, RAM + RAM_SIZE - K4, K4, BOTH), (Status::Ok, K4));
}

#[test]
fn what_is_mapped_is_not_replaced() {
    let machine = Machine::new();
    let domain = attached(&machine);
    assert_eq!(machine.map(domain, AT + 3 * K4, RAM, K4, READ), (Status::Ok, K4));
    assert_eq!(machine.map(domain, AT, RAM, 8 * K4, READ), (Status::AlreadyMapped, 3 * K4));
    assert_eq!(machine.map(domain, AT, RAM, K4, READ), (Status::AlreadyMapped, 0));
    assert_eq!(machine.smmus[0].dma(EDU, AT + 3 * K4, false), Some(RAM));
    let look = |iova| machine.ask(Request::IovaToPa { domain, iova: Iova(iova) });
    assert_eq!(look(AT + 2 * K4 + 5).values[..2], [RAM + 2 * K4 + 5, READ.bits()]);
    assert_eq!(look(AT + 4 * K4).status, Status::NotMapped);
    assert_eq!(look(u64::MAX).status, Status::NotMapped);
}

#[test]
fn blocks_are_unmapped_whole() {
    let machine = Machine::new();
    let domain = attached(&machine);
    assert_eq!(machine.map(domain, AT, RAM, 2 * M2, READ), (Status::Ok, 2 * M2));
    assert_eq!(machine.unmap(domain, AT + K4, K4), (Status::WouldSplit, 0));
    assert_eq!(machine.unmap(domain, AT, M2 + K4), (Status::Ok, M2));
    assert_eq!(machine.unmap(domain, AT + M2, K4), (Status::WouldSplit, 0));
    assert_eq!(machine.smmus[0].dma(EDU, AT + M2, false), Some(RAM + M2));
    assert_eq!(machine.smmus[0].dma(EDU, AT, false), None);
}

#[test]
fn a_pool_that_is_used_up_answers_so_and_recovers() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    let mut mapped = 0;
    let exhausted = loop {
        match machine.map(domain, WINDOW.base + mapped * M2, RAM, K4, READ) {
            (Status::Ok, _) => mapped += 1,
            other => break other,
        }
    };
    assert_eq!(exhausted, (Status::NoMemory, 0));
    assert_eq!(machine.pool.available(), 0);
    assert_eq!(
        machine.status(Request::DomainAlloc { smmu: SmmuIndex(0), kind: DomainKind::Paging }),
        Status::NoMemory
    );
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
    assert_eq!(machine.pool.available(), POOL_PAGES);
    machine.alloc(0);
}

#[test]
fn handles_name_nothing_after_a_free() {
    let machine = Machine::new();
    let first = machine.alloc(0);
    assert_eq!(machine.status(Request::DomainFree(first)), Status::Ok);
    let second = machine.alloc(0);
    assert_eq!((first.slot(), first == second), (second.slot(), false));
    assert_eq!(machine.map(first, AT, RAM, K4, READ), (Status::InvalidHandle, 0));
    assert_eq!(machine.unmap(first, AT, K4), (Status::InvalidHandle, 0));
    assert_eq!(machine.status(Request::DomainFree(first)), Status::InvalidHandle);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(first)), Status::InvalidHandle);
    let nowhere = DomainHandle::new(DomainHandle::MAX_SLOTS - 1, 1).unwrap();
    assert_eq!(machine.status(Request::DomainFree(nowhere)), Status::InvalidHandle);
    assert_eq!(machine.status(Request::DomainFree(second)), Status::Ok);
}

#[test]
fn a_slot_s_last_handle_retires_it() {
    let machine = Machine::new();
    let slots: &'static [Slot<'static>; MAX_DOMAINS] = kept([const { Slot::new() }; MAX_DOMAINS]);
    slots[0].skip_to_generation(DomainHandle::MAX_GENERATION - 1);
    let domains = Domains::new(slots, machine.pool, false);
    let quota = Quota::new(99);
    let wanted =
        Allocation { client: Client::Host, smmu: SmmuIndex(0), window: WINDOW, format: Format::Stage2 };
    let last = domains.allocate(&wanted, &quota).unwrap();
    assert_eq!((last.slot(), last.generation()), (0, DomainHandle::MAX_GENERATION));
    let policy = policy();
    let ownership = Ownership::new(&policy, None).unwrap();
    let means = Means { smmus: machine.smmus, quota: &quota, ownership: &ownership };
    domains.free(Client::Host, last, means).unwrap();
    assert_eq!(domains.allocate(&wanted, &quota).unwrap().slot(), 1);
    assert_eq!(domains.free(Client::Host, last, means), Err(Status::InvalidHandle));
}

#[test]
fn nothing_cached_outlives_a_domain() {
    let machine = Machine::new();
    let domain = attached(&machine);
    assert_eq!(machine.map(domain, AT, RAM, K4, READ), (Status::Ok, K4));
    assert!(machine.smmus[0].dma(EDU, AT, false).is_some());
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Busy);
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
    // The same slot, so the same VMID.
    let domain = attached(&machine);
    assert_eq!(machine.map(domain, AT + M2, RAM, K4, READ), (Status::Ok, K4));
    assert_eq!(machine.smmus[0].dma(EDU, AT, false), None);
    assert!(machine.smmus[0].dma(EDU, AT + M2, false).is_some());
}

#[test]
fn hardware_that_does_not_answer_keeps_its_memory() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    assert_eq!(machine.map(domain, AT, RAM + K4, M2, READ), (Status::Ok, M2));
    assert_eq!(machine.map(domain, AT + M2, RAM, K4, READ), (Status::Ok, K4));
    let before = machine.pool.available();
    machine.smmus[0].fail_after(0);
    assert_eq!(machine.unmap(domain, AT, M2), (Status::Hardware, 0));
    assert_eq!(machine.unmap(domain, AT + M2, K4), (Status::Hardware, 0));
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Hardware);
    // What its stream is set to is not known: it is not called blocked either.
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Hardware);
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Busy);
    assert_eq!(machine.poll().0, Status::Hardware);
    let other = machine.alloc(0);
    assert_eq!(machine.status(Request::DomainFree(other)), Status::Hardware);
    assert_eq!(machine.status(Request::DomainFree(other)), Status::Hardware);
    assert_eq!(machine.map(other, AT, RAM, K4, READ), (Status::InvalidHandle, 0));
    assert_eq!(machine.pool.available(), before - 1);
    // The other SMMU goes on.
    let elsewhere = machine.alloc(1);
    assert_eq!(machine.set(1, EDU, DeviceState::Paging(elsewhere)), Status::Ok);
}

#[test]
fn holes_are_passed_over_and_counted() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    let unmap = |iova, size| {
        let answer = machine.ask(Request::Unmap { domain, iova: Iova(iova), size });
        (answer.status, answer.values[0], answer.values[1])
    };
    for page in [0, 2, 5] {
        assert_eq!(machine.map(domain, AT + page * K4, RAM, K4, READ).0, Status::Ok);
    }
    assert_eq!(unmap(AT, 4 * K4), (Status::Ok, 4 * K4, 2 * K4));
    assert_eq!(unmap(AT, 4 * K4), (Status::Ok, 4 * K4, 0));
    assert_eq!(unmap(AT, M2), (Status::Ok, M2, K4));
    assert_eq!(unmap(AT, WINDOW.end().unwrap() - AT), (Status::Ok, WINDOW.end().unwrap() - AT, 0));
}

#[test]
fn a_large_domain_is_freed_in_steps() {
    let pages = 600;
    let machine = Machine::with_pool(pages);
    let domain = machine.alloc(0);
    for place in 0..pages as u64 - 3 {
        assert_eq!(machine.map(domain, WINDOW.base + place * M2, RAM, K4, READ), (Status::Ok, K4));
    }
    let before = machine.smmus[0].invalidations();
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Again);
    // On its way it is found by no other operation, and its slot is not used again.
    assert_eq!(machine.map(domain, AT, RAM, K4, READ), (Status::InvalidHandle, 0));
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::InvalidHandle);
    assert_ne!(machine.alloc(0).slot(), domain.slot());
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::InvalidHandle);
    assert_eq!(machine.smmus[0].invalidations(), before + 1);
    assert_eq!(machine.pool.available(), pages - 1);
}

/// A block and a hole behind it that is none: what SMMUs are asked to forget is no multiple of the block.
#[test]
fn a_block_is_unmapped_with_a_hole_behind_it() {
    let machine = Machine::new();
    let domain = attached(&machine);
    assert_eq!(machine.map(domain, AT, RAM, M2, BOTH), (Status::Ok, M2));
    assert!(machine.smmus[0].dma(EDU, AT, false).is_some());
    let response = machine.ask(Request::Unmap { domain, iova: Iova(AT), size: M2 + K4 });
    assert_eq!((response.status, response.values[0]), (Status::Ok, M2 + K4));
    assert_eq!(machine.smmus[0].dma(EDU, AT, false), None);
}
