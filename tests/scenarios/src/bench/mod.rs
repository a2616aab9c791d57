// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instructions per operation, as seen from the normal world: counts, not times.
//!
//! The machine has to run with one tick of the counter for each instruction; a loop of known length calibrates that.

mod buffers;
mod clock;
mod interrupt;
mod memory;
mod notification;
mod service;

use crate::{report, scenario::Failure, together, world::World};
use arm_ffa::FuncId;
use clock::Clock;
use ffa_abi::{Features, Registers};
use nwd::{counter, fatal, ffa, log};

const ROUNDS: u64 = 1000;

/// Counts everything.
pub(crate) fn run(world: &mut World) {
    let clock = Clock::new();
    let (instructions, ticks) = clock.calibration();
    log!("a loop of {instructions} instructions took {ticks} ticks; {ROUNDS} rounds each");
    let counted = match world.iommu.features() {
        Ok((_, features, _)) if features.contains(Features::HYP_REQUIRED) => {
            service::count_for_hypervisor(world, &clock)
        }
        Ok(_) if world.mailbox.cores > 1 => all_cores(world, &clock),
        Ok(_) => count(world, &clock),
        Err(error) => Err(error.into()),
    };
    if let Err(Failure(why)) = counted {
        fatal(format_args!("bench: {why}"));
    }
}

/// Says when the counter stood where at this image's entry, and how it counts.
pub(crate) fn boot() {
    let (instructions, ticks) = Clock::new().calibration();
    report::bench("entered_at_tick", counter::at_entry());
    report::bench("ticks_of_1000_instructions", ticks.saturating_mul(1000) / instructions);
}

fn count(world: &mut World, clock: &Clock) -> Result<(), Failure> {
    let success = u64::from(u32::from(FuncId::Success32));
    // FFA_ID_GET: the SPMD at EL3 answers it by itself.
    let id_get = [u64::from(u32::from(FuncId::IdGet)), 0, 0, 0, 0, 0, 0, 0];
    calls(clock, "el3_call", id_get, |answer| answer[0] == success)?;
    // FFA_FEATURES of FFA_VERSION: the SPMD forwards it, the SPMC answers it without looking at any state.
    let version = u64::from(u32::from(FuncId::Version));
    let features = [u64::from(u32::from(FuncId::Features)), version, 0, 0, 0, 0, 0, 0];
    calls(clock, "spmc_call", features, |answer| answer[0] == success)?;
    let to = test_sp(world)?;
    let echo = message(to, [0, 1, 2, 3, 4]);
    let response = u64::from(u32::from(FuncId::MsgSendDirectResp64));
    calls(clock, "direct_message", echo, |answer| answer[0] == response && answer[7] == 4)?;
    // The UUID in x2 and x3 is nil: any of its services.
    let echo = [u64::from(u32::from(FuncId::MsgSendDirectReq64_2)), u64::from(to), 0, 0, 1, 2, 3, 4];
    let response = u64::from(u32::from(FuncId::MsgSendDirectResp64_2));
    calls(clock, "direct_req2", echo, |answer| answer[0] == response && answer[7] == 4)?;
    buffers::count(world, clock)?;
    notification::count(clock, to)?;
    interrupt::count(clock, to)?;
    memory::cycles(world, clock, to)?;
    service::count(world, clock)
}

/// Counts what all cores together do for a message. The emulator runs one at a time, with one counter for all.
fn all_cores(world: &World, clock: &Clock) -> Result<(), Failure> {
    let ticks = together::all_send(world, ROUNDS)?;
    let each = clock.instructions(ticks, together::CORES * ROUNDS);
    report::bench("direct_message_4core", each.saturating_sub(together::ROUND_INSTRUCTIONS));
    Ok(())
}

/// Returns the partition for tests.
pub(crate) fn test_sp(world: &World) -> Result<u16, Failure> {
    world.test_sp.ok_or_else(|| Failure::new(format_args!("the partition for tests is not there")))
}

/// Reports one call that needs nothing undone.
fn calls(
    clock: &Clock,
    name: &str,
    request: [u64; 8],
    right: impl Fn(&[u64; 8]) -> bool,
) -> Result<(), Failure> {
    let mut ticks = 0_u64;
    for _ in 0..ROUNDS {
        let mut registers = request;
        ticks = ticks.saturating_add(clock.call(&mut registers));
        if !right(&registers) {
            return Err(Failure::new(format_args!("{name}: answer {registers:x?}")));
        }
    }
    report::bench(name, clock.instructions(ticks, ROUNDS));
    Ok(())
}

/// Makes one call that has to succeed, leaves its answer in place of it, and returns its ticks.
fn succeed(clock: &Clock, what: &str, registers: &mut [u64; 8]) -> Result<u64, Failure> {
    let ticks = clock.call(registers);
    let [function, ..] = *registers;
    let good = [FuncId::Success32, FuncId::Success64].map(|id| u64::from(u32::from(id))).contains(&function);
    if good { Ok(ticks) } else { Err(Failure::new(format_args!("{what}: answer {registers:x?}"))) }
}

/// Registers of a direct message.
pub(crate) fn message(to: u16, [x3, x4, x5, x6, x7]: Registers) -> [u64; 8] {
    let function = u64::from(u32::from(FuncId::MsgSendDirectReq64));
    [function, u64::from(ffa::SELF) << 16 | u64::from(to), 0, x3, x4, x5, x6, x7]
}
