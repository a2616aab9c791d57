// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A scenario: one claim, and the function that finds out whether it holds.
//!
//! A new one is a function `fn(&mut World) -> Outcome` and an entry in its module's `SCENARIOS`. What it saw is bytes, in
//! memory or in the device, that were random a moment before: an allowed transfer first, so that the stopped one behind
//! it means something. `?` and `ensure!` end it where the claim does not hold; what it made is taken back for it.

use crate::{report, world::World};
use core::fmt::{self, Write};
use ffa_abi::Status;
use heapless::String;
use nwd::{
    cores::CoreError, edu::EduError, ffa::CallError, hyp::MoveError, hypercall::Refusal, iommu::IommuError,
};

/// What was seen, in the words of the report.
pub(crate) type Text = String<200>;

/// Who gets to see a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Demo and test.
    Everyone,
    /// Only the test: it says nothing to those who do not know FF-A.
    Test,
}

/// One claim.
pub(crate) struct Scenario {
    /// Stable name.
    pub(crate) name: &'static str,
    /// What is claimed, for a reader who does not know the project.
    pub(crate) claim: &'static str,
    /// What has to be seen.
    pub(crate) expected: &'static str,
    /// Who gets to see it.
    pub(crate) audience: Audience,
    /// How many cores it takes.
    pub(crate) cores: u64,
    /// Finds out: what was seen, if the claim holds, or what was seen instead.
    pub(crate) run: fn(&mut World) -> Outcome,
}

/// What a scenario returns.
pub(crate) type Outcome = Result<Text, Failure>;

/// What was seen instead of what had to be.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Text);

impl Failure {
    pub(crate) fn new(seen: fmt::Arguments<'_>) -> Self {
        Self(text(seen))
    }
}

macro_rules! failures {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(format_args!("{error}"))
            }
        }
    )*};
}
failures!(IommuError, MoveError, CallError, EduError, CoreError, Refusal);

/// Writes a text, cut where it is too long: a report of what was seen must not fail itself.
pub(crate) fn text(arguments: fmt::Arguments<'_>) -> Text {
    struct Cut(Text);
    impl Write for Cut {
        fn write_str(&mut self, words: &str) -> fmt::Result {
            for letter in words.chars() {
                // Tabs and line ends are the report's own.
                let letter = if letter.is_control() { ' ' } else { letter };
                let _ = self.0.push(letter);
            }
            Ok(())
        }
    }
    let mut cut = Cut(Text::new());
    let _ = cut.write_fmt(arguments);
    cut.0
}

/// Makes what a scenario saw.
#[macro_export]
macro_rules! seen {
    ($($argument:tt)*) => { Ok($crate::scenario::text(core::format_args!($($argument)*))) };
}

/// Ends a scenario that does not hold, with what was seen instead.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($argument:tt)*) => {
        if !$condition {
            return Err($crate::scenario::Failure::new(core::format_args!($($argument)*)));
        }
    };
}

/// Requires that the service refused, and with this status.
pub(crate) fn refused<T: fmt::Debug>(
    what: &str,
    result: Result<T, IommuError>,
    status: Status,
) -> Result<(), Failure> {
    match result {
        Err(IommuError::Status(seen)) if seen == status => Ok(()),
        Err(error) => Err(Failure::new(format_args!("{what}: {error}, not {status:?}"))),
        Ok(value) => Err(Failure::new(format_args!("{what}: allowed ({value:x?}), not {status:?}"))),
    }
}

/// Runs scenarios one after the other, each from a clean state, and reports every one of them.
pub(crate) fn run_all<'a>(world: &mut World, scenarios: impl Iterator<Item = &'a Scenario>) {
    for (scenario, number) in scenarios.zip(1..) {
        world.say(format_args!("{number}. {}.", scenario.claim));
        let result = (scenario.run)(world);
        let clean = world.clean();
        let (seen, holds) = match (result, clean) {
            (Ok(seen), Ok(())) => (seen, true),
            (Ok(_), Err(Failure(why))) => (text(format_args!("cleaning up: {why}")), false),
            (Err(Failure(seen)), _) => (seen, false),
        };
        let verdict = if holds { "Seen" } else { "That does NOT hold. Seen" };
        world.say(format_args!("   {verdict}: {seen}."));
        report::claim(scenario.name, scenario.claim, scenario.expected, &seen, holds);
    }
}
