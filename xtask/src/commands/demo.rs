// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `demo`: shows a person the chain booting, then what a device's DMA reaches and what it does not.

use super::prepare_one;
use crate::cli::Demo;
use crate::contract::{Line, Mailbox, Mode, random_seed};
use crate::qemu::{Boot, Console, Flow};
use crate::report::{Tally, print_claims};
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::Set;
use std::process::ExitCode;
use std::time::Duration;

/// A demo takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(180);

pub(super) fn demo(workspace: &Workspace, arguments: &Demo) -> Result<ExitCode> {
    let machine = arguments.machine;
    let (kit, image) = prepare_one(workspace, machine.platform(), Set::Product, arguments.broken)?;
    let seed = random_seed()?;
    println!(
        "\nBooting QEMU {machine} with {} core(s); this run's patterns come from the seed {seed:#018x}.",
        arguments.smp
    );
    if let Some(broken) = arguments.broken {
        println!("This image is broken on purpose ({}): claims below must fail.", broken.feature());
    }
    let boot = Boot {
        machine,
        image: &image,
        platform: &kit.platform,
        mailbox: Mailbox { seed, mode: Mode::Demo, flags: 0, cores: arguments.smp },
        counted: false,
        limit: LIMIT,
        extra: &[],
    };
    let mut show = Show::default();
    let mut outcome = boot.run(workspace, "demo", |console, text, line| {
        show.see(console, text, line);
        Flow::Continue
    })?;
    outcome.finish();
    println!();
    print_claims(&outcome.transcript);
    println!("\nLogs of this run: {}", outcome.dir.display());
    let tally = Tally::of_run(&outcome.transcript);
    println!("{tally}");
    Ok(if tally.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Chooses what a person sees of both consoles: the boot chain, then the client's words.
#[derive(Default)]
struct Show {
    client_speaks: bool,
    client_is_done: bool,
}

impl Show {
    fn see(&mut self, console: Console, text: &str, line: Option<&Line>) {
        match (console, line) {
            (Console::Normal, Some(Line::Say(words))) => {
                self.client_speaks = true;
                println!("  {words}");
            }
            (Console::Normal, Some(line)) => {
                self.client_speaks = true;
                self.client_is_done |= *line == Line::End;
            }
            // TF-A calls switching off an error.
            (Console::Normal, None) if self.client_is_done => {}
            (Console::Normal, None) => {
                if let Some(words) = boot_stage(text) {
                    println!("  [EL3]    {words}");
                }
            }
            // Later, what the secure world prints is for its log: the client says what matters.
            (Console::Secure, _) => {
                if !self.client_speaks && !text.trim().is_empty() {
                    println!("  [secure] {text}");
                }
            }
        }
    }
}

/// Returns what one of TF-A's stages says, if a person wants to see it.
fn boot_stage(text: &str) -> Option<&str> {
    let (level, words) = text.split_once(':')?;
    let words = words.trim();
    match level {
        "NOTICE" if !words.contains("Built :") => Some(words),
        "WARNING" | "ERROR" => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::boot_stage;

    #[test]
    fn stages_and_troubles_are_shown_and_the_rest_is_not() {
        assert_eq!(boot_stage("NOTICE:  BL1: Booting BL2"), Some("BL1: Booting BL2"));
        assert_eq!(boot_stage("NOTICE:  BL2: Built : 00:00"), None);
        assert_eq!(boot_stage("ERROR:   BL2: x"), Some("ERROR:   BL2: x"));
        assert_eq!(boot_stage("something else"), None);
    }
}
