// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads apt's own configuration: which mirror this machine uses for its release, and which key signs it.
//!
//! No host name stands in this project: backports and sources come from where the machine's other packages come from.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The fields that [`targets`] asks for, in the order in which [`parse_targets`] reads them.
const FIELDS: &str = "$(REPO_URI)\t$(CODENAME)\t$(ORIGIN)\t$(COMPONENT)\t$(SOURCESENTRY)";

/// One index that apt knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Address of the repository.
    pub(crate) uri: String,
    /// The release's code name, such as `bookworm` or `bookworm-backports`.
    pub(crate) codename: String,
    /// Who publishes it.
    pub(crate) origin: String,
    /// The archive's component, such as `main`.
    pub(crate) component: String,
    /// The file, and the entry in it, that made apt know it.
    pub(crate) entry: String,
}

/// Where Debian packages come from, and the key that signs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Address of the repository.
    pub(crate) uri: String,
    /// The value of `Signed-By`: a file, a fingerprint or a key; without it apt's own key rings hold.
    pub(crate) signed_by: Option<String>,
}

impl Mirror {
    /// Returns an entry in apt's deb822 format for one suite of this mirror.
    pub(crate) fn entry(&self, types: &str, suite: &str) -> String {
        let mut text = format!(
            "Types: {types}\nURIs: {}\nSuites: {suite}\nComponents: main\n",
            self.uri.trim_end_matches('/')
        );
        if let Some(key) = &self.signed_by {
            text.push_str("Signed-By:");
            for (number, line) in key.lines().enumerate() {
                // A key within the entry starts on the line after the field's name, each line indented.
                text.push_str(if number == 0 && !line.is_empty() { " " } else { "" });
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

/// Asks apt which indexes it has; none before the first `apt-get update`.
///
/// # Errors
/// apt-get cannot be run.
pub(crate) fn targets() -> Result<Vec<Target>> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", FIELDS, "Created-By: Packages"])
        .output()
        .context("cannot run apt-get")?;
    Ok(parse_targets(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads the answer of `apt-get indextargets`; lines of another form are not for us.
fn parse_targets(text: &str) -> Vec<Target> {
    let read = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let target = Target {
            uri: fields.next()?,
            codename: fields.next()?,
            origin: fields.next()?,
            component: fields.next()?,
            entry: fields.next()?,
        };
        (fields.next().is_none() && target.uri.contains("://") && !target.codename.is_empty())
            .then_some(target)
    };
    text.lines().filter_map(read).collect()
}

/// Returns the mirror that serves Debian's release `codename` itself, not its updates.
pub(crate) fn mirror(targets: &[Target], codename: &str) -> Option<Mirror> {
    let found =
        targets.iter().find(|t| t.codename == codename && t.origin == "Debian" && t.component == "main")?;
    let file = found.entry.rsplit_once(':').map_or(found.entry.as_str(), |(file, _)| file);
    let text = fs::read_to_string(Path::new(file)).unwrap_or_default();
    Some(Mirror { uri: found.uri.clone(), signed_by: signed_by(&text, &found.uri, codename) })
}

/// Finds the `Signed-By` that belongs to a repository and suite in a file of apt's sources, of either format.
fn signed_by(text: &str, uri: &str, suite: &str) -> Option<String> {
    let same = |word: &str| word.trim_end_matches('/') == uri.trim_end_matches('/');
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("deb ") || line.starts_with("deb-src ") {
            let (options, rest) = match (line.find('['), line.find(']')) {
                (Some(from), Some(to)) if from < to => {
                    (line.get(from + 1..to).unwrap_or_default(), line.get(to + 1..).unwrap_or_default())
                }
                _ => ("", line),
            };
            let mut words = rest.split_whitespace();
            if words.any(same)
                && words.next() == Some(suite)
                && let Some(key) = options.split_whitespace().find_map(|o| o.strip_prefix("signed-by="))
            {
                return Some(key.to_owned());
            }
        }
    }
    text.split("\n\n").find_map(|stanza| {
        let uris = field(stanza, "uris")?;
        let suites = field(stanza, "suites")?;
        let ours = uris.split_whitespace().any(same) && suites.split_whitespace().any(|word| word == suite);
        if ours { field(stanza, "signed-by") } else { None }
    })
}

/// Returns a field of a deb822 stanza with its continuation lines.
fn field(stanza: &str, name: &str) -> Option<String> {
    let mut lines = stanza.lines().filter(|line| !line.starts_with('#'));
    let mut value = lines.by_ref().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })?;
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push('\n');
        value.push_str(line.trim_end());
    }
    Some(value)
}

#[cfg(test)]
#[path = "apt_tests.rs"]
mod tests;
