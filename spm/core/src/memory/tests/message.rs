// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors as the tests write them.

use super::*;

/// A transaction descriptor in the making.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) format: Format,
    pub(super) sender: u16,
    pub(super) attributes: u16,
    pub(super) flags: u32,
    pub(super) handle: u64,
    pub(super) tag: u64,
    /// ID, permissions, flags, implementation-defined bytes.
    pub(super) access: Vec<(u16, u8, u8, u8)>,
    pub(super) ranges: Vec<(u64, u32)>,
}

impl Message {
    pub(super) fn new(sender: u16, access: &[(u16, u8)], ranges: &[(u64, u32)]) -> Self {
        Self {
            format: Format::V1_1,
            sender,
            attributes: 0,
            flags: 0,
            handle: 0,
            tag: 0,
            access: access.iter().map(|&(id, permissions)| (id, permissions, 0, 0)).collect(),
            ranges: ranges.to_vec(),
        }
    }

    /// Length before the first constituent.
    pub(super) fn prefix(&self) -> usize {
        self.format.header_bytes() + self.access.len() * self.format.access_bytes() + composite::BYTES
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let (head, size) = (self.format.header_bytes(), self.format.access_bytes());
        let composite_at = head + self.access.len() * size;
        let has_ranges = !self.ranges.is_empty();
        let length = if has_ranges { self.prefix() + 16 * self.ranges.len() } else { composite_at };
        let mut bytes = vec![0; length];
        put(&mut bytes, header::SENDER, &self.sender.to_le_bytes());
        put(&mut bytes, header::ATTRIBUTES, &self.attributes.to_le_bytes());
        put(&mut bytes, header::FLAGS, &self.flags.to_le_bytes());
        put(&mut bytes, header::HANDLE, &self.handle.to_le_bytes());
        put(&mut bytes, header::TAG, &self.tag.to_le_bytes());
        if self.format != Format::V1_0 && !self.access.is_empty() {
            put(&mut bytes, header::ACCESS_SIZE, &word(size));
            put(&mut bytes, header::ACCESS_OFFSET, &word(head));
        }
        put(&mut bytes, header::ACCESS_COUNT, &word(self.access.len()));
        for (index, &(id, permissions, flags, implementation_defined)) in self.access.iter().enumerate() {
            let at = head + index * size;
            put(&mut bytes, at + access::ENDPOINT, &id.to_le_bytes());
            put(&mut bytes, at + access::PERMISSIONS, &[permissions, flags]);
            if has_ranges {
                put(&mut bytes, at + access::COMPOSITE_OFFSET, &word(composite_at));
            }
            if self.format == Format::V1_2 {
                put(&mut bytes, at + access::IMPLEMENTATION_DEFINED, &[implementation_defined; 16]);
            }
        }
        if has_ranges {
            let pages = self.ranges.iter().fold(0_u32, |sum, (_, pages)| sum.wrapping_add(*pages));
            put(&mut bytes, composite_at + composite::TOTAL_PAGES, &pages.to_le_bytes());
            put(&mut bytes, composite_at + composite::RANGE_COUNT, &word(self.ranges.len()));
            for (index, (start, pages)) in self.ranges.iter().enumerate() {
                let at = composite_at + composite::BYTES + 16 * index;
                put(&mut bytes, at, &start.to_le_bytes());
                put(&mut bytes, at + 8, &pages.to_le_bytes());
            }
        }
        bytes
    }
}

fn word(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_le_bytes()
}
