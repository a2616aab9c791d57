// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compiles the bare-metal packages by cargo and flattens them.

use crate::image::flatten::{Flat, flatten};
use crate::platform::Platform;
use crate::setup::TARGET;
use crate::step;
use crate::store;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use manifests::{Manager, Set};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is wrong with the firmware on purpose, to see that the tests notice, or makes it fit for tests only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Broken {
    /// iommu-sp leaves the SMMU open.
    SmmuBypass,
    /// spm has the bug that its manifest names.
    SeededBugs,
    /// A call of the normal world makes spm fail.
    SpmPanic,
    /// A request makes iommu-sp abort.
    ServiceAborts,
    /// spm counts how often locks on the path of direct messages are found taken.
    CountContention,
    /// spm does so, and takes one lock for all calls.
    GlobalLock,
    /// iommu-sp counts how often its locks are found taken.
    ServiceContention,
    /// iommu-sp does so, and takes one lock for all messages.
    ServiceLock,
}

impl Broken {
    /// Returns the name of the cargo feature that breaks it.
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Self::SmmuBypass => "broken-smmu-bypass",
            Self::SeededBugs => "seeded-bugs",
            Self::SpmPanic => "broken-panic",
            Self::ServiceAborts => "broken-abort",
            Self::CountContention => "count-contention",
            Self::GlobalLock => "global-lock",
            Self::ServiceContention => "count-locks",
            Self::ServiceLock => "one-lock",
        }
    }

    /// Returns the name of the package that has the feature.
    fn package(self, platform: &manifests::Platform) -> &str {
        match self {
            Self::SmmuBypass | Self::ServiceAborts | Self::ServiceContention | Self::ServiceLock => {
                platform.iommu_partition().map_or("iommu-sp", |partition| &partition.image)
            }
            Self::SeededBugs | Self::SpmPanic | Self::CountContention | Self::GlobalLock => "spm",
        }
    }

    /// Returns whether an image was broken so: it says so on its console, in words that stand in it.
    pub(crate) fn marks(self, image: &Image) -> bool {
        let mark: &[u8] = match self {
            Self::SmmuBypass => b"LEFT OPEN ON PURPOSE",
            Self::SeededBugs => b"SEEDED ON PURPOSE",
            Self::SpmPanic => b"MADE TO FAIL ON PURPOSE",
            Self::ServiceAborts => b"MADE TO ABORT ON PURPOSE",
            Self::CountContention => b"LOCKS ARE COUNTED",
            Self::GlobalLock => b"ONE LOCK FOR ALL ON PURPOSE",
            Self::ServiceContention => b"LOCKS OF THE SERVICE ARE COUNTED",
            Self::ServiceLock => b"ONE LOCK FOR ALL MESSAGES ON PURPOSE",
        };
        image.flat.bytes.windows(mark.len()).any(|window| window == mark)
    }
}

/// A compiled image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Its ELF file, with symbols.
    pub(crate) elf: PathBuf,
    /// What boots.
    pub(crate) flat: Flat,
}

/// The images that one platform boots, without their manifests.
#[derive(Debug, Clone)]
pub(crate) struct Firmware {
    /// The SPMC.
    pub(crate) spm: Image,
    /// The partitions by the names that the platform description gives them.
    pub(crate) partitions: Vec<(String, Image)>,
    /// BL33.
    pub(crate) normal: Image,
}

/// Returns the package of BL33 that goes with a set of partitions.
const fn normal_package(set: Set) -> &'static str {
    match set {
        Set::Product | Set::Hyp | Set::Bench => "scenarios",
        Set::Attack => "hypervisor",
        Set::Conformance => "conformance-nwd",
    }
}

/// The package that runs at EL1 where BL33 is a hypervisor.
const HOST: &str = "scenarios";

/// Returns the name under which the constants of a platform with a set of partitions are kept.
fn constants_name(of: Platform, set: Set, manager: Manager) -> String {
    let name = match set {
        // The product's client serves for the boot that is counted: it asks nothing of partitions there.
        Set::Product | Set::Bench => of.to_string(),
        Set::Hyp => format!("{of}-hyp"),
        Set::Attack => format!("{of}-attack"),
        Set::Conformance => format!("{of}-conformance"),
    };
    match manager {
        Manager::Spm => name,
        Manager::El3 => format!("{name}-el3"),
    }
}

/// Compiles everything that `platform` boots.
///
/// # Errors
/// It does not compile, or an image could not boot.
pub(crate) fn build(
    workspace: &Workspace,
    platform: &manifests::Platform,
    of: Platform,
    set: Set,
    broken: Option<Broken>,
) -> Result<Firmware> {
    let mut built = build_secure(workspace, platform)?;
    if let Some(broken) = broken {
        // A folder of its own, so that no image that is broken on purpose ever stands where a good one is expected.
        let cargo = Cargo::new(workspace, broken.feature())?;
        let package = broken.package(platform);
        let what = format!("compiling {package}, broken on purpose");
        let image = cargo.build(&what, &[package], &[broken.feature()])?;
        if !image.iter().any(|(_, image)| broken.marks(image)) {
            bail!("{package} was compiled with {} and does not say so in its image", broken.feature());
        }
        built.retain(|(name, _)| name != package);
        built.extend(image);
    }
    let constants_name = constants_name(of, set, platform.manager);
    let constants = workspace.cache_dir("platforms")?.join(format!("{constants_name}.rs"));
    let text = match set {
        Set::Product | Set::Hyp | Set::Attack | Set::Conformance => platform.constants()?,
        Set::Bench => {
            manifests::Platform::load(&workspace.root().join("manifests"), of.name())?.constants()?
        }
    };
    write_if_changed(&constants, text.as_bytes())?;
    let mut cargo = Cargo::new(workspace, &format!("scenarios-{constants_name}"))?;
    cargo.environment.push(("SIDGUARD_PLATFORM_RS", constants.into()));
    let package = normal_package(set);
    if set == Set::Attack {
        let what = format!("compiling the host for {constants_name}");
        let host = find(&cargo.build(&what, &[HOST], &[])?, HOST)?;
        let file = workspace.cache_dir("platforms")?.join(format!("{constants_name}-host.bin"));
        write_if_changed(&file, &host.flat.bytes)?;
        cargo.environment.push(("SIDGUARD_HOST_IMAGE", file.into()));
    }
    let normal =
        find(&cargo.build(&format!("compiling the client for {constants_name}"), &[package], &[])?, package)?;
    let spm = find(&built, "spm")?;
    let mut partitions = Vec::new();
    for partition in &platform.partitions {
        partitions.push((partition.name.clone(), find(&built, &partition.image)?));
    }
    Ok(Firmware { spm, partitions, normal })
}

/// A file that has not changed keeps its time, so that cargo has nothing to do.
fn write_if_changed(file: &Path, content: &[u8]) -> Result<()> {
    if fs::read(file).ok().as_deref() != Some(content) {
        store::write_whole(file, content)?;
    }
    Ok(())
}

/// Compiles spm and the partitions of a platform; the same bytes run on every platform.
///
/// # Errors
/// They do not compile, or one could not boot.
pub(crate) fn build_secure(
    workspace: &Workspace,
    platform: &manifests::Platform,
) -> Result<Vec<(String, Image)>> {
    let mut packages = vec!["spm"];
    for partition in &platform.partitions {
        if !packages.contains(&partition.image.as_str()) {
            packages.push(&partition.image);
        }
    }
    Cargo::new(workspace, "firmware")?.build("compiling spm and partitions", &packages, &[])
}

fn find(images: &[(String, Image)], name: &str) -> Result<Image> {
    let found = images.iter().find(|(other, _)| other == name);
    found.map(|(_, image)| image.clone()).with_context(|| format!("cargo built no image `{name}`"))
}

/// cargo, with a target folder of its own.
struct Cargo {
    root: PathBuf,
    target_dir: PathBuf,
    log: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Cargo {
    fn new(workspace: &Workspace, folder: &str) -> Result<Self> {
        Ok(Self {
            root: workspace.root().to_path_buf(),
            target_dir: workspace.cache_dir("cargo")?.join(folder),
            log: workspace.log(&format!("cargo-{folder}"))?,
            environment: Vec::new(),
        })
    }

    /// Returns a setting that keeps the folders of this machine out of images: they would tell who built them, make equal
    /// sources differ, and take room.
    fn without_paths(&self) -> String {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(".cargo"))
        });
        let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
        let mut folders: Vec<PathBuf> =
            registries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        folders.push(self.root.clone());
        folders.sort();
        let flags: Vec<String> =
            folders.iter().map(|folder| format!("--remap-path-prefix={}=.", folder.display())).collect();
        format!("target.{TARGET}.rustflags = {flags:?}")
    }

    /// Builds binaries and returns them flattened, by name.
    fn build(&self, what: &str, packages: &[&str], features: &[&str]) -> Result<Vec<(String, Image)>> {
        // A log tells of the last build only.
        fs::write(&self.log, "")?;
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.root)
            .args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"])
            .arg("--target-dir")
            .arg(&self.target_dir)
            .args(["--config", &self.without_paths()])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            // What the person who calls us has set for programs of this machine is not for firmware.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET");
        for package in packages {
            command.args(["--package", package]);
        }
        if !features.is_empty() {
            command.args(["--features", &features.join(",")]);
        }
        let messages = step::output_of(what, &self.log, &mut command)?;
        packages.iter().map(|name| Ok(((*name).to_owned(), image(name, &messages)?))).collect()
    }
}

/// Finds the executable of a binary in cargo's messages, and flattens it.
fn image(name: &str, messages: &str) -> Result<Image> {
    let elf = executable(name, messages).with_context(|| format!("cargo names no executable `{name}`"))?;
    let data = fs::read(&elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let flat = flatten(&elf.display().to_string(), &data)?;
    Ok(Image { elf, flat })
}

fn executable(name: &str, messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let target = message.get("target")?.get("name")?.as_str()?;
        let path = message.get("executable")?.as_str()?;
        (target == name).then(|| Path::new(path).to_path_buf())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_by_name_in_cargos_messages() {
        let messages = "not json\n{\"reason\":\"x\"}\n\
            {\"target\":{\"name\":\"spm\"},\"executable\":null}\n\
            {\"target\":{\"name\":\"spm\"},\"executable\":\"/t/spm\"}\n";
        assert_eq!(executable("spm", messages), Some(PathBuf::from("/t/spm")));
        assert_eq!(executable("sp", messages), None);
    }
}
