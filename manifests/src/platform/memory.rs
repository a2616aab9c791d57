// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory by its use: the node `/memory` of a description.

use crate::{
    error::{Reason, Result},
    source::Node,
};
use iommu_core::policy::Range;

/// Memory by its use.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Secure RAM that TF-A leaves to BL32 and partitions.
    pub secure_ram: Range,
    /// Where spm stands: at the start of secure RAM.
    pub spm: Range,
    /// Non-secure RAM, as much as the machine is started with.
    pub normal_ram: Range,
    /// Where BL33 is loaded, and what it may use as its own.
    pub normal_image: Range,
    /// Words that the host running an emulator leaves for BL33.
    pub mailbox: Range,
    /// Non-secure RAM that scenarios let devices write to.
    pub scratch: Range,
    /// Carve-out for what SMMUs fetch.
    pub pool: Range,
    /// Addresses where nothing answers.
    pub hole: Range,
}

impl Memory {
    pub(super) fn read(node: &Node) -> Result<Self> {
        node.only(
            &[],
            Some(&["secure-ram", "normal-ram", "normal-image", "mailbox", "scratch", "pool", "hole"]),
        )?;
        let secure = node.child("secure-ram")?;
        secure.only(&["reg", "spm-size"], Some(&[]))?;
        let secure_ram = secure.range("reg")?;
        let spm = Range::new(secure_ram.base, u64::from(secure.u32("spm-size")?))
            .filter(|spm| secure_ram.contains(spm))
            .ok_or_else(|| secure.error(Reason::Malformed("spm-size", "a part of secure RAM")))?;
        Ok(Self {
            secure_ram,
            spm,
            normal_ram: plain(node, "normal-ram")?,
            normal_image: plain(node, "normal-image")?,
            mailbox: plain(node, "mailbox")?,
            scratch: plain(node, "scratch")?,
            pool: plain(node, "pool")?,
            hole: plain(node, "hole")?,
        })
    }

    /// Returns non-secure RAM in MiB, as emulators are told it.
    #[must_use]
    pub const fn normal_ram_mib(&self) -> u64 {
        self.normal_ram.size >> 20
    }
}

fn plain(node: &Node, name: &str) -> Result<Range> {
    let child = node.child(name)?;
    child.only(&["reg"], Some(&[]))?;
    child.range("reg")
}
