// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The console: a PL011 that firmware has set up, written by polling.

use crate::mmio::Mmio;
use core::fmt::{self, Write};
use spin::mutex::SpinMutex;

/// Data register (PL011 TRM, DDI 0183, 3.3.1).
const DATA: u64 = 0x00;
/// Flag register; bit 5: the transmit FIFO is full (DDI 0183, 3.3.3).
const FLAGS: u64 = 0x18;
const TRANSMIT_FULL: u32 = 1 << 5;
/// Control register; bit 0 enables the UART, bit 8 its transmitter (DDI 0183, 3.3.8).
const CONTROL: u64 = 0x30;
const ENABLE_TRANSMIT: u32 = 1 | 1 << 8;

static CONSOLE: SpinMutex<Option<Uart>> = SpinMutex::new(None);

struct Uart(Mmio);

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.put(b'\r');
            }
            self.put(byte);
        }
        Ok(())
    }
}

impl Uart {
    fn put(&self, byte: u8) {
        while self.0.read32(FLAGS) & TRANSMIT_FULL != 0 {}
        self.0.write32(DATA, u32::from(byte));
    }
}

/// Makes a PL011 the console.
pub(crate) fn start(registers: Mmio) {
    registers.write32(CONTROL, registers.read32(CONTROL) | ENABLE_TRANSMIT);
    *CONSOLE.lock() = Some(Uart(registers));
}

/// Writes one line; lines of several cores do not mix.
pub fn line(text: fmt::Arguments<'_>) {
    if let Some(uart) = CONSOLE.lock().as_mut() {
        // A UART that is polled does not fail.
        let _ = writeln!(uart, "{text}");
    }
}

/// Writes one line even if another core stopped while it was writing its own.
pub(crate) fn last_line(text: fmt::Arguments<'_>) {
    for _ in 0..1_000_000 {
        if let Some(mut console) = CONSOLE.try_lock() {
            if let Some(uart) = console.as_mut() {
                let _ = writeln!(uart, "{text}");
            }
            return;
        }
    }
}

/// Writes a line to the console.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::console::line(::core::format_args!($($argument)*)) };
}
