// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `el3`: the same iommu-sp under another manager, TF-A's own SPMC at EL3: its code in both images is compared byte by byte, and
//! its scenarios run. Those that cannot hold there are listed, with the reason, in `el3.rs` of the scenarios. Part of `test`
//! too.

use super::{Prepared, prepare, refusals};
use crate::cli::El3;
use crate::contract::{Line, Mailbox, Mode, random_seed};
use crate::image::{Image, Kit};
use crate::platform::Machine;
use crate::qemu::{Boot, Flow};
use crate::report::{Tally, print_failures};
use crate::setup::{self, needs::Purpose};
use crate::store::sha256;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, ensure};
use manifests::{IMAGE_OFFSET, Set};
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

/// A run takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(180);
/// Numbers of cores that the scenarios run with.
const CORES: [u64; 2] = [1, 4];
/// More cores than iommu-sp's image has stacks for.
const MANY_CORES: u64 = 10;

pub(super) fn el3(workspace: &Workspace, arguments: &El3) -> Result<ExitCode> {
    let mut total = Tally::default();
    for machine in Machine::ALL {
        if arguments.machine.is_none_or(|only| only == machine) {
            total.add(check_code(workspace, machine)?);
            total.add(check_damaged(workspace, machine)?);
            total.add(check_many_cores(workspace, machine)?);
            for cores in CORES {
                if arguments.smp.is_none_or(|only| only == cores) {
                    total.add(check(workspace, machine, cores)?);
                }
            }
        }
    }
    println!("{total}");
    Ok(if total.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Boots the scenarios under each policy, and counts what holds.
///
/// # Errors
/// Something does not compile, or QEMU cannot be run.
pub(super) fn check(workspace: &Workspace, machine: Machine, cores: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    for (set, mode, what) in [(Set::Product, Mode::Test, "Scenarios"), (Set::Hyp, Mode::Hyp, "A hypervisor")]
    {
        let (kit, image) = prepare_at_el3(workspace, machine, set)?;
        tally.add(run(workspace, machine, &kit, &image, mode, cores, what)?);
    }
    Ok(tally)
}

/// Boots more cores than the image has stacks for.
///
/// # Errors
/// As for [`check`].
pub(super) fn check_many_cores(workspace: &Workspace, machine: Machine) -> Result<Tally> {
    let (kit, image) = prepare_at_el3(workspace, machine, Set::Product)?;
    run(workspace, machine, &kit, &image, Mode::ManyCores, MANY_CORES, "Many cores")
}

fn run(
    workspace: &Workspace,
    machine: Machine,
    kit: &Kit,
    image: &Image,
    mode: Mode,
    cores: u64,
    what: &str,
) -> Result<Tally> {
    let seed = random_seed()?;
    println!("\n{what} under TF-A's SPMC on {machine} with {cores} core(s), seed {seed:#018x}");
    let boot = Boot {
        machine,
        image,
        platform: &kit.platform,
        mailbox: Mailbox { seed, mode, flags: 0, cores },
        counted: false,
        limit: LIMIT,
        extra: &[],
    };
    let mut outcome = boot.run(workspace, &format!("el3-{cores}"), |_, _, line| {
        if let Some(Line::Say(words)) = line {
            println!("    {words}");
        }
        Flow::Continue
    })?;
    outcome.finish();
    print_failures(&outcome.transcript);
    let tally = Tally::of_run(&outcome.transcript);
    println!("    {tally}; logs: {}", outcome.dir.display());
    Ok(tally)
}

fn prepare_at_el3(workspace: &Workspace, machine: Machine, set: Set) -> Result<(Kit, Image)> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Run)?;
    let kit = Kit::build_at_el3(workspace, machine.platform(), set)?;
    let image = kit.image(workspace, None)?;
    Ok((kit, image))
}

/// Boots an image whose policy is damaged: the normal world must not be reached.
///
/// # Errors
/// As for [`check`].
pub(super) fn check_damaged(workspace: &Workspace, machine: Machine) -> Result<Tally> {
    let lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Run)?;
    let kit = Kit::build_at_el3(workspace, machine.platform(), Set::Product)?;
    let refusal = &refusals::AT_EL3;
    let image = kit.image(workspace, Some(refusal.change))?;
    drop(lock);
    println!("\nA damaged image under TF-A's SPMC on {machine}");
    refusal.check(workspace, machine, &kit, &image)
}

/// Compares the code of iommu-sp, everything but the policy behind it, in what boots with spm and without.
///
/// # Errors
/// Something does not compile.
pub(super) fn check_code(workspace: &Workspace, machine: Machine) -> Result<Tally> {
    let Prepared { kit, images } =
        prepare(workspace, machine.platform(), Set::Product, Purpose::Run, None, &[None])?;
    let [with_spm] = images.as_slice() else { return Ok(Tally::of(false)) };
    let (at_el3, without) = prepare_at_el3(workspace, machine, Set::Product)?;
    let package = fs::read(with_spm.dir.join("iommu-sp.pkg"))?;
    // BL32, which is the partition there.
    let bl32 = fs::read(without.dir.join("spm.bin"))?;
    let (a, b) = (code(&kit, package.get(IMAGE_OFFSET..))?, code(&at_el3, Some(&bl32))?);
    let same = a == b;
    println!("\niommu-sp on {machine}: code of {} bytes under spm, SHA-256 {}", a.1, a.0);
    if !same {
        println!("    FAIL under TF-A's SPMC it is other code, of {} bytes, SHA-256 {}", b.1, b.0);
    }
    Ok(Tally::of(same))
}

/// Returns checksum and size of the part of an image that was linked, which has to be all before the policy.
fn code(kit: &Kit, image: Option<&[u8]>) -> Result<(String, usize)> {
    let service = kit.platform.iommu_partition().context("no partition is the service")?;
    let linked = kit.firmware.partitions.iter().find(|(name, _)| *name == service.name);
    let (_, linked) = linked.context("the service was not compiled")?;
    let start = usize::try_from(linked.flat.policy_start.context("the service has no place for a policy")?)?;
    let code = image.and_then(|image| image.get(..start)).context("the image ends before its policy")?;
    ensure!(code.starts_with(&linked.flat.bytes), "what was packed is not what was linked");
    Ok((sha256(code), code.len()))
}
