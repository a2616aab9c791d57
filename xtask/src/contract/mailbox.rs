// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a run leaves for the client in the machine's memory before it starts: words of 64 bits at the mailbox of the
//! platform description.

use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::Read as _;

/// The first word: "SDGUARD1".
const MAGIC: u64 = 0x5344_4755_4152_4431;

/// What the client is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Show a person what happens.
    Demo,
    /// Check everything.
    Test,
    /// Count instructions.
    Bench,
    /// Check what is left when a partition was refused.
    Variant,
    /// Make spm fail, where it was compiled for that.
    Crash,
    /// See whether cores that send at once wait for each other.
    Contention,
    /// Say when the boot came to the normal world.
    Boot,
    /// Be hypervisor and kernel, where the policy has both.
    Hyp,
    /// Make the service abort, where it was compiled for that.
    Restart,
    /// Be a hostile host above a hypervisor.
    Attack,
    /// Ask the service from more cores than its image has stacks for.
    ManyCores,
}

/// The mailbox of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mailbox {
    /// A random number that all patterns of the run come from.
    pub(crate) seed: u64,
    /// What to do.
    pub(crate) mode: Mode,
    /// Which variant, and other switches.
    pub(crate) flags: u64,
    /// How many cores the machine has.
    pub(crate) cores: u64,
}

impl Mailbox {
    /// Returns the words in their order.
    pub(crate) fn words(&self) -> [u64; 5] {
        let mode = match self.mode {
            Mode::Demo => 0,
            Mode::Test => 1,
            Mode::Bench => 2,
            Mode::Variant => 3,
            Mode::Crash => 4,
            Mode::Contention => 5,
            Mode::Boot => 6,
            Mode::Hyp => 7,
            Mode::Restart => 8,
            Mode::Attack => 9,
            Mode::ManyCores => 10,
        };
        [MAGIC, self.seed, mode, self.flags, self.cores]
    }
}

/// Returns a seed that nobody has seen before.
///
/// # Errors
/// The system has no source of random numbers.
pub(crate) fn random_seed() -> Result<u64> {
    let mut bytes = [0; 8];
    let mut source = File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    source.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
