// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the partition at S-EL0 can do beyond what all partitions can.

use crate::outcome::Outcome;
use crate::vectors::Vectors;

/// What the permissions of its memory do not allow a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Writing to its code.
    WriteCode,
    /// Executing its data.
    ExecuteData,
}

/// The partition at S-EL0 while it does its side of a case.
pub trait ApplicationEndpoint: Vectors {
    /// Returns what came of the cases that it ran while it started.
    ///
    /// # Errors
    /// The step that failed.
    fn started(&self) -> Outcome;
    /// Lets its device interrupt, at once.
    fn alarm(&mut self);
    /// Does what is not allowed.
    ///
    /// # Errors
    /// Always: it has not been stopped.
    fn violate(&mut self, violation: Violation) -> Outcome;
}
