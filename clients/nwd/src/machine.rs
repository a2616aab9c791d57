// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that the binary describes, started once.
#![expect(unsafe_code, reason = "what stands at an address is the binary's word")]

use crate::{console, gic, mailbox::Mailbox, mmio::Mmio, paging, pci::Ecam, ram::Ram, timer};
use core::fmt;
use smccc::{Smc, psci};

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Region {
    /// Returns the address at an offset, if as many bytes from there lie inside.
    #[must_use]
    pub fn inside(&self, offset: u64, size: u64) -> Option<u64> {
        let end = offset.checked_add(size)?;
        if end <= self.size { self.base.checked_add(offset) } else { None }
    }
}

/// What the normal world needs to know of a machine.
#[derive(Debug)]
pub struct Description {
    /// Registers of the PL011 that is the normal world's.
    pub console: Region,
    /// PCI configuration space from bus 0 on (PCI Express, 7.2.2).
    pub ecam: Region,
    /// Where 32-bit BARs may be placed.
    pub pci_mmio: Region,
    /// GICv3 distributor.
    pub distributor: Region,
    /// GICv3 redistributors of all cores, both frames of each.
    pub redistributors: Region,
    /// A PL031 whose alarm is a secure interrupt, if there is one.
    pub alarm: Option<Region>,
    /// Affinities of the cores, as PSCI wants them.
    pub cores: &'static [u64],
    /// Non-secure RAM, in which this image lies.
    pub ram: Region,
    /// RAM for devices' transfers, in `ram`.
    pub scratch: Region,
    /// RAM next to this image that is nobody else's, in `ram`.
    pub own: Region,
    /// Where the run leaves its parameters, in `ram`.
    pub mailbox: Region,
    /// Addresses that are only ever accessed through [`guarded`](crate::guarded).
    pub forbidden: &'static [Region],
}

/// A machine that runs: console, MMU and sleep work.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    description: &'static Description,
}

impl Machine {
    /// Starts the machine on the first core.
    ///
    /// # Safety
    /// Called once, by the first core. Each range of the description is what it says, they are disjoint but for `scratch`,
    /// `own` and `mailbox`, which lie in `ram` and hold neither this image nor anything that others use.
    #[must_use]
    pub unsafe fn start(description: &'static Description) -> Self {
        // SAFETY: our caller vouches for the range.
        console::start(unsafe { Mmio::new(description.console) });
        if let Err(error) = paging::start(description) {
            fatal(format_args!("cannot map the machine: {error}"));
        }
        let machine = Self { description };
        machine.receive(0, timer::of_sleep());
        machine
    }

    /// Lets a private interrupt be signalled to the core of this number, which is the one that calls.
    pub fn receive(&self, core: usize, interrupt: u32) {
        gic::let_wake(self.distributor(), self.redistributor(core), interrupt);
    }

    /// Ends what [`Machine::receive`] did.
    pub fn refuse(&self, core: usize, interrupt: u32) {
        gic::keep_off(self.redistributor(core), interrupt);
    }

    /// Returns the GIC's distributor.
    #[must_use]
    pub fn distributor(&self) -> Mmio {
        // SAFETY: `start`'s caller vouches for the range, which it mapped as device memory.
        unsafe { Mmio::new(self.description.distributor) }
    }

    fn redistributor(&self, core: usize) -> Mmio {
        // SAFETY: `start`'s caller vouches for the range, which it mapped as device memory.
        let all = unsafe { Mmio::new(self.description.redistributors) };
        all.part(core as u64 * gic::REDISTRIBUTOR_SIZE, gic::REDISTRIBUTOR_SIZE)
    }

    /// Returns the clock whose alarm interrupts a partition.
    #[must_use]
    pub fn alarm(&self) -> Option<Mmio> {
        // SAFETY: `start`'s caller vouches for the range, which it mapped as device memory.
        self.description.alarm.map(|alarm| unsafe { Mmio::new(alarm) })
    }

    /// Returns PCI configuration space.
    #[must_use]
    pub fn ecam(&self) -> Ecam {
        // SAFETY: `start`'s caller vouches for both ranges, which it mapped as device memory.
        let config = unsafe { Mmio::new(self.description.ecam) };
        // SAFETY: `start`'s caller vouches for both ranges, which it mapped as device memory.
        let window = unsafe { Mmio::new(self.description.pci_mmio) };
        Ecam::new(config, window)
    }

    /// Returns the memory for devices' transfers.
    #[must_use]
    pub fn scratch(&self) -> Ram {
        // SAFETY: `start`'s caller vouches that the range is RAM with nothing of this program in it.
        unsafe { Ram::new(self.description.scratch) }
    }

    /// Returns memory next to this image, for a device's transfer there.
    #[must_use]
    pub fn own(&self) -> Ram {
        // SAFETY: `start`'s caller vouches that the range is RAM with nothing of this program in it.
        unsafe { Ram::new(self.description.own) }
    }

    /// Returns what the run left for this machine.
    #[must_use]
    pub fn mailbox(&self) -> Option<Mailbox> {
        // SAFETY: `start`'s caller vouches that the range is RAM with nothing of this program in it.
        Mailbox::read(&unsafe { Ram::new(self.description.mailbox) })
    }

    /// Returns the affinities of the cores.
    #[must_use]
    pub fn cores(&self) -> &'static [u64] {
        self.description.cores
    }
}

/// Switches the machine off.
pub fn power_off() -> ! {
    let _ = psci::system_off::<Smc>();
    loop {
        core::hint::spin_loop();
    }
}

/// Says why the run cannot go on, and ends it: its last line is then not the one that a complete run has.
pub fn fatal(reason: fmt::Arguments<'_>) -> ! {
    console::last_line(format_args!("fatal: {reason}"));
    power_off()
}
