// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_SHARE, FFA_MEM_LEND and FFA_MEM_DONATE (DEN0140 2.1 to 2.3): a page that goes, and comes back or does not.

use super::*;
use crate::case::{Case, Instance};
use crate::endpoint::PAGES;
use crate::interface::Interface;
use crate::outcome::same;

pub(in crate::chapters) const CASES: &[Case] = &[
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
