// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who lets a vCPU go on that gave its core back in the middle of its work: what becomes of it when its requester aborts, and what
//! those cannot do to it whom it does not concern.

use super::*;

/// The normal world has called the first partition, and that one the second, which is `left` now.
fn left_in_a_chain(left: VcpuState) -> Spmc {
    let spmc = chain();
    normal(&spmc, &[0xc400_006f, FIRST]);
    call_as(&spmc, at(0), &[0xc400_006f, FIRST << 16 | SECOND]);
    go(&spmc, 0, VcpuState::Running, VcpuState::Blocked);
    go(&spmc, 1, VcpuState::Running, left);
    go(&spmc, 0, VcpuState::Blocked, VcpuState::Running);
    spmc
}

/// The first partition, which runs, aborts, and its core leaves it.
fn first_aborts(spmc: &Spmc) {
    let hardware = FakeHardware::default();
    assert!(spmc.abort(at(0), &hardware).is_some());
    spmc.partitions()[0].vcpu(0).unwrap().give_up();
    assert!(spmc.end(0, core(0), &hardware).is_some());
}

#[test]
fn whom_an_aborted_partition_had_called_goes_on_by_the_normal_world() {
    for (left, resume) in [(VcpuState::Preempted, Resume::Untouched), (VcpuState::Yielded, Resume::Run)] {
        let spmc = left_in_a_chain(left);
        assert_eq!(normal(&spmc, &[RUN, SECOND << 16]).1, DENIED, "its requester can let it go on");
        first_aborts(&spmc);
        assert_eq!(normal(&spmc, &[0xc400_006f, SECOND]).1, BUSY, "it has to come to an end first");
        normal(&spmc, &[RUN, 0x8003_0000]);
        assert_eq!(call_as(&spmc, at(2), &[RUN, SECOND << 16]).1[2], DENIED, "a stranger");
        assert_eq!(normal(&spmc, &[RUN, SECOND << 16]).0, NormalNext::Run(at(1), resume));
        // Not done yet: it may give the core back as before.
        assert_eq!(call_as(&spmc, at(1), &[YIELD]).0, PartitionNext::Yield);
        go(&spmc, 1, VcpuState::Running, VcpuState::Yielded);
        assert_eq!(normal(&spmc, &[RUN, SECOND << 16]).0, NormalNext::Run(at(1), Resume::Run));
        let response = [0xc400_0070, SECOND << 16 | FIRST];
        for status in [ABORTED, DENIED] {
            let (next, answer) = call_as(&spmc, at(1), &response);
            assert_eq!((next, answer[..3].to_vec()), (PartitionNext::Answer, std::vec![ERROR, 0, status]));
        }
        assert_eq!(call_as(&spmc, at(1), &[WAIT]).0, PartitionNext::Wait);
    }
}

#[test]
fn it_may_wait_instead_of_responding_to_nobody() {
    let spmc = left_in_a_chain(VcpuState::Preempted);
    first_aborts(&spmc);
    normal(&spmc, &[RUN, SECOND << 16]);
    assert_eq!(call_as(&spmc, at(1), &[WAIT]).0, PartitionNext::Wait);
}

#[test]
fn who_waits_for_another_is_not_touched_by_an_abort() {
    let spmc = left_in_a_chain(VcpuState::Preempted);
    fail(&spmc, at(2), &FakeHardware::default());
    assert_eq!(normal(&spmc, &[RUN, SECOND << 16]).1, DENIED);
    assert_eq!(call_as(&spmc, at(0), &[RUN, SECOND << 16]).0, PartitionNext::Run(at(1), Resume::Untouched));
}

#[test]
fn the_receive_buffer_is_kept_by_flag_from_1_2_on() {
    for (minor, flags, kept) in [
        (2, 0, Ok(false)),
        (2, 1, Ok(true)),
        (2, 2, Err(INVALID_PARAMETERS)),
        (2, 0x1_0000, Err(INVALID_PARAMETERS)),
        (2, 0x8000_0001, Err(INVALID_PARAMETERS)),
        (1, 0, Ok(false)),
        (1, 1, Err(INVALID_PARAMETERS)),
        (0, 1, Err(INVALID_PARAMETERS)),
        (0, 0x1_0000_0000, Ok(false)),
    ] {
        let (spmc, hardware) = with_buffers();
        let partition = &spmc.partitions()[0];
        partition.version.reset(Version(1, minor));
        let send = || {
            write(&hardware, MailboxOwner::NormalWorld, &indirect(0, FIRST, 0, b"x"));
            let mut message = registers(&[0x8400_0086]);
            spmc.from_normal_world(&mut message, core(0), &hardware);
            message[0] == OK
        };
        assert!(send());
        let (next, answer) = call_as(&spmc, at(0), &[WAIT, 0, flags]);
        match kept {
            Ok(kept) => assert_eq!((next, send()), (PartitionNext::Wait, !kept), "1.{minor}, {flags:#x}"),
            Err(status) => {
                assert_eq!((next, answer[2]), (PartitionNext::Answer, status), "1.{minor}, {flags:#x}");
            }
        }
    }
}

#[cfg(feature = "interleavings")]
mod interleavings {
    use std::sync::Arc;

    use super::*;
    use crate::interleavings::{both, in_many_orders};

    #[test]
    fn a_stranger_takes_nobodys_turn() {
        in_many_orders(|| {
            let spmc = Arc::new(chain());
            normal(&spmc, &[0xc400_006f, FIRST]);
            go(&spmc, 0, VcpuState::Running, VcpuState::Preempted);
            normal(&spmc, &[RUN, 0x8003_0000]);
            let (rightful, stranger) = (Arc::clone(&spmc), Arc::clone(&spmc));
            let target = [RUN, FIRST << 16];
            let (next, refused) =
                both(move || normal(&rightful, &target).0, move || call_as(&stranger, at(2), &target).1[2]);
            assert_eq!(next, NormalNext::Run(at(0), Resume::Untouched));
            assert!([DENIED, BUSY].contains(&refused), "{refused:x}");
        });
    }
}
