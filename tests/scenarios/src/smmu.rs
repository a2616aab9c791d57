// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers of the SMMU as the normal world sees them where nobody keeps it from them (IHI 0070, 6.3): what the service
//! did with the SMMU, without a message to it.
#![expect(unsafe_code, reason = "reads and writes the SMMU's registers")]

use crate::{platform::SMMU_FRAME, scenario::Failure};
use nwd::guarded::{self, Fault};

/// A register of 32 bits, by its offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register(u64);

/// Whether the SMMU translates, in bit 0, and whether its queues are served.
pub(crate) const CR0: Register = Register(0x20);
/// What of it is in force.
pub(crate) const CR0ACK: Register = Register(0x24);
/// What becomes of transactions while it does not translate.
pub(crate) const GBPA: Register = Register(0x44);
/// Where the service puts its next command.
pub(crate) const CMDQ_PROD: Register = Register(0x98);
/// Where the SMMU takes its next command.
pub(crate) const CMDQ_CONS: Register = Register(0x9c);
/// Which interrupts are on.
pub(crate) const IRQ_CTRL: Register = Register(0x50);
/// Global errors; one is active where it differs from `GERRORN`.
pub(crate) const GERROR: Register = Register(0x60);
/// Global errors that were acknowledged.
pub(crate) const GERRORN: Register = Register(0x64);
/// Size of the event queue in bits 4:0.
pub(crate) const EVENTQ_BASE: Register = Register(0xa0);
/// Where the SMMU writes its next record.
pub(crate) const EVENTQ_PROD: Register = Register(0x1_00a8);
/// Where the service reads its next record.
pub(crate) const EVENTQ_CONS: Register = Register(0x1_00ac);

/// `GBPA.ABORT`: nothing passes.
const GBPA_ABORT: u32 = 1 << 20;
/// `GBPA.Update`: the other bits are to be taken.
const GBPA_UPDATE: u32 = 1 << 31;

/// `IRQ_CTRL`: for events and for global errors.
pub(crate) const BOTH_INTERRUPTS: u32 = 1 << 2 | 1 << 0;
/// `GERROR.EVENTQ_ABT_ERR`: a record could not be written.
pub(crate) const EVENTQ_ABT_ERR: u32 = 1 << 2;

impl Register {
    /// Reads the register.
    pub(crate) fn read(self) -> Result<u32, Failure> {
        self.try_read().map_err(|fault| Failure::new(format_args!("register {:#x}: {fault}", self.0)))
    }

    /// Reads the register where somebody may keep it from this program.
    pub(crate) fn try_read(self) -> Result<u32, Fault> {
        // SAFETY: reading these registers changes nothing.
        unsafe { guarded::read32(SMMU_FRAME.0 + self.0) }
    }

    /// Writes the register, as somebody could who reaches the SMMU.
    pub(crate) fn write(self, value: u32) -> Result<(), Failure> {
        // SAFETY: these registers name no memory that is this program's.
        unsafe { guarded::write32(SMMU_FRAME.0 + self.0, value) }
            .map_err(|fault| Failure::new(format_args!("register {:#x}: {fault}", self.0)))
    }
}

/// Switches translation off, as somebody could who reaches the SMMU. What DMA meets then, GBPA says.
pub(crate) fn switch_off() -> Result<(), Failure> {
    write(CR0, 0)
}

/// Has all DMA pass while translation is off, as somebody could who reaches the SMMU.
pub(crate) fn open() -> Result<(), Failure> {
    write(GBPA, GBPA.read()? & !GBPA_ABORT | GBPA_UPDATE)
}

fn write(register: Register, value: u32) -> Result<(), Failure> {
    // SAFETY: the devices behind the SMMU belong to whoever calls this, and do what they are told; at worst they reach memory
    // that the test gave them an address of.
    unsafe { guarded::write32(SMMU_FRAME.0 + register.0, value) }
        .map_err(|fault| Failure::new(format_args!("register {:#x} is out of reach: {fault}", register.0)))
}

/// Makes the event queue look full, as somebody could who reaches the SMMU: the next record cannot be written. Nothing is
/// lost where the queue was empty, and the service sets it right when it next gives entries back.
pub(crate) fn fill_event_queue() -> Result<(), Failure> {
    let wrap = 1 << (EVENTQ_BASE.read()? & 0x1f);
    let full = EVENTQ_PROD.read()? ^ wrap;
    EVENTQ_CONS.write(full)
}
