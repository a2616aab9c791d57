// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory management (DEN0140), a module for what callers do: they send, retrieve, relinquish, reclaim, and do so in fragments. Here is
//! what the cases have in common.

pub(super) mod fragments;
pub(super) mod reclaiming;
pub(super) mod refusals;
pub(super) mod relinquishing;
pub(super) mod retrieving;
pub(super) mod sending;

mod descriptors;
mod steps;

use crate::endpoint::{Answer, Endpoint, PAGE, call, map_buffers};
use crate::exchange::NormalWorld;
use crate::outcome::Outcome;
use crate::partner::Partner;
use arm_ffa::FfaError::{self, Denied, InvalidParameters};
use arm_ffa::FuncId;
use descriptors::*;
use steps::*;

/// Where the specification leaves the choice, or several rules are broken.
const EITHER: [FfaError; 2] = [Denied, InvalidParameters];
const KINDS: [FuncId; 3] = [FuncId::MemShare32, FuncId::MemLend32, FuncId::MemDonate32];
/// Those that cases without a partition's side send to.
const PEERS: &[Partner] = &[Partner::PeerMp, Partner::PeerUp];
/// Where in its pages an endpoint has the page that it sends.
const OWN: u64 = 4 * PAGE;
/// Where it has the page that it gives away.
const GIFT: u64 = 7 * PAGE;

/// Maps everybody's buffers.
fn map_all(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    for partner in [Partner::PeerMp, Partner::PeerUp, Partner::Old11, Partner::Old10] {
        Side { normal, partner }.map()?;
    }
    Ok(())
}

/// A partition that is not the caller.
fn other(endpoint: &dyn Endpoint) -> u16 {
    let [mp, up] = [Partner::PeerMp.id(), Partner::PeerUp.id()];
    if endpoint.id() == mp { up } else { mp }
}

/// Sends, or asks for, what a region describes.
fn send(endpoint: &mut dyn Endpoint, function: FuncId, region: &Region<'_>) -> Answer {
    let length = describe(endpoint, region);
    call(endpoint, function, &[length, length])
}

/// Sends the endpoint's page to one receiver.
fn send_own(
    endpoint: &mut dyn Endpoint,
    function: FuncId,
    receiver: u16,
    permissions: u8,
    flags: u32,
) -> Answer {
    send_page(endpoint, function, OWN, receiver, permissions, flags)
}

/// Sends the page at an offset.
fn send_page(
    endpoint: &mut dyn Endpoint,
    function: FuncId,
    offset: u64,
    receiver: u16,
    permissions: u8,
    flags: u32,
) -> Answer {
    let (sender, page) = (endpoint.id(), endpoint.pages() + offset);
    let (receivers, ranges) = ([(receiver, permissions)], [(page, 1)]);
    let region = Region { sender, flags, handle: 0, receivers: &receivers, ranges: &ranges };
    send(endpoint, function, &region)
}

/// Permissions that a sender has to offer (§1.10.2): none where it donates.
fn offered(function: FuncId) -> u8 {
    if matches!(function, FuncId::MemDonate32 | FuncId::MemDonate64) { 0 } else { READ_WRITE }
}

/// Returns the handle of what was sent.
#[track_caller]
fn handle(answer: &Answer) -> Outcome<u64> {
    answer.success()?;
    Ok(u64::from(answer.w(2)) | u64::from(answer.w(3)) << 32)
}

fn reclaim(endpoint: &mut dyn Endpoint, handle: u64, flags: u32) -> Answer {
    call(endpoint, FuncId::MemReclaim, &[handle & 0xffff_ffff, handle >> 32, u64::from(flags)])
}

/// Where a step has the permissions that it asks for.
fn permitted(permissions: u8) -> u64 {
    u64::from(permissions) << 16
}
