// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the firmware is known not to do what the specification has. Such a case has to fail: one that passes shows that
//! this list is out of date. In the matrix it counts as a deviation, and the documentation gives the reason.

use crate::case::{Case, Instance, World};
use crate::interface::Interface;

/// A case that fails, for a known reason.
#[derive(Clone, Copy, Debug)]
pub struct Deviation {
    /// The interface of the case.
    pub interface: Interface,
    /// Its name.
    pub case: &'static str,
    /// Where it fails.
    pub at: &'static [Instance],
    /// Whose doing it is, and what is done instead.
    pub why: &'static str,
}

/// All that is known of.
pub const DEVIATIONS: &[Deviation] = &[
    Deviation {
        interface: Interface::AnyCall,
        case: "reserved-ids",
        at: Instance::ALL_NORMAL,
        why: "TF-A 2.12 takes only numbers up to 0x8f for FF-A's and answers those behind as SMCCC's unknown functions",
    },
    Deviation {
        interface: Interface::DirectReq,
        case: "x8-to-x17-zero",
        at: Instance::SECURE,
        why: "spm leaves x8 to x17 as the receiver had them, which FF-A had before 1.2; nothing of anybody else is there",
    },
    Deviation {
        interface: Interface::SpmIdGet,
        case: "discovery",
        at: &[Instance { world: World::Normal, version: arm_ffa::Version(1, 0) }],
        why: "TF-A 2.12's SPMD answers it whatever version was negotiated; FFA_FEATURES, which spm answers, does not list it",
    },
];

/// Returns what is known of a case at an instance.
#[must_use]
pub fn deviation(case: &Case, at: Instance) -> Option<&'static Deviation> {
    DEVIATIONS
        .iter()
        .find(|known| known.interface == case.interface && known.case == case.name && known.at.contains(&at))
}
