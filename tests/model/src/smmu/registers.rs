// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The registers of the non-secure interface (IHI 0070, 6.3): values, updates that take a while, and when each may be
//! written.

use super::{Features, Smmu, Surroundings};
use crate::architecture::low;
use crate::architecture::registers::{
    ABORT, ATSCHK, CMDQ_BASE, CMDQ_CONS, CMDQ_PROD, CMDQEN, CR0, CR0ACK, CR1, CR2, EVENTQ_BASE, EVENTQ_CONS,
    EVENTQ_IRQ_CFG0, EVENTQ_IRQEN, EVENTQ_PROD, EVENTQEN, GBPA, GERROR, GERROR_IRQ_CFG0, GERROR_IRQEN,
    GERRORN, IRQ_CTRL, IRQ_CTRLACK, SMMUEN, STRTAB_BASE, STRTAB_BASE_CFG, UPDATE,
};
use crate::finding::{Findings, Invariant};
use crate::random::Random;

/// A register whose update takes a while (6.3.9, 6.3.14): until it has completed, either value may be in effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow {
    pub(super) written: u32,
    pub(super) effective: u32,
}

impl Slow {
    const fn new(value: u32) -> Self {
        Self { written: value, effective: value }
    }

    const fn settled(self) -> bool {
        self.written == self.effective
    }
}

/// The values of all registers.
#[derive(Debug)]
pub(super) struct Registers {
    control: Slow,
    bypass: Slow,
    pub(super) interrupts: Slow,
    memory_attributes: u32,
    recording: u32,
    pub(super) errors: u32,
    pub(super) acknowledged: u32,
    pub(super) stream_table: u64,
    pub(super) stream_table_shape: u32,
    pub(super) command_queue: u64,
    pub(super) command_producer: u32,
    pub(super) command_consumer: u32,
    pub(super) event_queue: u64,
    pub(super) event_producer: u32,
    pub(super) event_consumer: u32,
    /// Enables of IRQ_CTRL whose interrupt was raised and not delivered yet.
    pub(super) raised: u32,
}

impl Registers {
    /// What stands there after reset: much of it is not known.
    pub(super) fn reset(features: &Features, random: &mut Random) -> Self {
        let mut unknown = || low(random.word());
        Self {
            control: Slow::new(0),
            bypass: Slow::new(if features.resets_to_abort { ABORT } else { 0x1000 }),
            interrupts: Slow::new(0),
            memory_attributes: unknown(),
            recording: 0,
            errors: 0,
            acknowledged: 0,
            stream_table: unknown().into(),
            stream_table_shape: unknown() & 0x3_07ff,
            command_queue: unknown().into(),
            command_producer: unknown() & 0xf_ffff,
            command_consumer: unknown() & 0xf_ffff,
            event_queue: unknown().into(),
            event_producer: unknown() & 0xf_ffff,
            event_consumer: unknown() & 0xf_ffff,
            raised: 0,
        }
    }

    /// Completes updates.
    pub(super) const fn step(&mut self) {
        self.control.effective = self.control.written;
        self.bypass.effective = self.bypass.written;
        self.interrupts.effective = self.interrupts.written;
    }

    /// Returns which fields of CR0 are in effect; one that is being updated may be the old or the new.
    pub(super) fn control(&self, random: &mut Random) -> u32 {
        if self.control.settled() || random.once_in(2) {
            self.control.effective
        } else {
            self.control.written
        }
    }

    /// Tells whether DMA is aborted while the SMMU does not translate.
    pub(super) fn aborts(&self, random: &mut Random) -> bool {
        let bypass = self.bypass;
        let value = if bypass.settled() || random.once_in(2) { bypass.effective } else { bypass.written };
        value & ABORT != 0
    }

    /// Returns the fields of CR0 that are set and have taken effect.
    pub(super) const fn settled_control(&self) -> u32 {
        self.control.effective & self.control.written
    }

    /// Returns CR2.
    pub(super) const fn recording(&self) -> u32 {
        self.recording
    }

    /// Returns errors that are active and not acknowledged.
    pub(super) const fn active_errors(&self) -> u32 {
        self.errors ^ self.acknowledged
    }

    /// Activates an error.
    pub(super) const fn raise(&mut self, error: u32) {
        if error & !self.active_errors() != 0 {
            self.interrupt(GERROR_IRQEN);
        }
        self.errors ^= error & !self.active_errors();
    }

    fn write(&mut self, offset: usize, value: u64, features: &Features, findings: &mut Findings) {
        let enabled = self.control.written | self.control.effective;
        let guard = match offset {
            CR1 => SMMUEN | EVENTQEN | CMDQEN,
            CR2 | STRTAB_BASE | STRTAB_BASE_CFG => SMMUEN,
            CMDQ_BASE | CMDQ_CONS => CMDQEN,
            EVENTQ_BASE | EVENTQ_PROD => EVENTQEN,
            _ => 0,
        };
        if enabled & guard != 0 {
            findings.note(Invariant::Rules, || {
                format!("register {offset:#x} was written while CR0 was {enabled:#x}")
            });
            return;
        }
        let half = low(value);
        let interrupts = self.interrupts.written | self.interrupts.effective;
        match offset {
            // There are no messages (IDR0.MSI is 0), so these are reserved; and each is guarded by its enable.
            GERROR_IRQ_CFG0 | EVENTQ_IRQ_CFG0 => {
                let guard = if offset == GERROR_IRQ_CFG0 { GERROR_IRQEN } else { EVENTQ_IRQEN };
                if value != 0 || interrupts & guard != 0 {
                    findings.note(Invariant::Rules, || format!("{offset:#x} was given {value:#x}"));
                }
            }
            CR0 => {
                let implemented = SMMUEN | EVENTQEN | CMDQEN | if features.has_ats() { ATSCHK } else { 0 };
                let changed = (half & implemented) ^ self.control.written;
                if changed & (self.control.written ^ self.control.effective) != 0 {
                    findings.note(Invariant::Rules, || {
                        "a field of CR0 was changed while its update was under way".to_owned()
                    });
                }
                self.control.written = half & implemented;
            }
            CR1 => self.memory_attributes = half & 0xfff,
            CR2 => self.recording = half & features.recording(),
            GBPA => {
                if !self.bypass.settled() || half & UPDATE == 0 {
                    findings.note(Invariant::Rules, || "GBPA was written without its procedure".to_owned());
                } else {
                    self.bypass.written = half & !UPDATE;
                }
            }
            IRQ_CTRL => self.interrupts.written = half & 0b111,
            GERRORN => self.acknowledged = half,
            STRTAB_BASE => self.stream_table = value,
            STRTAB_BASE_CFG => self.stream_table_shape = half,
            CMDQ_BASE => self.command_queue = value,
            CMDQ_PROD => self.command_producer = half,
            CMDQ_CONS => self.command_consumer = half,
            EVENTQ_BASE => self.event_queue = value,
            EVENTQ_PROD => self.event_producer = half,
            EVENTQ_CONS => self.event_consumer = half,
            _ => findings.note(Invariant::Rules, || format!("{offset:#x} is no register to be written")),
        }
    }

    fn read(&self, offset: usize, features: &Features) -> u64 {
        let half = match offset {
            CR0 => self.control.written,
            CR0ACK => self.control.effective,
            CR1 => self.memory_attributes,
            CR2 => self.recording,
            GBPA => self.bypass.written | if self.bypass.settled() { 0 } else { UPDATE },
            IRQ_CTRL => self.interrupts.written,
            IRQ_CTRLACK => self.interrupts.effective,
            GERROR => self.errors,
            GERRORN => self.acknowledged,
            STRTAB_BASE => return self.stream_table,
            STRTAB_BASE_CFG => self.stream_table_shape,
            CMDQ_BASE => return self.command_queue,
            CMDQ_PROD => self.command_producer,
            CMDQ_CONS => self.command_consumer,
            EVENTQ_BASE => return self.event_queue,
            GERROR_IRQ_CFG0 | EVENTQ_IRQ_CFG0 => 0,
            EVENTQ_PROD => self.event_producer,
            EVENTQ_CONS => self.event_consumer,
            _ => features.register(offset),
        };
        half.into()
    }
}

impl Smmu {
    /// Reads a register.
    pub(crate) fn read(&self, offset: usize) -> u64 {
        self.registers.read(offset, &self.features)
    }

    /// Writes a register.
    pub(crate) fn write(&mut self, offset: usize, value: u64, around: &mut Surroundings) {
        // One that stands still acknowledges nothing, and nobody can wait for it for ever.
        let mut forgiven = Findings::default();
        let findings = if self.wedged { &mut forgiven } else { &mut around.findings };
        self.registers.write(offset, value, &self.features, findings);
        match offset {
            CMDQ_PROD => self.check_producer(around),
            EVENTQ_CONS => self.check_consumer(around),
            _ => {}
        }
    }

    /// Activates a global error, as if something had happened.
    pub(crate) const fn raise(&mut self, error: u32) {
        self.registers.raise(error);
    }

    /// Writes a register in somebody else's name that has no effect while the SMMU translates, or for the service's work.
    pub(crate) const fn meddle(&mut self, register: u8) {
        let registers = &mut self.registers;
        match register % 3 {
            0 if registers.bypass.settled() => {
                registers.bypass = Slow::new(registers.bypass.written & !ABORT)
            }
            1 => registers.memory_attributes ^= 0b11,
            _ => registers.recording = 0,
        }
    }

    /// Returns what [`meddle`](Self::meddle) can change.
    pub(crate) const fn meddled_with(&self) -> [u32; 3] {
        let registers = &self.registers;
        [registers.bypass.written & ABORT, registers.memory_attributes, registers.recording]
    }

    /// Tells whether streams are translated, and no update is under way.
    pub(crate) const fn translates(&self) -> bool {
        self.registers.settled_control() & SMMUEN != 0
    }
}
