// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Indirect messages (DEN0077A 8.2): FFA_MSG_SEND2 (15.1), from TX buffer to RX buffer.

use super::indirect_message::{Header, STEP_MAP, STEP_RECEIVE, STEP_SEND, received, send, side};
use crate::case::{Case, Instance};
use crate::endpoint::{Endpoint, PAGE, call, map_buffers};
use crate::exchange::{NormalWorld, ask};
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{self, Busy, Denied, InvalidParameters, NoMemory};
use arm_ffa::FuncId;
use uuid::Uuid;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::MsgSend2,
        "to-partition",
        "15.1; 8.2, table 8.1, I0146",
        Instance::NORMAL,
        to_partition,
        side,
    ),
    Case::exchange(
        Interface::MsgSend2,
        "between-partitions",
        "15.1; 8.2, table 8.1, I0145",
        Instance::SECURE,
        between_partitions,
        side,
    ),
    Case::exchange(
        Interface::MsgSend2,
        "to-normal-world",
        "15.1; 8.2, table 8.1, I0147",
        Instance::SECURE,
        to_normal_world,
        side,
    ),
    Case::exchange(
        Interface::MsgSend2,
        "receiver-full",
        "15.1; 8.2, R0148",
        Instance::LATEST,
        receiver_full,
        side,
    ),
    Case::exchange(
        Interface::MsgSend2,
        "receiver-too-small",
        "15.1",
        Instance::NORMAL,
        receiver_too_small,
        side,
    ),
    Case::exchange(
        Interface::MsgSend2,
        "bad-headers",
        "15.1; table 8.1",
        Instance::NORMAL,
        bad_headers,
        side,
    ),
    Case::alone(
        Interface::MsgSend2,
        "receiver-takes-none",
        "15.1; 8.2",
        Instance::LATEST,
        receiver_takes_none,
    )
    .with_partners(&[Partner::PeerUp]),
    Case::alone(Interface::MsgSend2, "without-buffers", "15.1; 4.10", Instance::LATEST, without_buffers)
        .with_partners(&[Partner::PeerUp]),
    Case::exchange(
        Interface::RxRelease,
        "after-a-message",
        "13.5; 4.10, R0039",
        Instance::LATEST,
        to_partition,
        side,
    ),
    Case::exchange(
        Interface::MsgWait,
        "releases-the-buffer",
        "14.1; 4.10, R0039",
        Instance::SECURE,
        wait_releases,
        side,
    ),
];

/// Lets a partition do a step.
fn step(normal: &mut dyn NormalWorld, partner: Partner, step: u64, id: u16, seed: u64) -> Outcome<[u64; 4]> {
    let number = normal.number();
    ask(normal.endpoint(), partner, number, [step, u64::from(id), seed, 0])
}

/// Lets a partition send, and requires the status: success, or an error.
fn sends(
    normal: &mut dyn NormalWorld,
    partner: Partner,
    to: u16,
    seed: u64,
    error: Option<FfaError>,
) -> Outcome {
    let [function, status, ..] = step(normal, partner, STEP_SEND, to, seed)?;
    match error {
        None => same(function, u32::from(FuncId::Success32)),
        Some(error) => {
            same(function, u32::from(FuncId::Error32))?;
            same(status, i32::from(error).cast_unsigned())
        }
    }
}

fn to_partition(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    for partner in [Partner::PeerMp, Partner::PeerUp, Partner::Old11] {
        step(normal, partner, STEP_MAP, 0, 0)?;
        for uuid in [Uuid::nil(), partner.uuid()] {
            let seed = normal.random();
            let header = Header { uuid, ..Header::new(0, partner.id()) };
            send(normal.endpoint(), header, seed).success()?;
            if uuid.is_nil() {
                step(normal, partner, STEP_RECEIVE, 0, seed)?;
            }
        }
    }
    Ok(())
}

fn between_partitions(normal: &mut dyn NormalWorld) -> Outcome {
    let pair = [
        (Partner::PeerMp, Partner::PeerUp),
        (Partner::PeerUp, Partner::PeerMp),
        (Partner::Old11, Partner::PeerUp),
    ];
    for partner in [Partner::PeerMp, Partner::PeerUp, Partner::Old11] {
        step(normal, partner, STEP_MAP, 0, 0)?;
    }
    for (from, to) in pair {
        let seed = normal.random();
        sends(normal, from, to.id(), seed, None)?;
        step(normal, to, STEP_RECEIVE, from.id(), seed)?;
    }
    // To oneself, to nobody, and to one that takes none.
    sends(normal, Partner::PeerMp, Partner::PeerMp.id(), 0, Some(InvalidParameters))?;
    sends(normal, Partner::PeerMp, 0x8fff, 0, Some(InvalidParameters))?;
    sends(normal, Partner::PeerMp, Partner::Victim.id(), 0, Some(Denied))
}

fn to_normal_world(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    for partner in [Partner::PeerMp, Partner::PeerUp] {
        step(normal, partner, STEP_MAP, 0, 0)?;
        let seed = normal.random();
        sends(normal, partner, 0, seed, None)?;
        // The buffer is full until it is released.
        sends(normal, partner, 0, !seed, Some(Busy))?;
        received(normal.endpoint(), 0, Header::new(partner.id(), 0), seed)?;
        call(normal.endpoint(), FuncId::RxRelease, &[]).success()?;
    }
    Ok(())
}

fn receiver_full(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    let to = Partner::PeerUp;
    step(normal, to, STEP_MAP, 0, 0)?;
    step(normal, Partner::PeerMp, STEP_MAP, 0, 0)?;
    let seed = normal.random();
    send(normal.endpoint(), Header::new(0, to.id()), seed).success()?;
    send(normal.endpoint(), Header::new(0, to.id()), !seed).error(Busy)?;
    sends(normal, Partner::PeerMp, to.id(), !seed, Some(Busy))?;
    // What was refused has overwritten nothing.
    step(normal, to, STEP_RECEIVE, 0, seed)?;
    sends(normal, Partner::PeerMp, to.id(), !seed, None)?;
    step(normal, to, STEP_RECEIVE, Partner::PeerMp.id(), !seed).map(|_| ())
}

fn receiver_too_small(normal: &mut dyn NormalWorld) -> Outcome {
    let base = normal.pages();
    let to = Partner::PeerUp.id();
    step(normal, Partner::PeerUp, STEP_MAP, 0, 0)?;
    // TX from the second page on, as `send` has it; RX behind.
    call(normal.endpoint(), FuncId::RxTxMap64, &[base + PAGE, base + 4 * PAGE, 3]).success()?;
    let long = Header { size: 2 * 4096, ..Header::new(0, to) };
    send(normal.endpoint(), long, 0).error(NoMemory)?;
    send(normal.endpoint(), Header::new(0, to), 0).success()
}

/// Another's name, oneself, nobody, another VM, and messages that do not lie in the buffer, or in the header.
fn bad_headers(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    let to = Partner::PeerUp;
    step(normal, to, STEP_MAP, 0, 0)?;
    let sound = Header::new(0, to.id());
    for header in [
        Header { sender: Partner::PeerMp.id(), ..sound },
        Header { sender: 1, ..sound },
        Header { receiver: 0, ..sound },
        Header { receiver: 1, ..sound },
        Header { receiver: 0x8fff, ..sound },
        Header { receiver: 0x8000, ..sound },
        Header { offset: 0, ..sound },
        Header { offset: 8, ..sound },
        Header { offset: 4096, ..sound },
        Header { offset: 0xffff_ffff, ..sound },
        Header { size: 4096, ..sound },
        Header { size: 0xffff_ffff, ..sound },
        Header { size: 0xffff_ffd8, ..sound },
        Header { uuid: Uuid::from_u128(1), ..sound },
    ] {
        send(normal.endpoint(), header, 0).error(InvalidParameters)?;
    }
    let seed = normal.random();
    send(normal.endpoint(), sound, seed).success()?;
    step(normal, to, STEP_RECEIVE, 0, seed).map(|_| ())
}

fn receiver_takes_none(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    map_buffers(endpoint)?;
    for partner in [Partner::Victim, Partner::Deaf] {
        send(endpoint, Header::new(own, partner.id()), 0).error(Denied)?;
    }
    Ok(())
}

/// There is no message to send.
fn without_buffers(endpoint: &mut dyn Endpoint) -> Outcome {
    let own = endpoint.id();
    send(endpoint, Header::new(own, Partner::PeerUp.id()), 0).error_of(&[Denied, InvalidParameters])
}

/// FFA_MSG_WAIT gives the RX buffer back, unless it is told to keep it: the runtime of these partitions is entered by
/// FFA_RUN and waits without the flag.
fn wait_releases(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    let to = Partner::PeerUp;
    step(normal, to, STEP_MAP, 0, 0)?;
    send(normal.endpoint(), Header::new(0, to.id()), 1).success()?;
    send(normal.endpoint(), Header::new(0, to.id()), 2).error(Busy)?;
    call(normal.endpoint(), FuncId::Run32, &[u64::from(to.id()) << 16]).is(FuncId::MsgWait32)?;
    let seed = normal.random();
    send(normal.endpoint(), Header::new(0, to.id()), seed).success()?;
    step(normal, to, STEP_RECEIVE, 0, seed).map(|_| ())
}
