// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One device of a policy: a child of `/policy/devices`.

use super::{name, words};
use crate::{
    error::{Reason, Result},
    platform::SmmuFrame,
    source::{Node, Tree},
};
use iommu_core::policy::{Device, Policy};

pub(super) fn read(tree: &Tree, node: &Node, smmus: &[SmmuFrame]) -> Result<Device> {
    node.only(&["smmu", "stream-ids", "holders", "iova-window", "identity", "nested"], Some(&[]))?;
    let phandle = node.u32("smmu")?;
    let smmu = tree
        .by_phandle(phandle)
        .and_then(|target| smmus.iter().position(|smmu| smmu.is(target)))
        .and_then(|place| u8::try_from(place).ok())
        .ok_or_else(|| node.error(Reason::Target("smmu", "an SMMU under /devices")))?;
    let (first_sid, sids) = match node.cells("stream-ids")?.as_slice() {
        [first, count] => u16::try_from(*count).ok().map(|count| (*first, count)),
        _ => None,
    }
    .ok_or_else(|| node.error(Reason::Malformed("stream-ids", "<first count> with a count below 65536")))?;
    Ok(Device {
        name: name(node, node.plain_name()?)?,
        smmu,
        first_sid,
        sids,
        holders: words::holders(node)?,
        iova: node.range("iova-window")?,
        identity: node.flag("identity")?,
        nested: node.flag("nested")?,
    })
}

/// Finds the device that a property of another node points to.
pub(crate) fn device_at(tree: &Tree, node: &Node, property: &'static str, policy: &Policy) -> Result<usize> {
    let phandle = node.u32(property)?;
    tree.by_phandle(phandle)
        .and_then(|target| target.path().strip_prefix("/policy/devices/"))
        .and_then(|name| policy.devices.iter().position(|device| device.name == name))
        .ok_or_else(|| node.error(Reason::Target(property, "a device of the policy")))
}
