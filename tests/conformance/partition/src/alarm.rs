// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The device that one of the partitions has: a PL031, whose alarm is its interrupt (DDI 0224, 3.3).

use sp_runtime::memory::DeviceMemory;
use sp_runtime::mmu::{World, map_device};
use sp_runtime::{BootInfo, log};
use spin::Once;

/// RTCICR: a write clears the interrupt.
const CLEAR: usize = 0x1c;
const SIZE: u64 = 4096;

/// The device.
struct Alarm {
    registers: DeviceMemory,
    interrupt: u32,
}

static ALARM: Once<Option<Alarm>> = Once::new();

/// Maps the device, if the manifest names one: address and interrupt in cells.
pub(crate) fn open(boot: &BootInfo) {
    ALARM.call_once(|| {
        let (cells, _) = boot.property("sidguard,alarm")?.as_chunks::<4>();
        let [high, low, interrupt] = cells.first_chunk::<3>()?.map(u32::from_be_bytes);
        match map_device(u64::from(high) << 32 | u64::from(low), SIZE, World::NonSecure) {
            Ok(registers) => Some(Alarm { registers, interrupt }),
            Err(error) => {
                log!("the alarm cannot be mapped: {error}");
                None
            }
        }
    });
}

fn alarm() -> Option<&'static Alarm> {
    ALARM.get()?.as_ref()
}

/// Returns its INTID; 0 if there is none.
pub(crate) fn interrupt() -> u32 {
    alarm().map_or(0, |alarm| alarm.interrupt)
}

/// Ends what it interrupts for.
pub(crate) fn quiet() {
    if let Some(alarm) = alarm() {
        alarm.registers.write32(CLEAR, 1);
    }
}
