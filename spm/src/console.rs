// SPDX-License-Identifier: Apache-2.0 OR MIT
//! spm's console: a PL011 in the secure world, from the SPMC manifest. Without one, nothing is printed.
//!
//! Each message is written as a whole under a lock, so that cores do not mix. A transmitter that does not empty costs a
//! bounded time and then characters.
#![expect(unsafe_code, reason = "device registers")]

use core::fmt::{self, Write};
use core::ptr::with_exposed_provenance;

use spin::mutex::SpinMutex;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

use crate::address::to_usize;

register_bitfields! [u32,
    /// Flag register (PL011, DDI 0183, 3.3.3).
    FR [
        /// Transmit FIFO full.
        TXFF OFFSET(5) NUMBITS(1) []
    ],
    /// Control register (3.3.8).
    CR [
        UARTEN OFFSET(0) NUMBITS(1) [],
        TXE OFFSET(8) NUMBITS(1) []
    ]
];

register_structs! {
    Pl011 {
        (0x00 => data: ReadWrite<u32>),
        (0x04 => _reserved0),
        (0x18 => flags: ReadOnly<u32, FR::Register>),
        (0x1c => _reserved1),
        (0x30 => control: ReadWrite<u32, CR::Register>),
        (0x34 => @END),
    }
}

/// Polls of a full transmitter before a character is dropped: more than a character takes at 9600 baud.
const MAX_POLLS: u32 = 1_000_000;

struct Uart(Option<&'static Pl011>);

// SAFETY: device registers belong to no core; the lock around the only Uart lets one core at a time use them.
unsafe impl Send for Uart {}

static UART: SpinMutex<Uart> = SpinMutex::new(Uart(None));

/// Starts printing to the PL011 at `address`.
///
/// # Safety
/// The registers must be there, mapped as device memory for as long as spm runs, and spm's alone.
pub(crate) unsafe fn open(address: u64) {
    let pointer: *const Pl011 = with_exposed_provenance(to_usize(address));
    // SAFETY: by this function's contract; Pl011's fields are cells that are only read and written as a whole.
    let registers = unsafe { &*pointer };
    registers.control.write(CR::UARTEN::SET + CR::TXE::SET);
    UART.lock().0 = Some(registers);
}

impl Uart {
    fn write_byte(&self, byte: u8) {
        if let Some(registers) = self.0 {
            if byte == b'\n' {
                Self::put(registers, b'\r');
            }
            Self::put(registers, byte);
        }
    }

    #[inline(never)]
    fn put(registers: &Pl011, byte: u8) {
        for _ in 0..MAX_POLLS {
            if !registers.flags.is_set(FR::TXFF) {
                registers.data.set(u32::from(byte));
                return;
            }
        }
    }
}

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.write_byte(byte);
        }
        Ok(())
    }
}

/// Prints one line.
pub(crate) fn print_line(arguments: fmt::Arguments<'_>) {
    let mut uart = UART.lock();
    // Writing to the UART never fails; what a Display could report is of no use here.
    _ = uart.write_str("spm: ");
    _ = uart.write_fmt(arguments);
    _ = uart.write_str("\n");
}

/// Prints while the machine stops: the lock may be held by this very core, so it is only waited for a while.
pub(crate) fn print_regardless(arguments: fmt::Arguments<'_>) {
    for _ in 0..MAX_POLLS {
        if let Some(mut uart) = UART.try_lock() {
            _ = uart.write_fmt(arguments);
            return;
        }
    }
    // SAFETY: whoever holds the lock is this core, or has had time for a thousand lines: it is stuck. The worst that can
    // come of two writers is mixed characters.
    unsafe { UART.force_unlock() };
    _ = UART.lock().write_fmt(arguments);
}

/// Prints a line that a partition logs: its name before it, and nothing in it that could pass for another line.
pub(crate) fn print_partition(name: &str, line: &[u8]) {
    let mut uart = UART.lock();
    _ = uart.write_str(name);
    _ = uart.write_str(": ");
    for &byte in line {
        uart.write_byte(if byte.is_ascii_graphic() || byte == b' ' { byte } else { b'.' });
    }
    uart.write_byte(b'\n');
}

/// Prints a line to the console, `spm: ` before it.
macro_rules! say {
    ($($argument:tt)*) => { $crate::console::print_line(format_args!($($argument)*)) };
}
pub(crate) use say;
