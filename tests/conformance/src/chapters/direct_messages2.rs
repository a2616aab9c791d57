// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Direct messages to a service, with all registers (DEN0077A 8.3): FFA_MSG_SEND_DIRECT_REQ2 and FFA_MSG_SEND_DIRECT_RESP2
//! (15.4, 15.5).

use crate::case::{Case, Instance, no_side};
use crate::endpoint::{Answer, Endpoint, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, ask};
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{Denied, InvalidParameters};
use arm_ffa::{FuncId, UuidHelper};
use uuid::Uuid;

pub(super) const CASES: &[Case] = &[
    Case::exchange(Interface::DirectReq2, "payload", "15.4; 15.5", Instance::NORMAL, payload, no_side),
    Case::exchange(
        Interface::DirectReq2,
        "payload-from-partition",
        "15.4",
        Instance::SECURE,
        by_partition,
        send,
    ),
    Case::exchange(Interface::DirectReq2, "nil-uuid", "15.4; 6.2.3", Instance::NORMAL, nil_uuid, no_side),
    Case::alone(
        Interface::DirectReq2,
        "not-the-receivers-uuid",
        "15.4; 6.2.3",
        Instance::LATEST,
        foreign_uuid,
    )
    .with_partners(&[Partner::PeerUp]),
    Case::alone(Interface::DirectReq2, "no-such-receiver", "15.4", Instance::LATEST, no_such_receiver)
        .with_partners(&[Partner::PeerUp]),
    Case::alone(Interface::DirectReq2, "false-sender", "15.4", Instance::LATEST, false_sender)
        .with_partners(&[Partner::PeerUp]),
    Case::alone(Interface::DirectReq2, "to-oneself", "15.4", Instance::LATEST, to_oneself)
        .with_partners(&[Partner::PeerUp]),
    Case::alone(
        Interface::DirectReq2,
        "receiver-takes-none",
        "8.3.1; 15.4",
        Instance::LATEST,
        receiver_takes_none,
    )
    .with_partners(&[Partner::PeerUp]),
    Case::exchange(
        Interface::DirectReq2,
        "sender-without-right",
        "8.3.1; 15.4",
        Instance::SECURE,
        without_right,
        request_denied,
    ),
    Case::exchange(
        Interface::DirectResp2,
        "to-another-request",
        "8.3.2; 15.5",
        Instance::SECURE,
        other_kind,
        answer_wrongly,
    ),
];

/// Sends a request to a service with random words in x4 to x17.
fn request(endpoint: &mut dyn Endpoint, from: u16, to: u16, uuid: Uuid) -> ([u64; 18], Answer) {
    let mut registers = [0; 18];
    for register in &mut registers {
        *register = endpoint.random();
    }
    let [x0, x1, x2, x3, ..] = &mut registers;
    (*x0, *x1) = (u64::from(u32::from(FuncId::MsgSendDirectReq64_2)), ids(from, to));
    [*x2, *x3] = UuidHelper::to_u64_regs(uuid);
    (registers, Answer(endpoint.call(registers)))
}

/// Sends a request, and requires the answer that partitions of the suite give: x4 to x15 turned over, the UUID behind.
fn turned_over(endpoint: &mut dyn Endpoint, to: Partner, uuid: Uuid) -> Outcome {
    let own = endpoint.id();
    let (sent, answer) = request(endpoint, own, to.id(), uuid);
    answer.is(FuncId::MsgSendDirectResp64_2)?;
    same(answer.x(1), ids(to.id(), own))?;
    // Reserved in a response.
    same(answer.x(2), 0_u64)?;
    same(answer.x(3), 0_u64)?;
    for (number, sent) in sent.iter().enumerate().skip(4).take(12) {
        same(answer.x(number), !sent)?;
    }
    let [low, high] = UuidHelper::to_u64_regs(uuid);
    same(answer.x(16), low)?;
    same(answer.x(17), high)
}

fn payload(normal: &mut dyn NormalWorld) -> Outcome {
    for partner in [Partner::PeerMp, Partner::PeerUp, Partner::Victim] {
        for _ in 0..8 {
            turned_over(normal.endpoint(), partner, partner.uuid())?;
        }
    }
    Ok(())
}

fn by_partition(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerMp, number, [0; 4]).map(|_| ())
}

fn send(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    for partner in [Partner::PeerUp, Partner::Victim] {
        turned_over(endpoint, partner, partner.uuid())?;
    }
    Ok([0; 4])
}

/// The nil UUID asks for no service in particular.
fn nil_uuid(normal: &mut dyn NormalWorld) -> Outcome {
    turned_over(normal.endpoint(), Partner::PeerUp, Uuid::nil())
}

fn foreign_uuid(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for uuid in [Partner::PeerMp.uuid(), Uuid::from_u128(1), Uuid::max()] {
        request(endpoint, own, Partner::PeerUp.id(), uuid).1.error(InvalidParameters)?;
    }
    Ok(())
}

fn no_such_receiver(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for to in [0x8fff, 0x80ff] {
        request(endpoint, own, to, Uuid::nil()).1.error(InvalidParameters)?;
    }
    Ok(())
}

fn false_sender(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for from in [Partner::PeerMp.id(), Partner::Victim.id(), 0x8000] {
        if from != own {
            request(endpoint, from, Partner::PeerUp.id(), Uuid::nil()).1.error(InvalidParameters)?;
        }
    }
    Ok(())
}

fn to_oneself(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    request(endpoint, own, own, Uuid::nil()).1.error(InvalidParameters)
}

/// Neither may a partition be asked so that takes no requests, nor one that takes only those without a UUID.
fn receiver_takes_none(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    for partner in [Partner::Deaf, Partner::Old11] {
        request(endpoint, own, partner.id(), partner.uuid()).1.error(Denied)?;
    }
    Ok(())
}

fn without_right(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::Victim, number, [0; 4]).map(|_| ())
}

fn request_denied(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.id();
    request(endpoint, own, Partner::PeerUp.id(), Partner::PeerUp.uuid()).1.error(Denied).map(|()| [0; 4])
}

fn other_kind(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerMp, number, [0; 4]).map(|_| ())
}

/// FFA_MSG_SEND_DIRECT_RESP2 answers FFA_MSG_SEND_DIRECT_REQ2, and nothing else.
fn answer_wrongly(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.id();
    let response = [u64::from(u32::from(FuncId::MsgSendDirectResp64_2)), ids(own, 0)];
    let mut registers = [0; 18];
    registers.iter_mut().zip(response).for_each(|(to, from)| *to = from);
    Answer(endpoint.call(registers)).error(Denied).map(|()| [0; 4])
}
