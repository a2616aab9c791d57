// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Text for people, by FFA_CONSOLE_LOG (FF-A 1.2 §13.13): collected on the stack, sent in chunks, no lock, no state.

use core::fmt::{self, Write};

use arm_ffa::interface_args::ConsoleLogChars64;

use crate::ffa;

/// Prints `arguments` and a line break. Lines of several vCPUs may mix if they are longer than the 128 characters that
/// one call carries.
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut line = Line(ConsoleLogChars64::default());
    // Writing to a `Line` does not fail; what a `Display` refuses to write is lost.
    let _ = line.write_fmt(arguments);
    let _ = line.write_str("\n");
    line.flush();
}

struct Line(ConsoleLogChars64);

impl Line {
    fn flush(&mut self) {
        ffa::console_log(&self.0);
        self.0 = ConsoleLogChars64::default();
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.0.full() {
                self.flush();
            }
            let taken = self.0.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }
}
