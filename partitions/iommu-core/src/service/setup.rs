// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making a service of a policy, memory and SMMUs that are up, or saying why that cannot be.

use super::pools::Quotas;
use super::{Faults, Service, Streams, may_hold};
use crate::client::Client;
use crate::domain::{Device, Domains, Identity, IdentityError, MAX_DOMAINS, Slot};
use crate::entropy::Entropy;
use crate::ownership::{Accounts, Ownership};
use crate::policy::{self, Digest, HypRole, MAX_DEVICES, Policy, Range};
use crate::pool::Pool;
use crate::role::Role;
use crate::shared::{Area, Areas, Loans, MAX_AREAS, SharedMemory};
use crate::smmu::Smmu;
use crate::table::ADDRESS_LIMIT;
use thiserror::Error;

/// What a service keeps its state in, reserved at build time, and where it takes random numbers from.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// The carve-out.
    pub pool: &'a Pool<'a>,
    /// Domains that were never used.
    pub domains: &'a [Slot<'a>; MAX_DOMAINS],
    /// Devices as they are after boot.
    pub devices: &'a [Device; MAX_DEVICES],
    /// An empty queue.
    pub faults: &'a Faults,
    /// For the hypervisor's key.
    pub entropy: &'a dyn Entropy,
    /// Areas that were never used.
    pub areas: &'a [Area; MAX_AREAS],
    /// What clients share, and how it is reached.
    pub shared: &'a dyn SharedMemory,
    /// Accounts of managed pages, where the policy has a hypervisor that may move them.
    pub accounts: Option<Accounts<'a>>,
}

/// Why a policy cannot be served on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SetupError {
    /// Not one driver for each SMMU of the policy.
    #[error("the policy describes {0} SMMUs, {1} are up")]
    Smmus(usize, usize),
    /// Managed memory lies higher than an SMMU can reach.
    #[error("SMMU {0} puts out {1} address bits, managed memory needs more")]
    OutputBits(usize, u8),
    /// Memory that devices are to see where it is lies higher than their SMMU takes addresses.
    #[error("SMMU {0} has {1} address bits, the identity domain needs more, and 44 for four levels")]
    IdentityBits(usize, u8),
    /// The pool is smaller than the policy says.
    #[error("the identity domain may need {0} pages, the pool has fewer left")]
    IdentityPool(u64),
    /// Devices that are to see memory where it is are behind SMMUs that have no stage in common.
    #[error(
        "SMMU {0} does not translate by the stage that those before it do, the identity domain has one table"
    )]
    IdentityFormat(usize),
    /// Pages could move without an account of who may.
    #[error("not every managed page has an account")]
    Accounts,
}

impl<'a, S: Smmu> Service<'a, S> {
    /// Makes the service. `smmus` are in the policy's order, and all their streams abort.
    ///
    /// # Errors
    /// Where policy and machine do not fit together.
    pub fn new(
        policy: &'a Policy,
        digest: Digest,
        smmus: &'a [S],
        memory: &Memory<'a>,
    ) -> Result<Self, SetupError> {
        if smmus.len() != policy.smmus.len() {
            return Err(SetupError::Smmus(policy.smmus.len(), smmus.len()));
        }
        if policy.hyp == HypRole::Required && memory.accounts.is_none() {
            return Err(SetupError::Accounts);
        }
        let ownership = Ownership::new(policy, memory.accounts).map_err(|_| SetupError::Accounts)?;
        for (index, smmu) in smmus.iter().enumerate() {
            let bits = smmu.features().output_bits;
            let limit = 1_u64.checked_shl(bits.into()).unwrap_or(u64::MAX).min(ADDRESS_LIMIT);
            if ownership.limit() > limit {
                return Err(SetupError::OutputBits(index, bits));
            }
        }
        let identity =
            Identity::new(policy, ownership.limit(), smmus, memory.pool).map_err(|error| match error {
                IdentityError::OutputBits(index, bits) => SetupError::IdentityBits(index, bits),
                IdentityError::Pool(pages) => SetupError::IdentityPool(pages),
                IdentityError::Format(index) => SetupError::IdentityFormat(index),
            })?;
        // What is shared out is what the drivers and the identity domain leave.
        let kept = identity.as_ref().map_or(0, Identity::pages_to_come);
        let share = u32::try_from(memory.pool.available()).unwrap_or(u32::MAX).saturating_sub(kept);
        let others = policy.devices.iter().any(|device| device.holders.hyp || device.holders.guests);
        let indices = 0..u8::try_from(smmus.len()).unwrap_or(u8::MAX);
        Ok(Self {
            policy,
            digest,
            smmus,
            domains: Domains::new(memory.domains, memory.pool, others),
            identity,
            devices: memory.devices,
            faults: memory.faults,
            entropy: memory.entropy,
            role: Role::new(policy.hyp),
            ownership,
            areas: Areas::new(memory.areas, memory.shared),
            streams: Streams::new(policy),
            quotas: Quotas::of_policy(policy, share),
            loans: Loans::new(memory.pool, memory.shared),
            windows: indices.map(|smmu| window(policy, Client::Host, smmu)).collect(),
        })
    }
}

/// Returns the IOVAs that a domain for any device behind an SMMU can have, of those devices that the client may hold.
///
/// One window for all of them: a domain can then take each of these devices at any time, whatever is mapped.
pub(super) fn window(policy: &Policy, client: Client, smmu: u8) -> Option<Range> {
    policy
        .devices
        .iter()
        .filter(|device: &&policy::Device| device.smmu == smmu && may_hold(client, device))
        .map(|device| Some(device.iova))
        .reduce(|one, other| intersection(one?, other?))
        .flatten()
}

fn intersection(one: Range, other: Range) -> Option<Range> {
    let base = one.base.max(other.base);
    Range::new(base, one.end()?.min(other.end()?).checked_sub(base)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_meet_or_do_not() {
        let range = |base, size| Range { base, size };
        assert_eq!(intersection(range(0, 0x4000), range(0x1000, 0x8000)), Some(range(0x1000, 0x3000)));
        assert_eq!(intersection(range(0, 0x1000), range(0x1000, 0x1000)), None);
        assert_eq!(intersection(range(0, 0x1000), range(0x4000, 0x1000)), None);
    }
}
