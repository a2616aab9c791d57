// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether cores that send direct messages at once, or map in domains of their own, wait for each other, with emulated cores that
//! really run at once: spm and iommu-sp count how often they find a lock taken. With a lock that all share, the same run has to fail.

use super::prepare_one;
use crate::contract::{Mailbox, Mode, random_seed};
use crate::firmware::Broken;
use crate::platform::Machine;
use crate::qemu::{Boot, Flow, Outcome};
use crate::report::{Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::Set;
use std::time::Duration;

/// Where it is looked at.
pub(super) const MACHINE: Machine = Machine::Virt;
/// How many cores send.
pub(super) const CORES: u64 = 4;
/// A run takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(300);

/// Two images whose locks are counted.
struct Counted {
    what: &'static str,
    /// The one that ships, but that it counts.
    as_it_is: Broken,
    /// The same with one lock for all.
    with_one_lock: Broken,
    /// What tells the client whom to ask.
    flags: u64,
    /// The claim that has to hold in the one image and to fail in the other.
    claim: &'static str,
}

const SPM: Counted = Counted {
    what: "direct messages",
    as_it_is: Broken::CountContention,
    with_one_lock: Broken::GlobalLock,
    flags: 0,
    claim: "nobody-waits",
};

const SERVICE: Counted = Counted {
    what: "map and unmap",
    as_it_is: Broken::ServiceContention,
    with_one_lock: Broken::ServiceLock,
    flags: 1,
    claim: "no-domain-waits",
};

/// Runs both images of spm.
///
/// # Errors
/// Something does not compile, or QEMU cannot be run.
pub(super) fn check(workspace: &Workspace) -> Result<Tally> {
    SPM.check(workspace)
}

/// Runs both images of iommu-sp.
///
/// # Errors
/// As [`check`].
pub(super) fn check_service(workspace: &Workspace) -> Result<Tally> {
    SERVICE.check(workspace)
}

impl Counted {
    fn check(&self, workspace: &Workspace) -> Result<Tally> {
        println!("\nLocks on the way of {} on {MACHINE} with {CORES} cores", self.what);
        let mut outcome = self.boot(workspace, self.as_it_is)?;
        outcome.finish();
        print_failures(&outcome.transcript);
        let mut tally = Tally::of_run(&outcome.transcript);
        for claim in outcome.transcript.claims.iter().filter(|claim| claim.holds) {
            println!("    {}", claim.seen);
        }
        let mut outcome = self.boot(workspace, self.with_one_lock)?;
        outcome.finish();
        let transcript = &outcome.transcript;
        let seen = transcript.claims.iter().find(|claim| claim.name == self.claim && !claim.holds);
        let noticed = seen.is_some() && transcript.failed() == 1;
        let mark = if noticed { "ok  " } else { "FAIL" };
        let what = seen.map_or("nothing", |claim| &claim.seen);
        println!("    {mark} with one lock for all: {what}; logs: {}", outcome.dir.display());
        tally.add(Tally::of(noticed));
        Ok(tally)
    }

    fn boot(&self, workspace: &Workspace, broken: Broken) -> Result<Outcome> {
        let (kit, image) = prepare_one(workspace, MACHINE.platform(), Set::Product, Some(broken))?;
        let boot = Boot {
            machine: MACHINE,
            image: &image,
            platform: &kit.platform,
            mailbox: Mailbox {
                seed: random_seed()?,
                mode: Mode::Contention,
                flags: self.flags,
                cores: CORES,
            },
            counted: false,
            limit: LIMIT,
            extra: &["-accel", "tcg,thread=multi"].map(str::to_owned),
        };
        boot.run(workspace, broken.feature(), |_, _, _| Flow::Continue)
    }
}
