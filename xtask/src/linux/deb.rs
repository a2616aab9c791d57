// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes files out of Debian packages that are not installed, by Debian's own tools.

use crate::step;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Takes the files that match tar's patterns out of a package into one folder, without the folders that they lie in.
///
/// # Errors
/// The package is broken, or a pattern matches nothing.
pub(super) fn unpack(what: &str, deb: &Path, patterns: &[&str], out: &Path, log: &Path) -> Result<()> {
    const SCRIPT: &str = "dpkg-deb --fsys-tarfile \"$1\" | tar --extract --directory \"$2\" --transform='s:.*/::' \
                          --no-same-owner --wildcards -- \"${@:3}\"";
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", SCRIPT, "unpack"]).arg(deb).arg(out).args(patterns);
    step::run(what, log, &mut command)
}

/// Makes a module what the kernel loads, if the package had it compressed.
///
/// # Errors
/// There is no such module, or it is broken.
pub(super) fn decompress(module: &Path, log: &Path) -> Result<()> {
    let compressed = module.with_extension("ko.xz");
    if compressed.is_file() {
        let mut xz = Command::new("xz");
        let what = format!("decompressing {}", module.file_name().unwrap_or_default().to_string_lossy());
        step::run(&what, log, xz.args(["--decompress", "--force"]).arg(&compressed))?;
    }
    if !module.is_file() {
        bail!("the package has no {}, plain or compressed by xz", module.display());
    }
    Ok(())
}

/// Returns a package's name and version as a line.
///
/// # Errors
/// The package is broken.
pub(super) fn name_and_version(deb: &Path, log: &Path) -> Result<String> {
    let mut show = Command::new("dpkg-deb");
    show.args(["--show", "--showformat", "${Package} ${Version}\\n"]).arg(deb);
    step::output_of("reading a package's version", log, &mut show)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Builds a package with a kernel, a module that is compressed, and a file of no interest.
    fn package(dir: &Path) -> std::path::PathBuf {
        let root = dir.join("root");
        let modules = root.join("usr/lib/modules/7.2/kernel/arm_ffa");
        fs::create_dir_all(&modules).unwrap();
        fs::create_dir(root.join("DEBIAN")).unwrap();
        let control = "Package: x\nVersion: 1:7.2-1\nArchitecture: arm64\nMaintainer: nobody <n@x.invalid>\nDescription: x\n";
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        fs::write(root.join("usr/lib/modules/7.2/vmlinuz"), "kernel").unwrap();
        fs::write(modules.join("other.ko"), "other").unwrap();
        fs::write(modules.join("core.ko"), "module").unwrap();
        assert!(Command::new("xz").arg(modules.join("core.ko")).status().unwrap().success());
        let deb = dir.join("x.deb");
        let built =
            Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&root).arg(&deb).output();
        assert!(built.unwrap().status.success());
        deb
    }

    #[test]
    fn files_are_taken_out_by_pattern_and_modules_decompressed() {
        let dir = tempfile::tempdir().unwrap();
        let (deb, log, out) = (package(dir.path()), dir.path().join("log"), dir.path().join("out"));
        fs::create_dir(&out).unwrap();
        unpack("try", &deb, &["*/vmlinuz", "*/core.ko*"], &out, &log).unwrap();
        decompress(&out.join("core.ko"), &log).unwrap();
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_eq!((read("vmlinuz").as_str(), read("core.ko").as_str()), ("kernel", "module"));
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
        assert_eq!(name_and_version(&deb, &log).unwrap(), "x 1:7.2-1\n");
    }

    #[test]
    fn a_package_without_the_file_is_an_error_and_so_is_no_package() {
        let dir = tempfile::tempdir().unwrap();
        let (deb, log) = (package(dir.path()), dir.path().join("log"));
        assert!(unpack("try", &deb, &["*/none"], dir.path(), &log).is_err());
        assert!(unpack("try", &log, &["*/vmlinuz"], dir.path(), &log).is_err());
        assert!(decompress(&dir.path().join("none.ko"), &log).is_err());
    }
}
