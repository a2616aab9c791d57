// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Notifications (DEN0077A 1.2, 10 and 16), as an OS kernel without a hypervisor uses them (10.9): it makes its bitmaps,
//! binds, and is interrupted to look who has something for whom.

use super::{command, messages::test_sp};
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::World,
};
use arm_ffa::{FfaError, FuncId};
use core::sync::atomic::{AtomicU64, Ordering};
use nwd::{Machine, cores, ffa, gic};
use spin::mutex::SpinMutex;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "notification-from-partition",
        claim: "A partition rings at the normal world, which is interrupted, told for whom, and gets what was rung once",
        expected: "interrupt 8; endpoint 0, once; bits 0 and 63; nothing is bound or unbound meanwhile",
        audience: Test,
        cores: 1,
        run: from_partition,
    },
    Scenario {
        name: "notification-to-partition",
        claim: "The normal world rings at a partition, and is interrupted to let it run",
        expected: "interrupt 8; the partition's ID, once; it gets bits 5 and 40 of the VMs' bitmap",
        audience: Test,
        cores: 1,
        run: to_partition,
    },
    Scenario {
        name: "notification-pending-interrupt",
        claim: "A partition that was rung at is interrupted by its partition manager when it runs next",
        expected: "virtual interrupt 5, which FFA_FEATURES names, once, and none before; bit 7 then",
        audience: Test,
        cores: 1,
        run: pending_interrupt,
    },
    Scenario {
        name: "notification-refusals",
        claim: "Nobody rings, binds or looks in another's name, and what is not offered is refused by its own status",
        expected: "DENIED, INVALID_PARAMETERS and NOT_SUPPORTED as the specification has them; no interrupt",
        audience: Test,
        cores: 1,
        run: refusals,
    },
    Scenario {
        name: "notification-other-core",
        claim: "The interrupt comes on the core on which the partition rang, and on no other",
        expected: "interrupt 8 on core 1, none on core 0",
        audience: Test,
        cores: 4,
        run: other_core,
    },
];

const SUCCESS: u64 = 0x8400_0061;
const SUCCESS_64: u64 = 0xc400_0061;
const ERROR: u64 = 0x8400_0060;
/// The schedule receiver interrupt.
const INTERRUPT: u32 = 8;
/// w2 of FFA_NOTIFICATION_GET: what partitions, VMs, the SPMC and the hypervisor have set.
const ALL: u64 = 0xf;
/// w2 of FFA_NOTIFICATION_SET: the interrupt may wait.
const DELAY: u64 = 2;

/// Makes a call with x1 to x4, and returns x0 to x7.
fn call(function: FuncId, [x1, x2, x3, x4]: [u64; 4]) -> [u64; 8] {
    let mut registers = [0; 18];
    [registers[0], registers[1], registers[2], registers[3], registers[4]] =
        [u64::from(u32::from(function)), x1, x2, x3, x4];
    let [r0, r1, r2, r3, r4, r5, r6, r7, ..] = ffa::registers(registers);
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

/// The same, by the partition for tests.
fn call_by(to: u16, function: FuncId, [x1, x2, x3, x4]: [u64; 4]) -> Result<[u64; 8], Failure> {
    ffa::direct(to, [command::PREPARE_CALL, x4, 0, 0, 0])?;
    let [r0, r1, r2, r3, _] = ffa::direct(to, [command::CALL, u64::from(u32::from(function)), x1, x2, x3])?;
    let [r4, r5, r6, r7, _] = ffa::direct(to, [command::CALL_RESULTS, 0, 0, 0, 0])?;
    Ok([r0, r1, r2, r3, r4, r5, r6, r7])
}

const fn ids(sender: u16, receiver: u16) -> u64 {
    (sender as u64) << 16 | receiver as u64
}

const fn halves(bitmap: u64) -> [u64; 2] {
    [bitmap & 0xffff_ffff, bitmap >> 32]
}

/// Registers of a call about a sender, a receiver and notifications.
const fn about(sender: u16, receiver: u16, flags: u64, bitmap: u64) -> [u64; 4] {
    let [low, high] = halves(bitmap);
    [ids(sender, receiver), flags, low, high]
}

fn succeeded(what: &str, answer: &[u64; 8], results: [u64; 6]) -> Result<(), Failure> {
    let [function, target, found @ ..] = answer;
    ensure!(*function & 0xffff_ffff == SUCCESS && *target == 0 && *found == results, "{what}: {answer:x?}");
    Ok(())
}

fn refused(what: &str, answer: &[u64; 8], status: FfaError) -> Result<(), Failure> {
    let [function, _, code, ..] = answer;
    let status = u64::from(i32::from(status).cast_unsigned());
    ensure!(
        function & 0xffff_ffff == ERROR && code & 0xffff_ffff == status,
        "{what}: {function:#x} {code:#x}"
    );
    Ok(())
}

/// Requires that FFA_NOTIFICATION_INFO_GET, 64 or 32 bit, tells of one endpoint, once.
fn told_once(id: u16, wide: bool) -> Result<(), Failure> {
    let (function, success) = if wide {
        (FuncId::NotificationInfoGet64, SUCCESS_64)
    } else {
        (FuncId::NotificationInfoGet32, SUCCESS)
    };
    let answer = call(function, [0; 4]);
    ensure!(answer == [success, 0, 1 << 7, u64::from(id), 0, 0, 0, 0], "who is told of: {answer:x?}");
    refused("told of once more", &call(function, [0; 4]), FfaError::NoData)
}

/// Makes bitmaps for the normal world, lets `work` use them, and gives up bitmaps and interrupt.
fn with_bitmaps(world: &mut World, work: impl FnOnce(u16) -> Outcome) -> Outcome {
    let to = test_sp(world)?;
    let vcpus = world.mailbox.cores;
    let made = call(FuncId::NotificationBitmapCreate, [0, vcpus, 0, 0]);
    succeeded("making bitmaps", &made, [0; 6])?;
    world.machine.receive(0, INTERRUPT);
    let outcome = work(to);
    // What a failed scenario leaves pending would keep the bitmaps.
    let _ = call(FuncId::NotificationGet, [0, ALL, 0, 0]);
    let _ = call_by(to, FuncId::NotificationGet, [u64::from(to), ALL, 0, 0])?;
    let _ = gic::take();
    world.machine.refuse(0, INTERRUPT);
    let gone = call(FuncId::NotificationBitmapDestroy, [0; 4]);
    let seen = outcome?;
    succeeded("giving up bitmaps", &gone, [0; 6])?;
    Ok(seen)
}

fn from_partition(world: &mut World) -> Outcome {
    let early = call(FuncId::NotificationBind, about(test_sp(world)?, 0, 0, 1));
    refused("binding without bitmaps", &early, FfaError::NotSupported)?;
    let vcpus = world.mailbox.cores;
    with_bitmaps(world, |to| {
        let again = call(FuncId::NotificationBitmapCreate, [0, vcpus, 0, 0]);
        refused("making bitmaps twice", &again, FfaError::Denied)?;
        let all = 1 << 63 | 1;
        let ring = |bitmap, flags| call_by(to, FuncId::NotificationSet, about(to, 0, flags, bitmap));
        refused("ringing what is not bound", &ring(1, 0)?, FfaError::Denied)?;
        succeeded("binding", &call(FuncId::NotificationBind, about(to, 0, 0, all)), [0; 6])?;
        let mut seen = [None; 2];
        for (round, flags) in [0, DELAY].into_iter().enumerate() {
            let early = gic::take();
            ensure!(early.is_none(), "interrupt {early:?} before anybody rang");
            succeeded("ringing", &ring(all, flags)?, [0; 6])?;
            let interrupt = gic::take();
            ensure!(interrupt == Some(u64::from(INTERRUPT)), "interrupt {interrupt:?} with flags {flags}");
            ensure!(gic::take().is_none(), "the interrupt stays");
            told_once(0, round == 0)?;
            let bind = call(FuncId::NotificationBind, about(to, 0, 0, 1));
            refused("binding what is pending", &bind, FfaError::Denied)?;
            let unbind = call(FuncId::NotificationUnbind, about(to, 0, 0, 1));
            refused("unbinding what is pending", &unbind, FfaError::Denied)?;
            let destroy = call(FuncId::NotificationBitmapDestroy, [0; 4]);
            refused("giving up bitmaps with something pending", &destroy, FfaError::Denied)?;
            // As Linux asks; then as a hypervisor might, whose own bitmaps are not here (10.9, rules 4 and 5).
            let wanted = if round == 0 { 0b0101 } else { ALL };
            let got = call(FuncId::NotificationGet, [0, wanted, 0, 0]);
            succeeded("getting", &got, [1, 1 << 31, 0, 0, 0, 0])?;
            let got = call(FuncId::NotificationGet, [0, wanted, 0, 0]);
            succeeded("getting once more", &got, [0; 6])?;
            if let Some(place) = seen.get_mut(round) {
                *place = interrupt;
            }
        }
        succeeded("unbinding", &call(FuncId::NotificationUnbind, about(to, 0, 0, all)), [0; 6])?;
        refused("ringing what is not bound any more", &ring(1, 0)?, FfaError::Denied)?;
        seen!("interrupts {seen:?}, endpoint 0 told of once each, bits 0 and 63 once each")
    })
}

fn to_partition(world: &mut World) -> Outcome {
    with_bitmaps(world, |to| {
        let bitmap = 1 << 40 | 1 << 5;
        let ring = || call(FuncId::NotificationSet, about(0, to, 0, bitmap));
        refused("ringing what is not bound", &ring(), FfaError::Denied)?;
        let bound = call_by(to, FuncId::NotificationBind, about(0, to, 0, bitmap))?;
        succeeded("binding", &bound, [0; 6])?;
        succeeded("ringing", &ring(), [0; 6])?;
        let interrupt = gic::take();
        ensure!(interrupt == Some(u64::from(INTERRUPT)), "interrupt {interrupt:?}");
        told_once(to, true)?;
        succeeded("ringing again", &ring(), [0; 6])?;
        let second = gic::take();
        ensure!(second.is_none(), "interrupt {second:?} for what the scheduler knows");
        let get = || call_by(to, FuncId::NotificationGet, [u64::from(to), ALL, 0, 0]);
        succeeded("getting", &get()?, [0, 0, 1 << 5, 1 << 8, 0, 0])?;
        succeeded("getting once more", &get()?, [0; 6])?;
        let unbound = call_by(to, FuncId::NotificationUnbind, about(0, to, 0, bitmap))?;
        succeeded("unbinding", &unbound, [0; 6])?;
        seen!("interrupt {INTERRUPT}, partition {to:#x} told of once, bits 5 and 40 once")
    })
}

/// Lets the partition make a hypercall (spm's interrupts/hypercall.rs), and returns x0.
fn hypercall(to: u16, function: u64, [x1, x2, x3]: [u64; 3]) -> Result<u64, Failure> {
    let [x0, ..] = ffa::direct(to, [command::HYPERCALL, function, x1, x2, x3])?;
    Ok(x0)
}

fn pending_interrupt(world: &mut World) -> Outcome {
    const ENABLE: u64 = 0xff03;
    const GET: u64 = 0xff04;
    const NONE: u64 = 0xffff_ffff;
    with_bitmaps(world, |to| {
        let told = call_by(to, FuncId::Features, [1, 0, 0, 0])?;
        let [_, _, interrupt, ..] = told;
        ensure!(told[0] & 0xffff_ffff == SUCCESS && interrupt == 5, "feature 1: {told:x?}");
        let on = hypercall(to, ENABLE, [interrupt, 1, 0])?;
        ensure!(on == 0, "enabling interrupt {interrupt}: {on:#x}");
        let bound = call_by(to, FuncId::NotificationBind, about(0, to, 0, 1 << 7))?;
        succeeded("binding", &bound, [0; 6])?;
        let early = hypercall(to, GET, [0; 3])?;
        ensure!(early == NONE, "interrupt {early:#x} before anybody rang");
        let rung = call(FuncId::NotificationSet, about(0, to, 0, 1 << 7));
        succeeded("ringing", &rung, [0; 6])?;
        let (first, second) = (hypercall(to, GET, [0; 3])?, hypercall(to, GET, [0; 3])?);
        ensure!(first == interrupt && second == NONE, "interrupts {first:#x} and {second:#x}");
        let got = call_by(to, FuncId::NotificationGet, [u64::from(to), ALL, 0, 0])?;
        succeeded("getting", &got, [0, 0, 1 << 7, 0, 0, 0])?;
        let off = hypercall(to, ENABLE, [interrupt, 0, 0])?;
        ensure!(off == 0, "disabling interrupt {interrupt}: {off:#x}");
        let unbound = call_by(to, FuncId::NotificationUnbind, about(0, to, 0, 1 << 7))?;
        succeeded("unbinding", &unbound, [0; 6])?;
        seen!("virtual interrupt {first}, once; bit 7")
    })
}

fn refusals(world: &mut World) -> Outcome {
    use FfaError::{Denied, InvalidParameters, NotSupported};
    let service = world.iommu.partition();
    with_bitmaps(world, |to| {
        let (bind, set, get) = (FuncId::NotificationBind, FuncId::NotificationSet, FuncId::NotificationGet);
        let create = FuncId::NotificationBitmapCreate;
        let ours = [
            ("with a reserved flag", bind, about(to, 0, 2, 1), InvalidParameters),
            ("no notification", bind, about(to, 0, 0, 0), InvalidParameters),
            ("for a partition", bind, about(0, to, 0, 1), InvalidParameters),
            ("to nobody", bind, about(0x8fff, 0, 0, 1), InvalidParameters),
            ("to a VM", bind, about(5, 0, 0, 1), InvalidParameters),
            ("for a VM without bitmaps", bind, about(to, 5, 0, 1), InvalidParameters),
            ("in a partition's name", set, about(to, 0, 0, 1), InvalidParameters),
            ("with the interrupt put off", set, about(0, to, DELAY, 1), InvalidParameters),
            ("at a vCPU, and not", set, about(0, to, 1 << 16, 1), InvalidParameters),
            ("at a partition that takes none", set, about(0, service, 0, 1), Denied),
            ("at nobody", set, about(0, 0x8fff, 0, 1), InvalidParameters),
            ("what a partition has", get, [u64::from(to), ALL, 0, 0], InvalidParameters),
            ("what a vCPU that is not there has", get, [0xffff_0000, ALL, 0, 0], InvalidParameters),
            ("bitmaps of a partition", create, [u64::from(to), 1, 0, 0], InvalidParameters),
            ("bitmaps of no vCPU", create, [5, 0, 0, 0], InvalidParameters),
        ];
        for (what, function, registers, status) in ours {
            refused(what, &call(function, registers), status)?;
        }
        let theirs = [
            ("bitmaps, by a partition", create, [5, 1, 0, 0], NotSupported),
            ("who has something, by a partition", FuncId::NotificationInfoGet64, [0; 4], NotSupported),
            ("for us, by a partition", bind, about(service, 0, 0, 1), InvalidParameters),
            ("in our name, by a partition", set, about(0, service, 0, 1), InvalidParameters),
            ("in another's name, by a partition", set, about(service, 0, 0, 1), InvalidParameters),
            ("at itself, by a partition", set, about(to, to, 0, 1), InvalidParameters),
            ("what we have, by a partition", get, [0, ALL, 0, 0], InvalidParameters),
        ];
        for (what, function, registers, status) in theirs {
            refused(what, &call_by(to, function, registers)?, status)?;
        }
        let interrupt = gic::take();
        ensure!(interrupt.is_none(), "interrupt {interrupt:?}");
        let told = call(FuncId::NotificationInfoGet32, [0; 4]);
        refused("who has something", &told, FfaError::NoData)?;
        seen!("{} calls refused, each by its status", ours.len() + theirs.len())
    })
}

/// What the other core needs, and what it saw.
static MACHINE: SpinMutex<Option<Machine>> = SpinMutex::new(None);
static PARTITION: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);
const NOTHING: u64 = u64::MAX;

fn ring_on_core(core: usize) {
    let Some(machine) = *MACHINE.lock() else { return };
    let Ok(to) = u16::try_from(PARTITION.load(Ordering::SeqCst)) else { return };
    machine.receive(core, INTERRUPT);
    let _ = gic::take();
    if call_by(to, FuncId::NotificationSet, about(to, 0, 0, 1)).is_ok_and(|answer| answer[0] == SUCCESS) {
        SEEN.store(gic::take().unwrap_or(NOTHING), Ordering::SeqCst);
    }
    machine.refuse(core, INTERRUPT);
}

fn other_core(world: &mut World) -> Outcome {
    *MACHINE.lock() = Some(world.machine);
    SEEN.store(NOTHING, Ordering::SeqCst);
    let affinities = world.machine.cores();
    with_bitmaps(world, |to| {
        PARTITION.store(u64::from(to), Ordering::SeqCst);
        succeeded("binding", &call(FuncId::NotificationBind, about(to, 0, 0, 1)), [0; 6])?;
        cores::run(affinities, 1, ring_on_core)?;
        cores::wait(affinities, 1, 20)?;
        let there = SEEN.load(Ordering::SeqCst);
        ensure!(there == u64::from(INTERRUPT), "core 1 saw interrupt {there:#x}");
        let here = gic::take();
        ensure!(here.is_none(), "core 0 saw interrupt {here:?}");
        succeeded("getting", &call(FuncId::NotificationGet, [0, ALL, 0, 0]), [1, 0, 0, 0, 0, 0])?;
        succeeded("unbinding", &call(FuncId::NotificationUnbind, about(to, 0, 0, 1)), [0; 6])?;
        seen!("interrupt {there} on core 1, none on core 0")
    })
}
