// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bugs that other SPMCs had and fixed: here, tests that they are not made again. docs/hardening.md lists them all.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::*;
use crate::manifest::SpmcManifest;
use crate::manifest::layout::{PartitionLayout, PlacedRegion};
use crate::manifest::region::{Access, Security};
use crate::manifest::spmc::{Gic, MemoryKind, MemoryRange};

const MAP_64: u64 = 0xc400_0066;
const UNMAP: u64 = 0x8400_0067;
const RX_RELEASE: u64 = 0x8400_0065;
const RX_ACQUIRE: u64 = 0x8400_0084;
const SEND2: u64 = 0x8400_0086;
const NO_MEMORY: u64 = 0xffff_fffd;

/// Fails if `work` does not end: a lock that was left behind is waited for without end.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, end) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    if end.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it waits for a lock that nobody holds");
    }
    worker.join().unwrap();
}

#[test]
fn an_rx_acquire_without_buffers_is_refused_and_leaves_no_lock() {
    in_time(|| {
        let (spmc, hardware) = with_buffers();
        let call = |values: &[u64]| {
            let mut message = registers(values);
            spmc.from_normal_world(&mut message, core(0), &hardware);
            (message[0], message[2])
        };
        for vm in [5, 0, FIRST, 0xffff] {
            assert_eq!(call(&[RX_ACQUIRE, vm]), (ERROR, INVALID_PARAMETERS), "{vm:#x}");
        }
        assert_eq!(call(&[UNMAP]).0, OK, "which takes the lock for itself alone");
        for vm in [5, 0] {
            assert_eq!(call(&[RX_ACQUIRE, vm]), (ERROR, INVALID_PARAMETERS), "{vm:#x}, nobody has any");
        }
        assert_eq!(call(&[MAP_64, 0x4000_1000, 0x4000_0000, 1]).0, OK);
        assert_eq!(call(&[UNMAP]).0, OK);
    });
}

/// Gives the first partition buffers of two pages; the second one keeps its one page.
fn with_a_larger_sender() -> (Spmc, FakeHardware) {
    let (spmc, hardware) = with_buffers();
    let base = spmc.partitions()[0].memory().start();
    for values in [&[UNMAP][..], &[MAP_64, base + 0x4000, base + 0x2000, 2]] {
        let mut message = registers(values);
        spmc.from_partition(at(0), &mut message, core(0), &hardware);
        assert_eq!(message[0], OK);
    }
    (spmc, hardware)
}

#[test]
fn no_message_is_copied_beyond_either_buffer() {
    const HEADER: usize = 40;
    let owner = MailboxOwner::Partition(0);
    let send = |spmc: &Spmc, hardware: &FakeHardware, bytes: &[u8]| {
        write(hardware, owner, bytes);
        let mut call = registers(&[SEND2]);
        // The fake stops whoever reads or writes outside of a buffer.
        spmc.from_partition(at(0), &mut call, core(0), hardware);
        (call[0], call[2])
    };
    for payload in [4096 - HEADER + 1, 5000, 8192 - HEADER] {
        let (spmc, hardware) = with_a_larger_sender();
        let sent = indirect(FIRST, SECOND, 0, &vec![0xab; payload]);
        assert_eq!(send(&spmc, &hardware, &sent), (ERROR, NO_MEMORY), "{payload}");
        assert!(received(&hardware, MailboxOwner::Partition(1)).iter().all(|byte| *byte == 0));
    }
    let (spmc, hardware) = with_a_larger_sender();
    let sent = indirect(FIRST, SECOND, 0, &vec![0xab; 8192 - HEADER + 1]);
    assert_eq!(send(&spmc, &hardware, &sent).1, INVALID_PARAMETERS);
    let largest = indirect(FIRST, SECOND, 0, &vec![0xab; 4096 - HEADER]);
    assert_eq!(send(&spmc, &hardware, &largest).0, OK);
    assert_eq!(received(&hardware, MailboxOwner::Partition(1)), largest);
}

#[test]
fn nothing_is_left_of_a_longer_message() {
    let (spmc, hardware) = with_buffers();
    let receiver = MailboxOwner::Partition(1);
    for length in [4000, 100, 3, 0, 2000, 1] {
        let sent = indirect(FIRST, SECOND, 0, &vec![0xcd; length]);
        write(&hardware, MailboxOwner::Partition(0), &sent);
        let mut call = registers(&[SEND2]);
        spmc.from_partition(at(0), &mut call, core(0), &hardware);
        assert_eq!(call[0], OK);
        let seen = received(&hardware, receiver);
        assert_eq!(seen[..sent.len()], sent);
        assert!(seen[sent.len()..].iter().all(|byte| *byte == 0), "behind {length} bytes");
        let mut release = registers(&[RX_RELEASE]);
        spmc.from_partition(at(1), &mut release, core(0), &hardware);
        assert_eq!(release[0], OK);
    }
}

#[test]
fn buffers_that_enclose_what_is_not_the_callers_are_refused() {
    let range = |start: u64, pages| AddressRange::from_pages(start, pages).unwrap();
    let ram = range(0x4000_0000, 0x100);
    let manifest = SpmcManifest {
        spmc_id: 0x8000,
        load_address: 0x0e10_0000,
        entrypoint: 0x0e10_0000,
        binary_size: 0x10_0000,
        console: None,
        gic: Gic { distributor: ram, redistributors: ram },
        partitions: Vec::new(),
        memory: Vec::from_slice(&[MemoryRange { range: ram, kind: MemoryKind::NonSecure }]).unwrap(),
    };
    let (access, security) = (Access::ReadWrite, Security::NonSecure);
    let held = PlacedRegion { range: range(0x4000_2000, 1), access, security };
    let mut layout = PartitionLayout {
        id: 0x8001,
        memory: range(0x0e40_0000, 1),
        entry: 0x0e40_0000,
        memory_regions: Vec::new(),
        device_regions: Vec::new(),
        interrupts: interrupts::list(0x8001),
    };
    layout.memory_regions.push(held).unwrap();
    let memory = NormalMemory::new(&manifest, &[layout]);
    for (what, start, pages) in [
        ("encloses what a partition holds", 0x4000_1000, 3),
        ("is what a partition holds", 0x4000_2000, 1),
        ("ends in it", 0x4000_1000, 2),
        ("begins in it", 0x4000_2000, 2),
        ("encloses all RAM", 0x3fff_f000, 0x102),
        ("begins before RAM", 0x3fff_f000, 2),
        ("ends behind RAM", 0x400f_f000, 2),
    ] {
        assert!(!memory.owns(range(start, pages)), "{what}");
    }
    assert!(memory.owns(range(0x4000_0000, 2)));
    assert!(memory.owns(range(0x4000_3000, 1)));
}

#[test]
fn a_vcpus_registers_are_never_in_use_when_it_is_claimed() {
    const ROUNDS: usize = 2000;
    let (spmc, registers_of_first) = (spmc(), Mutex::new(()));
    let served: usize = std::thread::scope(|scope| {
        let cores: std::vec::Vec<_> = (0..4)
            .map(|index| {
                let (spmc, held) = (&spmc, &registers_of_first);
                scope.spawn(move || {
                    let mut served = 0;
                    for _ in 0..ROUNDS {
                        let mut message = registers(&[0xc400_006f, FIRST]);
                        match spmc.from_normal_world(&mut message, core(index), &FakeHardware::default()) {
                            NormalNext::Request(vcpu, _) => {
                                // As a core does: takes the registers, stores them, and only then lets the vCPU go.
                                let guard = held.try_lock().expect("another core still has the registers");
                                std::thread::yield_now();
                                drop(guard);
                                finish(spmc, vcpu);
                                served += 1;
                            }
                            next => assert_eq!((next, message[2]), (NormalNext::Answer, BUSY)),
                        }
                    }
                    served
                })
            })
            .collect();
        cores.into_iter().map(|core| core.join().unwrap()).sum()
    });
    // How many depends on when the host lets each core run.
    assert!(served > 0);
}
