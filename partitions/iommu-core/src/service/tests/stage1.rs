// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMMUs with stage 1 alone, seen by clients and devices.

use super::*;
use crate::table::Format;

const AT: u64 = 0x1000_0000;

fn machine(policy: Policy) -> Machine {
    Machine::with_smmus(policy, POOL_PAGES, |smmu| smmu.features.format = Format::Stage1)
}

#[test]
fn what_is_mapped_is_reached_and_what_is_not_any_more_is_not() {
    let machine = machine(policy());
    let smmu = &machine.smmus[0];
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    for (pa, size) in [(RAM, K4), (RAM + K4, M2), (RAM, M2), (RAM, 3 * M2)] {
        for protection in [READ, BOTH] {
            assert_eq!(smmu.dma(EDU, AT, false), None);
            assert_eq!(machine.map(domain, AT, pa, size, protection), (Status::Ok, size));
            for offset in [0, size - 1] {
                assert_eq!(smmu.dma(EDU, AT + offset, false), Some(pa + offset));
                let written = (protection == BOTH).then_some(pa + offset);
                assert_eq!(smmu.dma(EDU, AT + offset, true), written);
            }
            assert_eq!(smmu.dma(EDU, AT + size, false), None);
            let found = machine.ask(Request::IovaToPa { domain, iova: Iova(AT) });
            assert_eq!(found.values, [pa, protection.bits(), 0, 0]);
            assert_eq!(machine.unmap(domain, AT, size), (Status::Ok, size));
            for offset in [0, size - 1] {
                assert_eq!(smmu.dma(EDU, AT + offset, false), None);
            }
        }
    }
}

/// Stage 1 cannot let a device write what it may not read: more than was asked for is not granted.
#[test]
fn who_may_only_write_is_not_served() {
    let machine = machine(policy());
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    assert_eq!(machine.map(domain, AT, RAM, K4, Protection::WRITE), (Status::NotSupported, 0));
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), None);
    assert_eq!(machine.map(domain, AT, RAM, K4, BOTH), (Status::Ok, K4));
}

#[test]
fn identity_is_as_with_stage_2() {
    let with_identity = || {
        let mut policy = policy();
        policy.devices.iter_mut().filter(|device| device.holders.host).for_each(|d| d.identity = true);
        policy
    };
    let machine = machine(with_identity());
    assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Ok);
    for (iova, seen) in [(RAM, true), (RAM + RAM_SIZE - 1, true), (RAM + RAM_SIZE, false), (RAM - 1, false)] {
        for write in [false, true] {
            assert_eq!(machine.smmus[0].dma(EDU, iova, write), seen.then_some(iova));
        }
    }
    // There is one table, which is for one stage.
    let mut mixed = [0; 3].map(|_| FakeSmmu::new(&[], 0));
    mixed[1].features.format = Format::Stage1;
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
    let outcome = Service::new(kept(with_identity()), [7; 32], kept(mixed), &memory);
    assert_eq!(outcome.err(), Some(SetupError::IdentityFormat(1)));
}
