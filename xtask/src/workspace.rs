// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where things lie: the source tree, the cache of what was downloaded and built, the folder of one run's logs.
//!
//! Everything that xtask writes is under the cache, which may be deleted at any time; the one exception is the file
//! that [`crate::setup`] adds to apt's configuration.

use anyhow::{Context as _, Result};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Folder of what is needed only while the lock is held.
const SCRATCH: &str = "tmp";
/// How many run folders are kept before the oldest go.
const KEPT_RUNS: usize = 100;

/// The folders that all commands share.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    cache: PathBuf,
}

impl Workspace {
    /// Finds the workspace that this tool was built from, and creates its cache folder.
    ///
    /// `SIDGUARD_CACHE` moves the cache; without it, it is `target/sidguard`.
    ///
    /// # Errors
    /// The cache folder cannot be created.
    pub(crate) fn open() -> Result<Self> {
        let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest_dir.parent().unwrap_or(manifest_dir).to_path_buf();
        let cache = match std::env::var_os("SIDGUARD_CACHE") {
            Some(dir) => std::path::absolute(PathBuf::from(dir))?,
            None => target_dir(&root).join("sidguard"),
        };
        fs::create_dir_all(&cache).with_context(|| format!("cannot create the cache {}", cache.display()))?;
        Ok(Self { root, cache })
    }

    /// Returns the top of the source tree.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of what is downloaded and built.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Returns a folder inside the cache, created if it is not there.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn cache_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.cache.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// Returns the log file of a step of setting up or building.
    ///
    /// # Errors
    /// The folder of logs cannot be created.
    pub(crate) fn log(&self, step: &str) -> Result<PathBuf> {
        Ok(self.cache_dir("logs")?.join(format!("{step}.log")))
    }

    /// Creates a fresh folder for one run of QEMU and forgets the oldest ones.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn run_dir(&self, name: &str) -> Result<PathBuf> {
        let runs = self.cache_dir("runs")?;
        forget_oldest(&runs)?;
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_millis()).unwrap_or(0);
        let dir = runs.join(format!("{stamp}-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// Takes the lock that lets one command at a time change the cache; it is released when the value is dropped, or
    /// when the process ends in whatever way.
    ///
    /// # Errors
    /// The lock file cannot be opened or locked.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.cache.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                self.forget_unfinished();
                return Ok(file);
            }
            Err(TryLockError::WouldBlock) => {
                println!("Another `cargo xtask` is building here; waiting for it ({}).", path.display());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        self.forget_unfinished();
        Ok(file)
    }

    /// Returns a folder for what is needed only while the lock is held.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn scratch(&self) -> Result<PathBuf> {
        self.cache_dir(SCRATCH)
    }

    /// Removes what a command that was killed has left; whoever holds the lock is alone there.
    fn forget_unfinished(&self) {
        // What cannot be removed costs room only.
        drop(fs::remove_dir_all(self.cache.join(SCRATCH)));
    }
}

/// Returns cargo's target folder: the one that this program was built into, if it stands in one.
fn target_dir(root: &Path) -> PathBuf {
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return std::path::absolute(root.join(dir)).unwrap_or_else(|_| root.join("target"));
    }
    root.join("target")
}

fn forget_oldest(runs: &Path) -> Result<()> {
    let mut dirs: Vec<PathBuf> = fs::read_dir(runs)?.filter_map(|e| e.ok().map(|e| e.path())).collect();
    dirs.sort();
    let surplus = dirs.len().saturating_sub(KEPT_RUNS);
    for dir in dirs.iter().take(surplus) {
        // A folder that cannot be removed costs room only.
        drop(fs::remove_dir_all(dir));
    }
    Ok(())
}
