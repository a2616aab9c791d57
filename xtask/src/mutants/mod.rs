// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mutants: small changes of the service's source, each of which some test should notice.
//!
//! cargo-mutants says what can be changed. What compiles and runs each change stands here: it compiles one test program, runs the tests
//! of the changed module first, and stops at the first that fails.
//!
//! | file | what lives there |
//! |---|---|
//! | `list` | which mutants there are |
//! | `tree` | the copy of the source that is changed, and its test program |
//! | `trial` | running that program until something fails |
//! | `known` | what came of mutants before, and what of it still holds |
//! | `survivors` | mutants that no test notices, each with its reason |

mod known;
mod list;
mod survivors;
mod tree;
mod trial;

pub(crate) use known::Known;
pub(crate) use list::{FOLDERS, Mutant, Sources};
pub(crate) use survivors::Survivors;
pub(crate) use tree::Tree;
pub(crate) use trial::{Limits, Verdict, run as try_tests};

/// What came of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A test failed, whose whole name this is.
    Caught(String),
    /// The tests did not come to an end.
    Endless,
    /// All tests passed.
    Missed,
    /// It is no Rust.
    Unviable,
}
