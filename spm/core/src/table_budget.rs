// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many translation tables a mapping can need at most.
//!
//! `aarch64-paging` cannot report that it ran out of tables, so spm counts before it maps.

use crate::manifest::AddressRange;

/// Bits of an address within what one table maps: level 3, level 2, level 1 (4 KiB granule).
const SPAN_BITS: [u32; 3] = [21, 30, 39];

/// Returns how many tables below the root mapping `range` can take, whether or not blocks can be used. Where the root is
/// of level 1, one of them is counted too many.
#[must_use]
pub fn tables_for(range: AddressRange) -> u64 {
    // Nothing wraps: `end` is above `start`, and there are fewer tables than pages.
    let last = range.end().wrapping_sub(1);
    SPAN_BITS.iter().fold(0, |sum: u64, &bits| {
        let tables = last.unbounded_shr(bits).wrapping_sub(range.start().unbounded_shr(bits)).wrapping_add(1);
        sum.wrapping_add(tables)
    })
}

/// Returns how many tables mapping `range` can take where the output addresses have the same alignment, so that the
/// inside of the range is mapped by blocks: at most two tables of each level at either end.
#[must_use]
pub fn tables_for_aligned(range: AddressRange) -> u64 {
    tables_for(range).min(2 * SPAN_BITS.len() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_takes_one_of_each_level() {
        assert_eq!(tables_for(AddressRange::new(0x4000_0000, 0x1000).unwrap()), 3);
    }

    #[test]
    fn a_range_over_a_boundary_takes_two() {
        assert_eq!(tables_for(AddressRange::new(0x3fff_f000, 0x2000).unwrap()), 5);
        assert_eq!(tables_for_aligned(AddressRange::new(0, 1 << 40).unwrap()), 6);
    }

    proptest! {
        #[test]
        fn never_less_than_the_distinct_tables(start in 0_u64..1 << 34, pages in 1_u64..5000) {
            let range = AddressRange::from_pages(start << 12 & 0xffff_ffff_f000, pages).unwrap();
            let mut tables = std::collections::BTreeSet::new();
            for page in 0..pages {
                for (level, bits) in SPAN_BITS.iter().enumerate() {
                    tables.insert((level, (range.start() + page * 4096) >> bits));
                }
            }
            prop_assert_eq!(tables_for(range), tables.len() as u64);
        }
    }
}
