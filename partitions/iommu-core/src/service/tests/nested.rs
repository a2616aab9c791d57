// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stage 1 of the kernel's: who may have one for which device, and that what it is in front of stays as it was.

use super::*;
use crate::table::Format;

const AT: u64 = 0x1000_0000;
const CONTEXT: u64 = AT + 0x40;

fn nestable() -> Policy {
    let mut policy = policy();
    for device in policy.devices.iter_mut().filter(|device| device.first_sid == EDU) {
        (device.nested, device.identity) = (true, true);
    }
    policy
}

impl Machine {
    fn nest(&self, smmu: u16, sid: u32, domain: Option<DomainHandle>, context: u64) -> Status {
        let (smmu, sid, context) = (SmmuIndex(smmu), StreamId(sid), Iova(context));
        self.status(Request::NestedSet { smmu, sid, domain, context })
    }

    fn forget(&self, smmu: u16, sid: u32, command: [u64; 2]) -> Status {
        self.status(Request::NestedInvalidate { smmu: SmmuIndex(smmu), sid: StreamId(sid), command })
    }
}

#[test]
fn a_nested_device_reaches_what_its_domain_has() {
    let machine = Machine::of(nestable(), POOL_PAGES);
    let smmu = &machine.smmus[0];
    let domain = machine.alloc(0);
    assert_eq!(machine.map(domain, AT, RAM, K4, BOTH).0, Status::Ok);
    assert_eq!(machine.nest(0, EDU, Some(domain), CONTEXT), Status::Ok);
    let StreamConfig::Nested(nested) = smmu.config(EDU) else { panic!("{:?}", smmu.config(EDU)) };
    assert_eq!((nested.context.0, usize::from(nested.stage2.vmid.0)), (CONTEXT, domain.slot() + 1));
    assert_eq!(smmu.dma(EDU, AT, true), Some(RAM));
    assert_eq!(smmu.dma(EDU, AT + K4, true), None);
    // Again, and by another descriptor: it is counted once.
    assert_eq!(machine.nest(0, EDU, Some(domain), CONTEXT), Status::Ok);
    assert_eq!(machine.nest(0, EDU, Some(domain), CONTEXT + 0x40), Status::Ok);
    assert_eq!(machine.unmap(domain, AT, K4), (Status::Ok, K4));
    assert_eq!(smmu.dma(EDU, AT, true), None);
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Busy);
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
}

#[test]
fn identity_can_be_behind_it() {
    let machine = Machine::of(nestable(), POOL_PAGES);
    assert_eq!(machine.nest(0, EDU, None, RAM), Status::Ok);
    assert_eq!(machine.smmus[0].dma(EDU, RAM, true), Some(RAM));
    assert_eq!(machine.smmus[0].dma(EDU, RAM + RAM_SIZE, true), None);
    assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Ok);
    assert!(matches!(machine.smmus[0].config(EDU), StreamConfig::Stage2(_)));
    let mut policy = nestable();
    policy.devices.iter_mut().for_each(|device| device.identity = false);
    assert_eq!(Machine::of(policy, POOL_PAGES).nest(0, EDU, None, RAM), Status::Denied);
}

#[test]
fn what_may_not_be_is_refused_and_leaves_all_as_it_was() {
    let machine = Machine::of(nestable(), POOL_PAGES);
    let (domain, other) = (machine.alloc(0), machine.alloc(1));
    for (smmu, sid, domain, context, status) in [
        // The policy does not say so of it; nobody may hold it; there is none.
        (0, MANY, Some(domain), CONTEXT, Status::Denied),
        (0, NOBODY_S, Some(domain), CONTEXT, Status::Denied),
        (0, 0x11, Some(domain), CONTEXT, Status::Denied),
        (7, EDU, Some(domain), CONTEXT, Status::Denied),
        (0, EDU, Some(other), CONTEXT, Status::InvalidParameters),
        (0, EDU, DomainHandle::new(5, 9), CONTEXT, Status::InvalidHandle),
        (0, EDU, Some(domain), CONTEXT + 8, Status::Misaligned),
        (0, EDU, Some(domain), 1 << 39, Status::OutOfRange),
        (0, EDU, None, u64::MAX - 63, Status::OutOfRange),
    ] {
        assert_eq!(machine.nest(smmu, sid, domain, context), status, "{smmu} {sid:#x} {context:#x}");
        assert_eq!(machine.smmus[0].config(EDU), StreamConfig::Abort);
    }
    // Nothing was left counted in.
    for domain in [domain, other] {
        assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
    }
    for format in [Format::Stage1, Format::Stage2] {
        let one_stage = Machine::with_smmus(nestable(), POOL_PAGES, |smmu| {
            (smmu.features.format, smmu.features.nested) = (format, false);
        });
        let domain = one_stage.alloc(0);
        assert_eq!(one_stage.nest(0, EDU, Some(domain), CONTEXT), Status::NotSupported);
        assert_eq!(one_stage.status(Request::DomainFree(domain)), Status::Ok);
    }
}

#[test]
fn only_a_nested_device_s_stage_1_can_be_forgotten() {
    let machine = Machine::of(nestable(), POOL_PAGES);
    let domain = machine.alloc(0);
    assert_eq!(machine.forget(0, EDU, [0x10, 0]), Status::Denied);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    assert_eq!(machine.forget(0, EDU, [0x10, 0]), Status::Denied);
    assert_eq!(machine.nest(0, EDU, Some(domain), CONTEXT), Status::Ok);
    let before = machine.smmus[0].invalidations();
    assert_eq!(machine.forget(0, EDU, [0x10, 0]), Status::Ok);
    assert_eq!(machine.smmus[0].invalidations(), before + 1);
    assert_eq!(machine.forget(0, EDU, [0x46, 0]), Status::NotSupported);
    assert_eq!(machine.forget(0, NOBODY_S, [0x10, 0]), Status::Denied);
    machine.smmus[0].fail();
    assert_eq!(machine.forget(0, EDU, [0x10, 0]), Status::Hardware);
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Hardware);
    assert_eq!(machine.forget(0, EDU, [0x10, 0]), Status::Denied);
}
