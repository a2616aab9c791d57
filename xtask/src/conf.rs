// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the `NAME = value` files of `tf-a-integration/`: one setting a line, `#` begins a comment line.

use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// The settings of one file, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conf {
    path: String,
    settings: Vec<(String, String)>,
}

impl Conf {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line is no setting, or a name stands twice.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads settings from text; `path` is for messages.
    ///
    /// # Errors
    /// A line is no setting, or a name stands twice.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self> {
        let mut conf = Self { path: path.to_owned(), settings: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                bail!("{path}:{number}: expected `NAME = value`, found `{line}`");
            };
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                bail!("{path}:{number}: `{name}` is not a name");
            }
            if conf.get(name).is_some() {
                bail!("{path}:{number}: `{name}` stands here twice");
            }
            conf.settings.push((name.to_owned(), value.to_owned()));
        }
        Ok(conf)
    }

    /// Returns a setting, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns a setting that has to be there.
    ///
    /// # Errors
    /// It is missing.
    pub(crate) fn need(&self, name: &str) -> Result<&str> {
        self.get(name).with_context(|| format!("{}: the setting `{name}` is missing", self.path))
    }

    /// Returns a number, decimal or after `0x`, that has to be there.
    ///
    /// # Errors
    /// It is missing or no number.
    pub(crate) fn need_number(&self, name: &str) -> Result<u64> {
        let text = self.need(name)?;
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(&digits.replace('_', ""), 16),
            None => text.parse(),
        };
        number.with_context(|| format!("{}: `{name} = {text}` is not a number", self.path))
    }

    /// Returns all settings in their order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_numbers_understood() {
        let conf = Conf::parse("f", "# why\nA = 1\n\n B=x = y \nC = 0x12_000\n").unwrap();
        assert_eq!(conf.all().collect::<Vec<_>>(), [("A", "1"), ("B", "x = y"), ("C", "0x12_000")]);
        assert_eq!(conf.need_number("C").unwrap(), 0x12000);
        assert!(conf.need("D").unwrap_err().to_string().contains("`D` is missing"));
        assert!(conf.need_number("B").is_err());
    }

    #[test]
    fn bad_lines_are_named() {
        assert!(Conf::parse("f", "A 1").unwrap_err().to_string().starts_with("f:1:"));
        assert!(Conf::parse("f", "A=1\n$(x)=2").unwrap_err().to_string().starts_with("f:2:"));
        assert!(Conf::parse("f", "A=1\nA=2").unwrap_err().to_string().contains("twice"));
    }
}
