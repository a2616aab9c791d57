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

    /// Splits `reg` into ranges.
    pub(super) fn ranges<'a>(
        self,
        node: &'a Node<'_>,
    ) -> Result<impl Iterator<Item = Result<AddressRange, Noted>> + 'a, Noted> {
        let bytes = node.bytes("reg").ok_or_else(|| node.wrong_property("reg", Reason::Missing))?;
        let address_bytes = self.address * 4;
        let entry_bytes = address_bytes + self.size * 4;
        if bytes.is_empty() || !bytes.len().is_multiple_of(entry_bytes) {
            return Err(node.wrong_property("reg", Reason::WrongLength));
        }
        Ok(bytes.chunks_exact(entry_bytes).map(move |entry| {
            let (address, size) = entry.split_at(address_bytes);
            match (integer(address), integer(size)) {
                (Some(address), Some(size)) => AddressRange::new(address, size),
                _ => Err(Reason::WrongLength),
            }
            .map_err(|reason| node.wrong_property("reg", reason))
        }))
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
