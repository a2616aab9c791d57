// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RECLAIM (DEN0140 2.7): whose handles it takes, and what the owner finds.

use super::*;
use crate::case::{Case, Instance};
use crate::interface::Interface;
use crate::outcome::{ensure, same};

pub(in crate::chapters) const CASES: &[Case] = &[
    Case::alone(Interface::MemReclaim, "unknown", "DEN0140 2.7", Instance::ALL, unknown).with_partners(PEERS),
    Case::alone(Interface::MemReclaim, "zeroed", "DEN0140 2.7; table 2.31", Instance::ALL, zeroed)
        .with_partners(PEERS),
    Case::exchange(Interface::MemReclaim, "of-others", "DEN0140 2.7", Instance::LATEST, of_others, side),
];

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
