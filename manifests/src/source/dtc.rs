// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The device-tree compiler, run as a child process.

use crate::error::{Error, Reason, Result};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Compiles a source file; `/include/` looks beside it.
///
/// # Errors
/// What `dtc` says, with the file's name.
pub(crate) fn compile_file(file: &Path) -> Result<Vec<u8>> {
    if let Err(error) = std::fs::metadata(file) {
        return Err(Error::file(file, Reason::Unreadable(error.to_string())));
    }
    let mut command = dtc();
    if let Some(folder) = file.parent() {
        command.arg("-i").arg(folder);
    }
    let output = command.arg(file).output().map_err(|error| no_compiler(file, &error))?;
    accepted(file, output)
}

/// Compiles a text that this crate generated; `name` stands for it in errors.
///
/// # Errors
/// What `dtc` says.
pub(crate) fn compile_text(name: &str, text: &str) -> Result<Vec<u8>> {
    let file = Path::new(name);
    let mut child = dtc()
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| no_compiler(file, &error))?;
    // dtc reads its whole input before it writes, so that the two pipes cannot wait for each other.
    let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(text.as_bytes()));
    let output = child.wait_with_output().map_err(|error| no_compiler(file, &error))?;
    let tree = accepted(file, output)?;
    written.map_err(|error| Error::file(file, Reason::Unreadable(error.to_string())))?;
    Ok(tree)
}

fn dtc() -> Command {
    let mut command = Command::new("dtc");
    // Nodes are named by what they are, not by address, so that an address is written once: dtc would warn of it.
    command.args(["-q", "-I", "dts", "-O", "dtb", "-o", "-"]);
    command
}

fn no_compiler(file: &Path, error: &std::io::Error) -> Error {
    Error::file(file, Reason::NoCompiler(error.to_string()))
}

fn accepted(file: &Path, output: Output) -> Result<Vec<u8>> {
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let words = String::from_utf8_lossy(&output.stderr);
        Err(Error::file(file, Reason::Compiler(words.trim().to_owned())))
    }
}
