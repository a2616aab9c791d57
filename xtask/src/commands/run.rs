// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `run`: boots a machine and shows both worlds' consoles as they print.

use super::prepare_one;
use crate::cli::Run;
use crate::contract::{Mailbox, Mode, random_seed};
use crate::qemu::{Boot, Console, Flow};
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::Set;
use std::process::ExitCode;
use std::time::Duration;

pub(super) fn run(workspace: &Workspace, arguments: &Run) -> Result<ExitCode> {
    let set = match arguments.mode {
        Mode::Hyp => Set::Hyp,
        Mode::Attack => Set::Attack,
        _ => Set::Product,
    };
    let (kit, image) = prepare_one(workspace, arguments.machine.platform(), set, arguments.broken)?;
    let boot = Boot {
        machine: arguments.machine,
        image: &image,
        platform: &kit.platform,
        mailbox: Mailbox { seed: random_seed()?, mode: arguments.mode, flags: 0, cores: arguments.smp },
        counted: false,
        limit: Duration::from_secs(arguments.limit),
        extra: &arguments.qemu,
    };
    let outcome = boot.run(workspace, "run", |console, line, _| {
        let world = match console {
            Console::Normal => "normal",
            Console::Secure => "secure",
        };
        println!("{world} | {line}");
        Flow::Continue
    })?;
    println!("Logs: {}", outcome.dir.display());
    Ok(match outcome.ended.complaint() {
        None => ExitCode::SUCCESS,
        Some(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    })
}
