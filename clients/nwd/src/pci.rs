// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PCI functions on bus 0 and behind its ports: found through ECAM, given a place for their first BAR, allowed to do DMA.

use crate::{fatal, mmio::Mmio};
use core::fmt;

/// Configuration space of one function (PCI Express, 7.2.2).
const FUNCTION_SIZE: u64 = 4096;
/// Registers of a type 0 header (PCI, 6.1).
const VENDOR_DEVICE: u64 = 0x00;
const COMMAND: u64 = 0x04;
const HEADER_TYPE: u64 = 0x0c;
const BAR0: u64 = 0x10;
/// Registers of a type 1 header (PCI-to-PCI bridges, 3.2.5): bus numbers; memory window, base and limit in units of 1 MiB.
const BUS_NUMBERS: u64 = 0x18;
const WINDOW: u64 = 0x20;
const WINDOW_UNIT: u64 = 1 << 20;
const BRIDGE: u32 = 1;
const COMMAND_MEMORY: u32 = 1 << 1;
const COMMAND_MASTER: u32 = 1 << 2;
const STATUS: u32 = 0xffff_0000;
const MULTI_FUNCTION: u32 = 1 << 23;
const NOBODY: u32 = 0xffff_ffff;
const BAR_FLAGS: u32 = 0xf;

/// A requester ID: bus, device and function, as a device puts it on its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequesterId(pub u16);

impl fmt::Display for RequesterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.0 >> 8, self.0 >> 3 & 0x1f, self.0 & 7)
    }
}

/// A function that answered.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its requester ID.
    pub id: RequesterId,
    /// Vendor in bits 15:0, device in bits 31:16.
    pub vendor_device: u32,
    config: Mmio,
}

impl Function {
    /// Tells whether another bus is behind it.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        self.config.read32(HEADER_TYPE) >> 16 & 0x7f == BRIDGE
    }

    /// Returns a bridge's bus numbers: primary, secondary and subordinate from bit 0 on.
    #[must_use]
    pub fn bus_numbers(&self) -> u32 {
        self.config.read32(BUS_NUMBERS) & 0xff_ffff
    }

    /// Returns the address of the register with a bridge's bus numbers.
    #[must_use]
    pub const fn bus_numbers_address(&self) -> u64 {
        self.config.base() + BUS_NUMBERS
    }
}

/// Configuration space, and the window in which BARs are placed.
#[derive(Debug)]
pub struct Ecam {
    config: Mmio,
    window: Mmio,
    /// Bytes of the window that are given away.
    used: u64,
}

impl Ecam {
    pub(crate) const fn new(config: Mmio, window: Mmio) -> Self {
        Self { config, window, used: 0 }
    }

    /// Returns every function of bus 0, in the order of their requester IDs.
    pub fn functions(&self) -> impl Iterator<Item = Function> + '_ {
        (0..32_u16).flat_map(move |device| {
            let first = self.function(RequesterId(device << 3));
            let more = first.is_some_and(|first| first.config.read32(HEADER_TYPE) & MULTI_FUNCTION != 0);
            let others = if more { 1..8 } else { 1..1 };
            first
                .into_iter()
                .chain(others.filter_map(move |function| self.function(RequesterId(device << 3 | function))))
        })
    }

    /// Leaves a part of the window to what was placed there before.
    pub const fn reserve(&mut self, size: u64) {
        self.used = size;
    }

    /// Returns the function with this ID, if one answers.
    #[must_use]
    pub fn function(&self, id: RequesterId) -> Option<Function> {
        let config = self.config.part(u64::from(id.0) * FUNCTION_SIZE, FUNCTION_SIZE);
        let vendor_device = config.read32(VENDOR_DEVICE);
        (vendor_device != NOBODY).then_some(Function { id, vendor_device, config })
    }

    /// Places a function's first BAR, lets it answer there and lets it do DMA. Returns its registers, or `None` where it
    /// has no 32-bit memory BAR or the window is full.
    pub fn enable(&mut self, function: &Function) -> Option<Mmio> {
        self.place(function, 1)
    }

    /// As [`Ecam::enable`], for a function behind a port, to which it opens a part of the window.
    pub fn enable_behind(&mut self, port: &Function, function: &Function) -> Option<Mmio> {
        let registers = self.place(function, WINDOW_UNIT)?;
        let base = u32::try_from(registers.base()).ok()? & 0xfff0_0000;
        // Up to the end of the unit in which the base is.
        port.config.write32(WINDOW, base | base >> 16);
        let command = port.config.read32(COMMAND) & !STATUS;
        port.config.write32(COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER);
        self.used = self.used.checked_next_multiple_of(WINDOW_UNIT)?;
        Some(registers)
    }

    fn place(&mut self, function: &Function, alignment: u64) -> Option<Mmio> {
        let config = &function.config;
        let command = config.read32(COMMAND) & !STATUS;
        config.write32(COMMAND, command & !(COMMAND_MEMORY | COMMAND_MASTER));
        config.write32(BAR0, u32::MAX);
        let mask = config.read32(BAR0);
        if mask & 1 != 0 || mask & !BAR_FLAGS == 0 {
            return None;
        }
        let size = u64::from(!(mask & !BAR_FLAGS)) + 1;
        // A BAR is aligned to its size; the window may begin anywhere.
        let base =
            self.window.base().checked_add(self.used)?.checked_next_multiple_of(size.max(alignment))?;
        let offset = base - self.window.base();
        self.used = offset + size;
        config.write32(BAR0, u32::try_from(base).ok()?);
        config.write32(COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER);
        if config.read32(COMMAND) & COMMAND_MASTER == 0 {
            fatal(format_args!("PCI function {} cannot be a bus master", function.id));
        }
        Some(self.window.part(offset, size))
    }
}
