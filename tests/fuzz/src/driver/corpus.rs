// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inputs that are kept, in files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer inputs are not kept: the corpus stands in the source tree.
const MOST_KEPT_BYTES: usize = 512;

fn told<T>(path: &Path, result: std::io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads all inputs of a folder; none if it is not there.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in told(folder, fs::read_dir(folder))? {
        files.push(told(folder, entry)?.path());
    }
    files.sort();
    files.iter().map(|file| told(file, fs::read(file))).collect()
}

/// Writes inputs that are short and not in `known` to a folder, whose other files go.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(folder: &Path, inputs: &[Vec<u8>], known: &[Vec<u8>]) -> Result<(), String> {
    told(folder, fs::create_dir_all(folder))?;
    let is_kept =
        |input: &&Vec<u8>| !input.is_empty() && input.len() <= MOST_KEPT_BYTES && !known.contains(*input);
    let kept: BTreeSet<&Vec<u8>> = inputs.iter().filter(is_kept).collect();
    for entry in told(folder, fs::read_dir(folder))? {
        let path = told(folder, entry)?.path();
        told(&path, fs::remove_file(&path))?;
    }
    for input in kept {
        let path = folder.join(name(input));
        told(&path, fs::write(&path, input))?;
    }
    Ok(())
}

/// Writes an input that fails, and returns the file.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_failure(folder: &Path, target: &str, input: &[u8]) -> Result<PathBuf, String> {
    told(folder, fs::create_dir_all(folder))?;
    let path = folder.join(format!("{target}-{}", name(input)));
    told(&path, fs::write(&path, input))?;
    Ok(path)
}

/// A name by what is in it (FNV-1a).
fn name(input: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", input.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
