// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bitmaps of VMs, and whose notifications are bound to whom (DEN0077A 10.3, 10.4; 16.1 to 16.4).

use super::doorbells::*;
use crate::case::{Case, Instance};
use crate::endpoint::call;
use crate::exchange::NormalWorld;
use crate::interface::Interface;
use crate::outcome::Outcome;
use crate::partner::Partner;
use arm_ffa::FfaError::{Denied, InvalidParameters, NotSupported};
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::NotificationBitmapCreate,
        "once-a-vm",
        "16.1; 10.3",
        Instance::NORMAL,
        create,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBitmapDestroy,
        "what-there-is",
        "16.2; 10.3",
        Instance::NORMAL,
        destroy,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBind,
        "once-a-sender",
        "16.3; 10.4.2",
        Instance::LATEST,
        bind,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBind,
        "bad-parameters",
        "16.3",
        Instance::LATEST,
        bad_bindings,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationBind,
        "receiver-without-support",
        "10.7 rules 5 and 6",
        Instance::SECURE,
        unsupported,
        puppet,
    ),
    Case::exchange(
        Interface::NotificationUnbind,
        "not-while-pending",
        "16.4; 10.4.2 rule 6",
        Instance::LATEST,
        unbind,
        puppet,
    ),
];

fn create(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    let endpoint = normal.endpoint();
    call(endpoint, FuncId::NotificationBitmapCreate, &[0, 4]).error(Denied)?;
    call(endpoint, FuncId::NotificationBitmapCreate, &[7, 1]).success()?;
    call(endpoint, FuncId::NotificationBitmapDestroy, &[7]).success()?;
    for id in [0x8001, 0x8000, 0xffff] {
        call(endpoint, FuncId::NotificationBitmapCreate, &[id, 1]).error(InvalidParameters)?;
    }
    fresh(normal)
}

fn destroy(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    // Not while something is pending.
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 1)).success()?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 1))?.success()?;
    call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]).error(Denied)?;
    ring(normal.endpoint(), Ring::get(0, FROM_SPS)).success()?;
    call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]).success()?;
    call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[0]).error(Denied)?;
    for id in [0x8001, 0xffff] {
        call(normal.endpoint(), FuncId::NotificationBitmapDestroy, &[id]).error(InvalidParameters)?;
    }
    Ok(())
}

/// What is bound to one sender cannot be bound to another; what was refused leaves the rest as it was.
fn bind(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 0b11)).success()?;
    ring(normal.endpoint(), Ring::bind(Partner::PeerUp.id(), 0, 0b110)).error(Denied)?;
    ring(normal.endpoint(), Ring::bind(Partner::PeerUp.id(), 0, 0b100)).success()?;
    // Bits of VMs and of partitions are different ones.
    ring_by(normal, SP, Ring::bind(0, SP.id(), 1))?.success()?;
    ring_by(normal, SP, Ring::bind(Partner::PeerUp.id(), SP.id(), 1))?.success()?;
    ring_by(normal, SP, Ring::bind(Partner::Old11.id(), SP.id(), 1))?.error(Denied)?;
    fresh(normal)
}

/// Nothing, in another's name, oneself, nobody.
fn bad_bindings(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    for bad in
        [Ring::bind(SP.id(), 0, 0), Ring::bind(0, 0, 1), Ring::bind(0x8fff, 0, 1), Ring::bind(0, SP.id(), 1)]
    {
        ring(normal.endpoint(), bad).error(InvalidParameters)?;
        ring(normal.endpoint(), Ring { function: FuncId::NotificationUnbind, ..bad })
            .error(InvalidParameters)?;
    }
    let own = SP.id();
    for bad in [
        Ring::bind(0, own, 0),
        Ring::bind(own, own, 1),
        Ring::bind(own, 0, 1),
        Ring::bind(0, Partner::PeerUp.id(), 1),
    ] {
        ring_by(normal, SP, bad)?.error(InvalidParameters)?;
    }
    fresh(normal)
}

/// A partition whose manifest does not ask for notifications cannot take any; an OS kernel cannot before it made bitmaps.
fn unsupported(normal: &mut dyn NormalWorld) -> Outcome {
    fresh(normal)?;
    let own = Partner::Victim.id();
    for call in [Ring::bind(0, own, 1), Ring::unbind(0, own, 1), Ring::get(own, FROM_VMS)] {
        ring_by(normal, Partner::Victim, call)?.error(NotSupported)?;
    }
    Ok(())
}

fn unbind(normal: &mut dyn NormalWorld) -> Outcome {
    create_own(normal)?;
    ring(normal.endpoint(), Ring::bind(SP.id(), 0, 0b11)).success()?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 0b01))?.success()?;
    ring(normal.endpoint(), Ring::unbind(SP.id(), 0, 0b01)).error(Denied)?;
    ring(normal.endpoint(), Ring::unbind(Partner::PeerUp.id(), 0, 0b10)).error(Denied)?;
    ring(normal.endpoint(), Ring::unbind(SP.id(), 0, 0b10)).success()?;
    ring_by(normal, SP, Ring::set(SP.id(), 0, 0b10))?.error(Denied)?;
    ring(normal.endpoint(), Ring::get(0, FROM_SPS)).success()?;
    ring(normal.endpoint(), Ring::unbind(SP.id(), 0, 0b01)).success()?;
    fresh(normal)
}
