// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_DONATE, FFA_MEM_LEND, FFA_MEM_SHARE (DEN0140 2.1 to 2.3) and FFA_MEM_RECLAIM (2.7): who may send what to whom, and
//! who has it then.

use super::memory::{
    EXECUTABLE, GIFT, OWN, READ_ONLY, READ_WRITE, Region, Side, ZERO, describe, handle, offered, put,
    reclaim, send, send_own, side, word,
};
use super::memory::{attributes, constituents_at};
use crate::case::{Case, Instance};
use crate::endpoint::{Endpoint, Foreign, PAGE, PAGES, call, map_buffers, rx, tx};
use crate::exchange::NormalWorld;
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{Denied, InvalidParameters};
use arm_ffa::{FfaError, FuncId};

/// Where the specification leaves the choice, or several rules are broken.
const EITHER: [FfaError; 2] = [Denied, InvalidParameters];
const KINDS: [FuncId; 3] = [FuncId::MemShare32, FuncId::MemLend32, FuncId::MemDonate32];

/// Those that cases without a partition's side send to.
const PEERS: &[Partner] = &[Partner::PeerMp, Partner::PeerUp];

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::MemShare,
        "there-and-back",
        "DEN0140 2.3, 2.4, 2.6, 2.7; tables 1.18, 1.20",
        Instance::ALL_NORMAL,
        shared,
        side,
    ),
    Case::exchange(
        Interface::MemLend,
        "there-and-back",
        "DEN0140 2.2, 2.4, 2.6, 2.7; tables 1.18, 1.20",
        Instance::ALL_NORMAL,
        lent,
        side,
    ),
    Case::exchange(
        Interface::MemShare,
        "between-partitions",
        "DEN0140 2.3, 2.4, 2.6, 2.7; table 1.7",
        Instance::ALL_SECURE,
        shared_between,
        side,
    ),
    Case::exchange(
        Interface::MemLend,
        "between-partitions",
        "DEN0140 2.2, 2.4, 2.6, 2.7; table 1.7",
        Instance::ALL_SECURE,
        lent_between,
        side,
    ),
    Case::exchange(
        Interface::MemDonate,
        "between-partitions",
        "DEN0140 2.1, 2.4; table 1.7",
        Instance::SECURE,
        donated_between,
        side,
    ),
    Case::exchange(
        Interface::MemDonate,
        "given-away",
        "DEN0140 2.1, 2.4, 2.7",
        Instance::ALL_NORMAL,
        given_away,
        side,
    ),
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
    Case::alone(Interface::MemReclaim, "unknown", "DEN0140 2.7", Instance::ALL, unknown).with_partners(PEERS),
    Case::alone(Interface::MemReclaim, "zeroed", "DEN0140 2.7; table 2.31", Instance::ALL, zeroed)
        .with_partners(PEERS),
    Case::exchange(Interface::MemReclaim, "of-others", "DEN0140 2.7", Instance::LATEST, of_others, side),
];

fn shared(normal: &mut dyn NormalWorld) -> Outcome {
    there_and_back(normal, FuncId::MemShare32)?;
    there_and_back(normal, FuncId::MemShare64)
}

fn lent(normal: &mut dyn NormalWorld) -> Outcome {
    there_and_back(normal, FuncId::MemLend32)?;
    there_and_back(normal, FuncId::MemLend64)
}

/// A page goes to a partition, which sees what is in it and leaves something, and comes back; not before it is relinquished.
fn there_and_back(normal: &mut dyn NormalWorld, function: FuncId) -> Outcome {
    map_buffers(normal.endpoint())?;
    let page = normal.pages() + OWN;
    for partner in [Partner::PeerMp, Partner::Old11, Partner::Old10] {
        let value = normal.random();
        normal.write(OWN, &value.to_le_bytes());
        let sent = handle(&send_own(normal.endpoint(), function, partner.id(), READ_WRITE, 0))?;
        let mut side = Side { normal, partner };
        side.map()?;
        let told = side.retrieves(sent, 0, 0)?;
        same(told.first, page)?;
        same(told.pages, 1_u64)?;
        attributes(told.attributes, partner.version(), false)?;
        // Non-secure memory is not executable for a partition: DEN0140 1.10.3.
        same(told.permissions, 0b0110_u64)?;
        same(side.loads(page, false)?, value)?;
        side.stores(page, false, !value)?;
        reclaim(side.normal.endpoint(), sent, 0).error(Denied)?;
        side.relinquishes(sent, 0)?;
        reclaim(side.normal.endpoint(), sent, 0).success()?;
        same(word(side.normal.endpoint(), OWN), !value)?;
        // It is over.
        reclaim(side.normal.endpoint(), sent, 0).error(InvalidParameters)?;
        side.retrieves_not(sent, 0, 0, &[InvalidParameters])?;
    }
    call(normal.endpoint(), FuncId::RxTxUnmap, &[]).success()
}

fn shared_between(normal: &mut dyn NormalWorld) -> Outcome {
    between(normal, FuncId::MemShare32)
}

fn lent_between(normal: &mut dyn NormalWorld) -> Outcome {
    between(normal, FuncId::MemLend32)
}

/// Partitions of any version, each in its layout of descriptors.
fn between(normal: &mut dyn NormalWorld, function: FuncId) -> Outcome {
    let pairs = [
        (Partner::PeerMp, Partner::PeerUp),
        (Partner::PeerUp, Partner::Old11),
        (Partner::Old11, Partner::Old10),
        (Partner::Old10, Partner::PeerMp),
    ];
    for (partner, _) in pairs {
        Side { normal, partner }.map()?;
    }
    for (from, to) in pairs {
        let value = normal.random() | 1;
        let (page, _) = Side { normal, partner: from }.own(value, OWN)?;
        let sent = Side { normal, partner: from }.sends(function, to.id(), OWN)?;
        let mut receiver = Side { normal, partner: to };
        let told = receiver.retrieves(sent, u64::from(from.id()), 0)?;
        same(told.first, page)?;
        same(told.pages, 1_u64)?;
        attributes(told.attributes, to.version(), true)?;
        same(receiver.loads(page, true)?, value)?;
        receiver.stores(page, true, !value)?;
        Side { normal, partner: from }.reclaims_not(sent, &[Denied])?;
        Side { normal, partner: to }.relinquishes(sent, 0)?;
        let mut sender = Side { normal, partner: from };
        sender.reclaims(sent)?;
        same(sender.own(0, OWN)?.1, !value)?;
    }
    Ok(())
}

/// A page changes its owner for good.
fn donated_between(normal: &mut dyn NormalWorld) -> Outcome {
    let (from, to) = (Partner::PeerMp, Partner::PeerUp);
    for partner in [from, to] {
        Side { normal, partner }.map()?;
    }
    let value = normal.random() | 1;
    let (page, _) = Side { normal, partner: from }.own(value, GIFT)?;
    let sent = Side { normal, partner: from }.sends(FuncId::MemDonate32, to.id(), GIFT)?;
    let mut receiver = Side { normal, partner: to };
    let told = receiver.retrieves(sent, u64::from(from.id()), 0)?;
    same(told.first, page)?;
    same(receiver.loads(page, true)?, value)?;
    // There is nothing to give back or to take back.
    receiver.relinquishes_not(sent, 0, &EITHER)?;
    Side { normal, partner: from }.reclaims_not(sent, &EITHER)?;
    Side { normal, partner: from }.sends_not(FuncId::MemShare32, to.id(), GIFT, &EITHER)
}

/// The normal world's page becomes a partition's.
fn given_away(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    let page = normal.pages() + PAGES * PAGE;
    let partner = Partner::Old11;
    let (receivers, ranges) = ([(partner.id(), 0)], [(page, 1)]);
    let region = Region { sender: 0, flags: ZERO, handle: 0, receivers: &receivers, ranges: &ranges };
    // Until it is retrieved it can be taken back.
    let sent = handle(&send(normal.endpoint(), FuncId::MemDonate32, &region))?;
    reclaim(normal.endpoint(), sent, 0).success()?;
    let sent = handle(&send(normal.endpoint(), FuncId::MemDonate64, &region))?;
    let mut side = Side { normal, partner };
    side.map()?;
    side.retrieves(sent, 0, ZERO)?;
    same(side.loads(page, false)?, 0_u64)?;
    side.relinquishes_not(sent, 0, &EITHER)?;
    reclaim(normal.endpoint(), sent, 0).error_of(&EITHER)?;
    for kind in KINDS {
        let receivers = [(Partner::PeerMp.id(), offered(kind))];
        let region = Region { sender: 0, flags: 0, handle: 0, receivers: &receivers, ranges: &ranges };
        send(normal.endpoint(), kind, &region).error_of(&EITHER)?;
    }
    call(normal.endpoint(), FuncId::RxTxUnmap, &[]).success()
}

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

/// A partition that is not the caller.
fn other(endpoint: &dyn Endpoint) -> u16 {
    let [mp, up] = [Partner::PeerMp.id(), Partner::PeerUp.id()];
    if endpoint.id() == mp { up } else { mp }
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

fn unknown(endpoint: &mut dyn Endpoint) -> Outcome {
    for handle in [0, 1, 0x1234_5678, u64::MAX >> 1, u64::MAX] {
        reclaim(endpoint, handle, 0).error(InvalidParameters)?;
    }
    map_buffers(endpoint)?;
    let to = other(endpoint);
    let sent = handle(&send_own(endpoint, FuncId::MemLend32, to, READ_WRITE, 0))?;
    for flags in [1 << 2, 1 << 31] {
        reclaim(endpoint, sent, flags).error(InvalidParameters)?;
    }
    for wrong in [sent ^ 1 << 32, sent ^ 1 << 62, sent ^ 1 << 20] {
        reclaim(endpoint, wrong, 0).error(InvalidParameters)?;
    }
    reclaim(endpoint, sent, 0).success()?;
    call(endpoint, FuncId::RxTxUnmap, &[]).success()
}

/// Memory is zeroed before its owner has it back, if that wants it.
fn zeroed(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    let (value, to) = (endpoint.random() | 1, other(endpoint));
    for (flags, expected) in [(0, value), (ZERO, 0)] {
        endpoint.write(OWN, &value.to_le_bytes());
        let sent = handle(&send_own(endpoint, FuncId::MemLend32, to, READ_WRITE, 0))?;
        reclaim(endpoint, sent, flags).success()?;
        same(word(endpoint, OWN), expected)?;
    }
    call(endpoint, FuncId::RxTxUnmap, &[]).success()
}

/// A handle is of use to its owner only.
fn of_others(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    let (from, to) = (Partner::PeerMp, Partner::PeerUp);
    for partner in [from, to] {
        Side { normal, partner }.map()?;
    }
    let theirs = Side { normal, partner: from }.sends(FuncId::MemLend32, to.id(), OWN)?;
    let ours = handle(&send_own(normal.endpoint(), FuncId::MemLend32, to.id(), READ_WRITE, 0))?;
    ensure(theirs != ours, [theirs, ours, 0])?;
    reclaim(normal.endpoint(), theirs, 0).error_of(&EITHER)?;
    for partner in [from, to] {
        Side { normal, partner }.reclaims_not(ours, &EITHER)?;
    }
    Side { normal, partner: to }.reclaims_not(theirs, &EITHER)?;
    Side { normal, partner: from }.reclaims(theirs)?;
    reclaim(normal.endpoint(), ours, 0).success()?;
    call(normal.endpoint(), FuncId::RxTxUnmap, &[]).success()
}
