// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the client on the machine says to the person who started it: lines that begin with `@`, fields parted by tabs.
//!
//! | line | meaning |
//! |---|---|
//! | `@plan n` | how many claims will follow |
//! | `@say words` | what happens, in plain words |
//! | `@claim name what expected seen ok\|FAIL` | one claim and its outcome |
//! | `@untried name what reason` | what cannot be tried there, and why |
//! | `@bench name number` | one count |
//! | `@end` | all was said |
//!
//! A client that stops half-way, says less than it planned, or says something else, has failed.

mod mailbox;

pub(crate) use mailbox::{Mailbox, Mode, random_seed};

use anyhow::{Context as _, Result, bail};

/// One claim and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Short name, unique within a run.
    pub(crate) name: String,
    /// What is claimed.
    pub(crate) what: String,
    /// What has to be seen.
    pub(crate) expected: String,
    /// What was seen.
    pub(crate) seen: String,
    /// Whether it holds.
    pub(crate) holds: bool,
}

/// What was not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untried {
    /// Short name, unique within a run.
    pub(crate) name: String,
    /// What would be tried.
    pub(crate) what: String,
    /// Why it was not.
    pub(crate) reason: String,
}

/// One line of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Number of claims to come.
    Plan(usize),
    /// Plain words.
    Say(String),
    /// A claim.
    Claim(Claim),
    /// What cannot be claimed there.
    Untried(Untried),
    /// A count.
    Bench(String, u64),
    /// The end.
    End,
}

impl Line {
    /// Reads a line; `None` if it is not for us.
    ///
    /// # Errors
    /// It is for us, and malformed.
    pub(crate) fn parse(line: &str) -> Result<Option<Self>> {
        if !line.starts_with('@') {
            return Ok(None);
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let read = match fields.as_slice() {
            ["@plan", number] => Self::Plan(number.parse().context("the plan is no number")?),
            ["@say", words] => Self::Say((*words).to_owned()),
            ["@claim", name, what, expected, seen, outcome] => Self::Claim(Claim {
                name: (*name).to_owned(),
                what: (*what).to_owned(),
                expected: (*expected).to_owned(),
                seen: (*seen).to_owned(),
                holds: match *outcome {
                    "ok" => true,
                    "FAIL" => false,
                    other => bail!("a claim's outcome is `{other}`"),
                },
            }),
            ["@untried", name, what, reason] => Self::Untried(Untried {
                name: (*name).to_owned(),
                what: (*what).to_owned(),
                reason: (*reason).to_owned(),
            }),
            ["@bench", name, number] => {
                Self::Bench((*name).to_owned(), number.parse().context("a count is no number")?)
            }
            ["@end"] => Self::End,
            _ => bail!("it has no known form"),
        };
        Ok(Some(read))
    }
}

/// Everything that a client said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    /// The claims in their order.
    pub(crate) claims: Vec<Claim>,
    /// What was not tried, in its order.
    pub(crate) untried: Vec<Untried>,
    /// The counts in their order.
    pub(crate) counts: Vec<(String, u64)>,
    /// What is wrong with the conversation itself.
    pub(crate) complaints: Vec<String>,
    plan: Option<usize>,
    ended: bool,
}

impl Transcript {
    /// Takes the next line of the console; returns it if it was for us.
    pub(crate) fn take(&mut self, text: &str) -> Option<Line> {
        let line = match Line::parse(text) {
            Ok(line) => line?,
            Err(error) => {
                self.complain(format!("the client's line `{text}` is malformed: {error:#}"));
                return None;
            }
        };
        if self.ended {
            self.complain(format!("the client went on after its end: `{text}`"));
        }
        match &line {
            Line::Plan(number) => {
                if self.plan.replace(*number).is_some() {
                    self.complain("the client planned twice; did the machine start again?".to_owned());
                }
            }
            Line::Claim(claim) => {
                if self.claims.iter().any(|other| other.name == claim.name) {
                    self.complain(format!("two claims are named `{}`", claim.name));
                }
                self.claims.push(claim.clone());
            }
            Line::Untried(untried) => self.untried.push(untried.clone()),
            Line::Bench(name, number) => self.counts.push((name.clone(), *number)),
            Line::End => self.ended = true,
            Line::Say(_) => {}
        }
        Some(line)
    }

    /// Ends the conversation; what is missing becomes a complaint.
    pub(crate) fn finish(&mut self) {
        match self.plan {
            // Who only counts has no claims to plan; which counts there must be is for the caller to know.
            None if self.claims.is_empty() && !self.counts.is_empty() => {}
            None => self.complain("the client never said what it planned".to_owned()),
            Some(plan) if plan != self.claims.len() => {
                self.complain(format!("the client planned {plan} claims and made {}", self.claims.len()));
            }
            Some(_) => {}
        }
        if !self.ended {
            self.complain("the client did not come to its end".to_owned());
        }
    }

    /// Adds something that is wrong.
    pub(crate) fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// Returns how many claims hold.
    pub(crate) fn passed(&self) -> usize {
        self.claims.iter().filter(|claim| claim.holds).count()
    }

    /// Returns how many claims do not hold, and complaints.
    pub(crate) fn failed(&self) -> usize {
        self.claims.len() - self.passed() + self.complaints.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(lines: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for line in lines {
            transcript.take(line);
        }
        transcript.finish();
        transcript
    }

    #[test]
    fn a_whole_conversation_counts_its_claims() {
        let got = transcript(&[
            "NOTICE:  BL1: something",
            "@plan\t2",
            "@say\thello",
            "@claim\ta\tA holds\t1\t1\tok",
            "@claim\tb\tB holds\t1\t2\tFAIL",
            "@untried\tc\tC holds\tthere is no C here",
            "@bench\tel3_call\t349",
            "@end",
        ]);
        assert_eq!((got.passed(), got.failed()), (1, 1));
        assert_eq!(got.counts, [("el3_call".to_owned(), 349)]);
        assert_eq!(got.untried.first().map(|untried| untried.reason.as_str()), Some("there is no C here"));
        assert_eq!(got.complaints, [""; 0]);
    }

    #[test]
    fn a_client_that_stops_half_way_has_failed() {
        assert_eq!(transcript(&[]).failed(), 2);
        assert_eq!(transcript(&["@plan\t1", "@claim\ta\tA\t1\t1\tok"]).failed(), 1);
        assert_eq!(transcript(&["@plan\t2", "@claim\ta\tA\t1\t1\tok", "@end"]).failed(), 1);
        assert_eq!(transcript(&["@plan\t0", "@claim\ta\tA\t1\t1\tok", "@end"]).failed(), 1);
        assert_eq!(transcript(&["@claim\ta\tA\t1\t1\tok", "@end"]).failed(), 1);
    }

    #[test]
    fn a_client_that_only_counts_need_not_plan_but_has_to_end() {
        assert_eq!(transcript(&["@bench\ta\t1", "@end"]).failed(), 0);
        assert_eq!(transcript(&["@bench\ta\t1"]).failed(), 1);
        assert_eq!(transcript(&["@bench\ta\t1", "@claim\ta\tA\t1\t1\tok", "@end"]).failed(), 1);
    }

    #[test]
    fn a_claim_counts_once_and_nothing_follows_the_end() {
        let same = "@claim\ta\tA\t1\t1\tok";
        assert_eq!(transcript(&["@plan\t2", same, same, "@end"]).failed(), 1);
        assert_eq!(transcript(&["@plan\t1", "@end", same]).failed(), 1);
        assert_eq!(transcript(&["@plan\t1", same, "@plan\t1", "@end"]).failed(), 1);
    }

    #[test]
    fn malformed_lines_are_failures_not_noise() {
        for line in [
            "@",
            "@claim",
            "@claim\ta\tA\t1\t1",
            "@claim\ta\tA\t1\t1\tOK",
            "@claim\ta\tA\t1\t1\tok\tmore",
            "@plan\t-1",
            "@plan",
            "@bench\tx\t1.5",
            "@bench\tx\t99999999999999999999",
            "@end\t",
            "@nonsense\tx",
        ] {
            let mut transcript = Transcript::default();
            assert_eq!(transcript.take(line), None, "{line}");
            assert_eq!(transcript.complaints.len(), 1, "{line}");
        }
    }
}
