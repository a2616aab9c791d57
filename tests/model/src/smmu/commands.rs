// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Consuming commands (IHI 0070, chapter 4 and 7.1). Consumed is not done: an effect comes when the SMMU likes, at the
//! latest before the next CMD_SYNC is consumed, and so do accesses that began before it.

use super::{Access, Smmu, Surroundings};
use crate::architecture::command::{COMMAND_WORDS, Command, Illegal, Scope};
use crate::architecture::registers::{CERROR_ABT, CERROR_ILL, CMDQ_CONS_ERR_SHIFT, CMDQ_ERR, CMDQEN};
use crate::architecture::{bits, low};
use crate::finding::Invariant;
use crate::memory::Place;

/// What a command will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Streams from the first on, so many, are forgotten; `leaf` keeps first-level descriptors.
    Streams { first: u32, log2: u32, leaf: bool },
    /// A stream's context descriptor is forgotten.
    Context(u32),
    /// Translations are forgotten.
    Translations(Scope),
}

/// A circular queue, from its base register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    base: u64,
    log2: u32,
    entry_bytes: u64,
}

impl Queue {
    /// Reads LOG2SIZE (4:0) and ADDR (55:5); the address is aligned to the queue's size (6.3.26).
    pub(super) fn new(register: u64, largest: u32, entry_bytes: u64) -> Self {
        let log2 = low(bits(register, 4, 0)).min(largest);
        let size = (entry_bytes << log2).max(32);
        Self { base: register & 0x00ff_ffff_ffff_ffe0 & !(size - 1), log2, entry_bytes }
    }

    /// Returns where the entry of an index stands.
    pub(super) fn entry(self, index: u32) -> u64 {
        self.base + u64::from(index & ((1 << self.log2) - 1)) * self.entry_bytes
    }

    /// Keeps the position and the wrap bit of an index.
    pub(super) const fn index(self, register: u32) -> u32 {
        register & ((2 << self.log2) - 1)
    }

    /// Returns how many entries are between two indices.
    pub(super) const fn used(self, producer: u32, consumer: u32) -> u32 {
        self.index(self.index(producer).wrapping_sub(self.index(consumer)))
    }

    /// Returns how many entries there are.
    pub(super) const fn entries(self) -> u32 {
        1 << self.log2
    }
}

impl Smmu {
    fn command_queue(&self) -> Queue {
        Queue::new(self.registers.command_queue, bits_of_queue(self.read_idr1(), 21), 8 * COMMAND_WORDS)
    }

    /// Finds a producer index that leaves the queue inconsistent (3.21.2).
    pub(super) fn check_producer(&self, around: &mut Surroundings) {
        let queue = self.command_queue();
        let registers = &self.registers;
        let used = queue.used(registers.command_producer, registers.command_consumer);
        if registers.settled_control() & CMDQEN != 0 && used > queue.entries() {
            around
                .findings
                .note(Invariant::Rules, || format!("{used} commands in a queue for {}", queue.entries()));
        }
    }

    /// Consumes the next command, if there is one and it can be.
    pub(super) fn consume(&mut self, around: &mut Surroundings) {
        let queue = self.command_queue();
        let index = queue.index(self.registers.command_consumer);
        let stopped = self.registers.active_errors() & CMDQ_ERR != 0;
        let enabled = self.registers.control(&mut around.random) & CMDQEN != 0;
        if !enabled || stopped || queue.index(self.registers.command_producer) == index {
            return;
        }
        let at = queue.entry(index);
        if around.memory.place(at) != Place::Pool {
            around.findings.note(Invariant::Pool, || format!("a command was fetched from {at:#x}"));
        }
        let (Ok(first), Ok(second)) = (around.memory.read(at), around.memory.read(at + 8)) else {
            return self.stop(CERROR_ABT);
        };
        let command = match Command::decode([first, second], &self.features.of_commands()) {
            Ok(command) => command,
            Err(Illegal) => {
                around.findings.note(Invariant::Rules, || format!("illegal command {first:#x} {second:#x}"));
                return self.stop(CERROR_ILL);
            }
        };
        match command {
            Command::Sync => {
                // One thing at a time: others act in between.
                if !self.begun.is_empty() {
                    return self.finish_one(around);
                }
                if !self.due.is_empty() {
                    return;
                }
            }
            Command::Prefetch => {}
            Command::ForgetContexts { stream } => self.begun.push(Effect::Context(stream)),
            Command::ForgetStream { stream, leaf } => {
                self.begun.push(Effect::Streams { first: stream, log2: 0, leaf });
            }
            Command::ForgetStreams { stream, range } => {
                // The streams whose IDs differ in the lowest bits only (4.3.2).
                let log2 = (range + 1).min(32);
                let first = if log2 >= 32 { 0 } else { stream & !((1 << log2) - 1) };
                self.begun.push(Effect::Streams { first, log2, leaf: false });
            }
            Command::Invalidate(scope) => self.begun.push(Effect::Translations(scope)),
        }
        self.registers.command_consumer = queue.index(index + 1);
    }

    fn stop(&mut self, reason: u32) {
        let index = self.registers.command_consumer & 0xf_ffff;
        self.registers.command_consumer = index | reason << CMDQ_CONS_ERR_SHIFT;
        self.registers.raise(CMDQ_ERR);
    }

    /// Has one effect come.
    pub(super) fn finish_one(&mut self, around: &mut Surroundings) {
        let place = around.random.place(self.begun.len());
        if place >= self.begun.len() {
            return;
        }
        match self.begun.remove(place) {
            Effect::Streams { first, log2, leaf } => {
                let hit = |stream: u32| u64::from(stream).wrapping_sub(first.into()) < 1 << log2;
                self.configurations.forget(hit, leaf);
                self.make_due(|access| hit(access.transaction.stream));
            }
            Effect::Context(stream) => {
                self.configurations.forget_context(stream);
                self.make_due(|access| access.transaction.stream == stream);
            }
            Effect::Translations(scope) => {
                self.tlb.forget(&scope);
                self.make_due(|access| access.is_of(&scope));
            }
        }
    }

    /// Has accesses awaited by the next CMD_SYNC.
    fn make_due(&mut self, hit: impl Fn(&Access) -> bool) {
        let (due, others) = self.under_way.drain(..).partition::<Vec<_>, _>(hit);
        self.under_way = others;
        self.due.extend(due);
    }

    pub(super) fn read_idr1(&self) -> u32 {
        self.features.register(crate::architecture::registers::IDR1)
    }
}

/// Returns the largest size of a queue, from five bits of IDR1.
pub(super) const fn bits_of_queue(idr1: u32, shift: u32) -> u32 {
    (idr1 >> shift) & 0x1f
}
