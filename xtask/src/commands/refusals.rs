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
    /// Words that must stand in one line of the secure world.
    words: &'static [&'static str],
    /// The console on which the secure world speaks.
    console: Console,
    /// Whether the normal world may still be reached.
    goes_on: bool,
}

/// All of them.
pub(super) const ALL: [Refusal; 4] = [
    Refusal {
        about: "a partition whose package is damaged is left out, and the boot goes on",
        change: Change::PackageMagic(Role::Other),
        words: &["test-sp", "magic"],
        console: Console::Secure,
        goes_on: true,
    },
    Refusal {
        about: "a partition that asks for a device it may not have is left out, and the boot goes on",
        change: Change::ForeignDevice,
        words: &["test-sp", "foreign"],
        console: Console::Secure,
        goes_on: true,
    },
    Refusal {
        about: "without iommu-sp's package the boot stops before the normal world",
        change: Change::PackageMagic(Role::Service),
        words: &["iommu-sp", "magic"],
        console: Console::Secure,
        goes_on: false,
    },
    Refusal {
        about: "a policy that is not the one of the manifest stops the boot before the normal world",
        change: Change::PolicyPayload,
        words: &["policy", "digest"],
        console: Console::Secure,
        goes_on: false,
    },
];

/// Without spm, under TF-A's own SPMC, which prints on the normal world's console while it boots.
pub(super) const AT_EL3: Refusal = Refusal {
    about: "a policy that is not the one of the manifest stops the boot under TF-A's SPMC, too",
    change: Change::PolicyPayload,
    words: &["policy", "digest"],
    console: Console::Normal,
    goes_on: false,
};

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
        let mut reached = false;
        let mut outcome = boot.run(workspace, "refusal", |console, line, _| {
            if console == self.console && !refused {
                refused = self.is_named_in(line);
            } else if console == Console::Normal {
                reached |= is_of_normal_world(line);
            }
            if refused && !self.goes_on { Flow::EndAfter(AFTERWARDS) } else { Flow::Continue }
        })?;
        let complaints = self.judge(refused, reached, &mut outcome);
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

    fn judge(&self, refused: bool, reached: bool, outcome: &mut Outcome) -> Vec<String> {
        let mut complaints = Vec::new();
        if !refused {
            complaints.push(format!("no line of the secure world names {}", self.words.join(" and ")));
        }
        if self.goes_on {
            outcome.finish();
        } else if reached {
            complaints.push("the normal world was reached".to_owned());
        }
        complaints
    }
}

/// Returns whether a line of the first console comes from the normal world; before it, TF-A's stages print there.
fn is_of_normal_world(line: &str) -> bool {
    const STAGES: [&str; 5] = ["ERROR:", "NOTICE:", "WARNING:", "INFO:", "VERBOSE:"];
    !line.trim().is_empty() && !STAGES.iter().any(|level| line.starts_with(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_stages_are_not_the_normal_worlds() {
        assert!(!is_of_normal_world("NOTICE:  BL31: Built"));
        assert!(!is_of_normal_world(" "));
        assert!(is_of_normal_world("@plan\t3"));
        assert!(is_of_normal_world("hello"));
    }

    #[test]
    fn a_refusal_is_told_by_all_its_words_in_one_line() {
        let [refusal, ..] = &ALL;
        assert!(refusal.is_named_in("spm: Test-SP: refused: bad MAGIC"));
        assert!(!refusal.is_named_in("spm: test-sp: refused"));
    }
}
