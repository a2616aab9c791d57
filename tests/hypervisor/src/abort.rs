// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accesses of the host that stage 2 stopped. It finds an external abort, as from a bus that refuses, unless it was one
//! to PCI configuration space that is allowed.

use crate::{
    pci, platform, registers, stage2,
    trap::{Frame, INSTRUCTION, inject},
};

/// ESR_EL1 of an abort taken from EL1 itself: a 32-bit instruction, synchronous external abort (Arm ARM, D24.2).
const DATA: u64 = 0x25 << 26 | 1 << 25 | 0x10;
const CODE: u64 = 0x21 << 26 | 1 << 25 | 0x10;
/// ISS of a data abort (Arm ARM, ESR_EL2): the rest is valid; size; sign-extended; register; on a table walk of stage 1; a
/// write.
const VALID: u64 = 1 << 24;
const SIZE_SHIFT: u32 = 22;
const SIGNED: u64 = 1 << 21;
const REGISTER_SHIFT: u32 = 16;
const ON_WALK: u64 = 1 << 7;
const WRITE: u64 = 1 << 6;

/// A data abort.
pub(crate) fn data(frame: &mut Frame, syndrome: u64) {
    let address = registers::fault_address();
    if stage2::is_hosts(address) {
        // It has come back meanwhile: the host tries again.
        return;
    }
    if in_configuration(frame, syndrome, address).is_some() {
        registers::set_elr_el2(registers::elr_el2().wrapping_add(INSTRUCTION));
    } else {
        inject(DATA | syndrome & WRITE);
    }
}

/// Makes an access to PCI configuration space in the host's place, if it may.
fn in_configuration(frame: &mut Frame, syndrome: u64, address: u64) -> Option<()> {
    let offset = address.checked_sub(platform::CONFIGURATION.base)?;
    let size = 1_u64 << (syndrome >> SIZE_SHIFT & 3);
    platform::CONFIGURATION.inside(offset, size)?;
    if syndrome & (VALID | SIGNED | ON_WALK) != VALID || size > 4 || !offset.is_multiple_of(size) {
        return None;
    }
    // There is no x31: it reads as zero, and what is loaded into it is lost.
    let register = usize::try_from(syndrome >> REGISTER_SHIFT & 0x1f).ok()?;
    if syndrome & WRITE == 0 {
        let value = pci::read(offset, size);
        frame.x.get_mut(register).into_iter().for_each(|place| *place = value);
        return Some(());
    }
    let [b0, b1, b2, b3, ..] = frame.x.get(register).copied().unwrap_or(0).to_le_bytes();
    pci::write(offset, size, u32::from_le_bytes([b0, b1, b2, b3]))
}

/// An instruction abort.
pub(crate) fn instruction() {
    inject(CODE);
}
