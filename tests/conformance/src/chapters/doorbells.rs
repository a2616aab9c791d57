// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls about notifications, as the normal world makes them and lets partitions make them.

use crate::endpoint::{Answer, Endpoint, call, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, ask};
use crate::outcome::{Outcome, same};
use crate::partner::Partner;
use arm_ffa::FuncId;

/// Bits of FFA_NOTIFICATION_GET's flags: which bitmaps are asked for.
pub(super) const FROM_SPS: u64 = 1;
pub(super) const FROM_VMS: u64 = 1 << 1;
pub(super) const FROM_SPMC: u64 = 1 << 2;
pub(super) const FROM_HYPERVISOR: u64 = 1 << 3;
/// The partition that most cases are about.
pub(super) const SP: Partner = Partner::PeerMp;

/// A call: FFA_NOTIFICATION_BIND, _UNBIND, _SET or _GET.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    pub(super) function: FuncId,
    /// Bits 31-16 of w1: the sender, or the vCPU of FFA_NOTIFICATION_GET.
    pub(super) sender: u16,
    pub(super) receiver: u16,
    pub(super) flags: u64,
    pub(super) bitmap: u64,
}

impl Ring {
    pub(super) const fn bind(sender: u16, receiver: u16, bitmap: u64) -> Self {
        Self { function: FuncId::NotificationBind, sender, receiver, flags: 0, bitmap }
    }

    pub(super) const fn unbind(sender: u16, receiver: u16, bitmap: u64) -> Self {
        Self { function: FuncId::NotificationUnbind, sender, receiver, flags: 0, bitmap }
    }

    pub(super) const fn set(sender: u16, receiver: u16, bitmap: u64) -> Self {
        Self { function: FuncId::NotificationSet, sender, receiver, flags: 0, bitmap }
    }

    pub(super) const fn get(receiver: u16, flags: u64) -> Self {
        Self { function: FuncId::NotificationGet, sender: 0, receiver, flags, bitmap: 0 }
    }
}

/// Makes the call.
pub(super) fn ring(endpoint: &mut dyn Endpoint, ring: Ring) -> Answer {
    let Ring { function, sender, receiver, flags, bitmap } = ring;
    call(endpoint, function, &[ids(sender, receiver), flags, bitmap & 0xffff_ffff, bitmap >> 32])
}

/// Lets a partition make the call.
///
/// # Errors
/// It could not be asked.
#[track_caller]
pub(super) fn ring_by(normal: &mut dyn NormalWorld, partner: Partner, ring: Ring) -> Outcome<Answer> {
    let number = normal.number();
    let Ring { function, sender, receiver, flags, bitmap } = ring;
    let function = u64::from(u32::from(function));
    let about = [function, ids(sender, receiver), flags, bitmap];
    let words = ask(normal.endpoint(), partner, number, about)?;
    let mut answer = [0; 18];
    for (pair, word) in answer.as_chunks_mut::<2>().0.iter_mut().zip(words) {
        *pair = [word & 0xffff_ffff, word >> 32];
    }
    Ok(Answer(answer))
}

/// A partition's side: makes the call and tells of w0 to w7, two in a word.
pub(super) fn puppet(endpoint: &mut dyn PartitionEndpoint, about: [u64; 4]) -> Outcome<[u64; 4]> {
    let [function, ids, flags, bitmap] = about;
    let function = u32::try_from(function).unwrap_or_default();
    let answer =
        crate::endpoint::call_id(endpoint, function, &[ids, flags, bitmap & 0xffff_ffff, bitmap >> 32]);
    Ok([0, 2, 4, 6].map(|number| u64::from(answer.w(number)) | u64::from(answer.w(number + 1)) << 32))
}

/// Partitions that take notifications.
const RECEIVERS: [Partner; 3] = [Partner::PeerMp, Partner::PeerUp, Partner::Old11];

/// Brings everybody to the state in which a case begins: nothing pending, nothing bound, no bitmaps in the normal world, no
/// interrupt. What of it was so already is refused, and that is fine.
///
/// # Errors
/// A partition could not be asked.
pub(super) fn fresh(normal: &mut dyn NormalWorld) -> Outcome {
    const EVERYTHING: u64 = 0xf;
    for vcpu in 0..4 {
        let _ = ring(normal.endpoint(), Ring { sender: vcpu, ..Ring::get(0, EVERYTHING) });
    }
    for sender in RECEIVERS {
        let _ = ring(normal.endpoint(), Ring::unbind(sender.id(), 0, u64::MAX));
        for bit in 0..4 {
            let _ = ring(normal.endpoint(), Ring::unbind(sender.id(), 0, 1 << bit));
        }
    }
    for receiver in RECEIVERS {
        for vcpu in [0, receiver.contexts() - 1] {
            ring_by(normal, receiver, Ring { sender: vcpu, ..Ring::get(receiver.id(), EVERYTHING) })?;
        }
        for sender in [0, Partner::PeerMp.id(), Partner::PeerUp.id(), Partner::Old11.id()] {
            // Of those that are somebody else's the call would be refused as a whole.
            for bits in [0b01, 0b10, 0b100, 1 << 5 | 1 << 40, 1 << 9] {
                ring_by(normal, receiver, Ring::unbind(sender, receiver.id(), bits))?;
            }
        }
    }
    let _ = call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]);
    let _ = call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]);
    while normal.take_interrupt().is_some() {}
    Ok(())
}

/// Makes the normal world's own bitmaps.
pub(super) fn create_own(normal: &mut dyn NormalWorld) -> Outcome {
    fresh(normal)?;
    call(normal.endpoint(), FuncId::NotificationBitmapCreate, &[0, 4]).success()
}

/// Requires the bitmaps of FFA_NOTIFICATION_GET: what partitions, VMs, the SPMC and the hypervisor have set.
#[track_caller]
pub(super) fn got(answer: &Answer, sps: u64, vms: u64, spmc: u32, hypervisor: u32) -> Outcome {
    answer.success()?;
    same(u64::from(answer.w(3)) << 32 | u64::from(answer.w(2)), sps)?;
    same(u64::from(answer.w(5)) << 32 | u64::from(answer.w(4)), vms)?;
    same(answer.w(6), spmc)?;
    same(answer.w(7), hypervisor)
}

/// Lets the schedule receiver interrupt be signalled, and returns its ID.
pub(super) fn listen(normal: &mut dyn NormalWorld) -> Outcome<u32> {
    let answer = call(normal.endpoint(), FuncId::Features, &[2]);
    answer.success()?;
    normal.receive_interrupt(answer.w(2));
    // Those of earlier cases, which nobody listened to.
    while normal.take_interrupt().is_some() {}
    Ok(answer.w(2))
}
