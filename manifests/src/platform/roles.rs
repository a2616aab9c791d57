// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which device plays which part in the scenarios: the node `/scenarios` of a description.

use crate::{
    error::{Reason, Result},
    policy::device_at,
    source::{Node, Tree},
};
use iommu_core::policy::Policy;

/// The parts; the two devices by their place in [`Policy::devices`].
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// A device that the host may hold.
    pub allowed: usize,
    /// A device that the policy names and keeps from the host.
    pub refused: usize,
    /// A stream ID that the policy does not name.
    pub outside_stream_id: u32,
}

impl Roles {
    pub(super) fn read(tree: &Tree, node: &Node, policy: &Policy) -> Result<Self> {
        node.only(&["allowed", "refused", "outside-stream-id"], Some(&[]))?;
        let roles = Self {
            allowed: device_at(tree, node, "allowed", policy)?,
            refused: device_at(tree, node, "refused", policy)?,
            outside_stream_id: node.u32("outside-stream-id")?,
        };
        let host_may_hold =
            |place: usize| policy.devices.get(place).is_some_and(|device| device.holders.host);
        if !host_may_hold(roles.allowed) {
            return Err(node.error(Reason::Target("allowed", "a device that the host may hold")));
        }
        if host_may_hold(roles.refused) {
            return Err(node.error(Reason::Target("refused", "a device that the host may not hold")));
        }
        if policy.devices.iter().any(|device| device.has_sid(roles.outside_stream_id)) {
            return Err(node.error(Reason::Malformed("outside-stream-id", "outside of the policy")));
        }
        Ok(roles)
    }
}
