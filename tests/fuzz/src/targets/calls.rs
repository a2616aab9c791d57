// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of both worlds on several cores, with the buffers, interrupts and failures that go between them.
//!
//! What a core does with what the SPMC decides is what `spm/src/run/chain.rs` does: a chain of vCPUs, of which the last one runs.
#![expect(
    clippy::indexing_slicing,
    reason = "numbers of cores are below CORES, and what does not hold ends a test"
)]

use spm_core::cycles::Resume;
use spm_core::direct_message::VcpuRef;
use spm_core::hardware::FakeHardware;
use spm_core::interrupts::InterruptLine;
use spm_core::partition::CoreIndex;
use spm_core::partition_calls::PartitionNext;
use spm_core::registers::function_id;
use spm_core::spmc::{NormalNext, Spmc};
use spm_core::vcpu::{Vcpu, VcpuState};
use spm_core::work::Work;

use crate::fixture::{Places, boot};
use crate::input::Input;

const CORES: usize = 3;
/// FFA_PARTITION_INFO_GET_REGS answers in x0–x17, all others in x0–x7.
const PARTITION_INFO_GET_REGS: u32 = 0xc400_008b;
const VERSION: u64 = 0x8400_0063;
const SUCCESS: u64 = 0x8400_0061;
const ERROR: u64 = 0x8400_0060;
/// FFA_MSG_SEND_DIRECT_RESP, of 32 and of 64 bits, and FFA_MSG_SEND_DIRECT_RESP2.
const RESPONSES: [u32; 3] = [0x8400_0070, 0xc400_0070, 0xc400_008e];
/// Bit of a function ID: 64-bit registers.
const WIDE: u64 = 1 << 30;
/// FFA_MEM_DONATE, LEND, SHARE.
pub(super) const SENDS_MEMORY: std::ops::RangeInclusive<u64> = 0x8400_0071..=0x8400_0073;

/// Three cores of a machine.
pub(super) struct Cores<'a> {
    pub(super) spmc: &'a Spmc,
    pub(super) hardware: FakeHardware,
    pub(super) places: &'a Places,
    chains: [Vec<VcpuRef>; CORES],
    /// Of transactions that began.
    pub(super) handles: Vec<u64>,
}

/// Lets three cores do what the bytes say.
pub fn target(data: &[u8]) {
    let (booted, places) = boot();
    let mut cores = Cores {
        spmc: booted.spmc(),
        hardware: FakeHardware::default(),
        places,
        chains: Default::default(),
        handles: Vec::new(),
    };
    let mut input = Input::new(data);
    // What the normal world speaks; without a word it is 1.0.
    let version = 0x1_0000 | u64::from(input.byte() % 4);
    let mut registers = [0; 18];
    registers[..2].copy_from_slice(&[VERSION, version]);
    if let Some(first) = CoreIndex::new(0) {
        _ = cores.spmc.from_normal_world(&mut registers, first, &cores.hardware);
    }
    while !input.is_empty() {
        let step = input.byte();
        let core = input.below(CORES);
        match step % 16 {
            0..8 => cores.call(core, &mut input),
            8 | 9 => cores.write(&mut input),
            10 => cores.interrupt(core, &mut input),
            11 if input.byte() & 1 == 0 => cores.start_again(core),
            11 => cores.run_for_interrupt(core),
            12 => cores.hypercall(core, &mut input),
            13 => cores.preempt(core),
            14 => cores.fail(core),
            _ => {
                if let Some(number) = CoreIndex::new(core as u64) {
                    cores.spmc.raise_what_is_due(number, &cores.hardware);
                    _ = cores.spmc.run_timers(number, u64::from(input.byte()), &cores.hardware);
                }
            }
        }
        cores.check();
    }
}

impl Cores<'_> {
    fn vcpu(&self, at: VcpuRef) -> &Vcpu {
        let vcpu = self.spmc.partitions().get(at.partition).and_then(|partition| partition.vcpu(at.vcpu));
        let Some(vcpu) = vcpu else { unreachable!("{at:?} is not there") };
        vcpu
    }

    /// The last of the chain calls, or the normal world where nobody runs.
    fn call(&mut self, core: usize, input: &mut Input<'_>) {
        let mut registers = self.registers(self.chains[core].last().copied(), input);
        let (function, before) = (function_id(&registers), registers);
        let Some(number) = CoreIndex::new(core as u64) else { return };
        let is_answer = match self.chains[core].last() {
            None => match self.spmc.from_normal_world(&mut registers, number, &self.hardware) {
                NormalNext::Answer => true,
                NormalNext::Aborted => {
                    self.end_all(core);
                    true
                }
                NormalNext::Request(to, _) => self.enter(core, to),
                NormalNext::Run(to, _) => self.enter(core, to),
                NormalNext::CoreOff => match self.spmc.claim_for_core_off(0, number) {
                    Some(to) => self.enter(core, to),
                    None => {
                        self.spmc.agree_to_core_off(&mut registers);
                        true
                    }
                },
                NormalNext::Interrupt => false,
            },
            Some(&from) => {
                let next = self.spmc.from_partition(from, &mut registers, number, &self.hardware);
                if next == PartitionNext::Answer && self.vcpu(from).state() == VcpuState::Aborted {
                    // A response is looked at before its partition is, and one that nobody waits for is refused.
                    let refused = RESPONSES.contains(&function) && registers[0] == ERROR;
                    assert!(
                        registers == before || refused,
                        "{registers:x?}: served, though its partition has aborted"
                    );
                    self.leave(core, VcpuState::Stopped);
                    return;
                }
                self.follow(core, from, next)
            }
        };
        if is_answer && SENDS_MEMORY.contains(&(before[0] & !WIDE)) && registers[0] == SUCCESS {
            self.handles.push(registers[2] & 0xffff_ffff | registers[3] << 32);
        }
        if is_answer && function != PARTITION_INFO_GET_REGS {
            assert_eq!(registers[8..], before[8..], "{function:#x} touches what it does not define");
        }
    }

    /// Does what a partition's call asks for. Returns whether that is an answer.
    fn follow(&mut self, core: usize, from: VcpuRef, next: PartitionNext) -> bool {
        match next {
            PartitionNext::Answer => return true,
            PartitionNext::Request(to, _) => _ = self.enter(core, to),
            PartitionNext::Run(to, resume) => {
                assert!(matches!(resume, Resume::Run | Resume::Untouched));
                _ = self.enter(core, to);
            }
            PartitionNext::Response(_) => self.leave(core, VcpuState::Waiting),
            PartitionNext::Wait => {
                let work = self.vcpu(from).work();
                // For an interrupt, or to start again, one runs beside whoever has the core.
                assert!(
                    matches!(work, Work::Interrupt | Work::Start) || self.chains[core].len() == 1,
                    "it waits while somebody waits for it: {work:?}"
                );
                if work == Work::Start {
                    self.spmc.started(from, &self.hardware);
                }
                self.vcpu(from).set_work(Work::Nothing);
                self.leave(core, VcpuState::Waiting);
            }
            PartitionNext::Yield => self.leave(core, VcpuState::Yielded),
            PartitionNext::Failed(_) => self.fail(core),
        }
        false
    }

    /// A vCPU that was claimed begins to run. Always false: that is no answer.
    fn enter(&mut self, core: usize, to: VcpuRef) -> bool {
        let is_held = self.chains.iter().flatten().any(|held| *held == to);
        assert!(!is_held, "{to:?} was claimed, and runs or waits already");
        assert_eq!(self.vcpu(to).state(), VcpuState::Running, "{to:?} was claimed");
        if let Some(caller) = self.chains[core].last() {
            // It stays stopped if it was stopped meanwhile.
            _ = self.vcpu(*caller).transition(VcpuState::Running, VcpuState::Blocked);
        }
        self.chains[core].push(to);
        false
    }

    /// The last of the chain gives the core back; whoever was stopped meanwhile does so, too.
    fn leave(&mut self, core: usize, next: VcpuState) {
        let Some(last) = self.chains[core].pop() else { return };
        if self.vcpu(last).transition(VcpuState::Running, next).is_err() {
            self.give_up(last, core);
        }
        while let Some(caller) = self.chains[core].last() {
            if self.vcpu(*caller).transition(VcpuState::Blocked, VcpuState::Running).is_ok() {
                return;
            }
            let aborted = *caller;
            self.chains[core].pop();
            self.give_up(aborted, core);
        }
    }

    /// A vCPU of a partition that aborted is left by the core that had it.
    fn give_up(&self, at: VcpuRef, core: usize) {
        self.vcpu(at).give_up();
        self.end(at.partition, core);
    }

    fn end(&self, partition: usize, core: usize) {
        let Some(number) = CoreIndex::new(core as u64) else { return };
        if self.spmc.end(partition, number, &self.hardware).is_some() {
            let held = self.chains.iter().flatten().any(|held| held.partition == partition);
            assert!(!held, "partition {partition} came to its end, and cores have it");
        }
    }

    fn end_all(&self, core: usize) {
        (0..self.spmc.partitions().len()).for_each(|partition| self.end(partition, core));
    }

    /// A vCPU of a partition that starts again begins to run.
    fn start_again(&mut self, core: usize) {
        let Some(number) = CoreIndex::new(core as u64) else { return };
        if let Some(start) = self.spmc.claim_for_start(number) {
            assert_eq!(self.vcpu(start.at).work(), Work::Start);
            self.enter(core, start.at);
        }
    }

    /// The last of the chain does what nobody may.
    fn fail(&mut self, core: usize) {
        if let Some(last) = self.chains[core].last() {
            self.spmc.abort(*last, &self.hardware);
            self.leave(core, VcpuState::Stopped);
        }
    }

    /// The normal world's interrupt takes the core from the last of the chain.
    fn preempt(&mut self, core: usize) {
        let is_interruptible = |at: &VcpuRef| self.vcpu(*at).work() != Work::Interrupt;
        if self.chains[core].last().is_some_and(is_interruptible) {
            self.leave(core, VcpuState::Preempted);
        }
    }

    fn interrupt(&mut self, core: usize, input: &mut Input<'_>) {
        let Some(number) = CoreIndex::new(core as u64) else { return };
        if let Ok(intid) = u32::try_from(input.value(self.places)) {
            _ = self.spmc.take_interrupt(intid, number, &self.hardware);
        }
    }

    fn run_for_interrupt(&mut self, core: usize) {
        let Some(number) = CoreIndex::new(core as u64) else { return };
        if let Some((to, line)) = self.spmc.claim_for_interrupt(number, &mut 0) {
            assert_ne!(line, InterruptLine::MANAGED_EXIT, "nobody runs for that");
            self.enter(core, to);
        }
    }

    fn hypercall(&mut self, core: usize, input: &mut Input<'_>) {
        let Some(&from) = self.chains[core].last() else { return };
        let Some(number) = CoreIndex::new(core as u64) else { return };
        let mut registers = self.registers(Some(from), input);
        registers[0] = 0xff00 | u64::from(input.byte() & 0xf);
        let before = registers;
        if self.spmc.hypercall(from, &mut registers, number, &self.hardware) {
            assert_eq!(registers[1..], before[1..], "{:#x} touches what it does not define", before[0]);
        }
    }

    /// Each vCPU is in the state of its place in a chain, or stopped.
    fn check(&self) {
        for (place, partition) in self.spmc.partitions().iter().enumerate() {
            for vcpu in 0..partition.contexts() {
                let at = VcpuRef { partition: place, vcpu };
                let state = self.vcpu(at).state();
                let chain = self.chains.iter().find(|chain| chain.contains(&at));
                let fits = match (chain, state) {
                    (None, VcpuState::Stopped) | (Some(_), VcpuState::Aborted) => partition.is_stopped(),
                    (Some(chain), VcpuState::Running) => chain.last() == Some(&at),
                    (Some(chain), VcpuState::Blocked) => chain.last() != Some(&at),
                    (None, VcpuState::Waiting | VcpuState::Yielded | VcpuState::Preempted) => true,
                    (None, VcpuState::Off) => partition.life().restarts() > 0,
                    _ => false,
                };
                assert!(fits, "{at:?} is {state:?}, the chains are {:?}", self.chains);
            }
        }
    }
}
