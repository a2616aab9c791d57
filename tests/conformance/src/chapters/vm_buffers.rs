// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Buffers of VMs, which a hypervisor maps on their behalf (DEN0077A 4.10, 13.6, 13.7), and FFA_RX_ACQUIRE (13.4), by which it
//! takes a VM's RX buffer from the SPMC.
//!
//! The normal world plays a hypervisor with one VM: its own buffers are pages 0 and 1, those of the VM 2 and 3.

use super::indirect_message::{Header, STEP_MAP, STEP_RECEIVE, STEP_SEND, payload, received, side};
use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint, PAGE, call, ids, map_buffers};
use crate::exchange::{NormalWorld, ask};
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use crate::partner::Partner;
use arm_ffa::FfaError::{Busy, Denied, InvalidParameters};
use arm_ffa::FuncId;

/// The VM's ID.
const VM: u16 = 5;

pub(super) const CASES: &[Case] = &[
    Case::alone(Interface::RxTxMap, "for-a-vm", "13.6; 4.10", Instance::NORMAL, map_for_vm)
        .with_partners(&[Partner::PeerUp]),
    Case::alone(Interface::RxTxMap, "bad-vm-descriptors", "13.6", Instance::NORMAL, bad_descriptors)
        .with_partners(&[Partner::PeerUp]),
    Case::alone(Interface::RxTxUnmap, "no-such-vm", "13.7", Instance::NORMAL, no_such_vm),
    Case::alone(
        Interface::RxAcquire,
        "acquire-and-release",
        "13.4; 13.5; 4.10, R0043 to R0045",
        Instance::NORMAL,
        acquire,
    )
    .with_partners(&[Partner::PeerUp]),
    Case::alone(Interface::RxAcquire, "no-such-vm", "13.4", Instance::NORMAL, acquire_of_nobody),
    Case::exchange(Interface::MsgSend2, "from-a-vm", "15.1; 8.2, I0146", Instance::NORMAL, from_vm, side),
    Case::exchange(Interface::MsgSend2, "to-a-vm", "15.1; 8.2, I0147, R0148", Instance::SECURE, to_vm, side),
];

/// Writes an endpoint RX/TX descriptor into the TX buffer: the VM, where its RX and its TX region stand, and both, a
/// composite memory region descriptor of one range each.
fn describe(endpoint: &mut dyn Endpoint, vm: u32, rx: u64, tx: u64, pages: u32) {
    const RX_REGION: u32 = 16;
    const TX_REGION: u32 = 48;
    let mut bytes = [0; 80];
    let mut put = |at: u32, value: &[u8]| {
        for (to, from) in bytes.iter_mut().skip(at as usize).zip(value) {
            *to = *from;
        }
    };
    put(0, &vm.to_le_bytes());
    put(4, &RX_REGION.to_le_bytes());
    put(8, &TX_REGION.to_le_bytes());
    for (region, address) in [(RX_REGION, rx), (TX_REGION, tx)] {
        put(region, &pages.to_le_bytes());
        put(region + 4, &1_u32.to_le_bytes());
        put(region + 16, &address.to_le_bytes());
        put(region + 24, &pages.to_le_bytes());
    }
    endpoint.write(PAGE, &bytes);
}

/// Maps what is described.
fn map_described(endpoint: &mut dyn Endpoint) -> Answer {
    call(endpoint, FuncId::RxTxMap64, &[0, 0, 0])
}

/// Maps the hypervisor's buffers and the VM's.
fn map_both(endpoint: &mut dyn Endpoint) -> Outcome {
    let base = endpoint.pages();
    map_buffers(endpoint)?;
    describe(endpoint, u32::from(VM), base + 2 * PAGE, base + 3 * PAGE, 1);
    map_described(endpoint).success()
}

fn unmap_vm(endpoint: &mut dyn Endpoint) -> Answer {
    call(endpoint, FuncId::RxTxUnmap, &[ids(VM, 0)])
}

fn map_for_vm(endpoint: &mut dyn Endpoint) -> Outcome {
    map_both(endpoint)?;
    // Once; the hypervisor's own buffers are its own affair.
    map_described(endpoint).error(Denied)?;
    unmap_vm(endpoint).success()?;
    unmap_vm(endpoint).error(InvalidParameters)?;
    map_described(endpoint).success()?;
    unmap_vm(endpoint).success()
}

/// IDs that are no VM's, addresses that are not the normal world's, one page for both, none at all; and no descriptor.
fn bad_descriptors(endpoint: &mut dyn Endpoint) -> Outcome {
    let base = endpoint.pages();
    let secure = endpoint.foreign(crate::endpoint::Foreign::Spmc);
    let (rx, tx) = (base + 2 * PAGE, base + 3 * PAGE);
    call(endpoint, FuncId::RxTxMap64, &[0, 0, 0]).error_of(&[InvalidParameters, Denied])?;
    map_buffers(endpoint)?;
    for (vm, rx, tx, pages) in [
        (0, rx, tx, 1),
        (0x8001, rx, tx, 1),
        (0xffff, rx, tx, 1),
        (VM, secure, tx, 1),
        (VM, rx, secure, 1),
        (VM, rx, rx, 1),
        (VM, rx + 8, tx, 1),
        (VM, rx, tx, 0),
        (VM, rx, tx, 0xffff_ffff),
    ] {
        describe(endpoint, u32::from(vm), rx, tx, pages);
        map_described(endpoint).error(InvalidParameters)?;
    }
    // Regions outside of the buffer.
    for (at, value) in [(4, 4096_u32), (8, 4096), (4, 0xffff_fff8), (8, 4080)] {
        describe(endpoint, u32::from(VM), rx, tx, 1);
        endpoint.write(PAGE + at, &value.to_le_bytes());
        map_described(endpoint).error(InvalidParameters)?;
    }
    unmap_vm(endpoint).error(InvalidParameters)
}

fn no_such_vm(endpoint: &mut dyn Endpoint) -> Outcome {
    for id in [1, VM, 0x7fff, 0x8001, 0xffff] {
        call(endpoint, FuncId::RxTxUnmap, &[ids(id, 0)]).error(InvalidParameters)?;
        call(endpoint, FuncId::RxRelease, &[u64::from(id)]).error(InvalidParameters)?;
    }
    Ok(())
}

/// The SPMC owns the VM's RX buffer first; who has it not cannot release it, who has it cannot acquire it again.
fn acquire(endpoint: &mut dyn Endpoint) -> Outcome {
    map_both(endpoint)?;
    for _ in 0..2 {
        call(endpoint, FuncId::RxRelease, &[u64::from(VM)]).error(Denied)?;
        call(endpoint, FuncId::RxAcquire, &[u64::from(VM)]).success()?;
        call(endpoint, FuncId::RxAcquire, &[u64::from(VM)]).error(Denied)?;
        call(endpoint, FuncId::RxRelease, &[u64::from(VM)]).success()?;
    }
    unmap_vm(endpoint).success()
}

fn acquire_of_nobody(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    for id in [1, VM, 0x7fff, 0x8001, 0xffff] {
        call(endpoint, FuncId::RxAcquire, &[id.into()]).error(InvalidParameters)?;
    }
    Ok(())
}

fn from_vm(normal: &mut dyn NormalWorld) -> Outcome {
    let (number, seed) = (normal.number(), normal.random());
    let to = Partner::PeerUp;
    map_both(normal.endpoint())?;
    ask(normal.endpoint(), to, number, [STEP_MAP, 0, 0, 0])?;
    normal.write(3 * PAGE, &Header::new(VM, to.id()).bytes());
    normal.write(3 * PAGE + 40, &payload(seed));
    // In the hypervisor's name the message would be another one.
    call(normal.endpoint(), FuncId::MsgSend2, &[ids(6, 0)]).error(InvalidParameters)?;
    call(normal.endpoint(), FuncId::MsgSend2, &[ids(VM, 0)]).success()?;
    ask(normal.endpoint(), to, number, [STEP_RECEIVE, u64::from(VM), seed, 0])?;
    unmap_vm(normal.endpoint()).success()
}

/// A message goes into a VM's buffer while the SPMC owns it, and once.
fn to_vm(normal: &mut dyn NormalWorld) -> Outcome {
    let (number, seed) = (normal.number(), normal.random());
    let from = Partner::PeerUp;
    let send = [STEP_SEND, u64::from(VM), seed, 0];
    map_both(normal.endpoint())?;
    ask(normal.endpoint(), from, number, [STEP_MAP, 0, 0, 0])?;
    call(normal.endpoint(), FuncId::RxAcquire, &[u64::from(VM)]).success()?;
    let [function, status, ..] = ask(normal.endpoint(), from, number, send)?;
    same(function, u32::from(FuncId::Error32))?;
    same(status, i32::from(Busy).cast_unsigned())?;
    call(normal.endpoint(), FuncId::RxRelease, &[u64::from(VM)]).success()?;
    let [function, ..] = ask(normal.endpoint(), from, number, send)?;
    same(function, u32::from(FuncId::Success32))?;
    received(normal.endpoint(), 2 * PAGE, Header::new(from.id(), VM), seed)?;
    let [function, status, ..] = ask(normal.endpoint(), from, number, send)?;
    same(function, u32::from(FuncId::Error32))?;
    same(status, i32::from(Busy).cast_unsigned())?;
    unmap_vm(normal.endpoint()).success()
}
