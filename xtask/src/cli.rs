// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line.

use crate::contract::Mode;
use crate::firmware::Broken;
use crate::linux::Kvm;
use crate::platform::{Machine, Platform};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// sidguard: set up, build, show, test.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show in plain words what is allowed and what is stopped, on a machine in QEMU
    Demo(Demo),
    /// Run every test: on this machine, then on QEMU sbsa-ref and virt
    Test(Test),
    /// Run the FF-A conformance suite and print its matrix
    Conformance(Conformance),
    /// Boot a stock Debian kernel above spm and judge what its FF-A driver and its log say
    Linux(Linux),
    /// Run iommu-sp without spm: under TF-A's own SPMC, at EL3
    El3(El3),
    /// Attack the service from a hostile host above a small hypervisor, and say what stopped each attack
    Attack(Attack),
    /// Count instructions per operation, and sizes
    Bench(Bench),
    /// Say what this machine lacks, and the command that installs it
    Doctor,
    /// Install what this machine lacks (Debian packages, Rust targets) and fetch TF-A's source
    Setup,
    /// Compile the firmware of a platform
    Build(OfPlatform),
    /// Put together the image of a platform
    Image(OfPlatform),
    /// Boot a machine and show both worlds' consoles
    Run(Run),
    /// Write the protocol's C header anew
    Header,
    /// Format all Rust code
    Fmt,
    /// Check format and lints, for this machine and for the firmware
    Lint,
    /// Look for ways from what callers can cause to a panic, in the images that boot
    Panics,
    /// Give spm's logic bytes that nobody has thought of
    Fuzz(Fuzz),
    /// Run tests of the logic under Miri, which sees undefined behaviour, data races and leaks
    Miri(Miri),
    /// Let clients and devices try everything on a model machine with iommu-sp's logic on it
    Model(Model),
    /// Change the service's source a little, again and again, and count the changes that no test notices
    Mutants(Mutants),
    /// Tell which lines of spm and iommu-sp the tests on QEMU reach
    Coverage(Coverage),
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Machine to boot
    #[arg(long, value_enum, default_value_t = Machine::SbsaRef)]
    pub(crate) machine: Machine,
    /// Number of cores
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub(crate) smp: u64,
    /// Break something on purpose, to see that the demo notices
    #[arg(long, value_enum)]
    pub(crate) broken: Option<Broken>,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only this machine
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Machine>,
    /// Only this number of cores (1 and 4 otherwise)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub(crate) smp: Option<u64>,
}

/// Arguments of `conformance`.
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// Only this machine
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Machine>,
    /// Only this number of cores (1 and 4 otherwise)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub(crate) smp: Option<u64>,
    /// Write docs/conformance.md anew
    #[arg(long, conflicts_with_all = ["machine", "smp"])]
    pub(crate) write: bool,
}

/// Arguments of `linux`.
#[derive(Debug, Args)]
pub(crate) struct Linux {
    /// Only this machine
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Machine>,
    /// Only with KVM in this mode
    #[arg(long, value_enum)]
    pub(crate) kvm: Option<Kvm>,
    /// Show both worlds' consoles
    #[arg(long)]
    pub(crate) show: bool,
}

/// Arguments of `el3`.
#[derive(Debug, Args)]
pub(crate) struct El3 {
    /// Only this machine
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Machine>,
    /// Only this number of cores (1 and 4 otherwise)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub(crate) smp: Option<u64>,
}

/// Arguments of `attack`.
#[derive(Debug, Args)]
pub(crate) struct Attack {
    /// Only this machine
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Machine>,
    /// Number of cores
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub(crate) smp: u64,
    /// Let the hypervisor hold its host by nothing: the attacks that it stops come through
    #[arg(long)]
    pub(crate) hypervisor_off: bool,
    /// Boot both ways, as `test` does: without the hypervisor's protections just the attacks that it stops come through
    #[arg(long, conflicts_with_all = ["hypervisor_off", "smp"])]
    pub(crate) check: bool,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Machine to boot
    #[arg(long, value_enum, default_value_t = Machine::SbsaRef)]
    pub(crate) machine: Machine,
    /// Write one flat object of names and numbers
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Arguments of `coverage`.
#[derive(Debug, Args)]
pub(crate) struct Coverage {
    /// Machine to boot
    #[arg(long, value_enum, default_value_t = Machine::Virt)]
    pub(crate) machine: Machine,
    /// Name the functions and lines that were not reached
    #[arg(long)]
    pub(crate) functions: bool,
}

/// Arguments of `fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// For how long
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Only this target
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Run one input from a file, as a failure has left it
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(crate) replay: Option<PathBuf>,
    /// Write what is worth keeping to the corpus
    #[arg(long, conflicts_with_all = ["target", "replay"])]
    pub(crate) keep: bool,
}

/// Arguments of `miri`.
#[derive(Debug, Args)]
pub(crate) struct Miri {
    /// Only this package
    #[arg(long)]
    pub(crate) package: Option<String>,
}

/// Arguments of `model`.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// How many steps
    #[arg(long, default_value_t = 200_000)]
    pub(crate) steps: u64,
    /// What everything that happens by chance depends on; a new one otherwise
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Run the steps of a file, as a failure has left it
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    pub(crate) replay: Option<PathBuf>,
    /// Search for each of the bugs that can be seeded into iommu-sp's logic
    #[arg(long, conflicts_with_all = ["seed", "replay"])]
    pub(crate) bugs: bool,
    /// Seed this bug
    #[arg(long, value_name = "BUG", conflicts_with = "bugs")]
    pub(crate) with: Option<String>,
}

/// Arguments of `mutants`.
#[derive(Debug, Args)]
pub(crate) struct Mutants {
    /// Only in files whose path has this in it, as `table/map`
    #[arg(long, value_name = "PART")]
    pub(crate) only: Option<String>,
    /// One of so many parts of them, as `1/4`
    #[arg(long, value_parser = shard)]
    pub(crate) shard: Option<(usize, usize)>,
    /// Stop after so many minutes; the next run goes on where this one stopped
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Run nothing, tell what is known
    #[arg(long, conflicts_with_all = ["shard", "minutes", "again"])]
    pub(crate) report: bool,
    /// Run those again, too, of which the outcome is known
    #[arg(long)]
    pub(crate) again: bool,
}

/// Reads `k/n`.
fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(one, of)| Some((one.parse().ok()?, of.parse().ok()?)));
    parts
        .filter(|(one, of)| (1..=*of).contains(one))
        .ok_or_else(|| "expected k/n, with 1 <= k <= n".to_owned())
}

/// Arguments of `build` and `image`.
#[derive(Debug, Args)]
pub(crate) struct OfPlatform {
    /// Platform to build for
    #[arg(long, value_enum, default_value_t = Platform::QemuSbsa)]
    pub(crate) platform: Platform,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Machine to boot
    #[arg(long, value_enum, default_value_t = Machine::SbsaRef)]
    pub(crate) machine: Machine,
    /// Number of cores
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub(crate) smp: u64,
    /// What the client is to do
    #[arg(long, value_enum, default_value_t = Mode::Demo)]
    pub(crate) mode: Mode,
    /// Seconds after which the machine is switched off
    #[arg(long, default_value_t = 120)]
    pub(crate) limit: u64,
    /// Break something on purpose
    #[arg(long, value_enum)]
    pub(crate) broken: Option<Broken>,
    /// More arguments for QEMU, after `--`
    #[arg(last = true)]
    pub(crate) qemu: Vec<String>,
}

/// Reads the command line; ends the process with a message if it has none that is known.
pub(crate) fn parse() -> Command {
    Cli::parse().command
}
