// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CPU cycle management (DEN0077A chapter 14) and the states between which it moves a vCPU (7.2): FFA_MSG_WAIT, FFA_YIELD,
//! FFA_RUN.

use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint, PAGE, call, ids};
use crate::exchange::{
    NormalWorld, PartitionEndpoint, ask, ask_at_next_run, begin, collect, outcome_of, present,
};
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use crate::partner::Partner;
use crate::suite::number_of;
use arm_ffa::FfaError::{Aborted, Busy, Denied, InvalidParameters};
use arm_ffa::FuncId;

/// The instances of whoever takes part in an exchange of the normal world and partitions.
const BOTH: &[Instance] = Instance::LATEST;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::MsgWait,
        "while-working",
        "14.1; 7.2.7, R0100",
        Instance::SECURE,
        work,
        wait_early,
    ),
    Case::exchange(Interface::MsgWait, "after-run", "14.1; 7.2.7", Instance::SECURE, run_waiting, note),
    Case::exchange(Interface::MsgWait, "reserved-flags", "14.1", Instance::SECURE, work, wait_with_flags),
    Case::exchange(Interface::Yield, "and-go-on", "14.2; 7.2.9, R0112", BOTH, yield_and_run, yield_often)
        .with_partners(&[Partner::PeerMp]),
    Case::exchange(
        Interface::Yield,
        "from-a-call-chain",
        "14.2; 7.2.9; 9.2.4",
        Instance::SECURE,
        chain,
        yield_in_chain,
    ),
    Case::exchange(Interface::Run, "waiting-vcpu", "14.3; 7.2.7", Instance::NORMAL, run_waiting, note)
        .with_partners(&[Partner::PeerMp]),
    Case::exchange(
        Interface::Run,
        "response-after-run",
        "14.3; 7.2.7, R0100",
        BOTH,
        run_waiting,
        respond_to_run,
    )
    .with_partners(&[Partner::PeerMp]),
    Case::alone(Interface::Run, "no-such-vcpu", "14.3", Instance::LATEST, no_such_vcpu),
    Case::exchange(Interface::Run, "blocked-vcpu", "14.3; 7.2.9", Instance::SECURE, circle, run_the_blocked),
    Case::exchange(
        Interface::Run,
        "by-another-than-the-requester",
        "14.3; 7.2.9",
        Instance::SECURE,
        yielded_to_us,
        run_for_others,
    ),
    Case::exchange(
        Interface::Run,
        "its-requester-has-aborted",
        "7.2.8, R0104; 14.3; table 15.12",
        BOTH,
        abandoned,
        call_and_abort,
    ),
];

fn work(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerMp, number, [0; 4])?;
    ask(normal.endpoint(), Partner::PeerUp, number, [0; 4]).map(|_| ())
}

/// Who works on a direct request has to answer it first.
fn wait_early(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    call(endpoint, FuncId::MsgWait32, &[]).error(Denied).map(|()| [0; 4])
}

/// Bit 0 of the flags keeps the RX buffer; the others are reserved, and a wait with a request open is refused all the same.
fn wait_with_flags(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    for flags in [1, 2, 0x8000_0000] {
        call(endpoint, FuncId::MsgWait32, &[0, flags]).error_of(&[Denied, InvalidParameters])?;
    }
    Ok([0; 4])
}

/// FFA_RUN of vCPU 0, which is the one of core 0.
fn run(endpoint: &mut dyn Endpoint, partner: Partner) -> Answer {
    call(endpoint, FuncId::Run32, &[ids(partner.id(), 0)])
}

/// Runs a vCPU that waits: it does its side, waits again, and the runner learns that.
fn run_waiting(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for partner in present(normal, &[Partner::PeerMp, Partner::PeerUp]) {
        let word = normal.random() & 0xffff_ffff;
        ask_at_next_run(normal.endpoint(), partner, number, [word, 0, 0, 0])?;
        let answer = run(normal.endpoint(), partner);
        answer.is(FuncId::MsgWait32)?;
        let [back, ..] = collect(normal.endpoint(), partner)?;
        same(back, word)?;
    }
    Ok(())
}

/// FFA_RUN came as it has to: the vCPU in w1, the rest zero.
fn arrived_by_run(endpoint: &dyn PartitionEndpoint) -> Outcome {
    let arrival = Answer(endpoint.arrival());
    arrival.is(FuncId::Run32)?;
    same(arrival.x(1), ids(endpoint.id(), 0))?;
    for number in 2..8 {
        same(arrival.x(number), 0_u64)?;
    }
    Ok(())
}

fn note(endpoint: &mut dyn PartitionEndpoint, words: [u64; 4]) -> Outcome<[u64; 4]> {
    arrived_by_run(endpoint).map(|()| words)
}

/// There is no request to answer.
fn respond_to_run(endpoint: &mut dyn PartitionEndpoint, words: [u64; 4]) -> Outcome<[u64; 4]> {
    arrived_by_run(endpoint)?;
    let own = endpoint.id();
    for response in [FuncId::MsgSendDirectResp32, FuncId::MsgSendDirectResp64] {
        call(endpoint, response, &[ids(own, 0)]).error(Denied)?;
    }
    Ok(words)
}

/// A partition that yields gives the core to whoever asked it, and goes on by FFA_RUN as often as it likes.
fn yield_and_run(normal: &mut dyn NormalWorld) -> Outcome {
    const YIELDS: u64 = 3;
    let number = normal.number();
    for partner in present(normal, &[Partner::PeerMp, Partner::PeerUp]) {
        let word = normal.random();
        let mut answer = begin(normal.endpoint(), partner, number, [YIELDS, word, 0, 0]);
        for _ in 0..YIELDS {
            answer.is(FuncId::Yield32)?;
            same(answer.w(1), ids(partner.id(), 0))?;
            answer = run(normal.endpoint(), partner);
        }
        let [back, ..] = outcome_of(&answer, 0, partner)?;
        same(back, word)?;
    }
    Ok(())
}

fn yield_often(endpoint: &mut dyn PartitionEndpoint, [yields, word, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    for _ in 0..yields {
        let answer = call(endpoint, FuncId::Yield32, &[]);
        answer.is(FuncId::Run32)?;
        same(answer.w(1), ids(endpoint.id(), 0))?;
    }
    Ok([word, 0, 0, 0])
}

/// The second of two partitions yields: the first learns it, and lets it go on.
fn chain(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let word = normal.random();
    let [back, ..] = ask(normal.endpoint(), Partner::PeerMp, number, [number, word, 0, 0])?;
    same(back, word.wrapping_add(1))
}

fn yield_in_chain(
    endpoint: &mut dyn PartitionEndpoint,
    [number, word, depth, _]: [u64; 4],
) -> Outcome<[u64; 4]> {
    if depth == 0 {
        let own = endpoint.id();
        let answer = begin(endpoint, Partner::PeerUp, number, [number, word, 1, 0]);
        answer.is(FuncId::Yield32)?;
        same(answer.w(1), ids(Partner::PeerUp.id(), 0))?;
        return outcome_of(&run(endpoint, Partner::PeerUp), own, Partner::PeerUp);
    }
    call(endpoint, FuncId::Yield32, &[]).is(FuncId::Run32)?;
    Ok([word.wrapping_add(1), 0, 0, 0])
}

/// Nobody has this ID, the SPMC has no vCPUs, and a UP partition no second one.
fn no_such_vcpu(endpoint: &mut dyn Endpoint) -> Outcome {
    for (id, vcpu) in
        [(0x8fff, 0), (0x8000, 0), (0, 0), (Partner::Victim.id(), 1), (Partner::PeerUp.id(), 0xffff)]
    {
        call(endpoint, FuncId::Run32, &[ids(id, vcpu)]).error(InvalidParameters)?;
    }
    Ok(())
}

fn circle(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerMp, number, [number, 0, 0, 0]).map(|_| ())
}

/// The first asks the second, which wants to run the first: that one is blocked, and no loop may be made.
fn run_the_blocked(endpoint: &mut dyn PartitionEndpoint, [number, depth, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if depth == 0 {
        return ask(endpoint, Partner::PeerUp, number, [number, 1, 0, 0]);
    }
    run(endpoint, Partner::PeerMp).error(Denied).map(|()| [0; 4])
}

/// One partition yields to the normal world; another one may not let it go on.
fn yielded_to_us(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    begin(normal.endpoint(), Partner::PeerUp, number, [1, 0, 0, 0]).is(FuncId::Yield32)?;
    let refused = ask(normal.endpoint(), Partner::PeerMp, number, [0; 4]);
    let answer = run(normal.endpoint(), Partner::PeerUp);
    outcome_of(&answer, 0, Partner::PeerUp)?;
    refused.map(|_| ())
}

fn run_for_others(endpoint: &mut dyn PartitionEndpoint, [yields, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if yields == 1 {
        call(endpoint, FuncId::Yield32, &[]).is(FuncId::Run32)?;
    } else {
        run(endpoint, Partner::PeerUp).error(Denied)?;
    }
    Ok([0; 4])
}

/// What a partition does: calls another one, and aborts when that one has yielded; is that one; or tells what it did last.
const CALL: u64 = 0;
const YIELD: u64 = 1;
const TELL: u64 = 2;
/// Offset in its pages of the word that it got.
const KEPT: u64 = 2 * PAGE;

/// A partition aborts whose callee has yielded to it. The normal world lets that one go on, whose response is for nobody; then it
/// serves as ever.
fn abandoned(normal: &mut dyn NormalWorld) -> Outcome {
    let (number, word) = (normal.number(), normal.random());
    begin(normal.endpoint(), Partner::PeerUp, number, [CALL, word, 0, 0]).error(Aborted)?;
    begin(normal.endpoint(), Partner::PeerMp, number, [TELL, 0, 0, 0]).error(Busy)?;
    run(normal.endpoint(), Partner::PeerMp).is(FuncId::MsgWait32)?;
    let [back, ..] = ask(normal.endpoint(), Partner::PeerMp, number, [TELL, 0, 0, 0])?;
    same(back, word)
}

fn call_and_abort(endpoint: &mut dyn PartitionEndpoint, [what, word, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    match what {
        CALL => {
            let number = number_of(Interface::Run, "its-requester-has-aborted")?;
            begin(endpoint, Partner::PeerMp, number, [YIELD, word, 0, 0]).is(FuncId::Yield32)?;
            endpoint.fail()
        }
        YIELD => {
            call(endpoint, FuncId::Yield32, &[]).is(FuncId::Run32)?;
            endpoint.write(KEPT, &word.to_le_bytes());
            Ok([0; 4])
        }
        _ => {
            let mut kept = [0; 8];
            endpoint.read(KEPT, &mut kept);
            endpoint.write(KEPT, &[0; 8]);
            Ok([u64::from_le_bytes(kept), 0, 0, 0])
        }
    }
}
