// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which buffers are taken, and who owns a receive buffer when.

use super::*;
use crate::hardware::FakeHardware;

fn pair(rx: u64, tx: u64, pages: u32) -> Result<BufferPair, FfaError> {
    let ram = AddressRange::new(0x4000_0000, 0x10_0000).unwrap();
    BufferPair::new(RxTxAddr::Addr64 { rx, tx }, pages, |range| ram.contains(range))
}

#[test]
fn sound_buffers_are_taken() {
    let buffers = pair(0x4000_0000, 0x4000_1000, 1).unwrap();
    assert_eq!(buffers.receive.start(), 0x4000_0000);
    assert_eq!(buffers.send.start(), 0x4000_1000);
    assert!(pair(0x4000_0000, 0x4001_0000, 16).is_ok());
}

#[test]
fn unsound_buffers_are_not() {
    for (what, rx, tx, pages) in [
        ("unaligned", 0x4000_0800, 0x4000_1000, 1),
        ("the same", 0x4000_0000, 0x4000_0000, 1),
        ("overlapping", 0x4000_0000, 0x4000_1000, 2),
        ("no pages", 0x4000_0000, 0x4000_1000, 0),
        ("too many pages", 0x4000_0000, 0x4008_0000, 17),
        ("reserved bits", 0x4000_0000, 0x4000_1000, 0x41),
        ("not the caller's", 0x0e10_0000, 0x4000_1000, 1),
        ("partly not the caller's", 0x400f_f000, 0x4000_1000, 2),
        ("wrapping", 0xffff_ffff_ffff_f000, 0x4000_1000, 2),
    ] {
        assert_eq!(pair(rx, tx, pages), Err(FfaError::InvalidParameters), "{what}");
    }
}

#[test]
fn a_receive_buffer_is_filled_once_until_it_is_released() {
    let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
    let owner = MailboxOwner::NormalWorld;
    let deliver = |length: usize, byte: u8| {
        mailbox.deliver(owner, length, &hardware, || {
            hardware.write_receive_buffer(owner, 0, &vec![byte; length]);
            Ok(())
        })
    };
    assert_eq!(deliver(8, 1), Err(FfaError::Busy), "there is no buffer");
    assert_eq!(mailbox.release(), Err(FfaError::Denied));
    let buffers = pair(0x4000_0000, 0x4000_1000, 1).unwrap();
    mailbox.map(owner, buffers, &hardware).unwrap();
    assert_eq!(mailbox.map(owner, buffers, &hardware), Err(FfaError::Denied));
    assert_eq!(mailbox.release(), Err(FfaError::Denied), "nothing was delivered");
    assert_eq!(deliver(4097, 2), Err(FfaError::NoMemory));
    deliver(4096, 3).unwrap();
    assert_eq!(deliver(8, 4), Err(FfaError::Busy));
    mailbox.release().unwrap();
    deliver(8, 5).unwrap();
    let contents = hardware.mapped.lock().unwrap()[0].2.clone();
    assert_eq!(contents[..8], [5; 8]);
    assert_eq!(contents[8..], [0; 4088], "nothing is left of the longer message");
    mailbox.unmap(owner, &hardware).unwrap();
    assert_eq!(mailbox.unmap(owner, &hardware), Err(FfaError::InvalidParameters));
}

#[test]
fn a_delivery_that_fails_leaves_the_buffer_free() {
    let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
    let owner = MailboxOwner::Partition(0);
    mailbox.map(owner, pair(0x4000_0000, 0x4000_1000, 1).unwrap(), &hardware).unwrap();
    let refused = mailbox.deliver(owner, 8, &hardware, || Err(FfaError::InvalidParameters));
    assert_eq!(refused, Err(FfaError::InvalidParameters));
    assert_eq!(mailbox.release(), Err(FfaError::Denied));
    mailbox.deliver(owner, 8, &hardware, || Ok(())).unwrap();
}

#[test]
fn a_hypervisor_takes_and_returns_the_buffer_of_its_vm() {
    let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
    let owner = MailboxOwner::Vm(1);
    assert_eq!(mailbox.acquire(), Err(FfaError::Denied), "there is none");
    mailbox.map(owner, pair(0x4000_0000, 0x4000_1000, 1).unwrap(), &hardware).unwrap();
    mailbox.acquire().unwrap();
    assert_eq!(mailbox.acquire(), Err(FfaError::Denied));
    assert_eq!(mailbox.deliver(owner, 8, &hardware, || Ok(())), Err(FfaError::Busy));
    mailbox.release_for_vm().unwrap();
    assert_eq!(mailbox.release_for_vm(), Err(FfaError::Denied));
    mailbox.deliver(owner, 8, &hardware, || Ok(())).unwrap();
    assert_eq!(mailbox.acquire(), Err(FfaError::Denied), "the VM holds it");
    mailbox.release_for_vm().unwrap();
}

#[test]
fn a_failed_mapping_leaves_nothing() {
    let (mailbox, hardware) = (Mailbox::default(), FakeHardware::default());
    hardware.full.store(true, core::sync::atomic::Ordering::Relaxed);
    let buffers = pair(0x4000_0000, 0x4000_1000, 1).unwrap();
    assert_eq!(mailbox.map(MailboxOwner::Partition(0), buffers, &hardware), Err(FfaError::NoMemory));
    assert_eq!(mailbox.unmap(MailboxOwner::Partition(0), &hardware), Err(FfaError::InvalidParameters));
}
