// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `reg` properties: addresses and sizes of one or two cells each (Devicetree Specification 0.4, §2.3.5, §2.3.6).

use super::fdt::{Node, Noted, integer};
use super::{AddressRange, Reason};

/// How many cells an address and a size have in `reg`, 1 or 2 each.
#[derive(Clone, Copy)]
pub(super) struct Cells {
    address: usize,
    size: usize,
}

impl Cells {
    pub(super) fn of(root: &Node<'_>) -> Result<Self, Noted> {
        // The defaults are those of the Devicetree Specification 0.4, §2.3.5.
        Ok(Self { address: cells(root, "#address-cells", 2)?, size: cells(root, "#size-cells", 1)? })
    }

    /// Returns the range at `place` of `reg`, which has at least one; nothing behind the last.
    ///
    /// It is asked for one by one, since an iterator would be compiled into each of its callers.
    #[inline(never)]
    pub(super) fn range(self, node: &Node<'_>, place: usize) -> Result<Option<AddressRange>, Noted> {
        let wrong = |reason| node.wrong_property("reg", reason);
        let bytes = node.bytes("reg").ok_or_else(|| wrong(Reason::Missing))?;
        let address_bytes = self.address * 4;
        let mut entries = bytes.chunks_exact(address_bytes + self.size * 4);
        if bytes.is_empty() || !entries.remainder().is_empty() {
            return Err(wrong(Reason::WrongLength));
        }
        let Some(entry) = entries.nth(place) else { return Ok(None) };
        let (address, size) = entry.split_at(address_bytes);
        match (integer(address), integer(size)) {
            (Some(address), Some(size)) => AddressRange::new(address, size).map(Some).map_err(wrong),
            _ => Err(wrong(Reason::WrongLength)),
        }
    }
}

fn cells(root: &Node<'_>, property: &str, default: usize) -> Result<usize, Noted> {
    match root.u32(property)? {
        None => Ok(default),
        Some(1) => Ok(1),
        Some(2) => Ok(2),
        Some(other) => Err(root.wrong_property(property, Reason::OutOfRange(u64::from(other)))),
    }
}
