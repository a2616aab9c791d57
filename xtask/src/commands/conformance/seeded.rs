// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bugs that are seeded into spm on purpose (its module `seeded`): each has to turn cells of the matrix red, or the suite
//! would not have noticed it.

use super::boot;
use crate::commands::{Prepared, prepare};
use crate::firmware::Broken;
use crate::image::variant::Change;
use crate::platform::Machine;
use crate::report::Tally;
use crate::setup::needs::Purpose;
use crate::workspace::Workspace;
use anyhow::Result;
use conformance::case::{Instance, Spmc};
use conformance::interface::Interface;
use conformance::suite::Setting;
use manifests::Set;

/// A bug, by the number that spm knows it by, and the row of the matrix that must have a red cell.
struct Bug {
    number: u32,
    about: &'static str,
    notices: Interface,
}

const fn bug(number: u32, notices: Interface, about: &'static str) -> Bug {
    Bug { number, about, notices }
}

const BUGS: [Bug; 15] = [
    bug(1, Interface::Version, "another version is agreed on after other calls"),
    bug(2, Interface::PartitionInfoGetRegs, "functions are there that the caller's version does not have"),
    bug(3, Interface::RxTxMap, "memory becomes a buffer that is not the caller's"),
    bug(4, Interface::RxRelease, "a buffer is released that is not held"),
    bug(5, Interface::PartitionInfoGet, "a full buffer is written again"),
    bug(6, Interface::PartitionInfoGet, "callers of FF-A 1.0 get descriptors of 1.1"),
    bug(7, Interface::DirectReq, "a request is sent in another's name"),
    bug(8, Interface::DirectResp, "a response goes to whoever did not ask"),
    bug(9, Interface::DirectReq, "x8 to x17 of the sender come along"),
    bug(10, Interface::MsgWait, "a request is left unanswered by waiting"),
    bug(11, Interface::Run, "anybody lets the work of others go on"),
    bug(12, Interface::MsgSend2, "a message is sent in another's name"),
    bug(13, Interface::MemShare, "memory is reclaimed while it is borrowed"),
    bug(14, Interface::MemReclaim, "memory is not zeroed"),
    bug(15, Interface::MemRetrieveReq, "memory is retrieved twice"),
];
/// Where they are looked at.
const MACHINE: Machine = Machine::Virt;

/// Boots spm with each bug.
///
/// # Errors
/// Something does not compile, or QEMU cannot be run.
pub(crate) fn check(workspace: &Workspace) -> Result<Tally> {
    let none = std::iter::once(0);
    let changes: Vec<Option<Change>> =
        none.chain(BUGS.iter().map(|bug| bug.number)).map(|number| Some(Change::SeededBug(number))).collect();
    let Prepared { kit, images } = prepare(
        workspace,
        MACHINE.platform(),
        Set::Conformance,
        Purpose::Run,
        Some(Broken::SeededBugs),
        &changes,
    )?;
    let [normal, ..] = Instance::NORMAL else { return Ok(Tally::of(false)) };
    let setting = Setting { spmc: Spmc::Spm, normal: *normal, cores: 1 };
    let mut tally = Tally::default();
    let mut images = images.iter();
    // The same image without a bug is as good as any: what is seen below is the bug's doing.
    if let Some(image) = images.next() {
        let outcome = boot(workspace, MACHINE, &kit, image, setting)?;
        let good = outcome.transcript.failed() == 0;
        println!("    {}   no bug is seeded, and none is seen", if good { "ok  " } else { "FAIL" });
        tally.add(Tally::of(good));
    }
    for (bug, image) in BUGS.iter().zip(images) {
        let outcome = boot(workspace, MACHINE, &kit, image, setting)?;
        let row = format!("{}/", bug.notices.name());
        let red: Vec<&str> = outcome
            .transcript
            .claims
            .iter()
            .filter(|claim| !claim.holds && claim.name.starts_with(&row))
            .map(|claim| claim.name.as_str())
            .collect();
        let seen = red.first().copied().unwrap_or("NOTHING");
        let mark = if red.is_empty() { "FAIL" } else { "ok  " };
        println!(
            "    {mark} bug {}, {}: seen by {seen}, {} in all",
            bug.number,
            bug.about,
            outcome.transcript.failed()
        );
        tally.add(Tally::of(!red.is_empty()));
    }
    Ok(tally)
}
