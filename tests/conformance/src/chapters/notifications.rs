// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Global notifications that are set, told of and taken (DEN0077A 10.5; 16.5 to 16.7). The normal world is an OS kernel without a
//! hypervisor (10.9): it makes its bitmaps, schedules, and rings and is rung at.

use super::doorbells::*;
use crate::case::{Case, Instance};
use crate::endpoint::call;
use crate::exchange::{NormalWorld, PartitionEndpoint};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{Denied, InvalidParameters, NoData};
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::NotificationSet,
        "from-partition-to-normal-world",
        "16.5; 10.5; 10.9 rule 15",
        Instance::SECURE,
        upwards,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationSet,
        "from-normal-world-to-partition",
        "16.5; 10.5; 10.9 rule 14",
        Instance::NORMAL,
        downwards,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationSet,
        "between-partitions",
        "16.5; 10.5",
        Instance::SECURE,
        sideways,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationSet,
        "only-what-is-bound",
        "16.5; 10.4.2 rule 3",
        Instance::LATEST,
        unbound,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationGet,
        "clears-what-it-tells",
        "16.6; 10.5 rule 7",
        Instance::LATEST,
        get,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationGet,
        "rx-buffer-full",
        "10.8.1; 16.6",
        Instance::LATEST,
        buffer_full,
        full_side,
    ),
    Case::exchange(
        Interface::NotificationInfoGet,
        "each-receiver-once",
        "16.11; 10.5 rule 9",
        Instance::NORMAL,
        info,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationInfoGet,
        "nothing-to-tell",
        "16.11",
        Instance::NORMAL,
        no_data,
        puppet,
    ),
];

/// Requires the schedule receiver interrupt, and that FFA_NOTIFICATION_INFO_GET tells of one receiver, once.
fn told(normal: &mut dyn NormalWorld, interrupt: u32, id: u16) -> Outcome {
    let taken = normal.take_interrupt();
    ensure(taken == Some(u64::from(interrupt)), [taken.unwrap_or(u64::MAX), u64::from(interrupt), 0])?;
    let answer = call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]);
    answer.is(FuncId::Success64)?;
    // One list, of one ID, and no more.
    same(answer.x(2), 1_u64 << 7)?;
    same(answer.x(3), id)?;
    call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]).error(NoData)
}

fn upwards(normal: &mut dyn NormalWorld) -> Outcome {
    const BITS: u64 = 1 << 63 | 1;
    create_own(normal)?;
    let interrupt = listen(normal)?;
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, BITS)).success()?;
    ensure(normal.take_interrupt().is_none(), [0; 3])?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, BITS))?.success()?;
    told(normal, interrupt, 0)?;
    got(&ring(normal.endpoint(), Ring::get(0, FROM_SPS)), BITS, 0, 0, 0)?;
    got(&ring(normal.endpoint(), Ring::get(0, FROM_SPS)), 0, 0, 0, 0)?;
    // The interrupt may come later, not never.
    ring_by(normal, SP, Ring { flags: 2, ..Ring::set(SP.id(), 0, 1) })?.success()?;
    told(normal, interrupt, 0)?;
    normal.refuse_interrupt(interrupt);
    fresh(normal)
}

fn downwards(normal: &mut dyn NormalWorld) -> Outcome {
    const BITS: u64 = 1 << 40 | 1 << 5;
    create_own(normal)?;
    let interrupt = listen(normal)?;
    ring_by(normal, SP, Ring::bind(0, SP.id(), BITS))?.success()?;
    ring(normal.endpoint(), Ring::set(0, SP.id(), BITS)).success()?;
    told(normal, interrupt, SP.id())?;
    got(&ring_by(normal, SP, Ring::get(SP.id(), FROM_VMS))?, 0, BITS, 0, 0)?;
    got(&ring_by(normal, SP, Ring::get(SP.id(), FROM_VMS))?, 0, 0, 0, 0)?;
    normal.refuse_interrupt(interrupt);
    fresh(normal)
}

fn sideways(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    let to = Partner::PeerUp;
    ring_by(normal, to, Ring::bind(SP.id(), to.id(), 1 << 9))?.success()?;
    ring_by(normal, SP, Ring::set(SP.id(), to.id(), 1 << 9))?.success()?;
    let answer = call(normal.endpoint(), FuncId::NotificationInfoGet32, &[]);
    answer.is(FuncId::Success32)?;
    same(answer.w(2), 1_u32 << 7)?;
    same(answer.w(3), to.id())?;
    got(&ring_by(normal, to, Ring::get(to.id(), FROM_SPS | FROM_VMS))?, 1 << 9, 0, 0, 0)?;
    fresh(normal)
}

/// Not bound, bound to another, one of several not bound, and in another's name.
fn unbound(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), Ring::set(0, SP.id(), 1)).error(Denied)?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 1))?.error(Denied)?;
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 0b01)).success()?;
    ring_by(normal, Partner::PeerUp, Ring::set(Partner::PeerUp.id(), 0, 0b01))?.error(Denied)?;
    ring_by(normal, Partner::PeerUp, Ring::set(SP.id(), 0, 0b01))?.error(InvalidParameters)?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 0b11))?.error(Denied)?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 0))?.error(InvalidParameters)?;
    ring(normal.endpoint(), Ring::set(SP.id(), Partner::PeerUp.id(), 1)).error(InvalidParameters)?;
    // None of these was pended.
    got(&ring(normal.endpoint(), Ring::get(0, FROM_SPS | FROM_SPMC)), 0, 0, 0, 0)?;
    fresh(normal)
}

/// What is not asked for stays pending.
fn get(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring_by(normal, SP, Ring::bind(0, SP.id(), 0b10))?.success()?;
    ring_by(normal, SP, Ring::bind(Partner::PeerUp.id(), SP.id(), 0b01))?.success()?;
    ring(normal.endpoint(), Ring::set(0, SP.id(), 0b10)).success()?;
    ring_by(normal, Partner::PeerUp, Ring::set(Partner::PeerUp.id(), SP.id(), 0b01))?.success()?;
    got(&ring_by(normal, SP, Ring::get(SP.id(), FROM_SPMC))?, 0, 0, 0, 0)?;
    got(&ring_by(normal, SP, Ring::get(SP.id(), FROM_SPS))?, 0b01, 0, 0, 0)?;
    got(&ring_by(normal, SP, Ring::get(SP.id(), FROM_SPS | FROM_VMS))?, 0, 0b10, 0, 0)?;
    // Of another, and of a vCPU that there is not.
    ring_by(normal, SP, Ring::get(Partner::PeerUp.id(), FROM_SPS))?.error(InvalidParameters)?;
    let beyond = Ring { sender: 0x7fff, ..Ring::get(SP.id(), FROM_SPS) };
    ring_by(normal, SP, beyond)?.error(InvalidParameters)?;
    fresh(normal)
}

/// An indirect message pends the framework's notification, in the bitmap of its sender's partition manager.
fn buffer_full(normal: &mut dyn NormalWorld) -> Outcome {
    use super::indirect_message::{Header, STEP_MAP, STEP_SEND, send};
    create_own(normal)?;
    let number = normal.number();
    let ask = |normal: &mut dyn NormalWorld, partner, step, id: u16| {
        crate::exchange::ask(normal.endpoint(), partner, number, [step, u64::from(id), 1, 0])
    };
    crate::endpoint::map_buffers(normal.endpoint())?;
    ask(normal, SP, STEP_MAP, 0)?;
    ask(normal, Partner::PeerUp, STEP_MAP, 0)?;
    send(normal.endpoint(), Header::new(0, SP.id()), 1).success()?;
    got(&ring_by(normal, SP, Ring::get(SP.id(), 0xf))?, 0, 0, 0, 1)?;
    ask(normal, SP, STEP_SEND, Partner::PeerUp.id())?;
    got(&ring_by(normal, Partner::PeerUp, Ring::get(Partner::PeerUp.id(), 0xf))?, 0, 0, 1, 0)?;
    ask(normal, SP, STEP_SEND, 0)?;
    got(&ring(normal.endpoint(), Ring::get(0, FROM_SPMC | FROM_HYPERVISOR)), 0, 0, 1, 0)?;
    fresh(normal)
}

fn full_side(endpoint: &mut dyn PartitionEndpoint, words: [u64; 4]) -> Outcome<[u64; 4]> {
    let [step, ..] = words;
    if step < 4 { super::indirect_message::side(endpoint, words) } else { puppet(endpoint, words) }
}

/// Several receivers are told of in one answer, each once.
fn info(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    for partner in [SP, Partner::PeerUp] {
        ring_by(normal, partner, Ring::bind(0, partner.id(), 1))?.success()?;
        ring(normal.endpoint(), Ring::set(0, partner.id(), 1)).success()?;
    }
    let answer = call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]);
    answer.is(FuncId::Success64)?;
    // Two lists; bit 0 would say that there are more.
    same(answer.x(2) & 0xfff, 2_u64 << 7)?;
    let told = answer.x(3);
    let both = u64::from(SP.id()) | u64::from(Partner::PeerUp.id()) << 16;
    ensure(told == both || told == both.rotate_left(16) & 0xffff_0000 | both >> 16, [told, both, 0])?;
    call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]).error(NoData)?;
    fresh(normal)
}

fn no_data(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]).error(NoData)?;
    call(normal.endpoint(), FuncId::NotificationInfoGet32, &[]).error(NoData)?;
    fresh(normal)
}
