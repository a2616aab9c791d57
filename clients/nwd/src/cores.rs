// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secondary cores: each is powered on for one job, and off after it.
#![expect(unsafe_code, reason = "entry code calls its Rust part by symbol")]

use crate::{counter, entry, log, paging, timer};
use smccc::{
    Smc,
    psci::{self, AffinityState, LowestAffinityLevel},
};
use spin::mutex::SpinMutex;
use thiserror::Error;

/// What a core is to do; it gets its own index.
pub type Job = fn(usize);

static JOBS: [SpinMutex<Option<Job>>; entry::MAX_CORES] = [const { SpinMutex::new(None) }; entry::MAX_CORES];

/// Why a core did not do its job.
#[derive(Debug, Error)]
pub enum CoreError {
    /// The image has no stack for the core, or the description no affinity.
    #[error("no core {0}")]
    Index(usize),
    /// PSCI refused.
    #[error("PSCI: {0}")]
    Psci(psci::Error),
    /// The core was still on when the time was over.
    #[error("core {0} did not finish in time")]
    Time(usize),
}

/// Powers a core on and lets it do a job.
///
/// # Errors
/// PSCI's, if the core cannot be switched on.
pub fn run(affinities: &[u64], index: usize, job: Job) -> Result<(), CoreError> {
    let (Some(slot), Some(affinity)) = (JOBS.get(index), affinities.get(index)) else {
        return Err(CoreError::Index(index));
    };
    *slot.lock() = Some(job);
    psci::cpu_on::<Smc>(*affinity, entry::secondary_entry(), index as u64).map_err(CoreError::Psci)
}

/// Waits until a core is off again.
///
/// # Errors
/// [`CoreError::Time`] when that takes longer than `seconds`.
pub fn wait(affinities: &[u64], index: usize, seconds: u64) -> Result<(), CoreError> {
    let affinity = affinities.get(index).ok_or(CoreError::Index(index))?;
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(seconds));
    loop {
        match psci::affinity_info::<Smc>(*affinity, LowestAffinityLevel::All) {
            Ok(AffinityState::Off) => return Ok(()),
            Ok(AffinityState::On | AffinityState::OnPending) => {}
            Err(error) => return Err(CoreError::Psci(error)),
        }
        if counter::now() > limit {
            return Err(CoreError::Time(index));
        }
        timer::sleep_us(1000);
    }
}

/// Runs on a secondary core, on its own stack.
#[unsafe(no_mangle)]
extern "C" fn nwd_secondary_main(index: usize) {
    paging::switch_on();
    let job = JOBS.get(index).and_then(|slot| slot.lock().take());
    if let Some(job) = job {
        job(index);
    }
    if let Err(error) = psci::cpu_off::<Smc>() {
        log!("core {index} stays on: {error}");
    }
}
