// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was built, kept by the content it was built from: a folder is there whole, or not at all.

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The digest of everything that decides how a thing comes out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key(Sha256);

impl Key {
    /// Adds one ingredient under a name; length and name are part of the key, so that parts cannot run together.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, content: &[u8]) -> Self {
        self.0.update(format!("{name}:{}:", content.len()));
        self.0.update(content);
        self
    }

    /// Returns the key as a folder's name.
    pub(crate) fn name(&self) -> String {
        let mut name = hex(&self.0.clone().finalize());
        name.truncate(24);
        name
    }
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the SHA-256 of bytes in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the SHA-256 of a file in hexadecimal digits.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(&Sha256::digest(&bytes)))
}

/// Returns `parent/name`, filled by `build` if it is not there yet.
///
/// `build` works in a temporary folder beside it, which takes the name only when `build` has succeeded: a build that
/// fails or is interrupted leaves nothing that a later one would take for a result.
///
/// # Errors
/// `build` fails, or the folders cannot be written.
pub(crate) fn folder(parent: &Path, name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let whole = parent.join(name);
    if whole.is_dir() {
        return Ok(whole);
    }
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    forget_unfinished(parent);
    let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parent)?;
    let inside = unfinished.path().join("content");
    fs::create_dir(&inside)?;
    build(&inside)?;
    fs::rename(&inside, &whole).with_context(|| format!("cannot move the result to {}", whole.display()))?;
    Ok(whole)
}

/// Writes a file by way of a temporary one beside it, so that it is never seen half written.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent)
        .with_context(|| format!("cannot write to {}", parent.display()))?;
    std::io::Write::write_all(&mut file, content)?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

const UNFINISHED: &str = ".unfinished-";

/// Removes what killed builds have left; the caller holds the cache's lock, so nobody works there.
fn forget_unfinished(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // What stays costs room only.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_failed_build_leaves_nothing_and_the_next_one_starts_afresh() {
        let dir = tempfile::tempdir().unwrap();
        let failed = folder(dir.path(), "x", |inside| {
            fs::write(inside.join("half"), "half")?;
            bail!("no")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let whole = folder(dir.path(), "x", |inside| Ok(fs::write(inside.join("all"), "all")?)).unwrap();
        assert!(whole.join("all").is_file());
        assert!(!whole.join("half").exists());
    }

    #[test]
    fn what_is_there_is_not_built_again() {
        let dir = tempfile::tempdir().unwrap();
        folder(dir.path(), "x", |_| Ok(())).unwrap();
        folder(dir.path(), "x", |_| bail!("built twice")).unwrap();
    }

    #[test]
    fn keys_tell_parts_apart() {
        let ab_c = Key::default().with("f", b"ab").with("f", b"c").name();
        let a_bc = Key::default().with("f", b"a").with("f", b"bc").name();
        assert_ne!(ab_c, a_bc);
    }
}
