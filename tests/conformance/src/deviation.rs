// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the firmware is known not to do what the specification has. Such a case has to fail: one that passes shows that
//! this list is out of date. In the matrix it counts as a deviation, and the documentation gives the reason.

use crate::case::{Case, Instance, Spmc, World};
use crate::interface::Interface;

/// A case that fails, for a known reason.
#[derive(Clone, Copy, Debug)]
pub struct Deviation {
    /// The SPMC that the case runs against.
    pub spmc: Spmc,
    /// The interface of the case.
    pub interface: Interface,
    /// Its name.
    pub case: &'static str,
    /// Where it fails.
    pub at: &'static [Instance],
    /// Whose doing it is, and what is done instead.
    pub why: &'static str,
}

/// Something that TF-A's SPMC at EL3 does not do as specified, towards the normal world.
const fn el3(interface: Interface, case: &'static str, why: &'static str) -> Deviation {
    Deviation { spmc: Spmc::El3, interface, case, at: Instance::NORMAL, why }
}

/// All that is known of.
pub const DEVIATIONS: &[Deviation] = &[
    Deviation {
        spmc: Spmc::Spm,
        interface: Interface::AnyCall,
        case: "reserved-ids",
        at: Instance::ALL_NORMAL,
        why: "TF-A 2.12 takes only numbers up to 0x8f for FF-A's and answers those behind as SMCCC's unknown functions",
    },
    Deviation {
        spmc: Spmc::Spm,
        interface: Interface::SpmIdGet,
        case: "discovery",
        at: &[Instance { world: World::Normal, version: arm_ffa::Version(1, 0) }],
        why: "TF-A 2.12's SPMD answers it whatever version was negotiated; FFA_FEATURES, which spm answers, does not list it",
    },
    el3(
        Interface::Version,
        "negotiation",
        "agrees to every version but those with bit 31, whatever the major number",
    ),
    el3(Interface::Version, "no-other-after-use", "lets the caller change its version at any time"),
    el3(Interface::Features, "notification-interrupts", "has no notifications"),
    el3(
        Interface::AnyCall,
        "x8-to-x17-kept",
        "leaves x1 to x7 of an answer as the caller had them where it fills in nothing",
    ),
    el3(Interface::AnyCall, "reserved-ids", "takes only numbers up to 0x8f for FF-A's (as its SPMD)"),
    el3(Interface::RxTxMap, "bad-page-counts", "does not look at bits [31:6] of the number of pages"),
    el3(Interface::RxTxMap, "not-the-callers", "maps any address, as non-secure"),
    el3(Interface::RxTxUnmap, "no-such-vm", "does not look at the VM's ID in FFA_RX_RELEASE"),
    el3(Interface::RxAcquire, "no-such-vm", "has no FFA_RX_ACQUIRE, as it has no buffers of VMs"),
    el3(
        Interface::PartitionInfoGet,
        "by-uuid",
        "fills in the UUID of a descriptor that was asked for by UUID",
    ),
    el3(Interface::PartitionInfoGet, "reserved-flags", "does not look at reserved flags"),
    el3(Interface::PartitionInfoGetRegs, "all-partitions", "has no FFA_PARTITION_INFO_GET_REGS"),
    el3(Interface::PartitionInfoGetRegs, "by-uuid", "has no FFA_PARTITION_INFO_GET_REGS"),
    el3(Interface::PartitionInfoGetRegs, "from-an-index", "has no FFA_PARTITION_INFO_GET_REGS"),
    el3(Interface::PartitionInfoGetRegs, "bad-index-or-tag", "has no FFA_PARTITION_INFO_GET_REGS"),
    el3(Interface::PartitionInfoGetRegs, "unknown-uuid", "has no FFA_PARTITION_INFO_GET_REGS"),
    el3(Interface::Yield, "and-go-on", "has no FFA_YIELD"),
];

/// Returns what is known of a case at an instance.
#[must_use]
pub fn deviation(spmc: Spmc, case: &Case, at: Instance) -> Option<&'static Deviation> {
    DEVIATIONS
        .iter()
        .filter(|known| known.spmc == spmc && known.at.contains(&at))
        .find(|known| known.interface == case.interface && known.case == case.name)
}
