// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cores that send direct messages at once, or map in domains of their own, do not wait for each other: spm and the service, in images
//! for this, count how often they find a lock taken on their way.

mod service;

use crate::{
    ensure,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    together::{CORES, all_send},
    world::World,
};
use arm_ffa::FuncId;
use nwd::ffa;

/// Returns what is asked of an image that counts: of spm's locks, or with the first flag of the service's.
pub(crate) const fn scenarios(flags: u64) -> &'static [Scenario] {
    if flags & 1 == 0 { OF_SPM } else { service::SCENARIOS }
}

const OF_SPM: &[Scenario] = &[Scenario {
    name: "nobody-waits",
    claim: "Four cores send 10,000 direct messages each at once, and none finds a lock taken on the way",
    expected: "all are answered; a lock was taken for each at least; none was found taken",
    audience: Test,
    cores: CORES,
    run: nobody_waits,
}];

const MESSAGES: u64 = 10_000;
/// The feature ID for which such an spm tells what its locks have counted.
const COUNTS: u64 = 0xfe;

fn nobody_waits(world: &mut World) -> Outcome {
    let (found_before, taken_before) = counts()?;
    all_send(world, MESSAGES)?;
    let (found, taken) = counts()?;
    let (found, taken) = (found.saturating_sub(found_before), taken.saturating_sub(taken_before));
    ensure!(taken >= CORES * MESSAGES, "locks were taken {taken} times for {} messages", CORES * MESSAGES);
    ensure!(found == 0, "locks were found taken {found} times, and taken {taken} times");
    seen!("{} messages answered, locks taken {taken} times, never found taken", CORES * MESSAGES)
}

/// Returns how often locks were found taken, and how often they were taken.
fn counts() -> Result<(u64, u64), crate::scenario::Failure> {
    let mut call = [0; 18];
    (call[0], call[1]) = (u64::from(u32::from(FuncId::Features)), COUNTS);
    let [function, _, found, taken, ..] = ffa::registers(call);
    ensure!(function == u64::from(u32::from(FuncId::Success32)), "spm counts nothing: {function:#x}");
    Ok((found, taken))
}
