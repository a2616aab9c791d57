// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `tests/linux/log.rules`: what must be said, may be said, and must not be said; each with its reason. The file's head
//! tells how it is written.

use super::boot::Kvm;
use super::pattern::is_like;
use crate::platform::Machine;
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use std::path::Path;

/// What a rule demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Some line is like it.
    Must,
    /// A warning that is like it is no failure.
    May,
    /// No line is like it.
    Never,
}

/// Where a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Any,
    Machine(Machine),
    Kvm(Kvm),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// What it demands.
    pub(super) verb: Verb,
    scope: Scope,
    /// The pattern of a line.
    pub(super) pattern: String,
    /// Why it is there.
    pub(super) reason: String,
}

impl Rule {
    /// Tells whether a line is what the rule is about.
    pub(super) fn is_about(&self, line: &str) -> bool {
        is_like(line, &self.pattern)
    }
}

/// Reads the rules that hold for a run.
///
/// # Errors
/// The file cannot be read, or a line of it is no rule.
pub(super) fn read(path: &Path, machine: Machine, kvm: Kvm) -> Result<Vec<Rule>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rules = parse(&path.display().to_string(), &text)?;
    let holds = |rule: &Rule| match rule.scope {
        Scope::Any => true,
        Scope::Machine(only) => only == machine,
        Scope::Kvm(only) => only == kvm,
    };
    Ok(rules.into_iter().filter(holds).collect())
}

fn parse(path: &str, text: &str) -> Result<Vec<Rule>> {
    let mut rules: Vec<Rule> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words = line.trim();
        if words.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let Some(rule) = rules.last_mut() else { bail!("{path}:{number}: a reason without a rule") };
            if !rule.reason.is_empty() {
                rule.reason.push(' ');
            }
            rule.reason.push_str(words);
            continue;
        }
        if let Some(rule) = rules.last() {
            needs_reason(path, rule)?;
        }
        rules.push(rule(words).with_context(|| format!("{path}:{number}: `{words}` is no rule"))?);
    }
    rules.last().map_or(Ok(()), |rule| needs_reason(path, rule))?;
    Ok(rules)
}

fn needs_reason(path: &str, rule: &Rule) -> Result<()> {
    if rule.reason.is_empty() {
        bail!("{path}: the rule `{}` has no reason", rule.pattern);
    }
    Ok(())
}

fn rule(words: &str) -> Result<Rule> {
    let (verb, rest) = words.split_once(char::is_whitespace).context("only one word")?;
    let (scope, pattern) = rest.trim_start().split_once(char::is_whitespace).context("no pattern")?;
    let verb = match verb {
        "must" => Verb::Must,
        "may" => Verb::May,
        "never" => Verb::Never,
        _ => bail!("`{verb}` is none of must, may, never"),
    };
    let machine = || Machine::ALL.into_iter().find(|machine| machine.name() == scope).map(Scope::Machine);
    let kvm = || Kvm::value_variants().iter().find(|kvm| kvm.name() == scope).copied().map(Scope::Kvm);
    let scope = match scope {
        "any" => Scope::Any,
        _ => machine().or_else(kvm).with_context(|| format!("`{scope}` is no machine and no mode"))?,
    };
    Ok(Rule { verb, scope, pattern: pattern.trim_start().to_owned(), reason: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\n\nmust   any   a *: b\n       because\n       of this\nmay virt x\n  y\nnever vhe z\n\tw\n";

    #[test]
    fn rules_are_read_with_their_reasons() {
        let rules = parse("f", TEXT).unwrap();
        let read: Vec<_> =
            rules.iter().map(|r| (r.verb, r.scope, r.pattern.as_str(), r.reason.as_str())).collect();
        let expected = [
            (Verb::Must, Scope::Any, "a *: b", "because of this"),
            (Verb::May, Scope::Machine(Machine::Virt), "x", "y"),
            (Verb::Never, Scope::Kvm(Kvm::Vhe), "z", "w"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn only_rules_of_the_machine_and_the_mode_hold() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules");
        std::fs::write(&file, TEXT).unwrap();
        let count = |machine, kvm| read(&file, machine, kvm).unwrap().len();
        assert_eq!(count(Machine::Virt, Kvm::Vhe), 3);
        assert_eq!(count(Machine::Virt, Kvm::Protected), 2);
        assert_eq!(count(Machine::SbsaRef, Kvm::Protected), 1);
    }

    #[test]
    fn what_is_no_rule_is_refused_by_place() {
        for (text, words) in [
            ("must any", "no rule"),
            ("should any x\n y", "f:1"),
            ("must nowhere x\n y", "f:1"),
            ("  reason", "f:1"),
            ("must any x\nmay any y\n z", "`x` has no reason"),
            ("must any x", "`x` has no reason"),
        ] {
            let error = format!("{:#}", parse("f", text).unwrap_err());
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn the_projects_own_rules_are_rules() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/linux/log.rules");
        for machine in Machine::ALL {
            for kvm in Kvm::value_variants() {
                assert!(read(&file, machine, *kvm).unwrap().len() > 10);
            }
        }
    }
}
