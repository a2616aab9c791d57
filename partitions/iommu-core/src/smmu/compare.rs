// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the registers still hold what they were given.
//!
//! Where nobody keeps the normal world from an SMMU's frame, or where the SMMU loses its power, they may not. What they have
//! to hold is worked out anew from what stands in secure memory, each time. Nothing tells of a change: so this is asked
//! for by clients, and done by itself where the SMMU fails, to know why.

use super::driver::SmmuV3;
use super::errors::count;
use super::hardware::{Hardware, Registers as _};
use super::queue::CommandQueue;
use super::reset::{BringUpError, LEAVES_OPEN, compare};
use super::spec::registers::{CMDQ_PROD, CR0, CR0ACK, GBPA, IRQ_CTRL, Register32, Register64};
use super::{Differences, SmmuError, interrupts};
use crate::seeded::{Bug, seeded};
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{PowerHint, SmmuRegisters, SmmuReport, SmmuState};
use tock_registers::RegisterLongName;
use tock_registers::fields::FieldValue;

/// A register and what has to stand in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Its bit in a report.
    pub(super) register: SmmuRegisters,
    offset: usize,
    name: &'static str,
    value: Value,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Narrow(u32),
    Wide(u64),
}

impl Setting {
    pub(super) const fn narrow<R: RegisterLongName>(
        register: SmmuRegisters,
        place: Register32<R>,
        value: FieldValue<u32, R>,
    ) -> Self {
        Self { register, offset: place.offset, name: place.name, value: Value::Narrow(value.value) }
    }

    pub(super) const fn wide<R: RegisterLongName>(
        register: SmmuRegisters,
        place: Register64<R>,
        value: FieldValue<u64, R>,
    ) -> Self {
        Self { register, offset: place.offset, name: place.name, value: Value::Wide(value.value) }
    }

    /// Writes the register.
    pub(super) fn write<H: Hardware>(&self, hardware: &H) {
        match self.value {
            Value::Narrow(value) => hardware.write32(self.offset, value),
            Value::Wide(value) => hardware.write64(self.offset, value),
        }
    }

    /// Reads the register: what has to stand there, and what does.
    fn read<H: Hardware>(&self, hardware: &H) -> (u64, u64) {
        match self.value {
            Value::Narrow(value) => (value.into(), hardware.read32(self.offset).into()),
            Value::Wide(value) => (value, hardware.read64(self.offset)),
        }
    }

    /// Compares the register.
    ///
    /// # Errors
    /// Says what stands there.
    pub(super) fn verify<H: Hardware>(&self, hardware: &H) -> Result<(), BringUpError> {
        let (written, read) = self.read(hardware);
        compare(self.name, written, read)
    }
}

impl<H: Hardware> SmmuV3<'_, H> {
    /// Compares all registers that matter, and gives the SMMU up where one differs.
    pub(super) fn compare_registers(&self, hint: PowerHint) -> Result<(), SmmuError> {
        let queue = self.commands.lock();
        self.health.check()?;
        if hint == PowerHint::Returned {
            self.announced.store(true, Relaxed);
        }
        if let Some(differences) = self.differences(&queue) {
            return Err(self.give_up(&queue, SmmuError::Differed(differences)));
        }
        match hint {
            PowerHint::None => {}
            PowerHint::Goes => self.announced.store(true, Relaxed),
            PowerHint::Returned => self.announced.store(false, Relaxed),
        }
        Ok(())
    }

    /// Gives the SMMU up. Where its registers are not as they were left, that is the reason, whatever else was seen of it.
    #[cold]
    pub(super) fn give_up(&self, queue: &CommandQueue<'_>, seen: SmmuError) -> SmmuError {
        let differences = match seen {
            SmmuError::Differed(differences) => Some(differences),
            SmmuError::Timeout | SmmuError::Global(_) | SmmuError::Stream(_) => self.differences(queue),
        };
        if let Some(differences) = differences {
            let announced = self.announced.swap(false, Relaxed);
            count(if announced { &self.counters.lost } else { &self.counters.tampered }, 1);
            self.differed.store(differences.0, Relaxed);
        }
        self.health.give_up(&self.hardware, differences.map_or(seen, SmmuError::Differed))
    }

    /// Returns which registers are not as they were left, if any is not. The queue is that of commands, and nobody has one
    /// in it that was not submitted.
    fn differences(&self, queue: &CommandQueue<'_>) -> Option<Differences> {
        if LEAVES_OPEN {
            return None;
        }
        let hardware = &self.hardware;
        let mut differ = SmmuRegisters::empty();
        for setting in self.settings(queue, &self.events.lock()) {
            let (written, read) = setting.read(hardware);
            differ.set(setting.register, written != read);
        }
        let control = self.control();
        let control_differs =
            [CR0.offset, CR0ACK.offset].iter().any(|offset| hardware.read32(*offset) != control);
        differ.set(SmmuRegisters::CR0, control_differs);
        differ.set(SmmuRegisters::GBPA, !hardware.get(GBPA).is_set(GBPA::ABORT));
        let enables = interrupts::enables(self.interrupts.load(Relaxed));
        differ.set(SmmuRegisters::IRQ_CTRL, hardware.read32(IRQ_CTRL.offset) != enables);
        differ.set(SmmuRegisters::CMDQ_PROD, hardware.read32(CMDQ_PROD.offset) != queue.producer().raw());
        if seeded(Bug::TamperUnseen) {
            differ &= SmmuRegisters::CR0 | SmmuRegisters::CMDQ_PROD;
        }
        (!differ.is_empty()).then_some(Differences(differ.bits()))
    }

    /// Says how the SMMU is.
    pub(super) fn describe(&self) -> SmmuReport {
        let (state, errors) = match self.health.check() {
            Ok(()) => (SmmuState::Works, 0),
            Err(SmmuError::Timeout | SmmuError::Stream(_)) => (SmmuState::TimedOut, 0),
            Err(SmmuError::Global(errors)) => (SmmuState::Error, errors),
            Err(SmmuError::Differed(_)) => (SmmuState::Differed, 0),
        };
        let counted = self.counters.read();
        SmmuReport {
            state,
            errors,
            differed: SmmuRegisters::from_bits_truncate(self.differed.load(Relaxed)),
            rebuilt: counted.rebuilt,
            tampered: counted.tampered,
            lost: counted.lost,
            skipped: counted.skipped_commands,
        }
    }
}
