// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What callers put into registers and send buffers: anything, and often what is nearly right.
#![expect(
    clippy::indexing_slicing,
    reason = "places in registers are constants, and what does not hold ends a test"
)]

use spm_core::direct_message::VcpuRef;
use spm_core::mailbox::{MAX_VMS, MailboxOwner};
use spm_core::registers::MessageRegisters;

use crate::input::Input;
use crate::targets::calls::{Cores, SENDS_MEMORY};
use crate::targets::memory::{Parties, descriptor, spoil};

/// FFA_RXTX_MAP, 64 bits.
const RXTX_MAP: u64 = 0xc400_0066;
const MSG_SEND2: u64 = 0x8400_0086;
/// Where memory begins, in a partition's or the normal world's, that is no buffer.
const OFFSET: u64 = 0x4_0000;
/// What registers hold that a call does not set.
const UNTOUCHED: u64 = 0x5555_5555_5555_5555;

impl Cores<'_> {
    /// Returns the registers of a call of a partition, or of the normal world. Some of the calls that need much to be right are
    /// right but for what the bytes make wrong.
    pub(super) fn registers(&self, from: Option<VcpuRef>, input: &mut Input<'_>) -> MessageRegisters {
        let mut registers = [UNTOUCHED; 18];
        registers[1..8].fill(0);
        match input.byte() {
            0..32 => {
                let own = from.and_then(|at| self.places.memories.get(at.partition)).copied();
                let base = own.unwrap_or(self.places.normal_memory);
                let page = |number: u8| base + (u64::from(number % 64) << 12);
                registers[0] = RXTX_MAP;
                registers[1] = page(input.byte());
                registers[2] = page(input.byte());
                registers[3] = u64::from(input.byte() % 6);
                return registers;
            }
            32..64 => {
                self.write_message(from, input);
                registers[0] = MSG_SEND2;
                registers[1] = if input.byte().is_multiple_of(8) { input.value(self.places) } else { 0 };
                return registers;
            }
            64..112 => return self.send_memory(from, input),
            112..144 => return self.use_memory(from, input),
            _ => {}
        }
        let used = input.below(9);
        for (place, register) in registers.iter_mut().enumerate().take(8) {
            *register = match place {
                0 => input.function(),
                _ if place <= used => input.value(self.places),
                _ => 0,
            };
        }
        registers
    }

    /// Somebody writes into a send buffer: any bytes, or words that mean something.
    pub(super) fn write(&self, input: &mut Input<'_>) {
        let owner = match input.below(3) {
            0 => MailboxOwner::NormalWorld,
            1 => MailboxOwner::Partition(input.below(self.spmc.partitions().len())),
            _ => MailboxOwner::Vm(input.below(MAX_VMS)),
        };
        let count = usize::from(input.byte());
        let bytes = if input.byte() & 1 == 0 {
            input.take(count).to_vec()
        } else {
            let mut bytes = Vec::new();
            for _ in 0..count % 40 {
                let [a, b, c, d, ..] = input.value(self.places).to_le_bytes();
                bytes.extend([a, b, c, d]);
            }
            bytes
        };
        self.put(owner, bytes);
    }

    fn put(&self, owner: MailboxOwner, bytes: Vec<u8>) {
        if let Ok(mut sent) = self.hardware.sent.lock() {
            sent.retain(|(other, _)| *other != owner);
            sent.push((owner, bytes));
        }
    }

    /// Writes the header of an indirect message (FF-A 1.2 table 7.1): flags, reserved, offset, IDs, size, reserved, UUID.
    fn write_message(&self, from: Option<VcpuRef>, input: &mut Input<'_>) {
        let id_of = |partition: usize| {
            self.spmc.partitions().get(partition).map_or(0, |partition| u32::from(partition.id().0))
        };
        let (owner, sender) = match from {
            Some(at) => (MailboxOwner::Partition(at.partition), id_of(at.partition)),
            None => (MailboxOwner::NormalWorld, 0),
        };
        let mut words = [0; 10];
        words[2] = 40;
        words[3] = sender << 16 | id_of(input.below(self.spmc.partitions().len() + 1));
        words[4] = u32::from(input.byte()) << (input.byte() % 8);
        for _ in 0..input.below(3) {
            let [a, b, c, d, ..] = input.value(self.places).to_le_bytes();
            words[input.below(10)] = u32::from_le_bytes([a, b, c, d]);
        }
        self.put(owner, words.iter().flat_map(|word| word.to_le_bytes()).collect());
    }

    /// Who calls, of whose memory it speaks, and what a transaction of it would be.
    fn parties(&self, from: Option<VcpuRef>, input: &mut Input<'_>) -> (MailboxOwner, Parties) {
        let id_of =
            |partition: usize| self.spmc.partitions().get(partition).map_or(0, |partition| partition.id().0);
        let (owner, sender, memory) = match from {
            Some(at) => {
                let memory = self.places.memories.get(at.partition).copied().unwrap_or(0);
                (MailboxOwner::Partition(at.partition), id_of(at.partition), memory + OFFSET)
            }
            None => (MailboxOwner::NormalWorld, 0, self.places.normal_memory + OFFSET),
        };
        let receiver = id_of(input.below(self.spmc.partitions().len()));
        let handle = self.handles.get(input.below(self.handles.len())).copied().unwrap_or(0);
        (owner, Parties { sender, receiver, handle, memory })
    }

    /// FFA_MEM_SHARE, LEND or DONATE, in one piece or with its first fragment.
    fn send_memory(&self, from: Option<VcpuRef>, input: &mut Input<'_>) -> MessageRegisters {
        let (owner, mut parties) = self.parties(from, input);
        parties.handle = 0;
        let mut bytes = descriptor(&parties, true, input);
        spoil(&mut bytes, self.places, input);
        let length = bytes.len() as u64;
        let first = if input.byte().is_multiple_of(4) { length.saturating_sub(16) } else { length };
        self.put(owner, bytes);
        let mut registers = [UNTOUCHED; 18];
        registers[..8].fill(0);
        registers[0] = SENDS_MEMORY.start() + input.below(3) as u64;
        registers[1] = length;
        registers[2] = first;
        registers
    }

    /// FFA_MEM_RETRIEVE_REQ, RELINQUISH, RECLAIM, FRAG_RX or FRAG_TX of a transaction that began.
    fn use_memory(&self, from: Option<VcpuRef>, input: &mut Input<'_>) -> MessageRegisters {
        let (owner, parties) = self.parties(from, input);
        let (low, high) = (parties.handle & 0xffff_ffff, parties.handle >> 32);
        let mut registers = [UNTOUCHED; 18];
        registers[..8].fill(0);
        let function = 0x8400_0074 + [0, 2, 3, 6, 7][input.below(5)];
        registers[0] = function;
        match function & 0xff {
            0x74 => {
                // Whoever retrieves names the sender and itself.
                let of = Parties { sender: parties.receiver, receiver: parties.sender, ..parties };
                let mut bytes = descriptor(&of, false, input);
                spoil(&mut bytes, self.places, input);
                registers[1] = bytes.len() as u64;
                registers[2] = registers[1];
                self.put(owner, bytes);
            }
            0x76 => {
                let flags = u32::from(input.byte() & 3);
                let words =
                    [parties.handle.to_le_bytes(), (u64::from(flags) | 1 << 32).to_le_bytes()].concat();
                self.put(owner, [words, parties.sender.to_le_bytes().to_vec()].concat());
            }
            0x77 => registers[1..4].copy_from_slice(&[low, high, u64::from(input.byte() & 3)]),
            _ => {
                let offset = u64::from(input.byte()) & !15;
                registers[1..4].copy_from_slice(&[low, high, offset]);
            }
        }
        registers
    }
}
