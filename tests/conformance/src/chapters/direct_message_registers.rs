// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What direct messages carry (DEN0077A 8.3, tables 8.2 and 8.3; 15.2, 15.3), and that they carry nothing else.

use crate::case::{Case, Instance, no_side};
use crate::endpoint::{Answer, call, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, WIDE_ANSWER, ask, outcome_of, present, secret};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::Denied;
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::DirectReq,
        "payload-32",
        "15.2; table 8.3",
        Instance::NORMAL,
        payload_32,
        no_side,
    )
    .with_partners(&[Partner::PeerMp]),
    Case::exchange(
        Interface::DirectReq,
        "no-leak-in-x8-to-x17",
        "8.4.1, table 8.2; 11.2",
        Instance::LATEST,
        no_leak,
        look_at_arrival,
    )
    .with_partners(&[Partner::PeerMp]),
    Case::exchange(
        Interface::DirectReq,
        "x8-to-x17-zero",
        "8.4.1, table 8.2; 11.2",
        Instance::SECURE,
        reserved_are_zero,
        look_for_zero,
    ),
    Case::exchange(
        Interface::DirectResp,
        "mixed-widths",
        "8.3.2; 15.3",
        Instance::SECURE,
        mixed_widths,
        no_side,
    ),
    Case::exchange(Interface::DirectReq, "payload-64", "15.2; 15.3", Instance::NORMAL, payload_64, turn_over)
        .with_partners(&[Partner::PeerMp]),
];

/// Sends words, gets each of them turned over.
fn payload_64(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for partner in present(normal, &[Partner::PeerMp, Partner::PeerUp, Partner::Old11, Partner::Old10]) {
        for _ in 0..8 {
            let words = [0; 4].map(|_: u64| normal.random());
            let answer = ask(normal.endpoint(), partner, number, words)?;
            for (seen, sent) in answer.into_iter().zip(words) {
                same(seen, !sent)?;
            }
        }
    }
    Ok(())
}

fn turn_over(_: &mut dyn PartitionEndpoint, words: [u64; 4]) -> Outcome<[u64; 4]> {
    Ok(words.map(|word| !word))
}

/// x8 to x17 of 64-bit messages are no part of them; whoever gets one sees nobody else's values there.
fn no_leak(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for partner in present(normal, &[Partner::PeerMp, Partner::PeerUp]) {
        let mut registers = [0; 18];
        for (place, register) in registers.iter_mut().enumerate() {
            *register = OURS | place as u64;
        }
        let [x0, x1, x2, x3, ..] = &mut registers;
        (*x0, *x1) = (u64::from(u32::from(FuncId::MsgSendDirectReq64)), ids(0, partner.id()));
        (*x2, *x3) = (0, number);
        let answer = Answer(normal.endpoint().call(registers));
        outcome_of(&answer, 0, partner)?;
        for place in 8..18 {
            let seen = answer.x(place);
            ensure(seen == 0 || seen == OURS | place as u64, [place as u64, seen, 0])?;
        }
    }
    Ok(())
}

/// What the normal world has in the registers.
const OURS: u64 = 0x0a0a_0a0a_0000_0000;

fn look_at_arrival(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    for (place, seen) in endpoint.arrival().into_iter().enumerate().skip(8) {
        ensure(seen == 0 || seen == secret(place), [place as u64, seen, 0])?;
    }
    Ok([0; 4])
}

/// A receiver that speaks FF-A 1.2 finds zero there (table 8.2; 11.2).
fn reserved_are_zero(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerMp, number, [0; 4]).map(|_| ())
}

fn look_for_zero(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    for (place, seen) in endpoint.arrival().into_iter().enumerate().skip(8) {
        ensure(seen == 0, [place as u64, seen, 0])?;
    }
    Ok([0; 4])
}

/// 32-bit words arrive as such, and zero above.
fn payload_32(normal: &mut dyn NormalWorld) -> Outcome {
    for partner in present(normal, &[Partner::PeerMp, Partner::Old10]) {
        let words = [0; 5].map(|_: u64| normal.random());
        let [a, b, c, d, e] = words;
        let request = [ids(0, partner.id()), 0, a, b, c, d, e];
        let answer = call(normal.endpoint(), FuncId::MsgSendDirectReq32, &request);
        answer.is(FuncId::MsgSendDirectResp32)?;
        same(answer.w(1), ids(partner.id(), 0))?;
        for (place, sent) in (3..).zip(words) {
            same(answer.x(place), !sent & 0xffff_ffff)?;
        }
    }
    Ok(())
}

/// A 64-bit request may be answered by 32-bit words (FF-A 1.3's clarification), a 32-bit one not by 64-bit ones.
fn mixed_widths(normal: &mut dyn NormalWorld) -> Outcome {
    let request = [ids(0, Partner::PeerUp.id()), 0, WIDE_ANSWER, 0, 0, 0, 0];
    let answer = call(normal.endpoint(), FuncId::MsgSendDirectReq32, &request);
    answer.is(FuncId::MsgSendDirectResp32)?;
    // The status that the partition got for its wide answer.
    same(answer.w(3), i32::from(Denied).cast_unsigned())
}
