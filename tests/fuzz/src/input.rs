// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads bytes as values near those that mean something. All bytes can be read, and a small change of them is a small
//! change of what they mean.

use crate::fixture::Places;

/// What is left of the bytes; behind the end everything is 0.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Tells whether all was read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.rest {
            [first, rest @ ..] => {
                self.rest = rest;
                *first
            }
            [] => 0,
        }
    }

    /// Reads a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.byte())
    }

    /// Takes up to `count` bytes as they are.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Reads a function ID: mostly one of FF-A's, sometimes with the SVE hint, or any.
    pub(crate) fn function(&mut self) -> u64 {
        let kind = self.byte();
        let number = u64::from(self.byte());
        let width = if kind & 1 == 0 { 0x8400_0000 } else { 0xc400_0000 };
        match kind >> 4 {
            0 => u64::from_le_bytes(self.bytes()),
            1 => width | 1 << 16 | (0x60 + number % 0x40),
            2 => width | (0x60 + number % 0x40) | u64::from(self.byte()) << 40,
            _ => width | (0x60 + number % 0x40),
        }
    }

    /// Reads the value of a register or a field.
    pub(crate) fn value(&mut self, places: &Places) -> u64 {
        let kind = self.byte();
        let id = |number: u8| {
            let ids = &places.ids;
            u64::from(ids.get(usize::from(number) % ids.len().max(1)).copied().unwrap_or(0))
        };
        match kind % 12 {
            0 => 0,
            1 => u64::from(self.byte()),
            2 => u64::from(u16::from_le_bytes(self.bytes())),
            3 => id(self.byte()),
            4 => id(self.byte()) << 16,
            5 => id(self.byte()) << 16 | id(self.byte()),
            6 => 1 << (self.byte() % 64),
            7 => (1 << (self.byte() % 64)) - 1,
            8 => places.normal_memory + (u64::from(self.byte()) << 12),
            9 => {
                let memories = &places.memories;
                let memory = memories.get(self.below(memories.len())).copied().unwrap_or(0);
                memory + (u64::from(self.byte()) << 12)
            }
            10 => u64::from_le_bytes(self.bytes()),
            _ => places.words.get(self.below(places.words.len())).copied().unwrap_or(0),
        }
    }
}
