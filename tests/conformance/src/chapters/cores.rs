// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several cores (DEN0077A 4.7, 8.3.1, 18.2): where contexts run, what a busy one answers, and how the others start:
//! FFA_SECONDARY_EP_REGISTER (18.2.2); and what becomes of interrupts of one that goes off.

use super::interrupt_jobs::{
    RECONFIGURE, SOON, TIMER, device_or_tell, interrupted, job, raise, timer_or_tell,
};
use crate::case::{Case, Instance, no_side};
use crate::endpoint::{Endpoint, Foreign, call, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, Told, ask, begin, outcome_of};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;
use crate::suite::number_of;
use arm_ffa::FfaError::{Busy, Denied, InvalidParameters, NotSupported};
use arm_ffa::FuncId;
use core::sync::atomic::{AtomicU64, Ordering};

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::DirectReq,
        "a-context-a-core",
        "8.3.1; 4.7",
        Instance::SECURE,
        each_core,
        count,
    )
    .with_cores(4),
    Case::exchange(
        Interface::DirectReq,
        "one-context-on-any-core",
        "8.3.1; 4.7",
        Instance::NORMAL,
        one_for_all,
        count,
    )
    .with_cores(4),
    Case::exchange(
        Interface::DirectReq,
        "receiver-at-work",
        "8.3.2; 15.2",
        Instance::NORMAL,
        at_work,
        long_work,
    )
    .with_cores(4),
    Case::exchange(
        Interface::Run,
        "vcpu-of-another-core",
        "8.3.1; 14.3",
        Instance::NORMAL,
        other_vcpu,
        no_side,
    )
    .with_cores(4),
    Case::exchange(
        Interface::DirectReq,
        "a-core-goes-off",
        "18.2.4",
        Instance::SECURE,
        cores_go_off,
        told_off,
    )
    .with_cores(4),
    Case::exchange(
        Interface::Interrupt,
        "of-a-core-that-is-off",
        "9.3.2; 18.2.4",
        Instance::SECURE,
        left_behind,
        wait_for_interrupts,
    )
    .with_cores(4),
    Case::alone(
        Interface::SecondaryEpRegister,
        "after-the-start",
        "18.2.2.1.1",
        Instance::SECURE,
        after_the_start,
    ),
    Case::exchange(
        Interface::SecondaryEpRegister,
        "one-context",
        "18.2.2",
        Instance::SECURE,
        one_context,
        register,
    ),
];

/// How often each core asks.
const ROUNDS: u64 = 50;

/// Asks on all cores at once: each has its context, so none is ever busy.
fn each_core(normal: &mut dyn NormalWorld) -> Outcome {
    normal.with_other_cores(ask_peer_mp, |normal| ask_peer_mp(normal.endpoint(), 0))
}

fn ask_peer_mp(endpoint: &mut dyn Endpoint, core: u64) -> Outcome {
    let number = number_of(Interface::DirectReq, "a-context-a-core")?;
    for round in 0..ROUNDS {
        let word = core << 32 | round;
        let [back, ..] = ask(endpoint, Partner::PeerMp, number, [word, 0, 0, 0])?;
        same(back, !word)?;
    }
    Ok(())
}

fn count(_: &mut dyn PartitionEndpoint, words: [u64; 4]) -> Outcome<[u64; 4]> {
    Ok(words.map(|word| !word))
}

/// A partition that asks for it is told that its core goes off, and is there again when the core is.
fn cores_go_off(normal: &mut dyn NormalWorld) -> Outcome {
    // Each of the other cores goes off when it has done its part.
    normal.with_other_cores(|endpoint, _| ask_told_off(endpoint).map(|_| ()), |_| Ok(()))?;
    normal.with_other_cores(
        |endpoint, core| ask_told_off(endpoint).and_then(|count| ensure(count > 0, [core, count, 0])),
        // This core never went off.
        |normal| ask_told_off(normal.endpoint()).and_then(|count| same(count, 0_u64)),
    )
}

fn ask_told_off(endpoint: &mut dyn Endpoint) -> Outcome<u64> {
    let number = number_of(Interface::DirectReq, "a-core-goes-off")?;
    let [count, ..] = ask(endpoint, Partner::PeerMp, number, [0; 4])?;
    Ok(count)
}

/// Returns how often its core went off. What it then tried to do was refused: it is to answer, and to call nobody.
fn told_off(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    const PSCI_CPU_OFF: u64 = 0x8400_0002;
    let Told { count, message, statuses } = endpoint.told_off();
    if count > 0 {
        let denied = i64::from(i32::from(Denied)).cast_unsigned() & 0xffff_ffff;
        for (what, status) in statuses.into_iter().enumerate() {
            ensure(status == denied, [what as u64, status, denied])?;
        }
        let spmc = call(endpoint, FuncId::SpmIdGet, &[]);
        spmc.success()?;
        let addresses = u64::from(spmc.w(2)) << 16 | u64::from(endpoint.id());
        let expected = [FuncId::MsgSendDirectReq32 as u64, addresses, 1 << 31, PSCI_CPU_OFF, 0, 0, 0, 0];
        for (register, (got, expected)) in message.into_iter().zip(expected).enumerate() {
            ensure(got == expected, [register as u64, got, expected])?;
        }
    }
    Ok([count, 0, 0, 0])
}

/// A timer that a partition with one context set on a core that is off, and a device whose interrupts went there: another core
/// has them.
fn left_behind(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerUp, number, [job::TELL, 0, 0, 0])?;
    let [intid, ..] = ask(normal.endpoint(), Partner::PeerMp, number, [job::DEVICE, 0, 0, 0])?;
    interrupted(normal, Partner::PeerUp, (TIMER, SOON), &|normal| {
        let start = normal.now();
        normal.with_other_cores(leave_behind, |_| Ok(()))?;
        Ok(start)
    })?;
    interrupted(normal, Partner::PeerMp, (intid, SOON), &raise)
}

fn leave_behind(endpoint: &mut dyn Endpoint, core: u64) -> Outcome {
    let number = number_of(Interface::Interrupt, "of-a-core-that-is-off")?;
    if core == 1 {
        ask(endpoint, Partner::PeerUp, number, [job::TIMER, 100 * SOON, 0, 0])?;
        ask(endpoint, Partner::PeerMp, number, [job::TARGET, core, 0, 0])?;
    }
    Ok(())
}

fn wait_for_interrupts(endpoint: &mut dyn PartitionEndpoint, words: [u64; 4]) -> Outcome<[u64; 4]> {
    let [what, target, ..] = words;
    match what {
        job::TIMER => timer_or_tell(endpoint, words),
        job::TARGET => {
            let intid = u64::from(endpoint.device());
            same(endpoint.hypercall([RECONFIGURE, intid, 0, target]), 0_u64)?;
            Ok([0; 4])
        }
        _ => device_or_tell(endpoint, words),
    }
}

/// The only context comes to whichever core asks; who asks while it is at work is told so, and may ask again.
fn one_for_all(normal: &mut dyn NormalWorld) -> Outcome {
    normal.with_other_cores(ask_peer_up, |normal| ask_peer_up(normal.endpoint(), 0))
}

fn ask_peer_up(endpoint: &mut dyn Endpoint, core: u64) -> Outcome {
    const PATIENCE: u32 = 1_000_000;
    let number = number_of(Interface::DirectReq, "one-context-on-any-core")?;
    let to = Partner::PeerUp.id();
    let mut done = 0;
    for _ in 0..PATIENCE {
        if done == ROUNDS {
            return Ok(());
        }
        let word = core << 32 | done;
        let answer = call(endpoint, FuncId::MsgSendDirectReq64, &[ids(0, to), 0, number, word, 0, 0, 0]);
        if answer.error(Busy).is_err() {
            answer.is(FuncId::MsgSendDirectResp64)?;
            same(answer.x(4), !word)?;
            done += 1;
        }
    }
    Err(Failure::here([core, done, 0]))
}

/// All cores of these cases but the first.
const OTHER_CORES: u64 = 3;
/// Other cores that were told that the partition is busy.
static TURNED_AWAY: AtomicU64 = AtomicU64::new(0);

/// Other cores ask while a partition works for this one, which gives it work until each of them has met it.
fn at_work(normal: &mut dyn NormalWorld) -> Outcome {
    const PATIENCE: u32 = 10_000;
    TURNED_AWAY.store(0, Ordering::SeqCst);
    normal.with_other_cores(ask_meanwhile, |normal| {
        let number = normal.number();
        for _ in 0..PATIENCE {
            if TURNED_AWAY.load(Ordering::SeqCst) == OTHER_CORES {
                return Ok(());
            }
            let answer = begin(normal.endpoint(), Partner::PeerUp, number, [1, 0, 0, 0]);
            // Another core may have been first.
            if answer.error(Busy).is_err() {
                let [rounds, ..] = outcome_of(&answer, 0, Partner::PeerUp)?;
                ensure(rounds > 0, [rounds, 0, 0])?;
            }
        }
        // The others tell why.
        Ok(())
    })
}

/// Asks until it was told that the partition is busy, then lets it be.
fn ask_meanwhile(endpoint: &mut dyn Endpoint, core: u64) -> Outcome {
    const PATIENCE: u32 = 1_000_000;
    let number = number_of(Interface::DirectReq, "receiver-at-work")?;
    for _ in 0..PATIENCE {
        let to = ids(0, Partner::PeerUp.id());
        let answer = call(endpoint, FuncId::MsgSendDirectReq64, &[to, 0, number, 0, 0, 0, 0]);
        if answer.error(Busy).is_ok() {
            TURNED_AWAY.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        answer.is(FuncId::MsgSendDirectResp64)?;
    }
    Err(Failure::here([core, 0, 0]))
}

/// Works for a while, by calls that leave the core to others.
fn long_work(endpoint: &mut dyn PartitionEndpoint, [long, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let rounds = if long == 1 { 20_000 } else { 0 };
    for _ in 0..rounds {
        call(endpoint, FuncId::IdGet, &[]).success()?;
    }
    Ok([rounds, 0, 0, 0])
}

/// A context is pinned to its core: on another it cannot be run.
fn other_vcpu(normal: &mut dyn NormalWorld) -> Outcome {
    for vcpu in 1..4 {
        let target = ids(Partner::PeerMp.id(), vcpu);
        call(normal.endpoint(), FuncId::Run32, &[target]).error(InvalidParameters)?;
    }
    Ok(())
}

/// When the partition has started it is too late, whatever the address.
fn after_the_start(endpoint: &mut dyn Endpoint) -> Outcome {
    let (own, spmc) = (endpoint.pages(), endpoint.foreign(Foreign::Spmc));
    for address in [own, own + 1, 0, spmc, u64::MAX] {
        call(endpoint, FuncId::SecondaryEpRegister64, &[address]).error(Denied)?;
    }
    call(endpoint, FuncId::SecondaryEpRegister32, &[own & 0xffff_ffff]).error(Denied)
}

fn one_context(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerUp, number, [0; 4]).map(|_| ())
}

/// A partition with one context has no other to start.
fn register(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.pages();
    call(endpoint, FuncId::SecondaryEpRegister64, &[own]).error(NotSupported).map(|()| [0; 4])
}
