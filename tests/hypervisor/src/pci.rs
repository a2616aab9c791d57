// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PCI configuration space: bus numbers are the hypervisor's, since a device's stream ID follows them. The host reads all
//! of it, and writes what says nothing about who a device is or how its requests travel, nor to a guest's device.

use crate::{device, platform};
use nwd::mmio::Mmio;

/// Configuration space of one function (PCI Express, 7.2.2), and where a device's first function follows the last one's.
const FUNCTION: u64 = 0x1000;
const DEVICE: u64 = 8 * FUNCTION;
/// Registers of a header (PCI, 6.1; PCI-to-PCI bridges, 3.2.5).
const VENDOR_DEVICE: u64 = 0x00;
const HEADER_TYPE: u64 = 0x0c;
const COMMAND: u64 = 0x04;
const MEMORY: u32 = 1 << 1;
const BAR0: u64 = 0x10;
const IS_PORTS: u32 = 1 << 0;
const BAR_FLAGS: u32 = 0xf;
const BUS_NUMBERS: u64 = 0x18;
/// Bytes of a register.
const WORD: u64 = 4;
const NOBODY: u32 = 0xffff_ffff;
const BRIDGE: u32 = 1;
/// Where capabilities of PCI Express begin (7.9.1), and two of them: access control and address translation services.
const EXTENDED: u64 = 0x100;
const ACS: u32 = 0x0d;
const ATS: u32 = 0x0f;
/// Bytes of either that are looked at: each register that there is lies within.
const CAPABILITY: u64 = 0x10;
/// As many capabilities fit into a function's space.
const MOST_CAPABILITIES: usize = 960 / 8;

/// Gives each bus behind a port of the root bus a number of its own. At reset all have number 0, and requests from behind
/// a port look like those of the root bus.
pub(crate) fn number_buses() {
    let all = platform::configuration();
    let ports = (0..32_u64).filter_map(|device| {
        let function = all.part(device * DEVICE, FUNCTION);
        is_bridge(&function).then_some(function)
    });
    for (port, bus) in ports.zip(1..platform::BUSES) {
        let bus = u32::try_from(bus).unwrap_or_default();
        // Subordinate, secondary, primary.
        port.write32(BUS_NUMBERS, bus << 16 | bus << 8);
    }
}

fn is_bridge(function: &Mmio) -> bool {
    function.read32(VENDOR_DEVICE) != NOBODY && function.read32(HEADER_TYPE) >> 16 & 0x7f == BRIDGE
}

/// Returns where a function's first BAR is, if it is one of memory that can be accessed.
pub(crate) fn first_bar(requester: u16) -> Option<u64> {
    let offset = u64::from(requester) * FUNCTION;
    platform::CONFIGURATION.inside(offset, FUNCTION)?;
    let function = platform::configuration().part(offset, FUNCTION);
    let bar = function.read32(BAR0);
    let is_there = function.read32(VENDOR_DEVICE) != NOBODY && !is_bridge(&function);
    (is_there && bar & IS_PORTS == 0 && function.read32(COMMAND) & MEMORY != 0)
        .then_some(u64::from(bar & !BAR_FLAGS))
}

/// Reads up to 32 bits that do not cross a multiple of them.
pub(crate) fn read(offset: u64, size: u64) -> u64 {
    let word = u64::from(platform::configuration().read32(offset / WORD * WORD));
    word >> (offset % WORD * 8) & (u64::MAX >> (64 - size * 8))
}

/// Makes a write of the host's, if it may. It may not change bus numbers, nor whether requests are redirected or come with
/// translated addresses; nor write less than 32 bits, nor to a device that is a guest's.
pub(crate) fn write(offset: u64, size: u64, value: u32) -> Option<()> {
    let function = platform::configuration().part(offset / FUNCTION * FUNCTION, FUNCTION);
    let register = offset % FUNCTION;
    if size != WORD
        || device::is_guests(offset / FUNCTION)
        || is_bridge(&function) && register == BUS_NUMBERS
        || is_in_capability(&function, register)
    {
        return None;
    }
    function.write32(register, value);
    Some(())
}

/// Tells whether a register belongs to one of the two capabilities.
fn is_in_capability(function: &Mmio, register: u64) -> bool {
    let mut at = EXTENDED;
    for _ in 0..MOST_CAPABILITIES {
        let header = function.read32(at);
        if header == 0 || header == NOBODY {
            return false;
        }
        if matches!(header & 0xffff, ACS | ATS) && (at..at + CAPABILITY).contains(&register) {
            return true;
        }
        at = u64::from(header >> 20) & !3;
        if at < EXTENDED {
            return false;
        }
    }
    false
}
