// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the run that started this machine left for it in memory.

use crate::ram::Ram;

/// The first word: "SDGUARD1".
pub const MAGIC: u64 = 0x5344_4755_4152_4431;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Show a person what happens.
    Demo,
    /// Check everything.
    Test,
    /// Count instructions.
    Bench,
    /// Check what can be checked when partitions are missing or broken on purpose.
    Variant,
    /// Make spm fail, where it was compiled for that.
    Crash,
    /// See whether cores that send at once wait for each other, as spm counts it in an image for that.
    Contention,
    /// Say when the boot came here.
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

/// A run's parameters, five words of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Word 1: this run's seed.
    pub seed: u64,
    /// Word 2.
    pub mode: Mode,
    /// Word 3: which variant, and other switches.
    pub flags: u64,
    /// Word 4: how many cores the machine has.
    pub cores: u64,
}

impl Mailbox {
    /// Bytes that a mailbox takes.
    pub const SIZE: u64 = 40;

    /// Reads a mailbox, or `None` where none was left or its mode is not known.
    #[must_use]
    pub fn read(memory: &Ram) -> Option<Self> {
        if memory.word(0) != MAGIC {
            return None;
        }
        let mode = match memory.word(16) {
            0 => Mode::Demo,
            1 => Mode::Test,
            2 => Mode::Bench,
            3 => Mode::Variant,
            4 => Mode::Crash,
            5 => Mode::Contention,
            6 => Mode::Boot,
            7 => Mode::Hyp,
            8 => Mode::Restart,
            9 => Mode::Attack,
            10 => Mode::ManyCores,
            _ => return None,
        };
        Some(Self { seed: memory.word(8), mode, flags: memory.word(24), cores: memory.word(32) })
    }
}
