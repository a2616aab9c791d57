// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each rule of FF-A 1.2 §10 and §16 comes to, call by call; then all of them at once, against a model that keeps
//! single notifications, and from several cores.

mod bindings;
mod bitmaps;
mod framework;
mod info;
#[cfg(feature = "interleavings")]
mod interleavings;
mod model;
mod per_vcpu;
mod random;
mod setting;
mod threads;

use arm_ffa::Uuid;

use super::*;
use crate::manifest::messaging::MessagingMethod;
use crate::manifest::services::Service;
use crate::spmc::Partitions;
use crate::spmc::tests::partition_with;

pub(super) const BITMAP_CREATE: u64 = 0x8400_007d;
pub(super) const BITMAP_DESTROY: u64 = 0x8400_007e;
pub(super) const BIND: u64 = 0x8400_007f;
pub(super) const UNBIND: u64 = 0x8400_0080;
pub(super) const SET: u64 = 0x8400_0081;
pub(super) const GET: u64 = 0x8400_0082;
pub(super) const INFO_GET: u64 = 0x8400_0083;
pub(super) const INFO_GET_64: u64 = 0xc400_0083;

/// A partition with one vCPU that takes notifications, one with eight that does, and one that does not.
pub(super) const ONE: u16 = 0x8001;
pub(super) const MANY: u16 = 0x8002;
pub(super) const DEAF: u16 = 0x8003;
const NOBODY: u16 = 0x8004;
/// A VM with two vCPUs, and one without bitmaps.
pub(super) const VM: u16 = 5;
pub(super) const OTHER_VM: u16 = 6;

pub(super) struct World {
    pub(super) partitions: Partitions,
    pub(super) vms: Vms,
}

impl World {
    /// ID 0 has eight vCPUs, [`VM`] two.
    pub(super) fn new() -> Self {
        let mut partitions = Partitions::new();
        partitions.push(partition(ONE, 1, true)).unwrap();
        partitions.push(partition(MANY, 8, true)).unwrap();
        partitions.push(partition(DEAF, 1, false)).unwrap();
        let world = Self { partitions, vms: Vms::default() };
        world.ok(0, &[BITMAP_CREATE, 0, 8]);
        world.ok(0, &[BITMAP_CREATE, u64::from(VM), 2]);
        world
    }

    pub(super) fn receivers(&self) -> Receivers<'_> {
        Receivers { partitions: &self.partitions, vms: &self.vms }
    }

    /// Calls as an endpoint, on core 3. Any ID without bit 15 is the normal world.
    pub(super) fn call(&self, by: u16, values: &[u64]) -> (Result<Effects, FfaError>, MessageRegisters) {
        let mut registers = [0x5555_5555_5555_5555; 18];
        registers[1..8].fill(0);
        registers[..values.len()].copy_from_slice(values);
        let speaker = if by < 0x8000 { Speaker::NormalWorld } else { Speaker::Partition(EndpointId(by)) };
        let function = u32::try_from(registers[0]).unwrap();
        let result = self.receivers().serve(function, speaker, core(3), &mut registers);
        assert_eq!(
            registers[8..],
            [0x5555_5555_5555_5555; 10],
            "no call has more than seven arguments or results"
        );
        (result, registers)
    }

    /// A call that has to succeed; returns x2–x7.
    pub(super) fn ok(&self, by: u16, values: &[u64]) -> [u64; 6] {
        let (result, registers) = self.call(by, values);
        _ = result.unwrap_or_else(|status| panic!("{by:#x} {values:x?}: {status:?}"));
        assert_eq!(registers[1], 0);
        let expected = if values[0] == INFO_GET_64 { 0xc400_0061 } else { 0x8400_0061 };
        assert_eq!(registers[0], expected);
        registers[2..8].try_into().unwrap()
    }

    /// A call that has to be refused.
    pub(super) fn refused(&self, by: u16, values: &[u64], status: FfaError) {
        assert_eq!(self.call(by, values).0, Err(status), "{by:#x} {values:x?}");
    }

    pub(super) fn bind(&self, sender: u16, receiver: u16, bitmap: u64) -> Result<(), FfaError> {
        self.call(receiver, &about(BIND, sender, receiver, 0, bitmap)).0.map(|_| ())
    }

    pub(super) fn unbind(&self, sender: u16, receiver: u16, bitmap: u64) -> Result<(), FfaError> {
        self.call(receiver, &about(UNBIND, sender, receiver, 0, bitmap)).0.map(|_| ())
    }

    pub(super) fn set(&self, sender: u16, receiver: u16, bitmap: u64) -> Result<Effects, FfaError> {
        self.call(sender, &about(SET, sender, receiver, 0, bitmap)).0
    }

    pub(super) fn bind_per_vcpu(&self, sender: u16, receiver: u16, bitmap: u64) -> Result<(), FfaError> {
        self.call(receiver, &about(BIND, sender, receiver, 1, bitmap)).0.map(|_| ())
    }

    pub(super) fn set_for(
        &self,
        sender: u16,
        receiver: u16,
        vcpu: u16,
        bitmap: u64,
    ) -> Result<Effects, FfaError> {
        let flags = u64::from(vcpu) << 16 | 1;
        self.call(sender, &about(SET, sender, receiver, flags, bitmap)).0
    }

    /// Gets all four bitmaps: of partitions, of VMs, of spm, of a hypervisor.
    pub(super) fn get(&self, receiver: u16) -> [u64; 4] {
        self.get_for(receiver, 0)
    }

    /// As `get`, with what is for one vCPU.
    pub(super) fn get_for(&self, receiver: u16, vcpu: u16) -> [u64; 4] {
        let who = u64::from(vcpu) << 16 | u64::from(receiver);
        let [p0, p1, v0, v1, spmc, hypervisor] = self.ok(receiver, &[GET, who, 0xf]);
        assert!([p0, p1, v0, v1].iter().all(|word| word >> 32 == 0));
        [p1 << 32 | p0, v1 << 32 | v0, spmc, hypervisor]
    }
}

/// Registers of a call about a sender and a receiver.
pub(super) fn about(function: u64, sender: u16, receiver: u16, flags: u64, bitmap: u64) -> [u64; 5] {
    [function, u64::from(sender) << 16 | u64::from(receiver), flags, bitmap & 0xffff_ffff, bitmap >> 32]
}

pub(super) fn core(index: u64) -> CoreIndex {
    CoreIndex::new(index).unwrap()
}

fn partition(id: u16, contexts: u16, receives_notifications: bool) -> Partition {
    let service = Service { uuid: Uuid::from_u128(u128::from(id)), messaging: MessagingMethod::INDIRECT };
    let mut partition = partition_with(id, &[service], contexts);
    partition.notifications = receives_notifications.then(Receiver::default);
    partition
}
