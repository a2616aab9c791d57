// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the service notices an SMMU's events and errors, and how much of its time they can take.
//!
//! Whoever programs a device decides how often that faults. So interrupts are counted: after [`MAX_INTERRUPTS`], with more
//! records than one look takes, or where they come as fast as they are served, they are off until the host asks for its reports.
//! The reports that are kept are full by then, and the host pays for all that follows.

use crate::seeded::{Bug, seeded};
use crate::smmu::{Smmu, SmmuError};
use thiserror::Error;

/// Interrupts of one SMMU that are served until the host asks. Each brings a report or more, as long as the SMMU behaves.
pub(super) const MAX_INTERRUPTS: u8 = 64;

/// Why an SMMU does not tell of events and errors by an interrupt. The service looks for them when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InterruptError {
    /// The policy names no such interrupt, or its SMMU was to raise it no more.
    #[error("nobody asked for it")]
    Unexpected,
    /// The SMMU does not say whether its interrupts are on or off.
    #[error("the SMMU does not acknowledge IRQ_CTRL")]
    Unacknowledged,
    /// The interrupt told that the SMMU has failed: it aborts all DMA.
    #[error("{0}; all DMA behind it is aborted")]
    Failed(#[from] SmmuError),
}

/// How the events and errors of one SMMU are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// By looking for them when the host asks, for ever.
    Polled,
    /// By an interrupt, for so many more of them.
    Armed(u8),
    /// By looking for them when the host asks; then its interrupts are switched on again. So many of them that are under
    /// way, or that come though they are off, are passed over.
    Quiet(u8),
}

/// What has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Done,
    /// A look at the event queue, and at the errors.
    LookAgain,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// At its end no record was left: the next one raises an interrupt.
    pub(super) emptied: bool,
    /// Whether the SMMU works.
    pub(super) health: Result<(), SmmuError>,
}

impl Watch {
    /// Switches the interrupts on. An SMMU that does not acknowledge that is polled; what it raises is unexpected.
    ///
    /// The caller has to look afterwards: there is no interrupt for what was there before.
    pub(super) fn arm(&mut self, smmu: &impl Smmu) -> Result<(), InterruptError> {
        self.switch(smmu, true, Self::Armed(MAX_INTERRUPTS))
    }

    /// Tells what follows an interrupt.
    pub(super) const fn interrupted(&mut self) -> Result<Next, InterruptError> {
        match *self {
            Self::Polled => Err(InterruptError::Unexpected),
            Self::Armed(_) => Ok(Next::LookAgain),
            Self::Quiet(left) => match left.checked_sub(1) {
                Some(left) => {
                    *self = Self::Quiet(left);
                    Ok(Next::Done)
                }
                None => {
                    *self = Self::Polled;
                    Err(InterruptError::Unexpected)
                }
            },
        }
    }

    /// Draws the conclusion of a look that an interrupt was the reason for.
    pub(super) fn looked(&mut self, smmu: &impl Smmu, looked: Looked) -> Result<(), InterruptError> {
        match *self {
            Self::Polled | Self::Quiet(_) => Ok(()),
            Self::Armed(left) => match left.checked_sub(1) {
                Some(left) if left > 0 => {
                    let left = if seeded(Bug::StormUnbounded) { MAX_INTERRUPTS } else { left };
                    *self = Self::Armed(left);
                    self.keep_or_quieten(smmu, looked)
                }
                _ => self.quieten(smmu, looked),
            },
        }
    }

    /// Draws the conclusion of a look that the host was the reason for.
    pub(super) fn asked(&mut self, smmu: &impl Smmu, looked: Looked) -> Result<Next, InterruptError> {
        match *self {
            Self::Polled => Ok(Next::Done),
            Self::Armed(_) => {
                *self = Self::Armed(MAX_INTERRUPTS);
                self.keep_or_quieten(smmu, looked).map(|()| Next::Done)
            }
            Self::Quiet(_) if looked.emptied && looked.health.is_ok() => {
                let next = if seeded(Bug::RearmedBlind) { Next::Done } else { Next::LookAgain };
                self.arm(smmu).map(|()| next)
            }
            Self::Quiet(_) => Ok(Next::Done),
        }
    }

    /// Switches the interrupts off, if they are on.
    pub(super) fn overrun(&mut self, smmu: &impl Smmu) -> Result<(), InterruptError> {
        match self {
            Self::Armed(_) => self.quieten(smmu, Looked { emptied: false, health: Ok(()) }),
            Self::Polled | Self::Quiet(_) => Ok(()),
        }
    }

    /// With records left there will be no interrupt: that they are off has to be known, so that they are switched on again.
    fn keep_or_quieten(&mut self, smmu: &impl Smmu, looked: Looked) -> Result<(), InterruptError> {
        let emptied = looked.emptied || seeded(Bug::RecordsLeft);
        if emptied && looked.health.is_ok() { Ok(()) } else { self.quieten(smmu, looked) }
    }

    /// Switches the interrupts off until the host asks, and the SMMU works.
    fn quieten(&mut self, smmu: &impl Smmu, looked: Looked) -> Result<(), InterruptError> {
        let switched = self.switch(smmu, false, Self::Quiet(MAX_INTERRUPTS));
        looked.health?;
        switched
    }

    fn switch(&mut self, smmu: &impl Smmu, on: bool, next: Self) -> Result<(), InterruptError> {
        let acknowledged = smmu.set_interrupts(on);
        *self = if acknowledged.is_ok() { next } else { Self::Polled };
        acknowledged.map_err(|_| InterruptError::Unacknowledged)
    }
}
