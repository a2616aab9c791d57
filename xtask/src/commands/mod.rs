// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The commands, one a module; what several share stands here.

mod attack;
mod bench;
mod conformance;
mod contention;
mod coverage;
mod crash;
mod demo;
mod el3;
mod fuzz;
mod header;
mod host_tests;
mod house;
mod hypervisor;
mod lint;
mod linux;
mod miri;
mod model;
mod mutants;
mod panics;
mod refusals;
mod restart;
mod run;
mod stage1;
mod test;

use crate::cli::{Command, OfPlatform};
use crate::firmware::Broken;
use crate::image::variant::Change;
use crate::image::{Image, Kit};
use crate::linux::Wanted;
use crate::platform::Platform;
use crate::setup::{self, needs::Purpose};
use crate::tfa::Source;
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::Set;
use std::process::ExitCode;

/// Does what the person asked for.
///
/// # Errors
/// Something is in the way; a test that fails is no error, but an exit code.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    match command {
        Command::Demo(arguments) => demo::demo(&workspace, &arguments),
        Command::Test(arguments) => test::test(&workspace, &arguments),
        Command::Conformance(arguments) => conformance::conformance(&workspace, &arguments),
        Command::Linux(arguments) => linux::linux(&workspace, &arguments),
        Command::El3(arguments) => el3::el3(&workspace, &arguments),
        Command::Attack(arguments) => attack::attack(&workspace, &arguments),
        Command::Bench(arguments) => bench::bench(&workspace, &arguments),
        Command::Doctor => Ok(doctor()),
        Command::Setup => {
            let _lock = workspace.lock()?;
            setup::ensure(&workspace, Purpose::Develop)?;
            setup::Nightly::ensure(&workspace)?;
            Source::read(&workspace)?.fetch(&workspace)?;
            let kernel = Wanted::read(&workspace)?.fetch(&workspace)?;
            println!("The kernel of the tests: {}", kernel.packages);
            println!("Everything that sidguard needs is here.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Build(OfPlatform { platform }) => build(&workspace, platform),
        Command::Image(OfPlatform { platform }) => {
            let prepared = prepare(&workspace, platform, Set::Product, Purpose::Build, None, &[None])?;
            for image in &prepared.images {
                println!("The image for {platform} stands in {}", image.dir.display());
            }
            if platform == Platform::Fvp {
                println!("It is built, not run: the model is not a program that this project can fetch.");
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Header => header::header(&workspace),
        Command::Run(arguments) => run::run(&workspace, &arguments),
        Command::Fmt => lint::fmt(&workspace),
        Command::Lint => lint::lint(&workspace),
        Command::Panics => panics::panics(&workspace),
        Command::Miri(arguments) => miri::miri(&workspace, &arguments),
        Command::Coverage(arguments) => coverage::coverage(&workspace, &arguments),
        Command::Fuzz(arguments) => fuzz::fuzz(&workspace, &arguments),
        Command::Model(arguments) => model::model(&workspace, &arguments),
        Command::Mutants(arguments) => mutants::mutants(&workspace, &arguments),
    }
}

fn doctor() -> ExitCode {
    println!("What demo, test and the other commands need:");
    match setup::report(Purpose::Develop) {
        0 => {
            println!("Nothing is missing.");
            ExitCode::SUCCESS
        }
        count => {
            println!(
                "{count} missing. `cargo xtask setup` installs all of it; demo and test do so by themselves."
            );
            ExitCode::FAILURE
        }
    }
}

fn build(workspace: &Workspace, platform: Platform) -> Result<ExitCode> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Build)?;
    let kit = Kit::build(workspace, platform, Set::Product, None)?;
    let named = [("spm", &kit.firmware.spm), ("client", &kit.firmware.normal)];
    let partitions = kit.firmware.partitions.iter().map(|(name, image)| (name.as_str(), image));
    for (name, image) in named.into_iter().chain(partitions) {
        println!(
            "{name}: {} bytes of text and rodata, {} bytes in memory, {}",
            image.flat.text_rodata_size,
            image.flat.memory_size,
            image.elf.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// A platform's kit and the images that were asked for.
struct Prepared {
    kit: Kit,
    images: Vec<Image>,
}

/// Sets up, compiles and puts together; one command at a time.
fn prepare(
    workspace: &Workspace,
    platform: Platform,
    set: Set,
    purpose: Purpose,
    broken: Option<Broken>,
    changes: &[Option<Change>],
) -> Result<Prepared> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, purpose)?;
    let kit = Kit::build(workspace, platform, set, broken)?;
    let mut images = Vec::new();
    for change in changes {
        images.push(kit.image(workspace, *change)?);
    }
    Ok(Prepared { kit, images })
}

/// Prepares the one image that most commands boot.
fn prepare_one(
    workspace: &Workspace,
    platform: Platform,
    set: Set,
    broken: Option<Broken>,
) -> Result<(Kit, Image)> {
    let Prepared { kit, images } = prepare(workspace, platform, set, Purpose::Run, broken, &[None])?;
    let image =
        images.into_iter().next().ok_or_else(|| anyhow::anyhow!("no image was built for {platform}"))?;
    Ok((kit, image))
}

/// Prepares an image that is none of [`Kit::image`].
fn prepare_kit(
    workspace: &Workspace,
    platform: Platform,
    set: Set,
    image: impl FnOnce(&Kit) -> Result<Image>,
) -> Result<(Kit, Image)> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Run)?;
    let kit = Kit::build(workspace, platform, set, None)?;
    let image = image(&kit)?;
    Ok((kit, image))
}
