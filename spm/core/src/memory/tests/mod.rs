// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory management as its callers see it, by registers and buffers.
//!
//! Numbers in the tests' names and comments are of the FF-A Memory Management Protocol 1.2 (MM, DEN 0140).

mod descriptor;
mod formats;
mod fragments;
mod hostile;
#[cfg(feature = "interleavings")]
mod interleavings;
mod limits;
mod message;
mod model;
mod permissions;
mod reclaim;
mod release;
mod restore;
mod retrieve;
mod send;
#[cfg(not(feature = "interleavings"))]
mod turns;
mod world;

use arm_ffa::{FfaError, Version};

use super::fake::Pages;
use super::spec::{Format, access, composite, header, put};
use crate::direct_message::VcpuRef;
use crate::hardware::FakeHardware;
use crate::mailbox::MailboxOwner;
use crate::manifest::region::Security;
use crate::partition::CoreIndex;
use crate::registers::MessageRegisters;
use crate::spmc::{NormalNext, Spmc};
use crate::stage2::Rights;

use message::Message;
use world::*;

/// The partitions' IDs.
const A: u16 = 0x8001;
const B: u16 = 0x8002;
const C: u16 = 0x8003;
/// Functions.
const SHARE: u64 = 0x8400_0073;
const LEND: u64 = 0x8400_0072;
const DONATE: u64 = 0x8400_0071;
const RETRIEVE: u64 = 0x8400_0074;
const RESPONSE: u64 = 0x8400_0075;
const RELINQUISH: u64 = 0x8400_0076;
const RECLAIM: u64 = 0x8400_0077;
const FRAG_RX: u64 = 0x8400_007a;
const FRAG_TX: u64 = 0x8400_007b;
const PERM_GET: u64 = 0xc400_0088;
const PERM_SET: u64 = 0xc400_0089;
const SUCCESS: u64 = 0x8400_0061;
const ERROR: u64 = 0x8400_0060;

/// Data access of MM table 1.15.
const READ: u8 = 0b01;
const WRITE: u8 = 0b10;
const EXECUTE: u8 = 0b1000;
/// Normal memory, write-back, inner shareable.
const NORMAL: u16 = 0x2f;

const RW: Rights = Rights { write: true, execute: false };
const RO: Rights = Rights { write: false, execute: false };

/// Who calls: the normal world, or the partition at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Normal,
    Sp(usize),
}

impl Who {
    fn mailbox(self) -> MailboxOwner {
        match self {
            Self::Normal => MailboxOwner::NormalWorld,
            Self::Sp(place) => MailboxOwner::Partition(place),
        }
    }
}

/// Three partitions and the normal world, all of FF-A 1.1 and with buffers of some pages.
struct Bench {
    spmc: Spmc,
    hardware: FakeHardware,
}

impl Bench {
    fn new() -> Self {
        Self::with(Version(1, 1), 1)
    }

    /// All speak this version and have buffers of so many pages.
    fn with(version: Version, pages: u32) -> Self {
        Self::with_applications(version, pages, &[])
    }

    /// As [`Self::with`], with the partitions at `applications` at S-EL0.
    fn with_applications(version: Version, pages: u32, applications: &[usize]) -> Self {
        let bench = Self { spmc: world::spmc(version, applications), hardware: FakeHardware::default() };
        let number = u64::from(version.0) << 16 | u64::from(version.1);
        assert_eq!(bench.call(Who::Normal, &[0x8400_0063, number])[0], 0x1_0002);
        for place in 0..3 {
            let spaces = &bench.hardware.spaces;
            spaces.boot(place, Security::Secure, own(place), bench.spmc.partitions()[place].own_rights());
            for region in regions(place).into_iter().filter(|region| region.range.start() != LARGE) {
                spaces.boot(place, region.security, region.range, region.access.into());
            }
        }
        for (who, at) in [
            (Who::Normal, 0x4000_0000),
            (Who::Sp(0), own(0).start()),
            (Who::Sp(1), own(1).start()),
            (Who::Sp(2), own(2).start()),
        ] {
            let bytes = u64::from(pages) * 4096;
            if matches!(who, Who::Sp(place) if applications.contains(&place)) {
                // Read and write, as buffers have to be.
                let answer = bench.call(who, &[PERM_SET, at, 2 * u64::from(pages), 0b101]);
                assert_eq!(answer[0], SUCCESS, "{answer:x?}");
            }
            let answer = bench.call(who, &[0xc400_0066, at + bytes, at, u64::from(pages)]);
            assert_eq!(answer[0], SUCCESS, "{who:?} {answer:x?}");
        }
        bench
    }

    fn call(&self, who: Who, values: &[u64]) -> [u64; 8] {
        let mut message: MessageRegisters = [0x5555_5555_5555_5555; 18];
        message[..8].fill(0);
        message[..values.len()].copy_from_slice(values);
        let core = CoreIndex::new(0).unwrap();
        match who {
            Who::Normal => {
                let next = self.spmc.from_normal_world(&mut message, core, &self.hardware);
                assert_eq!(next, NormalNext::Answer);
            }
            Who::Sp(partition) => {
                let from = VcpuRef { partition, vcpu: 0 };
                self.spmc.from_partition(from, &mut message, core, &self.hardware);
            }
        }
        assert_eq!(message[8..], [0x5555_5555_5555_5555; 10]);
        assert!(self.pages(|pages| pages.unpublished.is_empty()), "a change is not published");
        *message.first_chunk().unwrap()
    }

    /// Puts bytes into a send buffer.
    fn fill(&self, who: Who, bytes: Vec<u8>) {
        let mut sent = self.hardware.sent.lock().unwrap();
        sent.retain(|(owner, _)| *owner != who.mailbox());
        sent.push((who.mailbox(), bytes));
    }

    /// Sends a descriptor, and calls with its length.
    fn send_bytes(&self, who: Who, function: u64, bytes: Vec<u8>) -> [u64; 8] {
        let length = bytes.len() as u64;
        self.fill(who, bytes);
        self.call(who, &[function, length, length])
    }

    fn send(&self, who: Who, function: u64, message: &Message) -> Result<u64, FfaError> {
        let answer = self.send_bytes(who, function, message.bytes());
        result(answer).map(|answer| answer[2] | answer[3] << 32)
    }

    /// Sends memory of `who` to receivers.
    fn give(
        &self,
        who: Who,
        function: u64,
        to: &[(u16, u8)],
        ranges: &[(u64, u32)],
    ) -> Result<u64, FfaError> {
        let sender = match who {
            Who::Normal => 0,
            Who::Sp(place) => [A, B, C][place],
        };
        self.send(who, function, &Message::new(sender, to, ranges))
    }

    /// Retrieves as the partition at `place`, by a request for `message`; gives the receive buffer back.
    fn retrieve(&self, place: usize, request: &Message) -> Result<Vec<u8>, FfaError> {
        let who = Who::Sp(place);
        let answer = result(self.send_bytes(who, RETRIEVE, request.bytes()))?;
        assert_eq!(answer[0], RESPONSE);
        let response = self.received(who, usize::try_from(answer[2]).unwrap());
        assert_eq!(self.call(who, &[0x8400_0065])[0], SUCCESS);
        Ok(response)
    }

    /// The simplest request.
    fn request(sender: u16, handle: u64, receivers: &[(u16, u8)]) -> Message {
        Message { handle, ..Message::new(sender, receivers, &[]) }
    }

    fn relinquish(&self, place: usize, handle: u64, flags: u32) -> Result<(), FfaError> {
        let mut bytes = [0; 18];
        put(&mut bytes, 0, &handle.to_le_bytes());
        put(&mut bytes, 8, &flags.to_le_bytes());
        put(&mut bytes, 12, &1_u32.to_le_bytes());
        put(&mut bytes, 16, &[A, B, C][place].to_le_bytes());
        self.fill(Who::Sp(place), bytes.to_vec());
        result(self.call(Who::Sp(place), &[RELINQUISH])).map(|_| ())
    }

    fn reclaim(&self, who: Who, handle: u64, flags: u64) -> Result<(), FfaError> {
        result(self.call(who, &[RECLAIM, handle & 0xffff_ffff, handle >> 32, flags])).map(|_| ())
    }

    /// Returns the first bytes of a receive buffer.
    fn received(&self, who: Who, length: usize) -> Vec<u8> {
        let mapped = self.hardware.mapped.lock().unwrap();
        let (_, _, contents) = mapped.iter().find(|(owner, _, _)| *owner == who.mailbox()).unwrap();
        contents[..length].to_vec()
    }

    fn pages<R>(&self, look: impl FnOnce(&mut Pages) -> R) -> R {
        look(&mut self.hardware.spaces.0.lock().unwrap())
    }

    /// What the partition at `place` can do with the page at `address`.
    fn rights(&self, place: usize, address: u64) -> Option<Rights> {
        self.pages(|pages| {
            let secure = pages.mapped.get(&(place, false, address)).copied();
            secure.or_else(|| pages.mapped.get(&(place, true, address)).copied())
        })
    }

    /// Everything that a failed call must leave as it was.
    fn snapshot(&self) -> String {
        let tables = [0, 1, 2].map(|place| self.hardware.spaces.1.held(place));
        self.pages(|pages| format!("{:?} {:?} {tables:?}", pages.mapped, pages.prepared))
    }

    /// Releases what a partition has to do with, which then goes on as one that was started again does.
    fn release(&self, place: usize) -> super::Remainder {
        self.spmc.memory().release(place, &self.spmc.memory_world(&self.hardware))
    }
}

fn result(answer: [u64; 8]) -> Result<[u64; 8], FfaError> {
    if answer[0] == ERROR {
        let code = u32::try_from(answer[2]).unwrap().cast_signed();
        return Err(FfaError::try_from(code).unwrap());
    }
    Ok(answer)
}
