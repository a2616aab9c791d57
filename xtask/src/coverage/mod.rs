// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which lines of an image ran on QEMU: its log of translated blocks against the image's debug information.
//!
//! QEMU translates code when it is first reached, and `-d in_asm` writes down what; so an address that stands there was
//! reached, and one that does not was not. A block ends at a jump, a call or an exception's return: what follows an
//! instruction that faults may stand there too.

mod lines;
mod log;

pub(crate) use lines::{FileLines, lines, unreached_functions};
pub(crate) use log::{Reached, arguments};
