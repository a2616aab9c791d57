// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What FFA_MEM_SHARE, FFA_MEM_LEND and FFA_MEM_DONATE do not take (DEN0140 2.1 to 2.3).

use super::*;
use crate::case::{Case, Instance};
use crate::endpoint::{Foreign, rx, tx};
use crate::interface::Interface;

pub(in crate::chapters) const CASES: &[Case] = &[
    Case::exchange(
        Interface::MemLend,
        "to-normal-world",
        "DEN0140 table 1.7",
        Instance::ALL_SECURE,
        to_normal_world,
        side,
    ),
    Case::alone(
        Interface::MemShare,
        "refused",
        "DEN0140 2.3; tables 1.13 to 1.21",
        Instance::ALL,
        share_refused,
    )
    .with_partners(PEERS),
    Case::alone(
        Interface::MemLend,
        "refused",
        "DEN0140 2.2; tables 1.13 to 1.21",
        Instance::ALL,
        lend_refused,
    )
    .with_partners(PEERS),
    Case::alone(
        Interface::MemDonate,
        "refused",
        "DEN0140 2.1; tables 1.13 to 1.21",
        Instance::ALL,
        donate_refused,
    )
    .with_partners(PEERS),
    Case::alone(Interface::MemDonate, "to-two", "DEN0140 2.1; 1.10.2", Instance::ALL, donate_to_two)
        .with_partners(PEERS),
    Case::alone(
        Interface::MemShare,
        "permissions",
        "DEN0140 1.10.2, 1.10.3; table 1.15",
        Instance::ALL,
        permissions,
    )
    .with_partners(PEERS),
    Case::alone(Interface::MemLend, "sent-already", "DEN0140 2.1 to 2.3", Instance::ALL, sent_already)
        .with_partners(PEERS),
    Case::alone(Interface::MemShare, "without-buffers", "DEN0140 2.3", Instance::ALL, without_buffers)
        .with_partners(PEERS),
];

fn to_normal_world(normal: &mut dyn NormalWorld) -> Outcome {
    for partner in [Partner::PeerMp, Partner::Old11, Partner::Old10] {
        let mut side = Side { normal, partner };
        side.map()?;
        for kind in KINDS {
            side.sends_not(kind, 0, OWN, &EITHER)?;
        }
    }
    Ok(())
}

fn share_refused(endpoint: &mut dyn Endpoint) -> Outcome {
    wrong(endpoint, FuncId::MemShare32)
}

fn lend_refused(endpoint: &mut dyn Endpoint) -> Outcome {
    wrong(endpoint, FuncId::MemLend32)
}

fn donate_refused(endpoint: &mut dyn Endpoint) -> Outcome {
    wrong(endpoint, FuncId::MemDonate32)
}

/// What none of the three takes; the page can be sent afterwards.
fn wrong(endpoint: &mut dyn Endpoint, function: FuncId) -> Outcome {
    map_buffers(endpoint)?;
    let (own, page, to) = (endpoint.id(), endpoint.pages() + OWN, other(endpoint));
    let access = offered(function);
    let (receivers, ranges) = ([(to, access)], [(page, 1)]);
    let good = Region { sender: own, flags: 0, handle: 0, receivers: &receivers, ranges: &ranges };
    wrong_ranges(endpoint, function, &good)?;
    // Somebody else's, or nobody's.
    for which in [Foreign::Spmc, Foreign::OtherWorld] {
        let ranges = [(endpoint.foreign(which) & !(PAGE - 1), 1)];
        send(endpoint, function, &Region { ranges: &ranges, ..good }).error_of(&EITHER)?;
    }
    // In use for messages.
    for buffer in [rx(endpoint), tx(endpoint)] {
        let ranges = [(buffer, 1)];
        send(endpoint, function, &Region { ranges: &ranges, ..good }).error_of(&EITHER)?;
    }
    // In another's name, and with a handle already.
    send(endpoint, function, &Region { sender: to, ..good }).error_of(&EITHER)?;
    send(endpoint, function, &Region { handle: 1, ..good }).error(InvalidParameters)?;
    // To nobody, to itself, to one twice.
    for receivers in [&[][..], &[(0x8fff, access)], &[(own, access)], &[(to, access), (to, access)]] {
        send(endpoint, function, &Region { receivers, ..good }).error_of(&EITHER)?;
    }
    // Reserved permissions and flags.
    for permissions in [0b0011, 0b1100, 0b1_0010, 0xff] {
        let receivers = [(to, permissions)];
        send(endpoint, function, &Region { receivers: &receivers, ..good }).error(InvalidParameters)?;
    }
    for flags in [1 << 2, 1 << 10, 1 << 31] {
        send(endpoint, function, &Region { flags, ..good }).error(InvalidParameters)?;
    }
    wrong_lengths(endpoint, function, &good)?;
    let sent = handle(&send(endpoint, function, &good))?;
    reclaim(endpoint, sent, 0).success()?;
    call(endpoint, FuncId::RxTxUnmap, &[]).success()
}

fn wrong_ranges(endpoint: &mut dyn Endpoint, function: FuncId, good: &Region<'_>) -> Outcome {
    let page = endpoint.pages() + OWN;
    for ranges in [
        &[][..],
        &[(page, 0)],
        &[(page + 0x800, 1)],
        &[(page, 1), (page, 1)],
        &[(page, 2), (page + PAGE, 1)],
        &[(!0xfff, 1)],
        &[(!0xfff, 2)],
    ] {
        send(endpoint, function, &Region { ranges, ..*good }).error_of(&EITHER)?;
    }
    // Totals that are not those of the ranges.
    let length = describe(endpoint, good);
    let counts = constituents_at(endpoint.instance().version, 1) - 16;
    for total in [1 << 32, 2 | 1 << 32, 0xffff_ffff | 1 << 32, 1 | 2 << 32, 1 | 0xffff_ffff << 32] {
        put(endpoint, counts, &[total]);
        call(endpoint, function, &[length, length]).error(InvalidParameters)?;
    }
    Ok(())
}

fn wrong_lengths(endpoint: &mut dyn Endpoint, function: FuncId, good: &Region<'_>) -> Outcome {
    let length = describe(endpoint, good);
    for (total, fragment) in [(0, 0), (length, 0), (length - 16, length), (length + 1, length + 1), (16, 16)]
    {
        call(endpoint, function, &[total, fragment]).error(InvalidParameters)?;
    }
    call(endpoint, function, &[2 * PAGE, 2 * PAGE]).error(InvalidParameters)?;
    // Buffers beside TX are not offered (FFA_FEATURES, bit 0).
    let buffer = endpoint.pages() + 5 * PAGE;
    call(endpoint, function, &[length, length, buffer & 0xffff_ffff, 1]).error(InvalidParameters)
}

fn donate_to_two(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    let (own, page) = (endpoint.id(), endpoint.pages() + OWN);
    let receivers = [(other(endpoint), 0), (Partner::Deaf.id(), 0)];
    let region = Region { sender: own, flags: 0, handle: 0, receivers: &receivers, ranges: &[(page, 1)] };
    send(endpoint, FuncId::MemDonate32, &region).error(InvalidParameters)?;
    call(endpoint, FuncId::RxTxUnmap, &[]).success()
}

/// Sharing and lending say what data access receivers get, donating says nothing; nothing says who may execute.
fn permissions(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    let to = other(endpoint);
    for kind in KINDS {
        let wrong: &[u8] = match offered(kind) {
            0 => &[READ_ONLY, READ_WRITE, EXECUTABLE],
            _ => &[0, READ_ONLY | EXECUTABLE, READ_WRITE | EXECUTABLE],
        };
        for permissions in wrong {
            send_own(endpoint, kind, to, *permissions, 0).error(InvalidParameters)?;
        }
    }
    // Zeros are not for what the sender keeps.
    send_own(endpoint, FuncId::MemShare32, to, READ_WRITE, ZERO).error(InvalidParameters)?;
    call(endpoint, FuncId::RxTxUnmap, &[]).success()
}

fn sent_already(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    let to = other(endpoint);
    for first in KINDS {
        let sent = handle(&send_own(endpoint, first, to, offered(first), 0))?;
        let mut outcome = Ok(());
        for again in KINDS {
            outcome = outcome.and(send_own(endpoint, again, to, offered(again), 0).error(Denied));
        }
        reclaim(endpoint, sent, 0).success()?;
        outcome?;
    }
    call(endpoint, FuncId::RxTxUnmap, &[]).success()
}

fn without_buffers(endpoint: &mut dyn Endpoint) -> Outcome {
    let to = other(endpoint);
    for kind in KINDS {
        send_own(endpoint, kind, to, offered(kind), 0).error_of(&EITHER)?;
    }
    Ok(())
}
