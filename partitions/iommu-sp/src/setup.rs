// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From boot information to a service with every SMMU at default deny.
//!
//! Each step that fails ends the partition before it has waited for its first message, and with it the boot: an SMMU
//! that nobody locked may let all DMA pass.

use crate::entropy::Rndr;
use crate::frame::Frame;
use crate::memory::{
    AREAS, CHUNKS, DEVICES, DOMAINS, ENTROPY, FAULTS, PAGES, POLICY, POOL, SERVICE, SHARED, SMMU_LIST, SMMUS,
};
use crate::shared::Shared;
use crate::{Smmu, report};
use ffa_abi::{PhysAddr, SmmuIndex};
use heapless::Vec;
use iommu_core::entropy::{Entropy, NoEntropy};
use iommu_core::ownership::Accounts;
use iommu_core::policy::{self, BlobError, Digest, MAX_BLOB_SIZE, MAX_SMMUS, Name, Policy, Range};
use iommu_core::pool::{Pool, PoolError};
use iommu_core::service::{Memory, Service};
use iommu_core::shared::{NoSharedMemory, SharedMemory};
use iommu_core::smmu::{BringUpError, PoolMapping, Quiet, SmmuV3};
use sp_runtime::mmu::{self, MapError, Window, World};
use sp_runtime::{BootInfo, Mailbox, SourceError, log};
use spin::mutex::SpinMutexGuard;
use thiserror::Error;

/// The property of the SP manifest that names the policy.
const DIGEST_PROPERTY: &str = "sidguard,policy-digest";

/// Why there is no service.
#[derive(Clone, Debug, Error)]
pub(crate) enum SetupError {
    #[error("boot information holds no manifest")]
    Manifest,
    #[error("manifest: {DIGEST_PROPERTY} is missing or not 32 bytes")]
    Digest,
    #[error("the image has {0} bytes for a policy, not {MAX_BLOB_SIZE}")]
    Room(usize),
    #[error("policy: {0}")]
    Policy(#[from] BlobError),
    #[error("{0} {1} cannot be mapped: {2}")]
    Map(&'static str, Range, MapError),
    #[error("pool: {0}")]
    Pool(#[from] PoolError),
    #[error("SMMU {0}: {1}")]
    Smmu(Name, BringUpError),
    #[error("service: {0}")]
    Service(#[from] iommu_core::service::SetupError),
    #[error("interrupts: {0}")]
    Interrupts(SourceError),
    #[error("the partition was started twice")]
    Twice,
}

impl From<SourceError> for SetupError {
    fn from(error: SourceError) -> Self {
        Self::Interrupts(error)
    }
}

/// The policy that is in force, and the service that it binds.
pub(crate) type InForce = (&'static Policy, &'static Service<'static, &'static Smmu>);

/// Makes the service.
///
/// Its steps are not inlined: together they would keep more on the stack than a vCPU has.
#[inline(never)]
pub(crate) fn service(boot: &BootInfo) -> Result<InForce, SetupError> {
    let digest = expected_digest(boot)?;
    let policy = load_policy(boot.policy(), &digest)?;
    report::policy(policy, &digest);
    let quiet = stop_all(policy)?;
    let pool = map_pool(&policy.pool)?;
    let smmus = lock_all_down(policy, quiet, pool)?;
    report::locked(policy, &smmus, pool);
    let entropy = ENTROPY.call_once(Rndr::find);
    report::roles(policy, entropy.is_some());
    let entropy: &dyn Entropy = match entropy {
        Some(source) => source,
        None => &NoEntropy,
    };
    let accounts = map_accounts(policy)?;
    let shared: &dyn SharedMemory = match SHARED.call_once(|| share(boot)) {
        Some(shared) => shared,
        None => &NoSharedMemory,
    };
    let memory = Memory {
        pool,
        domains: &DOMAINS,
        devices: &DEVICES,
        faults: &FAULTS,
        entropy,
        areas: &AREAS,
        shared,
        accounts,
    };
    let smmus = SMMU_LIST.call_once(|| smmus);
    let service = SERVICE.try_call_once(|| Service::new(policy, digest, smmus, &memory))?;
    Ok((policy, service))
}

/// Gets ready for memory that clients share; without, messages in registers are all that they have.
fn share(boot: &BootInfo) -> Option<Shared> {
    let window = Window::new().inspect_err(|error| log!("no window, so no rings: {error}")).ok()?;
    let mailbox = Mailbox::map().inspect_err(|error| log!("no buffers for messages, so no rings: {error}"));
    Some(Shared::new(mailbox.ok()?, window, boot.id()))
}

fn expected_digest(boot: &BootInfo) -> Result<Digest, SetupError> {
    boot.manifest().ok_or(SetupError::Manifest)?;
    let bytes = boot.property(DIGEST_PROPERTY).ok_or(SetupError::Digest)?;
    bytes.try_into().map_err(|_| SetupError::Digest)
}

#[inline(never)]
fn load_policy(blob: &'static [u8], digest: &Digest) -> Result<&'static Policy, SetupError> {
    if blob.len() != MAX_BLOB_SIZE {
        return Err(SetupError::Room(blob.len()));
    }
    let place = SpinMutexGuard::leak(POLICY.try_lock().ok_or(SetupError::Twice)?);
    policy::decode_into(place, blob, digest)?;
    Ok(place)
}

fn map_pool(range: &Range) -> Result<&'static Pool<'static>, SetupError> {
    let memory = mmu::map_non_secure(range.base, range.size)
        .map_err(|error| SetupError::Map("pool", *range, error))?;
    let pool = || Pool::new(memory.words(), PhysAddr(range.base), &PAGES);
    Ok(POOL.try_call_once(|| pool().map(|pool| pool.with_chunks(&CHUNKS)))?)
}

/// Maps the memory for accounts of pages, where the policy names some: pages can move then.
fn map_accounts(policy: &Policy) -> Result<Option<Accounts<'static>>, SetupError> {
    let Some(range) = policy.accounts else { return Ok(None) };
    let memory =
        mmu::map_own(range.base, range.size).map_err(|error| SetupError::Map("accounts", range, error))?;
    // Too few of either are refused by the service.
    let (blocks, pages) =
        memory.words_and_halves(usize::try_from(policy.managed_blocks()).unwrap_or(usize::MAX));
    Ok(Some(Accounts { pages, blocks }))
}

/// SMMUs that abort all DMA and use no memory, in the policy's order.
type AllQuiet = Vec<Quiet<Frame>, MAX_SMMUS>;

/// Has all SMMUs abort all DMA, also where one of them has failed before: its failure is not to leave the others open. If this
/// service has had an earlier life, they use its tables until then: nothing was written to the pool yet.
#[inline(never)]
fn stop_all(policy: &'static Policy) -> Result<AllQuiet, SetupError> {
    let mut quiet = Vec::new();
    let mut outcome = Ok(());
    for smmu in &policy.smmus {
        match stop(smmu) {
            Ok(stopped) => quiet.push(stopped).map_err(|_| SetupError::Twice)?,
            Err(error) => {
                log!("{error}");
                outcome = Err(error);
            }
        }
    }
    outcome.map(|()| quiet)
}

fn stop(smmu: &policy::Smmu) -> Result<Quiet<Frame>, SetupError> {
    let registers = mmu::map_device(smmu.frame.base, smmu.frame.size, World::NonSecure)
        .map_err(|error| SetupError::Map("SMMU frame", smmu.frame, error))?;
    Quiet::new(Frame::new(registers)).map_err(|error| SetupError::Smmu(smmu.name.clone(), error))
}

/// Brings up all SMMUs, also where one of them has failed before.
fn lock_all_down(
    policy: &'static Policy,
    quiet: AllQuiet,
    pool: &'static Pool<'static>,
) -> Result<Vec<&'static Smmu, MAX_SMMUS>, SetupError> {
    let mut smmus = Vec::new();
    let mut outcome = Ok(());
    for ((index, place), quiet) in (0..).zip(&SMMUS).zip(quiet) {
        match place.try_call_once(|| lock_down(policy, SmmuIndex(index), quiet, pool)) {
            Ok(smmu) => smmus.push(smmu).map_err(|_| SetupError::Twice)?,
            Err(error) => {
                log!("{error}");
                outcome = Err(error);
            }
        }
    }
    outcome.map(|()| smmus)
}

#[inline(never)]
fn lock_down(
    policy: &'static Policy,
    index: SmmuIndex,
    quiet: Quiet<Frame>,
    pool: &'static Pool<'static>,
) -> Result<Smmu, SetupError> {
    let smmu = policy.smmus.get(usize::from(index.0)).ok_or(SetupError::Twice)?;
    SmmuV3::bring_up(quiet, policy, index, pool, PoolMapping::WriteBack)
        .map_err(|error| SetupError::Smmu(smmu.name.clone(), error))
}
