// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The register file: what may be written when, and updates that take their time (IHI 0070, 6.3).

use super::State;

/// Registers that hold what they were given, and those that take a while.
#[derive(Debug)]
pub(super) struct File {
    /// Written and acknowledged values; they differ while an update is under way.
    pub(super) cr0: Slow,
    pub(super) gbpa: Slow,
    pub(super) irq: Slow,
    pub(super) gerror_message: u64,
    pub(super) eventq_message: u64,
    cr1: u64,
    cr2: u64,
    pub(super) gerror: u64,
    pub(super) gerrorn: u64,
    pub(super) strtab_base: u64,
    pub(super) strtab_cfg: u64,
    pub(super) cmdq_base: u64,
    pub(super) cmdq_prod: u64,
    pub(super) cmdq_cons: u64,
    pub(super) eventq_base: u64,
    pub(super) eventq_prod: u64,
    pub(super) eventq_cons: u64,
}

/// A register whose update takes a while.
#[derive(Debug)]
pub(super) struct Slow {
    pub(super) written: u64,
    pub(super) effective: u64,
    countdown: u32,
}

impl Slow {
    const fn new(value: u64) -> Self {
        Self { written: value, effective: value, countdown: 0 }
    }

    /// Both values that may be in effect.
    pub(super) const fn values(&self) -> [u64; 2] {
        [self.written, self.effective]
    }

    const fn settled(&self) -> bool {
        self.written == self.effective
    }

    /// Lets time pass, and tells whether an update completed.
    fn step(&mut self) -> bool {
        if self.settled() {
            return false;
        }
        if self.countdown > 0 {
            self.countdown -= 1;
            return false;
        }
        self.effective = self.written;
        true
    }
}

pub(super) const SMMUEN: u64 = 1;
const PRIQEN: u64 = 2;
pub(super) const EVENTQEN: u64 = 4;
pub(super) const CMDQEN: u64 = 8;
const ATSCHK: u64 = 0x10;
const GERROR_IRQEN: u64 = 1;
pub(super) const EVENTQ_IRQEN: u64 = 4;
pub(super) const GBPA_ABORT: u64 = 1 << 20;
const GBPA_UPDATE: u64 = 1 << 31;

impl File {
    pub(super) const fn reset() -> Self {
        const UNKNOWN: u64 = 0x0005_a5a5;
        Self {
            cr0: Slow::new(0),
            gbpa: Slow::new(0x1000),
            irq: Slow::new(7),
            gerror_message: UNKNOWN,
            eventq_message: UNKNOWN,
            cr1: UNKNOWN,
            cr2: 0,
            gerror: 0x4,
            gerrorn: 0x1,
            strtab_base: UNKNOWN,
            strtab_cfg: UNKNOWN,
            cmdq_base: UNKNOWN,
            cmdq_prod: UNKNOWN,
            cmdq_cons: UNKNOWN,
            eventq_base: UNKNOWN,
            eventq_prod: UNKNOWN,
            eventq_cons: UNKNOWN,
        }
    }
}

impl State {
    /// Lets time pass, and tells whether an update completed.
    pub(super) fn step_registers(&mut self) -> bool {
        let control = !self.faults.control_stuck && self.registers.cr0.step();
        let gate = !self.faults.gbpa_stuck && self.registers.gbpa.step();
        if !self.faults.interrupts_stuck {
            self.registers.irq.step();
        }
        if self.registers.gbpa.values().iter().all(|value| value & GBPA_ABORT != 0) {
            self.armed = true;
        }
        control || gate
    }

    /// Puts the SMMU into a state as a boot loader may leave it: translating, or not, by tables of its own.
    pub(crate) fn leave_enabled(&mut self, cr0: u64, strtab_base: u64, strtab_cfg: u64) {
        self.registers.cr0 = Slow::new(cr0);
        self.registers.strtab_base = strtab_base;
        self.registers.strtab_cfg = strtab_cfg;
    }

    /// Has DMA pass while translation is off, as somebody else with access to the frame could.
    pub(crate) fn tamper_with_gate(&mut self) {
        self.registers.gbpa = Slow::new(0x1000);
    }

    /// Takes its power away and gives it back: registers are as after reset, where that aborts all DMA; caches hold anything.
    pub(crate) fn lose_power(&mut self) {
        self.registers = File::reset();
        self.registers.gbpa = Slow::new(GBPA_ABORT);
        self.unsynced.clear();
        // An entry that lets everything pass.
        self.cached.values_mut().for_each(|seen| *seen = [0b1001].into());
    }

    /// Has somebody else write a register, by no rule.
    pub(crate) fn tamper(&mut self, offset: usize, value: u64) {
        let file = &mut self.registers;
        match offset {
            0x20 => file.cr0 = Slow::new(value),
            0x28 => file.cr1 = value,
            0x2c => file.cr2 = value,
            0x44 => file.gbpa = Slow::new(value),
            0x50 => file.irq = Slow::new(value),
            0x68 => file.gerror_message = value,
            0x80 => file.strtab_base = value,
            0x88 => file.strtab_cfg = value,
            0x90 => file.cmdq_base = value,
            0x98 => file.cmdq_prod = value,
            0xa0 => file.eventq_base = value,
            0xb0 => file.eventq_message = value,
            _ => panic!("{offset:#x} is no register to tamper with"),
        }
    }

    /// Returns what stands in a register.
    pub(crate) fn register(&self, offset: usize) -> u64 {
        self.read_register(offset)
    }

    /// Has an access to a queue aborted, or another global error.
    pub(crate) fn raise(&mut self, errors: u64) {
        let active = self.registers.gerror ^ self.registers.gerrorn;
        self.registers.gerror ^= errors & !active;
        if errors & !active != 0 {
            self.interrupt(GERROR_IRQEN, self.registers.gerror_message);
        }
    }

    /// Raises an interrupt, if it is on.
    pub(super) fn interrupt(&mut self, enable: u64, message: u64) {
        if self.registers.irq.effective & enable == 0 {
            return;
        }
        if message & 0x00ff_ffff_ffff_fffc != 0 {
            self.violate(format!("a message written to {message:#x} for interrupt {enable:#x}"));
        }
        self.interrupts.push(enable);
    }

    pub(crate) fn active_errors(&self) -> u64 {
        self.registers.gerror ^ self.registers.gerrorn
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.registers.cr0.effective & SMMUEN != 0
    }

    pub(crate) fn aborts_when_off(&self) -> bool {
        self.registers.gbpa.effective & GBPA_ABORT != 0
    }

    pub(crate) fn controls(&self) -> [u64; 4] {
        [self.registers.cr0.effective, self.registers.cr1, self.registers.cr2, self.registers.irq.effective]
    }

    pub(super) fn read_register(&self, offset: usize) -> u64 {
        let file = &self.registers;
        match offset {
            0x0 | 0x4 | 0x8 | 0xc | 0x10 | 0x14 => u64::from(self.idr[offset / 4]),
            0x20 => file.cr0.written,
            0x24 => file.cr0.effective,
            0x28 => file.cr1,
            0x2c => file.cr2,
            0x44 => file.gbpa.written | if file.gbpa.settled() { 0 } else { GBPA_UPDATE },
            0x50 => file.irq.written,
            0x54 => file.irq.effective,
            0x60 => file.gerror,
            0x64 => file.gerrorn,
            0x68 => file.gerror_message,
            0x80 => file.strtab_base,
            0x88 => file.strtab_cfg,
            0x90 => file.cmdq_base,
            0x98 => file.cmdq_prod,
            0x9c => file.cmdq_cons,
            0xa0 => file.eventq_base,
            0xb0 => file.eventq_message,
            0x1_00a8 => file.eventq_prod,
            0x1_00ac => file.eventq_cons,
            _ => 0,
        }
    }

    pub(super) fn write_register(&mut self, offset: usize, value: u64) {
        self.writes.push((offset, value));
        if self.faults.read_only == Some(offset) {
            return;
        }
        let [written, effective] = self.registers.cr0.values();
        let enabled = written | effective;
        let guard = match offset {
            0x28 => SMMUEN | PRIQEN | EVENTQEN | CMDQEN,
            0x2c | 0x80 | 0x88 => SMMUEN,
            0x90 | 0x9c => CMDQEN,
            0xa0 | 0x1_00a8 => EVENTQEN,
            _ => 0,
        };
        if enabled & guard != 0 {
            self.violate(format!("register {offset:#x} written while CR0 is {enabled:#x}"));
        }
        let [written, effective] = self.registers.irq.values();
        let messages = match offset {
            0x68 => GERROR_IRQEN,
            0xb0 => EVENTQ_IRQEN,
            _ => 0,
        };
        if (written | effective) & messages != 0 {
            self.violate(format!("register {offset:#x} written while its interrupt is on"));
        }
        let delay = self.faults.update_delay;
        let features = self.idr[0];
        let implemented = SMMUEN | EVENTQEN | CMDQEN | if features >> 10 & 1 == 1 { ATSCHK } else { 0 };
        let recording = 2 | if features >> 5 & 1 == 1 { 4 } else { 0 } | u64::from(features >> 9 & 1);
        let file = &mut self.registers;
        match offset {
            0x20 => {
                let changed = (value & implemented) ^ file.cr0.written;
                let under_way = file.cr0.written ^ file.cr0.effective;
                file.cr0.written = value & implemented;
                file.cr0.countdown = delay;
                if changed & under_way != 0 {
                    self.violate(String::from("CR0 field changed while its update was under way"));
                }
            }
            0x28 => file.cr1 = value,
            0x2c => file.cr2 = value & recording,
            0x44 => {
                let settled = file.gbpa.settled();
                if settled && value & GBPA_UPDATE != 0 {
                    file.gbpa.written = value & !GBPA_UPDATE;
                    file.gbpa.countdown = delay;
                } else {
                    self.violate(String::from("GBPA written without its procedure"));
                }
            }
            0x50 => {
                let settled = file.irq.settled();
                file.irq.written = value;
                file.irq.countdown = delay;
                if !settled {
                    self.violate(String::from("IRQ_CTRL written while its update was under way"));
                }
            }
            0x64 => file.gerrorn = value,
            0x68 => file.gerror_message = value,
            0x80 => file.strtab_base = value,
            0x88 => file.strtab_cfg = value,
            0x90 => file.cmdq_base = value,
            0x98 => {
                file.cmdq_prod = value;
                self.check_producer();
            }
            0x9c => file.cmdq_cons = value,
            0xa0 => file.eventq_base = value,
            0xb0 => file.eventq_message = value,
            0x1_00a8 => file.eventq_prod = value,
            0x1_00ac => {
                file.eventq_cons = value;
                self.check_consumer();
            }
            _ => self.violate(format!("unknown register {offset:#x} written")),
        }
    }
}
