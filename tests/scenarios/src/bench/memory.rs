// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that goes to a partition and back: FFA_MEM_SHARE and FFA_MEM_RECLAIM counted here, FFA_MEM_RETRIEVE_REQ and
//! FFA_MEM_RELINQUISH in the partition; the messages that make it call are not counted.

use super::{Clock, message};
use crate::{
    report,
    scenario::Failure,
    world::{PAGE, World},
};
use arm_ffa::FuncId;
use nwd::{
    ffa,
    memory::{self, READ_WRITE},
    ram::Ram,
};

const ROUNDS: u64 = 100;
/// test-sp's commands.
const RETRIEVE: u64 = 11;
const RELINQUISH: u64 = 12;

/// Counts the cycles.
pub(super) fn cycles(world: &World, clock: &Clock, to: u16) -> Result<(), Failure> {
    let (receive, transmit) = (world.page(100), world.page(101));
    ffa::rxtx_map(&receive, &transmit)?;
    let first = world.page(1024).address().0;
    let scattered = (0..200).map(|index| (first + 2 * index * PAGE, 1));
    cycle(clock, to, &transmit, "mem_cycle_1", [(first, 1)].into_iter())?;
    cycle(clock, to, &transmit, "mem_cycle_512", [(first + PAGE, 512)].into_iter())?;
    cycle(clock, to, &transmit, "mem_cycle_200x1", scattered)?;
    ffa::rxtx_unmap()?;
    Ok(())
}

fn cycle(
    clock: &Clock,
    to: u16,
    transmit: &Ram,
    name: &str,
    ranges: impl Iterator<Item = (u64, u32)>,
) -> Result<(), Failure> {
    let length = memory::describe(transmit, &[(to, READ_WRITE)], ranges);
    let send = memory::send_call(FuncId::MemShare32, length);
    let mut ticks = [0_u64; 4];
    for _ in 0..ROUNDS {
        let (sent, answer) = call(clock, send);
        let handle = memory::handle(&answer)?;
        let retrieved = asked(to, RETRIEVE, handle)?;
        let relinquished = asked(to, RELINQUISH, handle)?;
        let (reclaimed, answer) = call(clock, memory::reclaim_call(handle));
        memory::handle(&answer)?;
        for (sum, part) in ticks.iter_mut().zip([sent, retrieved, relinquished, reclaimed]) {
            *sum = sum.saturating_add(part);
        }
    }
    let parts = ticks.map(|ticks| clock.instructions(ticks, ROUNDS));
    nwd::log!("{name}: share, retrieve, relinquish, reclaim: {parts:?}");
    report::bench(name, parts.iter().sum());
    Ok(())
}

/// Makes a call; returns its ticks.
fn call(clock: &Clock, call: [u64; 18]) -> (u64, [u64; 18]) {
    let mut registers = [0; 8];
    registers.iter_mut().zip(call).for_each(|(register, value)| *register = value);
    let ticks = clock.call(&mut registers);
    let mut answer = [0; 18];
    answer.iter_mut().zip(registers).for_each(|(register, value)| *register = value);
    (ticks, answer)
}

/// Lets the partition make a call; returns the ticks that it counted.
fn asked(to: u16, command: u64, handle: u64) -> Result<u64, Failure> {
    let mut call = [0; 18];
    call.iter_mut()
        .zip(message(to, [command, handle, 0, 0, 0]))
        .for_each(|(register, value)| *register = value);
    let answer = ffa::registers(call);
    if answer[3] == 0 {
        Ok(answer[4])
    } else {
        Err(Failure::new(format_args!("command {command}: {answer:x?}")))
    }
}
