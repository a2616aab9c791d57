// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What spm does with a core's GIC redistributor: it leaves the schedule receiver interrupt to the normal world (FF-A 1.2
//! §10.4.1.1), and sets up the core's own interrupts that partitions and spm itself take. EL3 has made all of the upper
//! eight software generated interrupts secure ones, of the highest priority.
#![expect(unsafe_code, reason = "device registers")]

use core::mem::offset_of;
use core::ptr::with_exposed_provenance;
use core::sync::atomic::Ordering;

use spin::Once;
use spm_core::gic::{SCHEDULE_RECEIVER_SGI, find_redistributor};
use spm_core::manifest::AddressRange;
use spm_core::manifest::interrupt::Trigger;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, ReadWrite};

use super::sysreg::MPIDR_EL1;
use crate::address::to_usize;
use crate::cores::Core;
use crate::mmu::{self, Use};

register_structs! {
    /// Control frame and frame for SGIs and PPIs (GICv3, IHI 0069, 12.10).
    Redistributor {
        (0x0_0000 => control: ReadOnly<u32>),
        (0x0_0004 => _reserved0),
        (0x0_0008 => typer: ReadOnly<u64>),
        (0x0_0010 => _reserved1),
        (0x1_0080 => group: ReadWrite<u32>),
        (0x1_0084 => _reserved2),
        (0x1_0100 => set_enable: ReadWrite<u32>),
        (0x1_0104 => _reserved7),
        (0x1_0180 => clear_enable: ReadWrite<u32>),
        (0x1_0184 => _reserved3),
        (0x1_0280 => clear_pending: ReadWrite<u32>),
        (0x1_0284 => _reserved4),
        (0x1_0380 => clear_active: ReadWrite<u32>),
        (0x1_0384 => _reserved8),
        (0x1_0400 => priority: [ReadWrite<u8>; 32]),
        (0x1_0420 => _reserved5),
        (0x1_0c04 => configuration: ReadWrite<u32>),
        (0x1_0c08 => _reserved9),
        (0x1_0d00 => group_modifier: ReadWrite<u32>),
        (0x1_0d04 => _reserved6),
        (0x2_0000 => @END),
    }
}

/// GICR_CTLR.RWP: a disabled interrupt may still be signalled.
const WRITE_PENDING: u32 = 1 << 3;
/// Polls of that before it is not waited for any longer.
const MAX_POLLS: u32 = 1_000_000;
/// The least urgent priority that every implementation has, as the secure world sees it; the normal world sets its own.
const PRIORITY: u8 = 0xf0;

/// What is mapped to read GICR_TYPER.
const PAGE_BYTES: u64 = 4096;

/// Interrupts below are software generated ones.
const FIRST_PPI: u32 = 16;

static REGION: Once<AddressRange> = Once::new();

/// Notes where the redistributors of all cores are. Once, on the first core.
///
/// # Safety
/// They must be there, and no partition may reach them.
pub(crate) unsafe fn open(region: AddressRange) {
    REGION.call_once(|| region);
}

/// Finds this core's redistributor and maps it, unless that was done when the core came on before. False if the core has
/// none, or there is no room to map it.
///
/// The others are left alone: a region has room for many more than there are cores, and would be mapped page by page.
#[must_use]
pub(crate) fn claim() -> bool {
    own().is_some()
        || find().is_some_and(|address| {
            Core::current().redistributor.store(address, Ordering::Relaxed);
            true
        })
}

/// Finds this core's redistributor and maps it for good. Returns its address.
fn find() -> Option<usize> {
    let region = REGION.get()?;
    let part = |offset, bytes| AddressRange::new(region.start().checked_add(offset)?, bytes).ok();
    let typer = |offset| mmu::with_registers(part(offset, PAGE_BYTES)?, read_typer).ok();
    let offset = find_redistributor(region.size(), MPIDR_EL1::read(), typer)?;
    let own = part(offset, size_of::<Redistributor>() as u64)?;
    mmu::map(own, Use::Device).ok()?;
    Some(to_usize(own.start()))
}

/// Reads the GICR_TYPER of a redistributor whose first page is mapped at `page`.
fn read_typer(page: usize) -> u64 {
    let register: *const ReadOnly<u64> =
        with_exposed_provenance(page.wrapping_add(offset_of!(Redistributor, typer)));
    // SAFETY: only `find` calls this, for a page that is mapped; by the contract of `open` a redistributor begins there. The
    // field is a cell that is only read.
    unsafe { &*register }.get()
}

/// Makes this core's schedule receiver interrupt one of the normal world's: off, not pending, and of a low priority, until
/// the normal world decides.
///
/// Needed each time that a core comes on, since EL3 sets it up anew.
pub(crate) fn release_schedule_receiver_interrupt() {
    let Some(registers) = own() else { return };
    let bit = 1 << SCHEDULE_RECEIVER_SGI;
    disable(registers, bit);
    registers.clear_pending.set(bit);
    if let Some(priority) = registers.priority.get(SCHEDULE_RECEIVER_SGI as usize) {
        priority.set(PRIORITY);
    }
    // Group 1 of the normal world: group bit 1, modifier 0.
    registers.group_modifier.set(registers.group_modifier.get() & !bit);
    registers.group.set(registers.group.get() | bit);
}

fn disable(registers: &Redistributor, bit: u32) {
    registers.clear_enable.set(bit);
    for _ in 0..MAX_POLLS {
        if registers.control.get() & WRITE_PENDING == 0 {
            return;
        }
    }
}

/// Makes one of this core's own interrupts a secure one of group 1, and switches it on. Nothing happens for a shared one.
///
/// Needed each time that a core comes on, likewise.
pub(crate) fn configure(intid: u32, priority: u8, trigger: Trigger) {
    let Some((registers, bit)) = own().zip(bit(intid)) else { return };
    disable(registers, bit);
    registers.group_modifier.set(registers.group_modifier.get() | bit);
    registers.group.set(registers.group.get() & !bit);
    if let Some(place) = registers.priority.get(intid as usize) {
        place.set(priority);
    }
    // Two bits for each PPI, the upper one for edges; those of SGIs are fixed.
    if let Some(number) = intid.checked_sub(FIRST_PPI) {
        let edge = 0b10 << (2 * number);
        let others = registers.configuration.get() & !edge;
        registers.configuration.set(match trigger {
            Trigger::Edge => others | edge,
            Trigger::Level => others,
        });
    }
    registers.clear_pending.set(bit);
    registers.clear_active.set(bit);
    registers.set_enable.set(bit);
}

/// Switches one of this core's own interrupts on or off. False for a shared one.
pub(crate) fn enable(intid: u32, enable: bool) -> bool {
    let Some((registers, bit)) = own().zip(bit(intid)) else { return false };
    if enable {
        registers.set_enable.set(bit);
    } else {
        disable(registers, bit);
    }
    true
}

/// Ends one of this core's own interrupts. False for a shared one.
pub(crate) fn deactivate(intid: u32) -> bool {
    let Some((registers, bit)) = own().zip(bit(intid)) else { return false };
    registers.clear_active.set(bit);
    true
}

/// Gives one of this core's own interrupts to group 1 of the secure world, or of the normal world. False for a shared one.
pub(crate) fn secure(intid: u32, secure: bool) -> bool {
    let Some((registers, bit)) = own().zip(bit(intid)) else { return false };
    let with = |value: u32, on: bool| if on { value | bit } else { value & !bit };
    registers.group_modifier.set(with(registers.group_modifier.get(), secure));
    registers.group.set(with(registers.group.get(), !secure));
    true
}

/// The bit of an interrupt that is a core's own.
const fn bit(intid: u32) -> Option<u32> {
    if intid < 32 { Some(1 << intid) } else { None }
}

/// Returns this core's redistributor, if it was found.
fn own() -> Option<&'static Redistributor> {
    let address = Core::current().redistributor.load(Ordering::Relaxed);
    let pointer: *const Redistributor = with_exposed_provenance(address);
    // SAFETY: 1. It is null, or `claim` has mapped all of it for good; by the contract of `open` a redistributor is there.
    // 2. Fields are cells that are only read and written as a whole.
    unsafe { pointer.as_ref() }
}
