// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver: interrupts become the partition's, come to one core, are taken and ended.

use crate::cores::{Core, Cores};
use crate::hardware::Hardware;
use crate::spec::{
    CTLR, CTLR_AFFINITY_ROUTING, CTLR_ENABLE_GROUP_1_SECURE, CTLR_SECURITY_DISABLED, CTLR_WRITE_PENDING,
    FIRST_SHARED, FIRST_SPECIAL, ICACTIVER, ICENABLER, ICFGR, ICFGR_EDGE, ICPENDR, IGROUPR, IGRPMODR,
    IPRIORITYR, ISENABLER, Spi, TYPER, TYPER_LINES,
};
use spin::mutex::SpinMutex;
use thiserror::Error;

/// Reads of GICD_CTLR before what is under way is not waited for any longer.
pub(crate) const MAX_POLLS: u32 = 10_000;
/// Below 0x80, so that the normal world cannot mask it (4.8.6), and behind the most urgent, which are EL3's.
pub(crate) const PRIORITY: u32 = 0x40;
/// A bit for each shared interrupt.
const WORDS: usize = (FIRST_SPECIAL as usize).div_ceil(32);

/// Why a partition cannot have interrupts by this GIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GicError {
    /// The core has no GICv3 interface, or EL3 has not switched it on.
    #[error("the core has no interface to a GICv3 in system registers")]
    Interface,
    /// There is no secure world for the distributor.
    #[error("GICD_CTLR {0:#x}: the distributor has one security state only")]
    OneState(u32),
    /// It is not set up, or these are no registers of a distributor that the secure world can use.
    #[error("GICD_CTLR {0:#x}: the distributor does not route by affinity")]
    Routing(u32),
}

/// A partition's GIC.
#[derive(Debug)]
pub struct Gic<'a, H> {
    hardware: H,
    state: &'a SpinMutex<State>,
}

/// What has to be kept. Whoever holds it is not interrupted, and does not wait. It is more than a stack of a partition has.
#[derive(Debug)]
pub struct State {
    cores: Cores,
    /// The interrupts that are this partition's.
    own: [u32; WORDS],
}

impl State {
    /// No core is on, no interrupt the partition's.
    pub const NEW: Self = Self { cores: Cores::NONE, own: [0; WORDS] };

    /// Returns the interrupts that are the partition's.
    fn own(&self) -> impl Iterator<Item = Spi> {
        (FIRST_SHARED..FIRST_SPECIAL).filter_map(Spi::new).filter(|spi| self.has(*spi))
    }

    fn has(&self, spi: Spi) -> bool {
        let (place, bit) = Self::place(spi);
        self.own.get(place).is_some_and(|word| word & bit != 0)
    }

    fn take_over(&mut self, spi: Spi) {
        let (place, bit) = Self::place(spi);
        if let Some(word) = self.own.get_mut(place) {
            *word |= bit;
        }
    }

    const fn place(spi: Spi) -> (usize, u32) {
        ((spi.intid() / 32) as usize, 1 << (spi.intid() % 32))
    }
}

impl<'a, H: Hardware> Gic<'a, H> {
    /// Takes the GIC, on the first core, before any other is on, with a [`State::NEW`]. That core gets the interrupts.
    ///
    /// # Errors
    /// [`GicError`]: this GIC has no interrupts for a partition.
    pub fn open(hardware: H, state: &'a SpinMutex<State>) -> Result<Self, GicError> {
        if !hardware.has_interface() {
            return Err(GicError::Interface);
        }
        let control = hardware.read32(CTLR);
        if control & CTLR_SECURITY_DISABLED != 0 {
            return Err(GicError::OneState(control));
        }
        if control & CTLR_AFFINITY_ROUTING == 0 {
            return Err(GicError::Routing(control));
        }
        if control & CTLR_ENABLE_GROUP_1_SECURE == 0 {
            hardware.write32(CTLR, control | CTLR_ENABLE_GROUP_1_SECURE);
        }
        let gic = Self { hardware, state };
        gic.core_on();
        Ok(gic)
    }

    /// Makes an interrupt the partition's: secure, of group 1, edge-triggered, for the core that gets them; and switches it on.
    /// Before the normal world runs. False if it is no shared interrupt of this GIC, or EL3's.
    #[must_use]
    pub fn adopt(&self, intid: u32) -> bool {
        let Some(spi) = Spi::new(intid).filter(|spi| self.is_there(*spi)) else { return false };
        let mut state = self.state.lock();
        if !self.make_secure(spi) {
            return false;
        }
        self.set(spi, IPRIORITYR, 8, PRIORITY);
        self.set(spi, ICFGR, 2, ICFGR_EDGE);
        self.put(spi, ICPENDR);
        self.put(spi, ICACTIVER);
        if let Some(core) = state.cores.receiver() {
            self.hardware.write64(spi.router(), core.route());
        }
        state.take_over(spi);
        self.put(spi, ISENABLER);
        self.get(spi, ISENABLER, 1) == 1
    }

    /// Switches an interrupt off. False if it is not the partition's, or may still come.
    #[must_use]
    pub fn switch_off(&self, intid: u32) -> bool {
        let Some(spi) = Spi::new(intid).filter(|spi| self.state.lock().has(*spi)) else { return false };
        self.put(spi, ICENABLER);
        self.settles() && self.get(spi, ISENABLER, 1) == 0
    }

    /// Takes the next interrupt of this core, if there is one. Its number is the partition's affair: it may be one that it never
    /// asked for.
    pub fn take(&self) -> Option<u32> {
        let intid = self.hardware.acknowledge();
        (intid < FIRST_SPECIAL).then_some(intid)
    }

    /// Ends the interrupt that this core has taken last: only then it can come again.
    pub fn end(&self, intid: u32) {
        self.hardware.end(intid);
        if self.hardware.ends_priority_only() {
            self.hardware.deactivate(intid);
        }
    }

    /// Takes note that this core is on.
    pub fn core_on(&self) {
        self.hardware.enable_group_1();
        let mut state = self.state.lock();
        if let Some(receiver) = state.cores.comes_on(Core::of(self.hardware.mpidr())) {
            self.route(&state, receiver);
        }
    }

    /// Takes note that this core goes off: another gets what comes, or, if it is the last, the first that comes on.
    pub fn core_off(&self) {
        let mut state = self.state.lock();
        if let Some(receiver) = state.cores.goes_off(Core::of(self.hardware.mpidr())) {
            self.route(&state, receiver);
        }
    }

    /// Sends all interrupts to a core; what is pending goes there, too.
    fn route(&self, state: &State, receiver: Core) {
        for spi in state.own() {
            self.hardware.write64(spi.router(), receiver.route());
        }
        // Not before the distributor knows may this core go off: a read comes after the writes.
        let _ = self.hardware.read32(CTLR);
    }

    fn is_there(&self, spi: Spi) -> bool {
        let lines = self.hardware.read32(TYPER) & TYPER_LINES;
        spi.intid() / 32 <= lines
    }

    /// Switches an interrupt off and puts it into group 1 of the secure world, if it is not in group 0, which is EL3's.
    fn make_secure(&self, spi: Spi) -> bool {
        let is_secure = |this: &Self| this.get(spi, IGROUPR, 1) == 0;
        if is_secure(self) && self.get(spi, IGRPMODR, 1) == 0 {
            return false;
        }
        self.put(spi, ICENABLER);
        if !self.settles() {
            return false;
        }
        self.set(spi, IGRPMODR, 1, 1);
        self.set(spi, IGROUPR, 1, 0);
        is_secure(self) && self.get(spi, IGRPMODR, 1) == 1
    }

    /// Waits, within a bound, until the distributor has done what it was told.
    fn settles(&self) -> bool {
        (0..MAX_POLLS).any(|_| self.hardware.read32(CTLR) & CTLR_WRITE_PENDING == 0)
    }

    /// Writes an interrupt's bit to a register of which zeroes change nothing.
    fn put(&self, spi: Spi, first: usize) {
        let (offset, shift) = spi.place(first, 1);
        self.hardware.write32(offset, 1 << shift);
    }

    fn get(&self, spi: Spi, first: usize, width: u32) -> u32 {
        let (offset, shift) = spi.place(first, width);
        self.hardware.read32(offset) >> shift & mask(width)
    }

    /// Changes an interrupt's bits in a register that others have bits in, too.
    fn set(&self, spi: Spi, first: usize, width: u32, value: u32) {
        let (offset, shift) = spi.place(first, width);
        let rest = self.hardware.read32(offset) & !(mask(width) << shift);
        self.hardware.write32(offset, rest | value << shift);
    }
}

/// Returns as many ones; fewer than 32.
const fn mask(width: u32) -> u32 {
    (1 << width) - 1
}
