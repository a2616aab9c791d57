// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold after each step, and what was found not to hold.

use std::fmt;

/// What must hold. The first six are those of the design; the model adds two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// 1: no DMA reaches what the domain's owner may not use, or what is not mapped now.
    Reach,
    /// 2: a stream that the policy does not name, or that is blocked, reaches nothing.
    Stream,
    /// 3: a page that moved is out of reach for the devices of its owner before.
    Moves,
    /// 4: what SMMUs fetch stands in the pool, and no mapping reaches the pool.
    Pool,
    /// 5: pages, handles and quotas balance.
    Balance,
    /// 6: no input panics, hangs or overruns its bound.
    Bound,
    /// 7: answers say what happened, and what was granted works.
    Service,
    /// 8: SMMUs are driven as their specification demands.
    Rules,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reach => "1 (reach)",
            Self::Stream => "2 (streams)",
            Self::Moves => "3 (moves)",
            Self::Pool => "4 (pool)",
            Self::Balance => "5 (balance)",
            Self::Bound => "6 (bound)",
            Self::Service => "7 (service)",
            Self::Rules => "8 (rules of the SMMU)",
        })
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What should have.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.what)
    }
}

/// The first thing that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    first: Option<Finding>,
    /// Whether somebody writes where only the service may: then nothing is sure but that it goes on.
    tampered: bool,
}

impl Findings {
    /// Keeps a finding, unless there is one.
    pub(crate) fn note(&mut self, invariant: Invariant, what: impl FnOnce() -> String) {
        if self.first.is_none() && (!self.tampered || invariant == Invariant::Bound) {
            self.first = Some(Finding { invariant, what: what() });
        }
    }

    /// Says that somebody writes into the pool.
    pub(crate) const fn forgive(&mut self) {
        self.tampered = true;
    }

    /// Returns what was found.
    pub(crate) const fn first(&self) -> Option<&Finding> {
        self.first.as_ref()
    }
}
