// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a policy is said to need of the pool, against what the driver takes where the SMMU has stage 1 alone: then it takes most.

use super::super::fake::{FakeSmmu, POOL_PAGES};
use super::super::{BringUpError, PoolMapping, Quiet, SmmuV3};
use super::slow;
use crate::policy::{Holders, Policy};
use crate::pool::Pool;
use ffa_abi::SmmuIndex;
use std::sync::Arc;

/// The policy of the other tests with one SMMU, whose devices nobody may hold: no page is left for page tables then, and
/// what is needed is what the driver takes.
fn policy() -> Policy {
    let mut policy = super::policy();
    policy.smmus.pop();
    policy.devices.retain(|device| device.smmu == 0);
    for device in &mut policy.devices {
        device.holders = Holders::default();
    }
    // Two of its devices have streams in the same second-level table, which is counted for each of them.
    policy.devices.retain(|device| device.name != "device1" && device.name != "device2");
    policy.check().unwrap();
    policy
}

/// Brings an SMMU up in a pool of so many pages that ends at some page.
fn in_pool_of(pages: usize, end: usize) -> (Result<(), BringUpError>, Pool<'static>) {
    let fake = FakeSmmu::new(slow());
    fake.state().idr[0] &= !1;
    let pool = fake.pool();
    pool.reserve(POOL_PAGES - end, 1).unwrap();
    let owner = crate::pool::Owner::new(0).unwrap();
    for _ in 0..end - pages {
        pool.allocate(owner).unwrap();
    }
    assert_eq!(pool.available(), pages);
    let quiet = Quiet::new(Arc::clone(&fake)).unwrap();
    let result = SmmuV3::bring_up(quiet, &policy(), SmmuIndex(0), &pool, PoolMapping::WriteBack);
    (result.map(|_| ()), pool)
}

#[test]
fn the_pages_that_are_needed_suffice_wherever_the_pool_ends() {
    let needed = usize::try_from(policy().pool_pages_needed()).unwrap();
    let mut most = 0;
    for end in POOL_PAGES - 16..POOL_PAGES {
        let (result, pool) = in_pool_of(needed, end);
        result.unwrap();
        most = most.max(needed - pool.available());
    }
    // And where it ends worst, all of them are.
    assert_eq!(most, needed);
}

#[test]
fn one_page_less_is_refused_by_name() {
    let needed = usize::try_from(policy().pool_pages_needed()).unwrap();
    let refused = (POOL_PAGES - 16..POOL_PAGES)
        .filter_map(|end| in_pool_of(needed - 1, end).0.err())
        .collect::<Vec<_>>();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|error| *error == BringUpError::Pool("the event queue")), "{refused:?}");
}
