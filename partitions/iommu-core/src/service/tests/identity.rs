// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that see the kernel's memory where it is, and pages that the hypervisor takes from under them.

use super::*;
use crate::service::SetupError;

const PAGES: usize = 64;
const END: u64 = RAM + RAM_SIZE;

/// The policy of the other tests; two of its devices may be set to identity.
pub(super) fn for_identity() -> Policy {
    let mut policy = policy();
    for device in policy.devices.iter_mut().filter(|device| device.holders.host) {
        device.identity = device.name != "many";
    }
    policy
}

#[test]
fn identity_is_all_managed_memory_and_nothing_else() {
    let machine = Machine::of(for_identity(), POOL_PAGES);
    let dma = |iova, write| machine.smmus[0].dma(EDU, iova, write);
    assert_eq!(dma(RAM, true), None);
    assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Ok);
    for inside in [RAM, RAM + 0x123_4568, END - 8] {
        assert_eq!((dma(inside, true), dma(inside, false)), (Some(inside), Some(inside)));
    }
    for outside in [RAM - 8, END, 0, POOL_BASE, 0x5000_0000, (1 << 39) - 8, u64::MAX - 7] {
        assert_eq!(dma(outside, false), None, "{outside:#x}");
    }
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(dma(RAM, false), None);
}

#[test]
fn a_device_goes_between_all_of_its_states() {
    let machine = Machine::of(for_identity(), POOL_PAGES);
    let at = WINDOW.base;
    let seen = || [at, RAM].map(|iova| machine.smmus[0].dma(EDU, iova, false));
    for _ in 0..3 {
        let domain = machine.alloc(0);
        assert_eq!(machine.map(domain, at, RAM, K4, READ), (Status::Ok, K4));
        assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
        assert_eq!(seen(), [Some(RAM), None]);
        assert_eq!(machine.status(Request::DomainFree(domain)), Status::Busy);
        for _ in 0..2 {
            assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Ok);
            assert_eq!(seen(), [None, Some(RAM)]);
        }
        // It is in no domain any more, and no handle names where it is.
        assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
        assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
        assert_eq!(seen(), [None, None]);
        assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Ok);
    }
}

#[test]
fn identity_is_for_whom_the_policy_says() {
    let machine = Machine::of(for_identity(), POOL_PAGES);
    for (smmu, sid) in [(0, MANY), (0, NOBODY_S), (0, 0x999), (2, EDU)] {
        assert_eq!(machine.set(smmu, sid, DeviceState::Identity), Status::Denied);
        assert_eq!(machine.smmus[0].dma(sid, RAM, false), None);
    }
    // A policy without any such device has no tables for it.
    let without = Machine::new();
    assert_eq!(without.set(0, EDU, DeviceState::Identity), Status::Denied);
    assert_eq!(without.pool.available(), POOL_PAGES);
}

#[test]
fn memory_that_lies_high_is_seen_where_the_smmu_can() {
    let high = 0x100_0000_0000;
    let policy =
        || Policy { managed: [Range { base: high, size: RAM_SIZE }].into_iter().collect(), ..for_identity() };
    let machine = Machine::of(policy(), POOL_PAGES);
    assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Ok);
    for (iova, seen) in
        [(high, true), (high + RAM_SIZE - 8, true), (high + RAM_SIZE, false), (high - 8, false), (0, false)]
    {
        assert_eq!(machine.smmus[0].dma(EDU, iova, true), seen.then_some(iova));
    }
    // 42 bits would hold the addresses; four levels need 44.
    for (bits, refused) in [(42, true), (44, false), (48, false)] {
        let mut narrow = [0; 3].map(|_| FakeSmmu::new(&[], 0));
        narrow[1].features.output_bits = bits;
        let outcome = service(policy(), PAGES, kept(narrow));
        assert_eq!(outcome, if refused { Err(SetupError::IdentityBits(1, bits)) } else { Ok(()) });
    }
}

#[test]
fn a_pool_that_is_smaller_than_the_policy_says_is_refused() {
    let policy = for_identity();
    let needed = policy.identity_pages_needed();
    let smmus = || kept([0; 3].map(|_| FakeSmmu::new(&[], 0)));
    let count = usize::try_from(needed).unwrap();
    assert_eq!(service(policy.clone(), count, smmus()), Ok(()));
    assert_eq!(service(policy, count - 1, smmus()), Err(SetupError::IdentityPool(needed)));
}

/// Makes a service with a pool of so many pages.
fn service(policy: Policy, pages: usize, smmus: &'static [FakeSmmu<'static>]) -> Result<(), SetupError> {
    let machine = Machine::with_pool(pages);
    let memory = Memory {
        pool: machine.pool,
        domains: kept([const { Slot::new() }; MAX_DOMAINS]),
        devices: kept([const { Device::new() }; MAX_DEVICES]),
        faults: kept(Faults::new()),
        entropy: &NoEntropy,
        areas: kept([const { Area::new() }; MAX_AREAS]),
        shared: &NoSharedMemory,
        accounts: None,
    };
    Service::new(kept(policy), [0; 32], smmus, &memory).map(|_| ())
}
