// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A notification from a partition to the normal world: FFA_NOTIFICATION_SET by the one, which counts it itself, and
//! FFA_NOTIFICATION_INFO_GET and FFA_NOTIFICATION_GET by the other. The messages that let the partition do it are left out,
//! and so is the interrupt, which stays pending: it is switched off.

use super::{ROUNDS, clock::Clock, succeed};
use crate::{ensure, firmware::command, report, scenario::Failure};
use arm_ffa::FuncId;
use nwd::ffa;

/// What is set.
const BITMAP: u64 = 1;
/// Flags of FFA_NOTIFICATION_GET: what partitions have set.
const OF_PARTITIONS: u64 = 1;

const fn call(function: FuncId, [x1, x2, x3, x4]: [u64; 4]) -> [u64; 8] {
    [function as u32 as u64, x1, x2, x3, x4, 0, 0, 0]
}

pub(super) fn count(clock: &Clock, to: u16) -> Result<(), Failure> {
    let from = u64::from(to) << 16;
    let mut steps = [
        call(FuncId::NotificationBitmapCreate, [0, 1, 0, 0]),
        call(FuncId::NotificationBind, [from, 0, BITMAP, 0]),
    ];
    for registers in &mut steps {
        succeed(clock, "notification_round: preparing", registers)?;
    }
    let counted = rounds(clock, to);
    let mut steps = [
        call(FuncId::NotificationUnbind, [from, 0, BITMAP, 0]),
        call(FuncId::NotificationBitmapDestroy, [0; 4]),
    ];
    let instructions = counted?;
    for registers in &mut steps {
        succeed(clock, "notification_round: cleaning up", registers)?;
    }
    report::bench("notification_round", instructions);
    Ok(())
}

fn rounds(clock: &Clock, to: u16) -> Result<u64, Failure> {
    let set = u64::from(u32::from(FuncId::NotificationSet));
    let mut all = 0_u64;
    for _ in 0..ROUNDS {
        ffa::direct(to, [command::PREPARE_CALL, 0, 0, 0, 0])?;
        let [status, ..] = ffa::direct(to, [command::CALL, set, u64::from(to) << 16, 0, BITMAP])?;
        ensure!(status == u64::from(u32::from(FuncId::Success32)), "notification_round: set: {status:#x}");
        let [_, _, _, _, setting] = ffa::direct(to, [command::CALL_RESULTS, 0, 0, 0, 0])?;
        let asking = succeed(clock, "told of", &mut call(FuncId::NotificationInfoGet64, [0; 4]))?;
        let mut get = call(FuncId::NotificationGet, [0, OF_PARTITIONS, 0, 0]);
        let getting = succeed(clock, "notification_round: got", &mut get)?;
        let [_, _, bitmap, ..] = get;
        ensure!(bitmap == BITMAP, "notification_round: got {bitmap:#x}");
        all = all.saturating_add(setting).saturating_add(asking).saturating_add(getting);
    }
    Ok(clock.instructions(all, ROUNDS))
}
