// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition for tests: it echoes, faults on demand, and tells whether its registers survive a visit of the normal world.
//!
//! It does whatever anybody asks and belongs into no product. Requests are 64-bit direct requests; [`protocol`] lists
//! them. What it finds is judged by the scenarios, not here.
#![no_std]
#![no_main]

mod buffers;
mod fault;
mod ffa_call;
mod memory;
mod protocol;
mod registers;
mod timer;
mod vcpu;

use core::convert::Infallible;

use sp_runtime::{BootInfo, EndpointId, Extended, Partition, Received, VcpuId, log, mpidr, partition};

use protocol::{Command, Status};
use registers::Classes;
use vcpu::Vcpu;

struct TestSp;

impl Partition for TestSp {
    type Error = Infallible;

    fn start(boot: &BootInfo) -> Result<Self, Self::Error> {
        memory::start(boot.id());
        log!("partition {} is ready", boot.id());
        Ok(Self)
    }

    #[inline(always)]
    fn direct_request(&self, vcpu: VcpuId, _from: EndpointId, arguments: [u64; 5]) -> [u64; 5] {
        // Single values, so that an echo never passes through memory.
        let [number, a, b, c, d] = arguments;
        if number == protocol::ECHO { [number, a, b, c, d] } else { execute(vcpu, number, a, b, c, d) }
    }

    fn direct_request_32(&self, _vcpu: VcpuId, _from: EndpointId, arguments: [u32; 5]) -> [u32; 5] {
        let [number, ..] = arguments;
        if u64::from(number) == protocol::ECHO { arguments } else { Status::NotSupported.answer_32() }
    }

    #[inline(never)]
    fn interrupted(&self, vcpu: VcpuId) {
        timer::note_interrupt(&Vcpu::of(vcpu).timer);
    }

    #[inline(always)]
    fn direct_request2(
        &self,
        _vcpu: VcpuId,
        _from: EndpointId,
        _: [u64; 2],
        arguments: Extended,
    ) -> Extended {
        arguments
    }

    #[inline(always)]
    fn exchange(&self, vcpu: VcpuId, registers: [u64; 8]) -> Received {
        let general = &Vcpu::of(vcpu).general;
        if general.is_armed() {
            let [x0, x1, x2, x3, x4, x5, x6, x7] = registers;
            let [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17] =
                general.exchange(x0, x1, x2, x3, x4, x5, x6, x7);
            [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17]
        } else {
            sp_runtime::exchange(registers)
        }
    }
}

/// Does what is asked for.
#[inline(never)]
fn execute(vcpu: VcpuId, number: u64, a: u64, b: u64, c: u64, d: u64) -> [u64; 5] {
    let state = Vcpu::of(vcpu);
    let calls = state.count_call();
    let Some(command) = Command::from_number(number) else { return Status::NotSupported.answer() };
    match command {
        Command::Echo => [number, a, b, c, d],
        Command::Access => fault::access(a, b, c),
        Command::Poison => registers::poison(state, Classes::from_bits(a), b),
        Command::Check => registers::check(state, Classes::from_bits(a), b),
        Command::Report => {
            let (rx, tx) = buffers::addresses();
            [vcpu.index() as u64, mpidr(), calls, rx, tx]
        }
        Command::Undefined => fault::undefined_instruction(),
        Command::FfaCall => ffa_call::call(&mut state.call.lock(), a, [b, c, d]),
        Command::PrepareCall => state.call.lock().prepare([a, b, c, d]),
        Command::CallResults => state.call.lock().results(),
        Command::Hypercall => ffa_call::hypercall(a, [b, c, d]),
        Command::Retrieve => memory::retrieve(a, b),
        Command::Relinquish => memory::relinquish(a, b),
        Command::Send => memory::send(a, b, c),
        Command::Reclaim => memory::reclaim(a),
        Command::ArmTimer => timer::arm(&state.timer, a),
        Command::Lateness => timer::lateness(&state.timer),
    }
}

partition!(TestSp);
