// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From an SMMU that has failed, or lost what it was given, to one that works (IHI 0070, 3.11 and 6.3.9).
//!
//! It aborts everything from when it was given up. What it fetches is written again from what stands in secure memory and
//! read back, page by page; then its registers, as at the start. Only when all of that is as it has to be, and the SMMU
//! has forgotten all that it knew, is translation switched on. A stream that was being set when it failed aborts.
//!
//! A call does so many pages, and the next one goes on; where the SMMU is found open between two calls, it is begun anew.

use super::driver::SmmuV3;
use super::errors::count;
use super::gate;
use super::hardware::{Hardware, Registers as _, TimedOut};
use super::interrupts;
use super::reset::BringUpError;
use super::restore::Pass;
use super::spec::registers::{CR0, GERROR, IRQ_CTRL};
use super::{Rebuilt, SmmuError};
use crate::seeded::{Bug, seeded};
use core::sync::atomic::Ordering::Relaxed;

/// Pages of stream tables that one call writes or reads: some ten thousand instructions.
const PAGES_PER_CALL: usize = 4;

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Progress {
    /// It was not begun.
    #[default]
    Idle,
    /// It was tried, and the SMMU did not do what it was told.
    Failed,
    /// All pages before this one are written.
    Writing(usize),
    /// All pages are written, and those before this one read back.
    Reading(usize),
}

impl Progress {
    pub(super) const fn has_failed(self) -> bool {
        matches!(self, Self::Failed)
    }

    const fn has_begun(self) -> bool {
        matches!(self, Self::Writing(_) | Self::Reading(_))
    }
}

impl<H: Hardware> SmmuV3<'_, H> {
    pub(super) fn rebuild_some(&self) -> Result<Rebuilt, SmmuError> {
        let mut progress = self.rebuilding.lock();
        let Err(reason) = self.health.check() else {
            *progress = Progress::Idle;
            return Ok(Rebuilt::Done);
        };
        let result = self.continue_from(*progress);
        *progress = match result {
            Ok(next) => next,
            Err(_) => Progress::Failed,
        };
        match (result, *progress) {
            (Err(_), _) => {
                gate::shut(&self.hardware);
                Err(reason)
            }
            (Ok(_), Progress::Idle) => Ok(Rebuilt::Done),
            (Ok(_), _) => Ok(Rebuilt::Again),
        }
    }

    /// Does the next pages, and returns how far it came; nowhere, where it is done.
    fn continue_from(&self, mut progress: Progress) -> Result<Progress, BringUpError> {
        if !progress.has_begun() || !gate::is_shut(&self.hardware) {
            self.quieten()?;
            progress = Progress::Writing(0);
        }
        if seeded(Bug::RebuildOpensEarly) {
            gate::set_control(&self.hardware, self.control())
                .map_err(|TimedOut| BringUpError::Timeout(CR0.name))?;
        }
        let pages = self.streams.pages();
        for _ in 0..PAGES_PER_CALL {
            progress = match progress {
                Progress::Writing(page) if page < pages => {
                    self.streams.restore(page, Pass::Write)?;
                    Progress::Writing(page.saturating_add(1))
                }
                Progress::Writing(_) => {
                    self.hardware.publish();
                    Progress::Reading(0)
                }
                Progress::Reading(page) if page < pages => {
                    self.streams.restore(page, Pass::Read)?;
                    Progress::Reading(page.saturating_add(1))
                }
                Progress::Reading(_) => {
                    self.restart()?;
                    return Ok(Progress::Idle);
                }
                Progress::Idle | Progress::Failed => return Ok(progress),
            };
        }
        Ok(progress)
    }

    /// Has the SMMU abort everything, stop translating, reading commands, writing events and raising interrupts.
    fn quieten(&self) -> Result<(), BringUpError> {
        gate::set_abort(&self.hardware, true)?;
        gate::set_control(&self.hardware, 0).map_err(|TimedOut| BringUpError::Timeout(CR0.name))?;
        interrupts::set(&self.hardware, false).map_err(|TimedOut| BringUpError::Timeout(IRQ_CTRL.name))?;
        Ok(())
    }

    /// Writes the registers, and lets the SMMU work.
    fn restart(&self) -> Result<(), BringUpError> {
        // Nobody changes a stream from here on until it works: whoever finds that it does not marks the stream before.
        let _streams = self.streams.hold();
        let (mut commands, mut events) = (self.commands.lock(), self.events.lock());
        commands.restart(self.hardware.get(GERROR).get());
        events.restart();
        self.program(&commands, &events)?;
        self.switch_on(&mut commands, &mut events)?;
        let on = self.interrupts.load(Relaxed);
        interrupts::set(&self.hardware, on).map_err(|TimedOut| BringUpError::Timeout(IRQ_CTRL.name))?;
        count(&self.counters.rebuilt, 1);
        self.health.recovered();
        Ok(())
    }
}
