// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which interfaces spm is to offer at which instance, and why the others are not there: what is known beside the
//! specification. The matrix takes its words from here, and a case for each interface tests that they are true.

use crate::case::{Instance, World};
use crate::interface::Interface;
use arm_ffa::{FfaError, Version};

/// Whether an interface can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Offered,
    /// The specification has no such call at this instance, or not in this version.
    Absent,
    /// spm does not offer it and says NOT_SUPPORTED: the reason.
    Refused(&'static str),
    /// TF-A's SPMD does not let it through to any SPMC: the reason.
    StoppedAtEl3(&'static str),
}

use Availability::{Absent, Offered, Refused, StoppedAtEl3};

/// Returns whether an interface can be called at an instance.
#[must_use]
pub fn availability(interface: Interface, at: Instance) -> Availability {
    if interface == Interface::Abort {
        return abort(at);
    }
    if interface.since() > at.version {
        return Absent;
    }
    match at.world {
        World::Normal => to_normal_world(interface),
        World::Secure => to_partitions(interface),
        World::Application => to_applications(interface),
    }
}

/// Of FF-A 1.3. The partitions that speak 1.2 have that version's `lifecycle-support` in their manifests, the others do not.
fn abort(at: Instance) -> Availability {
    match at.world {
        World::Secure | World::Application if at.version == Version(1, 2) => Offered,
        World::Secure | World::Application => Absent,
        World::Normal => StoppedAtEl3("TF-A 2.12 does not know the function"),
    }
}

const fn to_normal_world(interface: Interface) -> Availability {
    use Interface as I;
    match interface {
        I::AnyCall
        | I::Error
        | I::Success
        | I::Version
        | I::Features
        | I::RxRelease
        | I::RxTxMap
        | I::RxTxUnmap
        | I::PartitionInfoGet
        | I::PartitionInfoGetRegs
        | I::IdGet
        | I::SpmIdGet
        | I::RxAcquire
        | I::Run
        | I::MsgSend2
        | I::DirectReq
        | I::DirectReq2
        | I::NotificationBitmapCreate
        | I::NotificationBitmapDestroy
        | I::NotificationBind
        | I::NotificationUnbind
        | I::NotificationSet
        | I::NotificationGet
        | I::NotificationInfoGet
        | I::MemDonate
        | I::MemLend
        | I::MemShare
        | I::MemRetrieveReq
        | I::MemRetrieveResp
        | I::MemReclaim
        | I::MemFragRx
        | I::MemFragTx => Offered,
        I::Abort
        | I::MsgWait
        | I::Yield
        | I::NormalWorldResume
        | I::DirectResp
        | I::DirectResp2
        | I::El3IntrHandle
        | I::SecondaryEpRegister
        | I::MemPermGet
        | I::MemPermSet => Absent,
        I::ConsoleLog => StoppedAtEl3("TF-A 2.12's SPMD answers NOT_SUPPORTED itself"),
        I::MsgSend | I::MsgPoll => Refused("FF-A 1.1 replaced it by FFA_MSG_SEND2"),
        // It completes other calls, and nobody calls it.
        I::Interrupt => Absent,
        // Memory that VMs borrow is their hypervisor's matter.
        I::MemRelinquish => Refused("the normal world borrows no memory"),
    }
}

const fn to_partitions(interface: Interface) -> Availability {
    use Interface as I;
    match interface {
        I::AnyCall
        | I::Error
        | I::Success
        | I::Version
        | I::Features
        | I::RxRelease
        | I::RxTxMap
        | I::RxTxUnmap
        | I::PartitionInfoGet
        | I::PartitionInfoGetRegs
        | I::IdGet
        | I::SpmIdGet
        | I::ConsoleLog
        | I::MsgWait
        | I::Yield
        | I::Run
        | I::MsgSend2
        | I::DirectReq
        | I::DirectResp
        | I::DirectReq2
        | I::DirectResp2
        | I::NotificationBind
        | I::NotificationUnbind
        | I::NotificationSet
        | I::NotificationGet
        | I::SecondaryEpRegister
        | I::MemDonate
        | I::MemLend
        | I::MemShare
        | I::MemRetrieveReq
        | I::MemRetrieveResp
        | I::MemRelinquish
        | I::MemReclaim
        | I::MemFragRx
        | I::MemFragTx => Offered,
        I::Abort
        | I::RxAcquire
        | I::Interrupt
        | I::NormalWorldResume
        | I::NotificationBitmapCreate
        | I::NotificationBitmapDestroy
        | I::NotificationInfoGet
        | I::El3IntrHandle
        | I::MsgSend
        | I::MsgPoll => Absent,
        I::MemPermGet | I::MemPermSet => Refused("it is for partitions at S-EL0"),
    }
}

/// As at S-EL1, but for what takes several execution contexts, and what is in the place of a stage 1.
const fn to_applications(interface: Interface) -> Availability {
    match interface {
        Interface::MemPermGet | Interface::MemPermSet => Offered,
        Interface::SecondaryEpRegister => Absent,
        _ => to_partitions(interface),
    }
}

/// Returns with what status a call is refused that is not there: NOT_SUPPORTED (chapter 11, rule 6), unless EL3 is known
/// to answer otherwise.
#[must_use]
pub fn refusal(interface: Interface, at: Instance) -> FfaError {
    match (at.world, interface) {
        // TF-A 2.12, services/std_svc/spmd/spmd_main.c: outside of a secure interrupt.
        (World::Normal, Interface::NormalWorldResume) => FfaError::Denied,
        _ => FfaError::NotSupported,
    }
}
