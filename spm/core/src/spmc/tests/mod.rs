// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What callers get from the SPMC as a whole, on a machine that only remembers. Here is how tests call it; whom they call is in
//! `world`.

mod abort;
mod buffers;
mod cycles;
mod direct_messages;
mod discovery;
mod hostile;
mod indirect_messages;
mod interrupts;
mod notifications;
mod power;
mod regressions;
mod restart;
mod run;
mod setup;
#[cfg(feature = "interleavings")]
mod vm_interleavings;
mod world;

use arm_ffa::{Uuid, UuidHelper, Version};
use proptest::prelude::*;

use super::*;
use crate::cycles::Resume;
use crate::hardware::FakeHardware;
use crate::mailbox::MailboxOwner;
use crate::manifest::PartitionManifest;
use crate::manifest::actions::{AbortAction, NsInterruptsAction, OtherInterruptsAction, PowerMessages};
use crate::manifest::messaging::MessagingMethod;
use crate::manifest::partition::ExceptionLevel;
use crate::manifest::services::Service;
use crate::partition_calls::PartitionNext;
use crate::vcpu::VcpuState;
use crate::work::Work;

pub(crate) use world::partition_with;
use world::*;

const RECEIVES: MessagingMethod = MessagingMethod::RECEIVES_DIRECT;
const ALL: MessagingMethod = RECEIVES
    .with(MessagingMethod::SENDS_DIRECT)
    .with(MessagingMethod::INDIRECT)
    .with(MessagingMethod::RECEIVES_DIRECT2)
    .with(MessagingMethod::SENDS_DIRECT2);
const FIRST: u64 = 0x8001;
const SECOND: u64 = 0x8002;
const UUID_1: u128 = 0x6f1d_9d7e_3c0a_4b52_9d6e_8a3f_51c2_e7b4;
const OK: u64 = 0x8400_0061;
const ERROR: u64 = 0x8400_0060;
const NOT_SUPPORTED: u64 = 0xffff_ffff;
const INVALID_PARAMETERS: u64 = 0xffff_fffe;
const BUSY: u64 = 0xffff_fffc;
const DENIED: u64 = 0xffff_fffa;
const ABORTED: u64 = 0xffff_fff8;
const RUN: u64 = 0x8400_006d;
const YIELD: u64 = 0x8400_006c;
const WAIT: u64 = 0x8400_006b;
const SEND2: u64 = 0x8400_0086;
const AT_FIRST: VcpuRef = VcpuRef { partition: 0, vcpu: 0 };

fn core(index: u64) -> CoreIndex {
    CoreIndex::new(index).unwrap()
}

fn registers(values: &[u64]) -> MessageRegisters {
    let mut registers = [0x5555_5555_5555_5555; 18];
    registers[..8].fill(0);
    registers[..values.len()].copy_from_slice(values);
    registers
}

/// Calls as the normal world and returns x0–x7; the rest must be as it was.
fn call(spmc: &Spmc, values: &[u64]) -> [u64; 8] {
    let mut message = registers(values);
    let next = spmc.from_normal_world(&mut message, core(0), &FakeHardware::default());
    let aborted = message[..3] == [ERROR, 0, ABORTED];
    assert!(next == NormalNext::Answer || next == NormalNext::Aborted && aborted, "{next:?}");
    assert_eq!(message[8..], [0x5555_5555_5555_5555; 10]);
    *message.first_chunk().unwrap()
}

fn call_as(spmc: &Spmc, from: VcpuRef, values: &[u64]) -> (PartitionNext, MessageRegisters) {
    let mut message = registers(values);
    let next = spmc.from_partition(from, &mut message, core(0), &FakeHardware::default());
    (next, message)
}

fn at(partition: usize) -> VcpuRef {
    VcpuRef { partition, vcpu: 0 }
}

fn go(spmc: &Spmc, partition: usize, from: VcpuState, to: VcpuState) {
    spmc.partitions()[partition].vcpu(0).unwrap().transition(from, to).unwrap();
}

fn normal(spmc: &Spmc, values: &[u64]) -> (NormalNext, u64) {
    let mut message = registers(values);
    let next = spmc.from_normal_world(&mut message, core(0), &FakeHardware::default());
    (next, message[2])
}

/// A message with a header of 40 bytes.
fn indirect(sender: u64, receiver: u64, uuid: u128, payload: &[u8]) -> std::vec::Vec<u8> {
    let words = [0, 0, 40, sender << 16 | receiver, payload.len() as u64, 0];
    let mut bytes: std::vec::Vec<u8> =
        words.iter().flat_map(|word| u32::try_from(*word).unwrap().to_le_bytes()).collect();
    bytes.extend(Uuid::from_u128(uuid).as_bytes());
    bytes.extend(payload);
    bytes
}

fn write(hardware: &FakeHardware, owner: MailboxOwner, bytes: &[u8]) {
    hardware.sent.lock().unwrap().push((owner, bytes.to_vec()));
}

fn received(hardware: &FakeHardware, owner: MailboxOwner) -> std::vec::Vec<u8> {
    let mapped = hardware.mapped.lock().unwrap();
    mapped.iter().find(|(other, _, _)| *other == owner).unwrap().2.clone()
}

/// Ends what a claimed vCPU works on.
fn finish(spmc: &Spmc, vcpu: VcpuRef) {
    let vcpu = spmc.partitions()[vcpu.partition].vcpu(vcpu.vcpu).unwrap();
    assert_eq!(vcpu.state(), VcpuState::Running);
    vcpu.set_work(Work::Nothing);
    vcpu.transition(VcpuState::Running, VcpuState::Waiting).unwrap();
}

/// Aborts the partition of a vCPU, which no core runs, and cleans up.
pub(crate) fn fail(spmc: &Spmc, at: VcpuRef, hardware: &FakeHardware) {
    assert!(spmc.abort(at, hardware).is_some());
    assert!(spmc.end(at.partition, core(at.vcpu as u64), hardware).is_some());
}
