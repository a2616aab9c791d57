// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Notifications that are for single vCPUs of their receiver (DEN0077A 10.4.2, rule 7; chapter 16). An implementation need not
//! have them; one that has them does all of this.

use super::doorbells::{FROM_SPS, FROM_VMS, Ring, SP, create_own, fresh, got, listen, puppet, ring, ring_by};
use crate::case::{Case, Instance};
use crate::endpoint::{Answer, call};
use crate::exchange::NormalWorld;
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use arm_ffa::FfaError::{Denied, InvalidParameters, NoData};
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::NotificationBind,
        "per-vcpu-by-flag",
        "16.3; 10.4.2 rules 7 and 8",
        Instance::LATEST,
        bind,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationSet,
        "per-vcpu-to-normal-world",
        "16.5; 10.5 rules 4 and 10",
        Instance::SECURE,
        upwards,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationSet,
        "per-vcpu-to-partition",
        "16.5; 10.5 rule 4",
        Instance::NORMAL,
        downwards,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationSet,
        "per-vcpu-kind-and-vcpu",
        "table 16.21",
        Instance::LATEST,
        wrong_kind,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationInfoGet,
        "lists-of-vcpus",
        "16.11.1 rules 1.3 and 1.4; table 16.49",
        Instance::NORMAL,
        lists,
        puppet,
    ),
];

/// Bit 0 of the flags of FFA_NOTIFICATION_BIND and FFA_NOTIFICATION_SET.
const PER_VCPU: u64 = 1;

const fn bind_per_vcpu(sender: u16, receiver: u16, bitmap: u64) -> Ring {
    Ring { flags: PER_VCPU, ..Ring::bind(sender, receiver, bitmap) }
}

fn set_for(sender: u16, receiver: u16, vcpu: u16, bitmap: u64) -> Ring {
    Ring { flags: u64::from(vcpu) << 16 | PER_VCPU, ..Ring::set(sender, receiver, bitmap) }
}

const fn get_for(receiver: u16, vcpu: u16, flags: u64) -> Ring {
    Ring { sender: vcpu, ..Ring::get(receiver, flags) }
}

/// Bound as one and bound anew as the other; nothing of it while it is pending for any vCPU.
fn bind(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), bind_per_vcpu(SP.id(), 0, 0b11)).success()?;
    ring_by(normal, SP, set_for(SP.id(), 0, 3, 0b01))?.success()?;
    for refused in
        [Ring::bind(SP.id(), 0, 0b01), Ring::unbind(SP.id(), 0, 0b01), bind_per_vcpu(SP.id(), 0, 0b01)]
    {
        ring(normal.endpoint(), refused).error(Denied)?;
    }
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 0b10)).success()?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 0b10))?.success()?;
    call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]).error(Denied)?;
    got(&ring(normal.endpoint(), get_for(0, 3, FROM_SPS)), 0b11, 0, 0, 0)?;
    ring(normal.endpoint(), Ring { flags: 2, ..Ring::bind(SP.id(), 0, 0b01) }).error(InvalidParameters)?;
    ring(normal.endpoint(), Ring::unbind(SP.id(), 0, 0b11)).success()?;
    fresh(normal)
}

/// What is pending for one vCPU is not another's.
fn upwards(normal: &mut dyn NormalWorld) -> Outcome {
    const BITS: u64 = 1 << 63 | 1;
    create_own(normal)?;
    let interrupt = listen(normal)?;
    ring(normal.endpoint(), bind_per_vcpu(SP.id(), 0, BITS)).success()?;
    ring_by(normal, SP, set_for(SP.id(), 0, 2, BITS))?.success()?;
    same(normal.take_interrupt().unwrap_or(u64::MAX), interrupt)?;
    // One list: the endpoint's ID and one vCPU.
    let answer = call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]);
    told(&answer, 1 << 12 | 1 << 7, 2 << 16)?;
    got(&ring(normal.endpoint(), get_for(0, 1, FROM_SPS)), 0, 0, 0, 0)?;
    got(&ring(normal.endpoint(), get_for(0, 2, FROM_SPS)), BITS, 0, 0, 0)?;
    got(&ring(normal.endpoint(), get_for(0, 2, FROM_SPS)), 0, 0, 0, 0)?;
    normal.refuse_interrupt(interrupt);
    fresh(normal)
}

fn downwards(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    let last = SP.contexts() - 1;
    ring_by(normal, SP, bind_per_vcpu(0, SP.id(), 0b10))?.success()?;
    ring_by(normal, SP, Ring::bind(0, SP.id(), 0b01))?.success()?;
    ring(normal.endpoint(), set_for(0, SP.id(), last, 0b10)).success()?;
    ring(normal.endpoint(), set_for(0, SP.id(), 0, 0b10)).success()?;
    ring(normal.endpoint(), Ring::set(0, SP.id(), 0b01)).success()?;
    // The global one is whoever's gets it first.
    got(&ring_by(normal, SP, get_for(SP.id(), last, FROM_VMS))?, 0, 0b11, 0, 0)?;
    got(&ring_by(normal, SP, get_for(SP.id(), 0, FROM_VMS))?, 0, if last == 0 { 0 } else { 0b10 }, 0, 0)?;
    fresh(normal)
}

/// One of the other kind, a vCPU where there is none to be, and a vCPU that there is not.
fn wrong_kind(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 0b001)).success()?;
    ring(normal.endpoint(), bind_per_vcpu(SP.id(), 0, 0b010)).success()?;
    for wrong in [
        Ring::set(SP.id(), 0, 0b010),
        Ring::set(SP.id(), 0, 0b011),
        Ring { flags: 1 << 16, ..Ring::set(SP.id(), 0, 0b001) },
        set_for(SP.id(), 0, 0, 0b001),
        set_for(SP.id(), 0, 0, 0b011),
        set_for(SP.id(), 0, 4, 0b010),
        set_for(SP.id(), 0, 0xffff, 0b010),
    ] {
        ring_by(normal, SP, wrong)?.error(InvalidParameters)?;
    }
    ring_by(normal, SP, set_for(SP.id(), 0, 0, 0b110))?.error(Denied)?;
    for vcpu in 0..4 {
        got(&ring(normal.endpoint(), get_for(0, vcpu, FROM_SPS)), 0, 0, 0, 0)?;
    }
    fresh(normal)
}

/// The example of table 16.50, as far as four vCPUs go: more than three make a second list.
fn lists(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), bind_per_vcpu(SP.id(), 0, 1)).success()?;
    for vcpu in 0..4 {
        ring_by(normal, SP, set_for(SP.id(), 0, vcpu, 1))?.success()?;
    }
    let answer = call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]);
    told(&answer, 0b01_11 << 12 | 2 << 7, 0x0002_0001_0000_0000)?;
    same(answer.x(4), 0x0003_0000_u64)?;
    call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]).error(NoData)?;
    // A vCPU that got its own is told of again.
    got(&ring(normal.endpoint(), get_for(0, 1, FROM_SPS)), 1, 0, 0, 0)?;
    ring_by(normal, SP, set_for(SP.id(), 0, 1, 1))?.success()?;
    let answer = call(normal.endpoint(), FuncId::NotificationInfoGet32, &[]);
    answer.is(FuncId::Success32)?;
    same(answer.w(2), 1_u32 << 12 | 1 << 7)?;
    same(answer.w(3), 1_u32 << 16)?;
    for vcpu in 0..4 {
        got(&ring(normal.endpoint(), get_for(0, vcpu, FROM_SPS)), 1, 0, 0, 0)?;
    }
    fresh(normal)
}

/// Requires x2 and x3 of FFA_NOTIFICATION_INFO_GET's answer.
#[track_caller]
fn told(answer: &Answer, lists: u64, ids: u64) -> Outcome {
    answer.is(FuncId::Success64)?;
    same(answer.x(2), lists)?;
    same(answer.x(3), ids)
}
