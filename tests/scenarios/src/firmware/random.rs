// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls that mean nothing, by the thousand.

use super::{command, messages::test_sp};
use crate::{
    ensure,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::World,
};
use arm_ffa::FuncId;
use nwd::ffa;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "random-calls",
    claim: "No FF-A call, whatever its registers hold, stops the SPMC or a partition",
    expected: "4,000 answers, each an error, a success or a response; everything works afterwards",
    audience: Test,
    cores: 1,
    run: random_calls,
}];

/// FF-A's function numbers, in both calling conventions (DEN0077A, 11.2; DEN0028, 6.4).
const FIRST: u64 = 0x60;
const COUNT: u64 = 0x90;
const CONVENTIONS: [u64; 2] = [0x8400_0000, 0xc400_0000];

fn random_calls(world: &mut World) -> Outcome {
    const CALLS: u32 = 4000;
    let test_sp = test_sp(world)?;
    let service = u64::from(world.iommu.partition());
    let success = [FuncId::Success32, FuncId::Success64].map(|id| u64::from(u32::from(id)));
    let response = [FuncId::MsgSendDirectResp32, FuncId::MsgSendDirectResp64, FuncId::MsgSendDirectResp64_2]
        .map(|id| u64::from(u32::from(id)));
    let error = u64::from(u32::from(FuncId::Error32));
    let version = u64::from(u32::from(FuncId::Version));
    let [mut successes, mut responses, mut errors] = [0_u32; 3];
    for _ in 0..CALLS {
        let random = world.random.word();
        let convention = if random & 1 == 0 { CONVENTIONS[0] } else { CONVENTIONS[1] };
        let function = convention + FIRST + (random >> 8) % COUNT;
        let mut call = [0; 18];
        for register in call.iter_mut().skip(1) {
            // Of any width, and often zero: most registers have to be.
            let word = world.random.word();
            *register = if word & 3 == 0 { 0 } else { word >> (word >> 58) };
        }
        call[0] = function;
        if random & 2 == 0 {
            // From an endpoint of the normal world to the service; the partition for tests would do what it is told.
            call[1] = (random >> 32 & 0x7) << 16 | service;
        } else if call[1] & 0xffff == u64::from(test_sp) {
            call[1] = 0;
        }
        let answer = ffa::registers(call)[0];
        let low = answer & 0xffff_ffff;
        if success.contains(&low) {
            successes += 1;
        } else if response.contains(&low) {
            responses += 1;
        } else {
            // FFA_VERSION, and calls that nobody knows, answer with a bare number.
            ensure!(
                low == error || low == 0xffff_ffff || function & 0xbfff_ffff == version & 0xbfff_ffff,
                "{function:#x}: {answer:#x}"
            );
            errors += 1;
        }
    }
    // Whatever was mapped or left full by chance.
    let _ = ffa::rx_release();
    let _ = ffa::rxtx_unmap();
    let echo = [command::ECHO, 1, 2, 3, 4];
    ensure!(ffa::direct(test_sp, echo)? == echo, "the partition for tests does not answer");
    ensure!(ffa::id_get()? == ffa::SELF, "ID_GET");
    world.iommu.version()?;
    seen!(
        "{CALLS} calls: {errors} errors, {successes} successes, {responses} responses; everything works afterwards"
    )
}
