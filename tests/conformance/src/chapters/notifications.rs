// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Notifications (DEN0077A chapters 10 and 16), global ones. The normal world is an OS kernel without a hypervisor (10.9):
//! it makes its bitmaps, schedules, and rings and is rung at.

use super::doorbells::{Ring, fresh, puppet, ring, ring_by};
use crate::case::{Case, Instance};
use crate::endpoint::{Answer, call};
use crate::exchange::{NormalWorld, PartitionEndpoint};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{Denied, InvalidParameters, NoData, NotSupported};
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::NotificationBitmapCreate,
        "once-a-vm",
        "16.1; 10.3",
        Instance::NORMAL,
        create,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBitmapDestroy,
        "what-there-is",
        "16.2; 10.3",
        Instance::NORMAL,
        destroy,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBind,
        "once-a-sender",
        "16.3; 10.4.2",
        Instance::LATEST,
        bind,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBind,
        "bad-parameters",
        "16.3",
        Instance::LATEST,
        bad_bindings,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBind,
        "receiver-without-support",
        "10.7 rules 5 and 6",
        Instance::SECURE,
        unsupported,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationUnbind,
        "not-while-pending",
        "16.4; 10.4.2 rule 6",
        Instance::LATEST,
        unbind,
        puppet,
    ),
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

/// Bits of FFA_NOTIFICATION_GET's flags: which bitmaps are asked for.
pub(super) const FROM_SPS: u64 = 1;
pub(super) const FROM_VMS: u64 = 1 << 1;
const FROM_SPMC: u64 = 1 << 2;
const FROM_HYPERVISOR: u64 = 1 << 3;
pub(super) const SP: Partner = Partner::PeerMp;

/// Makes the normal world's own bitmaps.
pub(super) fn create_own(normal: &mut dyn NormalWorld) -> Outcome {
    fresh(normal)?;
    call(normal.endpoint(), FuncId::NotificationBitmapCreate, &[0, 4]).success()
}

fn create(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    let endpoint = normal.endpoint();
    call(endpoint, FuncId::NotificationBitmapCreate, &[0, 4]).error(Denied)?;
    call(endpoint, FuncId::NotificationBitmapCreate, &[7, 1]).success()?;
    call(endpoint, FuncId::NotificationBitmapDestroy, &[7]).success()?;
    for id in [0x8001, 0x8000, 0xffff] {
        call(endpoint, FuncId::NotificationBitmapCreate, &[id, 1]).error(InvalidParameters)?;
    }
    fresh(normal)
}

fn destroy(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    // Not while something is pending.
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 1)).success()?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 1))?.success()?;
    call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]).error(Denied)?;
    ring(normal.endpoint(), Ring::get(0, FROM_SPS)).success()?;
    call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]).success()?;
    call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]).error(Denied)?;
    for id in [0x8001, 0xffff] {
        call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[id]).error(InvalidParameters)?;
    }
    Ok(())
}

/// What is bound to one sender cannot be bound to another; what was refused leaves the rest as it was.
fn bind(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 0b11)).success()?;
    ring(normal.endpoint(), Ring::bind(Partner::PeerUp.id(), 0, 0b110)).error(Denied)?;
    ring(normal.endpoint(), Ring::bind(Partner::PeerUp.id(), 0, 0b100)).success()?;
    // Bits of VMs and of partitions are different ones.
    ring_by(normal, SP, Ring::bind(0, SP.id(), 1))?.success()?;
    ring_by(normal, SP, Ring::bind(Partner::PeerUp.id(), SP.id(), 1))?.success()?;
    ring_by(normal, SP, Ring::bind(Partner::Old11.id(), SP.id(), 1))?.error(Denied)?;
    fresh(normal)
}

/// Nothing, in another's name, oneself, nobody.
fn bad_bindings(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    for bad in
        [Ring::bind(SP.id(), 0, 0), Ring::bind(0, 0, 1), Ring::bind(0x8fff, 0, 1), Ring::bind(0, SP.id(), 1)]
    {
        ring(normal.endpoint(), bad).error(InvalidParameters)?;
        ring(normal.endpoint(), Ring { function: FuncId::NotificationUnbind, ..bad })
            .error(InvalidParameters)?;
    }
    let own = SP.id();
    for bad in [
        Ring::bind(0, own, 0),
        Ring::bind(own, own, 1),
        Ring::bind(own, 0, 1),
        Ring::bind(0, Partner::PeerUp.id(), 1),
    ] {
        ring_by(normal, SP, bad)?.error(InvalidParameters)?;
    }
    fresh(normal)
}

/// A partition whose manifest does not ask for notifications cannot take any; an OS kernel cannot before it made bitmaps.
fn unsupported(normal: &mut dyn NormalWorld) -> Outcome {
    fresh(normal)?;
    let own = Partner::Victim.id();
    for call in [Ring::bind(0, own, 1), Ring::unbind(0, own, 1), Ring::get(own, FROM_VMS)] {
        ring_by(normal, Partner::Victim, call)?.error(NotSupported)?;
    }
    Ok(())
}

fn unbind(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 0b11)).success()?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 0b01))?.success()?;
    ring(normal.endpoint(), Ring::unbind(SP.id(), 0, 0b01)).error(Denied)?;
    ring(normal.endpoint(), Ring::unbind(Partner::PeerUp.id(), 0, 0b10)).error(Denied)?;
    ring(normal.endpoint(), Ring::unbind(SP.id(), 0, 0b10)).success()?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 0b10))?.error(Denied)?;
    ring(normal.endpoint(), Ring::get(0, FROM_SPS)).success()?;
    ring(normal.endpoint(), Ring::unbind(SP.id(), 0, 0b01)).success()?;
    fresh(normal)
}

/// Requires the bitmaps of FFA_NOTIFICATION_GET: what partitions, VMs, the SPMC and the hypervisor have set.
#[track_caller]
pub(super) fn got(answer: &Answer, sps: u64, vms: u64, spmc: u32, hypervisor: u32) -> Outcome {
    answer.success()?;
    same(u64::from(answer.w(3)) << 32 | u64::from(answer.w(2)), sps)?;
    same(u64::from(answer.w(5)) << 32 | u64::from(answer.w(4)), vms)?;
    same(answer.w(6), spmc)?;
    same(answer.w(7), hypervisor)
}

/// Lets the schedule receiver interrupt be signalled, and returns its ID.
pub(super) fn listen(normal: &mut dyn NormalWorld) -> Outcome<u32> {
    let answer = call(normal.endpoint(), FuncId::Features, &[2]);
    answer.success()?;
    normal.receive_interrupt(answer.w(2));
    // Those of earlier cases, which nobody listened to.
    while normal.take_interrupt().is_some() {}
    Ok(answer.w(2))
}

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
