// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the run says: lines that begin with `@` are read by the tool that started it, all others are for people.
//!
//! | line, tab-separated | meaning |
//! |---|---|
//! | `@plan n` | as many claims follow |
//! | `@say words` | what is about to happen |
//! | `@claim name claim expected seen ok/FAIL` | one claim, and how it went |
//! | `@untried name claim reason` | what cannot be tried on this machine |
//! | `@bench name number` | a count |
//! | `@end` | the run is complete |

use core::fmt;
use nwd::log;

/// Says how many claims will be made.
pub(crate) fn plan(claims: usize) {
    log!("@plan\t{claims}");
}

/// Says something to the reader.
pub(crate) fn say(words: fmt::Arguments<'_>) {
    log!("@say\t{words}");
}

/// Reports one claim.
pub(crate) fn claim(name: &str, claim: &str, expected: &str, seen: &str, holds: bool) {
    log!("@claim\t{name}\t{claim}\t{expected}\t{seen}\t{}", if holds { "ok" } else { "FAIL" });
}

/// Reports what was not tried, and why.
pub(crate) fn untried(name: &str, claim: &str, reason: &str) {
    log!("@untried\t{name}\t{claim}\t{reason}");
}

/// Reports a count.
pub(crate) fn bench(name: &str, number: u64) {
    log!("@bench\t{name}\t{number}");
}

/// Says that nothing is missing.
pub(crate) fn end() {
    log!("@end");
}
