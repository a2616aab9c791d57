// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The GIC's distributor: where partitions' shared interrupts (SPIs) go, and whether they are on (GICv3, IHI 0069, 12.9).
//!
//! EL3 has set it up, with affinity routing; spm touches the registers of those interrupts only that manifests name.
#![expect(unsafe_code, reason = "device registers")]

use core::ptr::with_exposed_provenance;

use spin::Once;
use spin::mutex::SpinMutex;
use spm_core::hardware::MapFailed;
use spm_core::manifest::AddressRange;
use spm_core::manifest::interrupt::{DeviceInterrupt, Trigger};
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::ReadWrite;

use crate::address::to_usize;
use crate::mmu::{self, Use};

register_structs! {
    Distributor {
        (0x0000 => control: ReadWrite<u32>),
        (0x0004 => _reserved0),
        (0x0080 => group: [ReadWrite<u32>; 32]),
        (0x0100 => set_enable: [ReadWrite<u32>; 32]),
        (0x0180 => clear_enable: [ReadWrite<u32>; 32]),
        (0x0200 => _reserved1),
        (0x0280 => clear_pending: [ReadWrite<u32>; 32]),
        (0x0300 => _reserved2),
        (0x0380 => clear_active: [ReadWrite<u32>; 32]),
        (0x0400 => priority: [ReadWrite<u8>; 1020]),
        (0x07fc => _reserved3),
        (0x0c00 => configuration: [ReadWrite<u32>; 64]),
        (0x0d00 => group_modifier: [ReadWrite<u32>; 32]),
        (0x0d80 => _reserved4),
        (0x6000 => route: [ReadWrite<u64>; 1020]),
        (0x7fe0 => @END),
    }
}

/// GICD_CTLR, as the secure world sees it: group 1 of the secure world is signalled; a change is under way.
mod control {
    pub(super) const GROUP_1_SECURE: u32 = 1 << 2;
    pub(super) const WRITE_PENDING: u32 = 1 << 31;
}
/// Polls of that before it is not waited for any longer.
const MAX_POLLS: u32 = 1_000_000;
/// Interrupts below are a core's own.
const FIRST_SHARED: u32 = 32;
/// Aff3 and Aff2 to Aff0 of an affinity, which GICD_IROUTER holds at the same places as MPIDR_EL1.
const AFFINITY: u64 = 0xff_00ff_ffff;
/// GICD_ICFGR: edge-triggered, in the upper of an interrupt's two bits.
const EDGE: u32 = 0b10;

static REGION: Once<AddressRange> = Once::new();
/// Held where a register is read and written back.
static CHANGE: SpinMutex<()> = SpinMutex::new(());

/// Maps the distributor for good, and lets secure interrupts be signalled. Once, on the first core.
///
/// # Errors
/// [`MapFailed`] if there are no tables for it, or it is smaller than a distributor.
///
/// # Safety
/// It must be there, and no partition may reach it.
pub(crate) unsafe fn open(region: AddressRange) -> Result<(), MapFailed> {
    if region.size() < size_of::<Distributor>() as u64 {
        return Err(MapFailed);
    }
    mmu::map(region, Use::Device)?;
    REGION.call_once(|| region);
    if let Some(registers) = registers() {
        registers.control.set(registers.control.get() | control::GROUP_1_SECURE);
        wait(registers);
    }
    Ok(())
}

fn registers() -> Option<&'static Distributor> {
    let pointer: *const Distributor = with_exposed_provenance(to_usize(REGION.get()?.start()));
    // SAFETY: `open` has mapped a region of at least this size for good, whose contract says that a distributor is there.
    // Fields are cells that are only read and written as a whole.
    Some(unsafe { &*pointer })
}

/// Waits until what was switched off is off.
fn wait(registers: &Distributor) {
    for _ in 0..MAX_POLLS {
        if registers.control.get() & control::WRITE_PENDING == 0 {
            return;
        }
    }
}

/// The place of an interrupt's bit among registers of 32.
fn place(intid: u32) -> (usize, u32) {
    ((intid / 32) as usize, 1 << (intid % 32))
}

/// The priority of a partition's interrupt: in the upper half, which the normal world cannot reach (GICv3, 4.8.6).
pub(crate) const fn secure_priority(wanted: u8) -> u8 {
    wanted >> 1
}

/// Makes a shared interrupt a secure one of group 1, as its manifest wants it, sends it to the core with `affinity`, and
/// switches it on. Nothing happens for an interrupt that is none.
pub(crate) fn configure(interrupt: &DeviceInterrupt, affinity: u64) {
    enable(interrupt.intid, false);
    secure(interrupt.intid, true);
    if let Some(registers) = registers() {
        let _held = CHANGE.lock();
        let (word, bit) = place(interrupt.intid);
        if let Some(priority) = registers.priority.get(interrupt.intid as usize) {
            priority.set(secure_priority(interrupt.priority));
        }
        if let Some(configuration) = registers.configuration.get((interrupt.intid / 16) as usize) {
            let shift = interrupt.intid % 16 * 2;
            let wanted = match interrupt.trigger {
                Trigger::Edge => EDGE,
                Trigger::Level => 0,
            };
            configuration.set(configuration.get() & !(0b11 << shift) | wanted << shift);
        }
        for clear in [&registers.clear_pending, &registers.clear_active] {
            if let Some(clear) = clear.get(word) {
                clear.set(bit);
            }
        }
    }
    _ = route(interrupt.intid, affinity);
    enable(interrupt.intid, true);
}

/// Switches a shared interrupt on or off.
pub(crate) fn enable(intid: u32, enable: bool) {
    let Some(registers) = registers().filter(|_| intid >= FIRST_SHARED) else { return };
    let (word, bit) = place(intid);
    let which = if enable { &registers.set_enable } else { &registers.clear_enable };
    if let Some(register) = which.get(word) {
        register.set(bit);
    }
    if !enable {
        wait(registers);
    }
}

/// Ends a shared interrupt.
pub(crate) fn deactivate(intid: u32) {
    let (word, bit) = place(intid);
    if let Some(register) = registers().and_then(|registers| registers.clear_active.get(word)) {
        register.set(bit);
    }
}

/// Gives a shared interrupt to group 1 of the secure world, or of the normal world.
pub(crate) fn secure(intid: u32, secure: bool) {
    let Some(registers) = registers().filter(|_| intid >= FIRST_SHARED) else { return };
    let (word, bit) = place(intid);
    let _held = CHANGE.lock();
    if let (Some(group), Some(modifier)) = (registers.group.get(word), registers.group_modifier.get(word)) {
        let with = |value: u32, on: bool| if on { value | bit } else { value & !bit };
        modifier.set(with(modifier.get(), secure));
        group.set(with(group.get(), !secure));
    }
}

/// Tells whether a shared interrupt goes to the core with this affinity.
pub(crate) fn goes_to(intid: u32, affinity: u64) -> bool {
    let route = registers().and_then(|registers| registers.route.get(intid as usize));
    route.is_some_and(|route| route.get() & AFFINITY == affinity & AFFINITY)
}

/// Sends a shared interrupt to the core with this affinity.
pub(crate) fn route(intid: u32, affinity: u64) -> Option<()> {
    let registers = registers().filter(|_| intid >= FIRST_SHARED)?;
    registers.route.get(intid as usize)?.set(affinity & AFFINITY);
    Some(())
}
