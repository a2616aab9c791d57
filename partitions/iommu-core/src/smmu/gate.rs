// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether DMA passes while the SMMU does not translate (IHI 0070, 6.3.9.6 and 6.3.14).

use super::hardware::{Hardware, Registers, TimedOut};
use super::spec::registers::{CR0, CR0ACK, GBPA};

/// How long a register update may take, in milliseconds.
pub(super) const UPDATE_MILLISECONDS: u64 = 100;

/// Why GBPA does not have the value that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GateError {
    /// The update did not complete.
    Timeout,
    /// It completed with another value.
    NotTaken(u32),
}

impl From<TimedOut> for GateError {
    fn from(TimedOut: TimedOut) -> Self {
        Self::Timeout
    }
}

/// Has all transactions aborted while SMMUEN is 0, or none, and reads back that it is so.
///
/// The attributes in the other fields stay as they are: they matter to transactions that bypass only.
pub(super) fn set_abort<H: Hardware>(hardware: &H, abort: bool) -> Result<(), GateError> {
    let settled = || !hardware.get(GBPA).is_set(GBPA::UPDATE);
    hardware.wait(UPDATE_MILLISECONDS, settled)?;
    let mut value = hardware.get(GBPA);
    value.modify(GBPA::UPDATE::SET + if abort { GBPA::ABORT::SET } else { GBPA::ABORT::CLEAR });
    hardware.write32(GBPA.offset, value.get());
    hardware.wait(UPDATE_MILLISECONDS, settled)?;
    let value = hardware.get(GBPA);
    if value.is_set(GBPA::ABORT) == abort { Ok(()) } else { Err(GateError::NotTaken(value.get())) }
}

/// Writes CR0 and waits until all of it has taken effect. No field changes while an update is under way (6.3.9): one that is
/// never acknowledged is left alone.
pub(super) fn set_control<H: Hardware>(hardware: &H, value: u32) -> Result<(), TimedOut> {
    settle(hardware)?;
    hardware.write32(CR0.offset, value);
    hardware.wait(UPDATE_MILLISECONDS, || hardware.read32(CR0ACK.offset) & CONTROL == value & CONTROL)
}

/// Waits until no update of CR0 is under way.
fn settle<H: Hardware>(hardware: &H) -> Result<(), TimedOut> {
    let fields = |offset| hardware.read32(offset) & CONTROL;
    hardware.wait(UPDATE_MILLISECONDS, || fields(CR0.offset) == fields(CR0ACK.offset))
}

/// The fields of CR0 that this driver sets, and the page request queue, which a boot loader may have left on. Fields that
/// are not implemented are acknowledged as 0, which is what this driver gives them.
const CONTROL: u32 = CR0::SMMUEN::SET.value
    | CR0::PRIQEN::SET.value
    | CR0::EVENTQEN::SET.value
    | CR0::CMDQEN::SET.value
    | CR0::ATSCHK::SET.value;

/// Tells whether an SMMU translates nothing and lets nothing pass.
pub(super) fn is_shut<H: Hardware>(hardware: &H) -> bool {
    let translates = |value: u32| value & CR0::SMMUEN::SET.value != 0;
    let control = hardware.read32(CR0.offset) | hardware.read32(CR0ACK.offset);
    let gate = hardware.get(GBPA);
    !translates(control) && gate.is_set(GBPA::ABORT) && !gate.is_set(GBPA::UPDATE)
}

/// Has an SMMU that can no longer be trusted to do what it is told abort all DMA.
///
/// Translation goes off only once GBPA is known to abort: before that, it would be a bypass.
pub(super) fn shut<H: Hardware>(hardware: &H) {
    if set_abort(hardware, true).is_ok() && settle(hardware).is_ok() {
        // The command queue may never acknowledge; SMMUEN does so by itself, and nobody could do more if not.
        hardware.write32(CR0.offset, 0);
        let off = || !hardware.get(CR0ACK).is_set(CR0::SMMUEN);
        let _: Result<(), TimedOut> = hardware.wait(UPDATE_MILLISECONDS, off);
    }
}
