// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_CONSOLE_LOG: a partition prints (FF-A 1.2 §13.14). The characters are bytes of the registers from x2 on, lowest
//! byte first: four in each of six, or eight in each of sixteen.

use arm_ffa::FfaError;
use heapless::Vec;

use crate::registers::MessageRegisters;

/// Most characters of a call, in bytes: those of the 64-bit form.
const MAX_CHARACTERS: usize = 128;

/// The characters of one call.
pub struct Characters {
    bytes: [u8; MAX_CHARACTERS],
    count: usize,
}

impl Characters {
    /// Takes them out of the registers of a call.
    ///
    /// # Errors
    /// `InvalidParameters` if there are none, or more than the registers hold.
    pub fn new(registers: &MessageRegisters, is_64bit: bool) -> Result<Self, FfaError> {
        let (count_bits, each, limit) =
            if is_64bit { (0xffff_ffff, 8, MAX_CHARACTERS) } else { (0xff, 4, 24) };
        let count = usize::try_from(registers[1] & count_bits).map_err(|_| FfaError::InvalidParameters)?;
        if count == 0 || count > limit {
            return Err(FfaError::InvalidParameters);
        }
        let mut characters = Self { bytes: [0; MAX_CHARACTERS], count };
        for (chunk, register) in characters.bytes.chunks_exact_mut(each).zip(registers.iter().skip(2)) {
            for (byte, value) in chunk.iter_mut().zip(register.to_le_bytes()) {
                *byte = value;
            }
        }
        Ok(characters)
    }

    /// Returns them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }
}

/// Longest line that is printed as one, in bytes.
const MAX_LINE: usize = 160;

/// What a partition has logged of a line that is not complete yet.
#[derive(Debug, Default)]
pub struct Line(Vec<u8, MAX_LINE>);

impl Line {
    /// Adds characters, and gives each line that they complete, or that gets too long, to `print`.
    pub fn add(&mut self, characters: &[u8], mut print: impl FnMut(&[u8])) {
        for &byte in characters {
            if byte == b'\n' {
                self.end(&mut print);
            } else if self.0.push(byte).is_err() {
                self.end(&mut print);
                // There is room now.
                _ = self.0.push(byte);
            }
        }
    }

    /// Gives what there is to `print`, complete or not.
    pub fn flush(&mut self, mut print: impl FnMut(&[u8])) {
        if !self.0.is_empty() {
            self.end(&mut print);
        }
    }

    fn end(&mut self, print: &mut impl FnMut(&[u8])) {
        print(&self.0);
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_calls_carry_four_bytes_in_a_register() {
        let mut registers = [u64::MAX; 18];
        registers[1] = 6;
        registers[2] = u64::MAX << 32 | u64::from(u32::from_le_bytes(*b"hell"));
        registers[3] = u64::from(u32::from_le_bytes(*b"o!xx"));
        assert_eq!(Characters::new(&registers, false).unwrap().bytes(), b"hello!");
    }

    #[test]
    fn wide_calls_carry_eight() {
        let mut registers = [0; 18];
        registers[1] = 128;
        for (index, register) in registers.iter_mut().enumerate().skip(2) {
            *register = u64::from_le_bytes([b'a' + u8::try_from(index).unwrap(); 8]);
        }
        let characters = Characters::new(&registers, true).unwrap();
        assert_eq!(characters.bytes().len(), 128);
        assert_eq!(&characters.bytes()[..9], b"ccccccccd");
        assert_eq!(characters.bytes()[127], b'a' + 17);
    }

    #[test]
    fn counts_beyond_the_registers_are_refused() {
        for (count, is_64bit) in
            [(0, false), (25, false), (0, true), (129, true), (u64::from(u32::MAX), true)]
        {
            let mut registers = [0; 18];
            registers[1] = count;
            assert!(Characters::new(&registers, is_64bit).is_err());
        }
    }

    #[test]
    fn lines_are_put_together() {
        let mut line = Line::default();
        let mut printed = std::vec::Vec::new();
        for part in ["hel", "lo\nwor", "ld", "\n\n"] {
            line.add(part.as_bytes(), |text| printed.push(text.to_vec()));
        }
        line.add(&[b'x'; MAX_LINE + 1], |text| printed.push(text.to_vec()));
        line.flush(|text| printed.push(text.to_vec()));
        line.flush(|_| panic!("nothing is left"));
        let expected = [b"hello".to_vec(), b"world".to_vec(), vec![], vec![b'x'; MAX_LINE], vec![b'x']];
        assert_eq!(printed, expected);
    }
}
