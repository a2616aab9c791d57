// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Direct messages (DEN0077A 8.3): who may send FFA_MSG_SEND_DIRECT_REQ and FFA_MSG_SEND_DIRECT_RESP to whom, and when (15.2,
//! 15.3).

use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint, call, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, ask};
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{Busy, Denied, InvalidParameters};
use arm_ffa::FuncId;

const REQUESTS: [FuncId; 2] = [FuncId::MsgSendDirectReq32, FuncId::MsgSendDirectReq64];
const RESPONSES: [FuncId; 2] = [FuncId::MsgSendDirectResp32, FuncId::MsgSendDirectResp64];
/// Bit 31 of w2: a message of the framework.
const FRAMEWORK: u64 = 1 << 31;

pub(super) const CASES: &[Case] = &[
    Case::exchange(Interface::DirectReq, "payload-from-partition", "15.2", Instance::SECURE, chain, forward),
    Case::alone(Interface::DirectReq, "no-such-receiver", "15.2", Instance::ALL, no_such_receiver),
    Case::alone(Interface::DirectReq, "false-sender", "15.2", Instance::ALL, false_sender),
    Case::alone(Interface::DirectReq, "to-oneself", "15.2", Instance::LATEST, to_oneself),
    Case::alone(Interface::DirectReq, "framework-flag", "15.2; 18.2.4", Instance::LATEST, framework_flag),
    Case::alone(
        Interface::DirectReq,
        "receiver-takes-none",
        "8.3.1; 15.2",
        Instance::ALL,
        receiver_takes_none,
    )
    .with_partners(&[Partner::Deaf]),
    Case::exchange(
        Interface::DirectReq,
        "sender-without-right",
        "8.3.1; 15.2",
        Instance::SECURE,
        without_right,
        request_denied,
    ),
    Case::exchange(
        Interface::DirectReq,
        "to-normal-world",
        "15.2; 8.3.1",
        Instance::SECURE,
        to_normal_world,
        request_upwards,
    ),
    Case::exchange(
        Interface::DirectReq,
        "call-chain-meets-itself",
        "8.3.2; 15.2",
        Instance::SECURE,
        circle,
        around,
    ),
    Case::exchange(
        Interface::DirectResp,
        "not-the-request",
        "15.3",
        Instance::SECURE,
        wrong_response,
        answer_wrongly,
    ),
];

/// The normal world asks one partition, which asks the next.
fn chain(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let word = normal.random();
    let [answer, hops, ..] = ask(normal.endpoint(), Partner::PeerMp, number, [number, word, 0, 0])?;
    same(answer, word.wrapping_add(3))?;
    same(hops, 3_u64)
}

/// x4 is the number of the case, x5 a word that each adds one to, x6 how many had it.
fn forward(endpoint: &mut dyn PartitionEndpoint, [number, word, hops, _]: [u64; 4]) -> Outcome<[u64; 4]> {
    let next = match hops {
        0 => Partner::PeerUp,
        1 => Partner::Old11,
        _ => return Ok([word.wrapping_add(1), hops + 1, 0, 0]),
    };
    ask(endpoint, next, number, [number, word.wrapping_add(1), hops + 1, 0])
}

fn request(endpoint: &mut dyn Endpoint, function: FuncId, from: u16, to: u16, flags: u64) -> Answer {
    call(endpoint, function, &[ids(from, to), flags])
}

fn no_such_receiver(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for function in REQUESTS {
        for to in [0x8009, 0x80ff, 0xfffe] {
            request(endpoint, function, own, to, 0).error(InvalidParameters)?;
        }
    }
    Ok(())
}

/// The normal world in a partition's name, and a partition in that of another or of the normal world.
fn false_sender(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for function in REQUESTS {
        for from in [Partner::PeerUp.id(), Partner::Victim.id(), 0x8000] {
            if from != own {
                request(endpoint, function, from, Partner::Victim.id(), 0).error(InvalidParameters)?;
            }
        }
    }
    Ok(())
}

fn to_oneself(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for function in REQUESTS {
        request(endpoint, function, own, own, 0).error(InvalidParameters)?;
    }
    Ok(())
}

/// Messages of the framework are for partition managers to send.
fn framework_flag(endpoint: &mut dyn Endpoint) -> Outcome {
    let (own, to) = (endpoint.id(), Partner::PeerUp.id());
    for function in REQUESTS {
        for kind in [0, 1, 4, 8] {
            request(endpoint, function, own, to, FRAMEWORK | kind).error(InvalidParameters)?;
        }
    }
    Ok(())
}

fn receiver_takes_none(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for function in REQUESTS {
        request(endpoint, function, own, Partner::Deaf.id(), 0).error(Denied)?;
    }
    Ok(())
}

fn without_right(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::Victim, number, [0; 4]).map(|_| ())
}

fn request_denied(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.id();
    for function in REQUESTS {
        request(endpoint, function, own, Partner::PeerUp.id(), 0).error(Denied)?;
    }
    Ok([0; 4])
}

fn to_normal_world(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerMp, number, [0; 4]).map(|_| ())
}

fn request_upwards(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.id();
    for function in REQUESTS {
        for to in [0, 1, 0x7fff] {
            request(endpoint, function, own, to, 0).error_of(&[InvalidParameters, Denied])?;
        }
    }
    Ok([0; 4])
}

fn circle(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let [reached, ..] = ask(normal.endpoint(), Partner::PeerMp, number, [number, 0, 0, 0])?;
    same(reached, 1_u64)
}

/// The first asks the second, which asks the first: that one is blocked, and busy.
fn around(endpoint: &mut dyn PartitionEndpoint, [number, depth, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if depth == 0 {
        return ask(endpoint, Partner::PeerUp, number, [number, 1, 0, 0]);
    }
    let own = endpoint.id();
    for function in REQUESTS {
        request(endpoint, function, own, Partner::PeerMp.id(), 0).error_of(&[Busy, Denied])?;
    }
    Ok([depth, 0, 0, 0])
}

fn wrong_response(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for partner in [Partner::PeerMp, Partner::PeerUp] {
        ask(normal.endpoint(), partner, number, [0; 4])?;
    }
    Ok(())
}

/// In somebody else's name, with bits that must be zero, or to somebody who asked nothing (8.3.2).
fn answer_wrongly(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.id();
    for function in RESPONSES {
        for from in [0, 0x8000, Partner::Victim.id()] {
            call(endpoint, function, &[ids(from, 0)]).error(InvalidParameters)?;
        }
        for flags in [FRAMEWORK, 1, 0xff] {
            call(endpoint, function, &[ids(own, 0), flags]).error(InvalidParameters)?;
        }
        for to in [1, Partner::Victim.id()] {
            call(endpoint, function, &[ids(own, to)]).error(Denied)?;
        }
    }
    Ok([0; 4])
}
