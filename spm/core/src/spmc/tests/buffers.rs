// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_RXTX_MAP and whom buffers belong to: the normal world's, a partition's, and those that a hypervisor maps for its VMs.

use super::*;

#[test]
fn buffers_and_discovery_by_version() {
    for (version, size, properties) in [(0x1_0000, 8, [3, 0]), (0x1_0001, 24, [7, 1]), (0x1_0002, 24, [7, 7])]
    {
        let (spmc, hardware) = (spmc(), FakeHardware::default());
        spmc.normal_version.negotiate(version);
        let call = |values: &[u64]| {
            let mut message = registers(values);
            spmc.from_normal_world(&mut message, core(0), &hardware);
            message
        };
        let uuid = Uuid::from_u128(UUID_1);
        let words = UuidHelper::to_u32_regs(uuid).map(u64::from);
        let ask = [0x8400_0068, words[0], words[1], words[2], words[3], 0];
        assert_eq!(call(&ask)[2], BUSY, "there is no buffer yet");
        assert_eq!(call(&[0xc400_0066, 0x4000_1000, 0x4000_0000, 1])[0], OK);
        let answer = call(&ask);
        assert_eq!(answer[..4], [OK, 0, 1, if version == 0x1_0000 { 0 } else { size }]);
        assert_eq!(call(&ask)[2], BUSY, "the first answer was not released");
        assert_eq!(call(&[0x8400_0065])[0], OK);
        let all = call(&[0x8400_0068, 0, 0, 0, 0, 0]);
        assert_eq!(all[2], 2);
        let contents = hardware.mapped.lock().unwrap()[0].2.clone();
        let size = usize::try_from(size).unwrap();
        assert_eq!(contents[..4], [1, 0x80, 1, 0], "ID and number of contexts");
        assert_eq!(contents[size..size + 4], [2, 0x80, 8, 0]);
        assert_eq!(
            contents[4..6],
            properties,
            "direct and indirect messages, AArch64, FFA_MSG_SEND_DIRECT_REQ2"
        );
        if size == 24 {
            assert_eq!(contents[8..24], *uuid.as_bytes());
        }
        assert_eq!(contents[2 * size..], vec![0; contents.len() - 2 * size], "nothing behind");
        let counted = call(&[0x8400_0068, 0, 0, 0, 0, 1]);
        assert_eq!(counted[..4], [OK, 0, 2, 0], "counting needs no buffer");
        assert_eq!(call(&[0x8400_0068, 9, 9, 9, 9, 1])[2], INVALID_PARAMETERS);
        assert_eq!(call(&[0x8400_0067])[0], OK);
        assert_eq!(call(&[0x8400_0067])[2], INVALID_PARAMETERS);
    }
}

#[test]
fn a_partitions_buffers_lie_in_secure_data_of_its_own() {
    const OWN: u64 = 0x0e50_0000;
    for (receive, send, pages, status) in [
        (OWN, OWN + 0x1000, 1, OK),
        (0x0f80_0000, OWN, 1, OK),
        (0x0f80_0000, 0x0f80_2000, 2, OK),
        (0x0f80_3000, OWN, 2, ERROR),
        (0x0f80_4000, OWN, 1, ERROR),
        (0x9000_0000, OWN, 1, ERROR),
        (0x0f7f_f000, OWN, 1, ERROR),
    ] {
        let spmc = spmc();
        let (_, answer) = call_as(&spmc, AT_FIRST, &[0xc400_0066, send, receive, pages]);
        assert_eq!(answer[0], status, "{receive:#x} {send:#x}");
        assert!(status == OK || answer[2] == INVALID_PARAMETERS);
    }
}

/// Writes into the normal world's send buffer that VM `id` has a receive buffer at `address`, and its send buffer behind it.
pub(super) fn describe_vm(hardware: &FakeHardware, id: u32, address: u32) {
    let mut words = [0_u32; 20];
    words[..3].copy_from_slice(&[id, 16, 48]);
    for (place, address) in [(4, address), (12, address + 0x1000)] {
        words[place..place + 7].copy_from_slice(&[1, 1, 0, 0, address, 0, 1]);
    }
    let bytes: std::vec::Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    write(hardware, MailboxOwner::NormalWorld, &bytes);
}

#[test]
fn a_hypervisor_maps_buffers_for_its_vms() {
    let (spmc, hardware) = with_buffers();
    let call = |values: &[u64]| {
        let mut message = registers(values);
        spmc.from_normal_world(&mut message, core(0), &hardware);
        (message[0], message[2])
    };
    describe_vm(&hardware, 5, 0x4000_4000);
    for release in [0x8400_0065_u64, 0x8400_0084] {
        assert_eq!(call(&[release, 5]).1, INVALID_PARAMETERS, "it has no buffers");
    }
    assert_eq!(call(&[0xc400_0066, 0, 0, 0]).0, OK);
    assert_eq!(call(&[0x8400_0084, 0]).1, INVALID_PARAMETERS, "its own buffers have one writer");
    assert_eq!(call(&[0x8400_0084, 5]).0, OK);
    assert_eq!(call(&[0x8400_0084, 5]).1, DENIED);
    write(&hardware, MailboxOwner::Partition(0), &indirect(FIRST, 5, 0, b"hello"));
    let send = || {
        let mut message = registers(&[SEND2]);
        spmc.from_partition(at(0), &mut message, core(0), &hardware);
        message
    };
    assert_eq!(send()[2], BUSY, "the hypervisor holds the buffer");
    assert_eq!(call(&[0x8400_0065, 5]).0, OK);
    assert_eq!(send()[0], OK);
    assert_eq!(received(&hardware, MailboxOwner::Vm(0))[40..45], *b"hello");
    write(&hardware, MailboxOwner::Vm(0), &indirect(5, FIRST, 0, b"hello too"));
    assert_eq!(call(&[SEND2, 5 << 16]).0, OK);
    assert_eq!(received(&hardware, MailboxOwner::Partition(0))[40..49], *b"hello too");
    assert_eq!(call(&[0x8400_0067, 5 << 16]).0, OK);
    assert_eq!(call(&[0x8400_0067, 5 << 16]).1, INVALID_PARAMETERS);
}
