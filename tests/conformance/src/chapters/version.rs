// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_VERSION (DEN0077A 13.2): negotiation before any other call, and what is refused after one.
//!
//! Partitions negotiate when they start, by [`negotiate`]; their cases look at what came of it.

use crate::case::{Case, Instance, no_side};
use crate::endpoint::{Answer, Endpoint, call};
use crate::exchange::{NormalWorld, collect};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::{FuncId, Version};

/// What spm implements.
const OURS: u32 = 0x1_0002;
/// FFA_VERSION's own error, in w0 (table 13.6).
const NOT_SUPPORTED: u32 = (-1_i32).cast_unsigned();

/// Cases that come before any other call.
pub(super) const FIRST: &[Case] = &[Case::alone(
    Interface::Version,
    "negotiation",
    "13.2.2.1, tables 13.4 to 13.6",
    Instance::ALL_NORMAL,
    negotiate,
)];

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::Version,
        "negotiation-at-start",
        "13.2.2.1, tables 13.4 to 13.6; I0203",
        Instance::ALL_SECURE,
        at_start,
        no_side,
    ),
    Case::alone(Interface::Version, "same-again", "13.2.2.1", Instance::ALL, same_again),
    Case::alone(Interface::Version, "no-other-after-use", "13.2.2.1", Instance::ALL, no_other_after_use),
];

fn encode(version: Version) -> u64 {
    u64::from(u32::from(version))
}

fn ask(endpoint: &mut dyn Endpoint, requested: u64) -> Answer {
    call(endpoint, FuncId::Version, &[requested])
}

/// w0 is the version, and the rest is zero (table 13.5).
#[track_caller]
fn is_version(answer: &Answer, version: u32) -> Outcome {
    same(answer.w(0), version)?;
    match (1..8).find(|number| answer.w(*number) != 0) {
        None => Ok(()),
        Some(number) => Err(Failure::here([number as u64, answer.x(number), 0])),
    }
}

/// Negotiates as an endpoint does that tries everything first; it ends with the version of its instance.
///
/// # Errors
/// The step that failed.
pub fn negotiate(endpoint: &mut dyn Endpoint) -> Outcome {
    // Another major version, or bit 31.
    for requested in [0_u64, 0x0_ffff, 0x2_0000, 0x7fff_ffff, 0x8000_0000, 0x8001_0002, 0xffff_ffff] {
        is_version(&ask(endpoint, requested), NOT_SUPPORTED)?;
    }
    // A later minor version: the caller learns what there is, and may come down to it.
    for requested in [0x1_0003_u64, 0x1_ffff] {
        is_version(&ask(endpoint, requested), OURS)?;
    }
    // Any earlier one is agreed on, as often as the caller likes while it does nothing else.
    for requested in [0x1_0000_u64, 0x1_0002, 0x1_0001, 0x1_0000] {
        is_version(&ask(endpoint, requested), OURS)?;
    }
    let version = encode(endpoint.instance().version);
    is_version(&ask(endpoint, version), OURS)
}

/// Partitions did the same as [`negotiate`] before anything else.
fn at_start(normal: &mut dyn NormalWorld) -> Outcome {
    for partner in [Partner::PeerMp, Partner::PeerUp, Partner::Old11, Partner::Old10] {
        collect(normal.endpoint(), partner)?;
    }
    Ok(())
}

fn same_again(endpoint: &mut dyn Endpoint) -> Outcome {
    let version = encode(endpoint.instance().version);
    is_version(&ask(endpoint, version), OURS)
}

/// Once the framework is in use, the version stays: asking for another is refused, and what is offered does not change.
fn no_other_after_use(endpoint: &mut dyn Endpoint) -> Outcome {
    call(endpoint, FuncId::IdGet, &[]).success()?;
    let version = endpoint.instance().version;
    for minor in 0..3 {
        let answer = ask(endpoint, encode(Version(1, minor)));
        if version == Version(1, minor) {
            is_version(&answer, OURS)?;
        } else {
            is_version(&answer, NOT_SUPPORTED)?;
        }
    }
    let newest = call(endpoint, FuncId::Features, &[u64::from(u32::from(FuncId::PartitionInfoGetRegs))]);
    let told = newest.success().is_ok();
    ensure(told == (version >= Version(1, 2)), [u64::from(told), encode(version), 0])
}
