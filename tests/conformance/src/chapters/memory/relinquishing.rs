// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RELINQUISH (DEN0140 2.6): whose handles it takes, and what a borrower leaves.

use super::*;
use crate::case::{Case, Instance};
use crate::interface::Interface;
use crate::outcome::same;

pub(in crate::chapters) const CASES: &[Case] = &[
    Case::exchange(
        Interface::MemRelinquish,
        "of-others",
        "DEN0140 2.6; table 2.25",
        Instance::ALL_SECURE,
        relinquish_of_others,
        side,
    ),
    Case::exchange(
        Interface::MemRelinquish,
        "zeroed",
        "DEN0140 2.6; table 2.25",
        Instance::SECURE,
        relinquish_zeroed,
        side,
    ),
];

/// What was sent to others, or was not retrieved, or is none.
fn relinquish_of_others(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    for partner in [Partner::PeerMp, Partner::Old11, Partner::Old10] {
        let sent = handle(&send_own(normal.endpoint(), FuncId::MemLend32, partner.id(), READ_WRITE, 0))?;
        Side { normal, partner: Partner::PeerUp }.relinquishes_not(sent, 0, &EITHER)?;
        let mut side = Side { normal, partner };
        side.relinquishes_not(sent, 0, &EITHER)?;
        side.retrieves(sent, 0, 0)?;
        for wrong in [0, sent ^ 1 << 32, u64::MAX] {
            side.relinquishes_not(wrong, 0, &[InvalidParameters])?;
        }
        for flags in [1 << 2, 1 << 31] {
            side.relinquishes_not(sent, flags, &[InvalidParameters])?;
        }
        side.relinquishes(sent, 0)?;
        side.relinquishes_not(sent, 0, &EITHER)?;
        reclaim(normal.endpoint(), sent, 0).success()?;
    }
    Ok(())
}

/// A borrower may leave zeros, if it could write them.
fn relinquish_zeroed(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let partner = Partner::PeerMp;
    let value = normal.random() | 1;
    normal.write(OWN, &value.to_le_bytes());
    let sent = handle(&send_own(normal.endpoint(), FuncId::MemLend32, partner.id(), READ_WRITE, 0))?;
    let mut side = Side { normal, partner };
    side.retrieves(sent, permitted(READ_ONLY), 0)?;
    side.relinquishes_not(sent, ZERO, &EITHER)?;
    side.relinquishes(sent, 0)?;
    same(word(side.normal.endpoint(), OWN), value)?;
    side.retrieves(sent, 0, 0)?;
    side.relinquishes(sent, ZERO)?;
    reclaim(normal.endpoint(), sent, 0).success()?;
    same(word(normal.endpoint(), OWN), 0_u64)
}
