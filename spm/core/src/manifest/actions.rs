// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition wants done when something happens around it: an interrupt that is not its own, a change of a core's
//! power, its own failure (FF-A 1.3 table 5.1). All values of TF-A's binding are read; `offered.rs` says which
//! of them spm acts on.

use super::Reason;
use super::fdt::{Node, Noted};
use super::offered;
use super::partition::ExceptionLevel;

/// What happens to a non-secure interrupt while the partition runs (FF-A 1.3 §9.3.1, `ns-interrupts-action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NsInterruptsAction {
    /// It waits until the partition gives the core back.
    Queued,
    /// The partition is told to give the core back soon.
    ManagedExit,
    /// The partition is preempted.
    Signalled,
}

/// What happens to another partition's interrupt while the partition runs (FF-A 1.3 §9.3.2, `other-s-interrupts-action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherInterruptsAction {
    /// It waits until the partition gives the core back.
    Queued,
    /// The partition is preempted.
    Signalled,
}

/// What a partition does with interrupts that are not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptActions {
    /// Those of the normal world.
    pub non_secure: NsInterruptsAction,
    /// Those of other partitions.
    pub other_secure: OtherInterruptsAction,
    /// Whether a managed exit is told by virtual FIQ, not by virtual IRQ (`managed-exit-virq`).
    pub managed_exit_by_fiq: bool,
}

impl InterruptActions {
    /// Reads the properties of a manifest's root.
    pub(super) fn read(root: &Node<'_>, level: ExceptionLevel) -> Result<Self, Noted> {
        const ACTION: &str = "ns-interrupts-action";
        const OTHERS: &str = "other-s-interrupts-action";
        // FF-A 1.0's word for the action.
        let managed_exit = root.has("managed-exit");
        let non_secure = match root.u32(ACTION)? {
            None if managed_exit => NsInterruptsAction::ManagedExit,
            None => offered::NS_INTERRUPTS_DEFAULT,
            Some(1) => NsInterruptsAction::ManagedExit,
            // Both properties are there and disagree.
            Some(_) if managed_exit => return Err(root.wrong_property("managed-exit", Reason::Duplicate)),
            Some(0) => NsInterruptsAction::Queued,
            Some(2) => NsInterruptsAction::Signalled,
            Some(other) => return Err(root.wrong_property(ACTION, Reason::OutOfRange(u64::from(other)))),
        };
        let other_secure = match root.u32(OTHERS)? {
            None | Some(1) => OtherInterruptsAction::Signalled,
            Some(0) => OtherInterruptsAction::Queued,
            Some(other) => return Err(root.wrong_property(OTHERS, Reason::OutOfRange(u64::from(other)))),
        };
        if non_secure == NsInterruptsAction::ManagedExit && level == ExceptionLevel::SEl0 {
            return Err(root.wrong_property(ACTION, Reason::NotSupported("managed exit at S-EL0")));
        }
        // A partition that a non-secure interrupt may preempt cannot ask that a secure one, which comes first, may not.
        if other_secure == OtherInterruptsAction::Queued && non_secure != NsInterruptsAction::Queued {
            let why = "others' secure interrupts queued, but non-secure ones not";
            return Err(root.wrong_property(OTHERS, Reason::NotSupported(why)));
        }
        Ok(Self { non_secure, other_secure, managed_exit_by_fiq: !root.has("managed-exit-virq") })
    }
}

/// The power management messages that a partition wants (FF-A 1.3 §18.2.4, `power-management-messages`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerMessages(u32);

impl PowerMessages {
    /// None.
    pub const NONE: Self = Self(0);
    /// Before a core goes off.
    pub const CPU_OFF: Self = Self(1);
    /// Before a core is suspended.
    pub const CPU_SUSPEND: Self = Self(1 << 1);
    /// After a core was suspended.
    pub const CPU_SUSPEND_RESUME: Self = Self(1 << 2);
    const ALL: Self = Self(Self::CPU_OFF.0 | Self::CPU_SUSPEND.0 | Self::CPU_SUSPEND_RESUME.0);

    /// Reads the property.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] for a bit that the binding does not define.
    pub const fn from_bits(bits: u32) -> Result<Self, Reason> {
        if bits & !Self::ALL.0 == 0 { Ok(Self(bits)) } else { Err(Reason::OutOfRange(bits as u64)) }
    }

    /// Tells whether all of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What becomes of a partition that aborts (FF-A 1.3 §7.3, `abort-action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortAction {
    /// It never runs again; also where the manifest says nothing.
    Stop,
    /// It never runs again, and what it held goes back.
    Destroy,
    /// It starts again.
    Restart,
    /// All of the secure world fails with it.
    Propagate,
}

impl AbortAction {
    /// Reads `abort-action`, which needs `lifecycle-support` beside it.
    pub(super) fn read(root: &Node<'_>) -> Result<Self, Noted> {
        const ACTION: &str = "abort-action";
        let Some(raw) = root.u32(ACTION)? else { return Ok(Self::Stop) };
        if !root.has("lifecycle-support") {
            return Err(root.wrong_property("lifecycle-support", Reason::Missing));
        }
        match raw {
            0 => Ok(Self::Stop),
            1 => Ok(Self::Destroy),
            2 => Ok(Self::Restart),
            3 => Ok(Self::Propagate),
            other => Err(root.wrong_property(ACTION, Reason::OutOfRange(u64::from(other)))),
        }
    }
}
