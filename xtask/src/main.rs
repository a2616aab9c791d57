// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every command that a person types: `cargo xtask <command>`.
//!
//! | module | what lives there |
//! |---|---|
//! | `commands` | the commands themselves |
//! | `setup` | what a machine must have, and installing it |
//! | `tfa` | TF-A's source and builds |
//! | `firmware`, `image` | compiling our images and putting together what boots |
//! | `elf`, `panics`, `coverage` | what our images' code can do, and what of it ran, told from their ELF files |
//! | `qemu`, `contract` | running it and understanding what it says |
//! | `linux` | a Debian kernel in the client's place |
//! | `miri` | which tests Miri does not run |
//! | `mutants` | changes of the source that tests should notice |
//! | `workspace`, `store`, `step`, `conf`, `report` | folders and lock, cache, programs run, settings files, tables |

mod cli;
mod commands;
mod conf;
mod contract;
mod coverage;
mod elf;
mod firmware;
mod image;
mod linux;
mod miri;
mod mutants;
mod panics;
mod platform;
mod qemu;
mod report;
mod setup;
mod step;
mod store;
mod tfa;
mod workspace;

#[cfg(test)]
mod book_tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
