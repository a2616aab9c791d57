// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MSG_SEND2: which ways there are, what is refused, and what arrives.

use super::*;

#[test]
fn indirect_messages_go_all_ways_there_are() {
    let (spmc, hardware) = with_buffers();
    let normal_world = MailboxOwner::NormalWorld;
    let of = MailboxOwner::Partition;
    let message: std::vec::Vec<u8> = (0..1000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    for (from, to, sender, receiver) in
        [(normal_world, of(0), 0, FIRST), (of(0), of(1), FIRST, SECOND), (of(1), normal_world, SECOND, 0)]
    {
        let sent = indirect(sender, receiver, 0, &message);
        write(&hardware, from, &sent);
        let mut call = registers(&[SEND2]);
        if from == normal_world {
            spmc.from_normal_world(&mut call, core(0), &hardware);
        } else {
            let MailboxOwner::Partition(index) = from else { panic!() };
            spmc.from_partition(at(index), &mut call, core(0), &hardware);
        }
        assert_eq!(call[0], OK, "{from:?} to {to:?}");
        let seen = received(&hardware, to);
        assert_eq!(seen[..sent.len()], sent);
        assert!(seen[sent.len()..].iter().all(|byte| *byte == 0));
    }
    let mut again = registers(&[SEND2]);
    spmc.from_partition(at(0), &mut again, core(0), &hardware);
    assert_eq!(again[2], BUSY, "the second did not release its buffer");
}

#[test]
fn indirect_messages_that_are_refused() {
    let (spmc, hardware) = with_buffers();
    let sound = indirect(0, FIRST, UUID_1, b"hello");
    let changed = |at: usize, word: u32| {
        let mut bytes = sound.clone();
        bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
        bytes
    };
    for (what, bytes, status) in [
        ("a secure sender", indirect(SECOND, FIRST, 0, b""), INVALID_PARAMETERS),
        ("another VM as sender", indirect(5, FIRST, 0, b""), INVALID_PARAMETERS),
        ("nobody", indirect(0, 0x8009, 0, b""), INVALID_PARAMETERS),
        ("the SPMC", indirect(0, 0x8000, 0, b""), INVALID_PARAMETERS),
        ("a VM, from the normal world", indirect(0, 5, 0, b""), INVALID_PARAMETERS),
        ("itself", indirect(0, 0, 0, b""), INVALID_PARAMETERS),
        ("another's service", indirect(0, FIRST, 2, b""), INVALID_PARAMETERS),
        ("an offset inside the header", changed(2, 20), INVALID_PARAMETERS),
        ("a payload behind the buffer", changed(4, 0xfe0), INVALID_PARAMETERS),
        ("a size that overflows", changed(4, u32::MAX), INVALID_PARAMETERS),
        ("an offset that overflows", changed(2, u32::MAX), INVALID_PARAMETERS),
    ] {
        write(&hardware, MailboxOwner::NormalWorld, &bytes);
        let mut call = registers(&[SEND2]);
        spmc.from_normal_world(&mut call, core(0), &hardware);
        assert_eq!(call[..3], [ERROR, 0, status], "{what}");
    }
    for (what, w1) in [("a secure ID in w1", FIRST << 16), ("a VM without buffers", 5 << 16)] {
        let mut call = registers(&[SEND2, w1]);
        spmc.from_normal_world(&mut call, core(0), &hardware);
        assert_eq!(call[2], INVALID_PARAMETERS, "{what}");
    }
    write(&hardware, MailboxOwner::NormalWorld, &sound);
    let mut call = registers(&[SEND2]);
    spmc.from_normal_world(&mut call, core(0), &hardware);
    assert_eq!(call[0], OK, "and the sound one arrives, so that nothing of the others was left behind");
    assert_eq!(received(&hardware, MailboxOwner::Partition(0))[..sound.len()], sound);
}

#[test]
fn whoever_has_aborted_receives_nothing() {
    let (spmc, hardware) = with_buffers();
    // Before it is cleaned up, and after.
    go(&spmc, 1, VcpuState::Waiting, VcpuState::Running);
    assert!(spmc.abort(at(1), &hardware).is_some());
    for ended in [false, true] {
        assert_eq!(spmc.end(1, core(0), &hardware).is_some(), ended);
        spmc.partitions()[1].vcpu(0).unwrap().give_up();
        for (from, sender) in [(MailboxOwner::NormalWorld, 0), (MailboxOwner::Partition(0), FIRST)] {
            write(&hardware, from, &indirect(sender, SECOND, 0, b"x"));
            let mut call = registers(&[SEND2]);
            if sender == 0 {
                spmc.from_normal_world(&mut call, core(0), &hardware);
            } else {
                spmc.from_partition(at(0), &mut call, core(0), &hardware);
            }
            assert_eq!(call[..3], [ERROR, 0, DENIED], "{from:?}");
        }
    }
}

#[test]
fn a_short_header_carries_no_uuid() {
    let (spmc, hardware) = with_buffers();
    let words = [0, 0, 24, 0x8001_u32, 4, 0];
    let mut bytes: std::vec::Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(b"data, not a UUID, of which four bytes count");
    write(&hardware, MailboxOwner::NormalWorld, &bytes);
    let mut call = registers(&[SEND2]);
    spmc.from_normal_world(&mut call, core(0), &hardware);
    assert_eq!(call[0], OK);
    let seen = received(&hardware, MailboxOwner::Partition(0));
    assert_eq!(seen[..28], bytes[..28]);
    assert!(seen[28..].iter().all(|byte| *byte == 0));
}

#[test]
fn indirect_messages_take_the_right_on_both_sides() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    for (index, partition) in spmc.partitions().iter().enumerate() {
        let base = partition.memory().start();
        let mut message = registers(&[0xc400_0066, base + 0x1000, base, 1]);
        spmc.from_partition(at(index), &mut message, core(0), &hardware);
    }
    for (index, sender, receiver) in [(0, FIRST, SECOND), (1, SECOND, FIRST)] {
        write(&hardware, MailboxOwner::Partition(index), &indirect(sender, receiver, 0, b"x"));
        let mut call = registers(&[SEND2]);
        spmc.from_partition(at(index), &mut call, core(0), &hardware);
        assert_eq!(call[2], DENIED, "the second may not");
    }
}
