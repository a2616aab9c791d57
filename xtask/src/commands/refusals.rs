// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boots of images that are damaged on purpose: what the chain must refuse, how it must say so, and whether the normal
//! world may be reached all the same.

use crate::contract::{Mailbox, Mode, random_seed};
use crate::image::variant::{Change, Role};
use crate::image::{Image, Kit};
use crate::platform::Machine;
use crate::qemu::{Boot, Console, Flow, Outcome};
use crate::report::{Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::Result;
use std::time::Duration;

/// A boot that goes on is done within this time, also on a machine under load.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a boot that was stopped is watched on: a normal world would have spoken by then.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// One damaged image.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is damaged, and what must come of it.
    about: &'static str,
    /// The damage.
    pub(super) change: Change,
    /// Words that must stand in one line of the secure world's console.
    words: &'static [&'static str],
    /// Whether the normal world may still be reached.
    goes_on: bool,
}

/// All of them.
pub(super) const ALL: [Refusal; 4] = [
    Refusal {
        about: "a partition whose package is damaged is left out, and the boot goes on",
        change: Change::PackageMagic(Role::Other),
        words: &["test-sp", "magic"],
        goes_on: true,
    },
    Refusal {
        about: "a partition that asks for a device it may not have is left out, and the boot goes on",
        change: Change::ForeignDevice,
        words: &["test-sp", "foreign"],
        goes_on: true,
    },
    Refusal {
        about: "without iommu-sp's package the boot stops before the normal world",
        change: Change::PackageMagic(Role::Service),
        words: &["iommu-sp", "magic"],
        goes_on: false,
    },
    Refusal {
        about: "a policy that is not the one of the manifest stops the boot before the normal world",
        change: Change::PolicyPayload,
        words: &["policy", "digest"],
        goes_on: false,
    },
];

impl Refusal {
    /// Boots the damaged image and looks what comes of it.
    pub(super) fn check(
        &self,
        workspace: &Workspace,
        machine: Machine,
        kit: &Kit,
        image: &Image,
    ) -> Result<Tally> {
        let boot = Boot {
            machine,
            image,
            platform: &kit.platform,
            mailbox: Mailbox { seed: random_seed()?, mode: Mode::Variant, flags: 0, cores: 1 },
            counted: false,
            limit: LIMIT,
            extra: &[],
        };
        let mut refused = false;
        let mut outcome = boot.run(workspace, "refusal", |console, line, _| {
            refused |= console == Console::Secure && self.is_named_in(line);
            if refused && !self.goes_on { Flow::EndAfter(AFTERWARDS) } else { Flow::Continue }
        })?;
        let complaints = self.judge(refused, &mut outcome);
        if complaints.is_empty() {
            println!("    ok   {machine}: {}", self.about);
        } else {
            println!("    FAIL {machine}: {}", self.about);
            for complaint in &complaints {
                println!("         {complaint}");
            }
            println!("         logs: {}", outcome.dir.display());
        }
        let mut tally = Tally::of(complaints.is_empty());
        if self.goes_on {
            print_failures(&outcome.transcript);
            tally.add(Tally::of_run(&outcome.transcript));
        }
        Ok(tally)
    }

    fn is_named_in(&self, line: &str) -> bool {
        let line = line.to_lowercase();
        self.words.iter().all(|word| line.contains(word))
    }

    fn judge(&self, refused: bool, outcome: &mut Outcome) -> Vec<String> {
        let mut complaints = Vec::new();
        if !refused {
            complaints.push(format!("no line of the secure world names {}", self.words.join(" and ")));
        }
        if self.goes_on {
            outcome.finish();
        } else if !outcome.transcript.is_empty() {
            complaints.push("the normal world was reached".to_owned());
        }
        complaints
    }
}
