// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The addresses and the number of cores that a TF-A was built with, as its own compiler sees them.
//!
//! A constant is compiled with the very flags of BL2, and its value read from the assembly: no header is parsed here.

use super::Facts;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where TF-A expects what it loads, and for how many cores it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Constants {
    /// Where BL2 loads the SPMC.
    pub(crate) spmc_base: u64,
    /// The end of the memory in which the SPMC and its partitions may stand.
    pub(crate) spmc_limit: u64,
    /// Where BL2 loads BL33.
    pub bl33_base: u64,
    /// Cores that it has room for.
    pub(crate) cores: u64,
}

/// Those whose macros `platform.conf` names.
const NAMES: [&str; 3] = ["spmc_base", "spmc_limit", "bl33_base"];
/// The macro of every platform (TF-A, docs/porting-guide.rst).
const CORES_MACRO: &str = "PLATFORM_CORE_COUNT";

impl Constants {
    /// Compiles the constants that `platform.conf` names, by the flags that `dry_run` would compile BL2 with.
    ///
    /// # Errors
    /// make's dry run has no compilation of BL2, or TF-A does not know a macro.
    pub(super) fn compile(
        facts: &Facts,
        source: &Path,
        scratch: &Path,
        dry_run: &mut Command,
    ) -> Result<Self> {
        let output = dry_run.output().context("cannot run make")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let compiler = bl2_compiler(&text).with_context(|| {
            format!("make's dry run shows no compilation of BL2: {}", String::from_utf8_lossy(&output.stderr))
        })?;
        let mut program = String::from("#include <platform_def.h>\n");
        for name in NAMES {
            let macro_name = facts.conf.need(&format!("{name}_macro"))?;
            program.push_str(&constant(name, macro_name));
        }
        program.push_str(&constant("cores", CORES_MACRO));
        let file = scratch.join("constants.c");
        fs::write(&file, program)?;
        let output = Command::new("sh")
            .current_dir(source)
            .arg("-c")
            .arg(format!("{compiler} -S -o - '{}'", file.display()))
            .output()?;
        if !output.status.success() {
            bail!("TF-A's constants do not compile:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Self::read(&String::from_utf8_lossy(&output.stdout))
    }

    /// Reads the constants from assembly.
    fn read(assembly: &str) -> Result<Self> {
        let value = |name: &str| {
            value_of(assembly, &format!("sidguard_{name}"))
                .with_context(|| format!("the compiler's output has no value for `{name}`"))
        };
        Ok(Self {
            spmc_base: value("spmc_base")?,
            spmc_limit: value("spmc_limit")?,
            bl33_base: value("bl33_base")?,
            cores: value("cores")?,
        })
    }

    /// Returns the constants as they are kept beside a build.
    pub(super) fn to_text(self) -> String {
        format!(
            "spmc_base = {:#x}\nspmc_limit = {:#x}\nbl33_base = {:#x}\ncores = {:#x}\n",
            self.spmc_base, self.spmc_limit, self.bl33_base, self.cores
        )
    }

    /// Reads what [`Self::to_text`] wrote.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let conf = crate::conf::Conf::read(path)?;
        Ok(Self {
            spmc_base: conf.need_number("spmc_base")?,
            spmc_limit: conf.need_number("spmc_limit")?,
            bl33_base: conf.need_number("bl33_base")?,
            cores: conf.need_number("cores")?,
        })
    }
}

/// Returns C that makes a macro's value a constant.
fn constant(name: &str, macro_name: &str) -> String {
    format!("const unsigned long long sidguard_{name} = ({macro_name});\n")
}

/// Returns the command that compiles a file of BL2, up to where it names the file.
fn bl2_compiler(dry_run: &str) -> Option<&str> {
    let line = dry_run.lines().find(|line| line.contains("-DIMAGE_BL2") && line.contains(" -c "))?;
    let end = [" -Wp,-MD", " -MMD", " -c "].iter().filter_map(|mark| line.find(mark)).min()?;
    line.get(..end)
}

/// Returns the number that follows a label in GNU assembly; a constant of zero stands as `.zero 8`.
fn value_of(assembly: &str, label: &str) -> Option<u64> {
    let mut lines =
        assembly.lines().map(str::trim).skip_while(|line| line.strip_suffix(':') != Some(label)).skip(1);
    let mut words = lines.next()?.split_whitespace();
    match (words.next()?, words.next()?) {
        (".xword" | ".quad", digits) => match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            // The assembler's numbers are signed.
            None => digits.parse::<u64>().ok().or_else(|| Some(digits.parse::<i64>().ok()?.cast_unsigned())),
        },
        (".zero", "8") => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSEMBLY: &str = "\t.align 3\nsidguard_spmc_base:\n\t.xword\t235929600\nsidguard_spmc_limit:\n\t.xword\t-1\n\
                            \t.global x\nsidguard_bl33_base:\n\t.zero\t8\nsidguard_cores:\n\t.xword\t32\n";

    #[test]
    fn values_are_read_from_assembly() {
        let read = Constants::read(ASSEMBLY).unwrap();
        assert_eq!(read, Constants { spmc_base: 0x0e10_0000, spmc_limit: u64::MAX, bl33_base: 0, cores: 32 });
        assert!(Constants::read("sidguard_spmc_base:\n").is_err());
        assert!(Constants::read("sidguard_spmc_base:\n .word 1\n").is_err());
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let constants = Constants { spmc_base: 1, spmc_limit: 0xffff_ffff_ffff, bl33_base: 3, cores: 4 };
        fs::write(dir.path().join("c"), constants.to_text()).unwrap();
        assert_eq!(Constants::load(&dir.path().join("c")).unwrap(), constants);
    }

    #[test]
    fn the_compiler_is_found_in_a_dry_run() {
        let text =
            "mkdir x\ncc -DIMAGE_BL1 -c a.c\ncc -DA='\"b c\"' -DIMAGE_BL2  -Wp,-MD,x.d -MP -c a.c -o a.o\n";
        assert_eq!(bl2_compiler(text), Some("cc -DA='\"b c\"' -DIMAGE_BL2 "));
        assert_eq!(bl2_compiler("cc -c a.c"), None);
    }
}
