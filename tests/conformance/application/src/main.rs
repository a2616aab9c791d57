// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The conformance suite's partition at S-EL0: it does its side of a case when it is asked to, and knows nothing itself.
//!
//! It has no vectors, no translation of its own and no SMC: calls go by SVC, and interrupts come as FFA_INTERRUPT.
#![no_std]
#![no_main]

mod application;
mod entry;
mod gpio;
#[path = "../../partition/src/pages.rs"]
mod pages;
mod svc;
#[path = "../../partition/src/vectors.rs"]
mod vectors;

use application::Application;
use arm_ffa::FuncId;
use conformance::endpoint::Registers;
use conformance::exchange::{answer_32, answer2, secret};

const REQUEST_32: u64 = FuncId::MsgSendDirectReq32 as u64;
const REQUEST_64: u64 = FuncId::MsgSendDirectReq64 as u64;
const REQUEST2: u64 = FuncId::MsgSendDirectReq64_2 as u64;
const RUN: u64 = FuncId::Run32 as u64;
const INTERRUPT: u64 = FuncId::Interrupt32 as u64;

/// Starts, and serves for ever. Called by the entry code, once.
extern "C" fn application_main(boot_information: u64) -> ! {
    let Some(mut application) = Application::start(boot_information) else { entry::fail() };
    let mut next = give_back(FuncId::MsgWait32, []);
    loop {
        let entered = svc::call(next);
        application.arrival = entered;
        let [function, parties, second, request @ ..] = entered;
        let [x3, x4, x5, x6, x7, ..] = request;
        let turned = parties << 16 & 0xffff_0000 | parties >> 16 & 0xffff;
        next = match function {
            REQUEST_64 => {
                let [a, b, c, d, e] = application.serve([x3, x4, x5, x6, x7]);
                give_back(FuncId::MsgSendDirectResp64, [turned, 0, a, b, c, d, e])
            }
            REQUEST_32 => {
                let [a, b, c, d, e] =
                    answer_32(&mut application, [x3, x4, x5, x6, x7].map(low)).map(u64::from);
                give_back(FuncId::MsgSendDirectResp32, [turned, 0, a, b, c, d, e])
            }
            REQUEST2 => answer2(&entered),
            RUN => {
                application.run();
                give_back(FuncId::MsgWait32, [])
            }
            INTERRUPT => {
                application.interrupted([parties, second]);
                give_back(FuncId::MsgWait32, [])
            }
            _ => entry::fail(),
        };
    }
}

/// Returns the registers of a call that gives the core back, with secrets in those that it does not define.
fn give_back<const N: usize>(function: FuncId, arguments: [u64; N]) -> Registers {
    let mut registers: Registers = core::array::from_fn(|number| if number < 8 { 0 } else { secret(number) });
    let [x0, rest @ ..] = &mut registers;
    *x0 = u64::from(u32::from(function));
    rest.iter_mut().zip(arguments).for_each(|(register, value)| *register = value);
    registers
}

#[expect(clippy::cast_possible_truncation, reason = "32-bit parameters stand in the lower halves")]
const fn low(register: u64) -> u32 {
    register as u32
}
