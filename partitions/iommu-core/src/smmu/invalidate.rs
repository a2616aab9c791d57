// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which commands make the SMMU forget translations (IHI 0070, 4.4).
//!
//! Nothing here waits: the CMD_SYNC that completes an invalidation is sent with it, by the driver.

use super::TlbRange;
use super::spec::commands::{Command, PageSpan, Tag};
use crate::seeded::{Bug, seeded};
use crate::table::{LeafSize, PAGE_BITS, PAGE_SIZE};

/// Commands for single addresses that are sent before it is cheaper to forget all with its tag.
const MAX_SINGLE: u64 = 64;
/// The largest multiplier of a range (4.4.1.1).
const MAX_MULTIPLIER: u64 = 32;
/// The largest shift of a range, with 48-bit addresses.
const MAX_SCALE: u32 = 31;

/// The commands for one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// This one command.
    One(Command),
    /// A command for each of `count` addresses.
    Each {
        /// The first address.
        first: u64,
        /// From one address to the next, in bytes.
        step: u64,
        /// How many, at least two.
        count: u64,
        /// Whether cached table descriptors may stay.
        leaf: bool,
    },
}

/// Plans how to forget a range.
#[inline]
pub(super) fn plan(tag: Tag, range: &TlbRange, by_range: bool) -> Plan {
    let leaf = !range.tables || seeded(Bug::WalkCachesKept);
    let step = range.leaves.map_or(PAGE_SIZE, LeafSize::bytes);
    let first = range.iova.0 & !(step - 1);
    let length = range.size.saturating_add(range.iova.0 - first);
    let length = if seeded(Bug::ShortRange) && length > step { length - step } else { length };
    // One page of a level that is not known is no range: that encoding is reserved (4.4.1.1).
    if length <= step && (!by_range || range.leaves.is_none()) {
        return Plan::One(Command::invalidate_address(tag, first, leaf));
    }
    if by_range {
        let level = range.leaves.map_or(0, |leaves| leaves.level().number());
        let level = if seeded(Bug::WrongLevel) && level > 1 { level - 1 } else { level };
        return match page_span(length, level) {
            Some(span) => Plan::One(Command::invalidate_range(tag, first, leaf, span)),
            None => Plan::One(Command::invalidate_tag(tag)),
        };
    }
    let count = length.div_ceil(step);
    if count > MAX_SINGLE {
        Plan::One(Command::invalidate_tag(tag))
    } else {
        Plan::Each { first, step, count, leaf }
    }
}

/// Returns the shortest span that covers `length` bytes. It may reach a thirty-second further, which costs the
/// neighbours a walk, and spares a second command.
#[inline]
fn page_span(length: u64, level: u8) -> Option<PageSpan> {
    let pages = length.div_ceil(PAGE_SIZE).max(1);
    debug_assert_eq!(1 << PAGE_BITS, PAGE_SIZE);
    // Bits of the page count beyond the five that a multiplier has.
    let mut scale = (u64::BITS - (pages - 1).leading_zeros()).saturating_sub(MAX_MULTIPLIER.ilog2());
    let mut multiplier = pages.div_ceil(1 << scale);
    if multiplier > MAX_MULTIPLIER {
        scale += 1;
        multiplier = pages.div_ceil(1 << scale);
    }
    if scale > MAX_SCALE {
        return None;
    }
    let multiplier_less_one = u8::try_from(multiplier.saturating_sub(1)).ok()?;
    Some(PageSpan { multiplier_less_one, scale: u8::try_from(scale).ok()?, level })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffa_abi::Iova;
    use proptest::prelude::*;

    fn reach(span: PageSpan) -> u64 {
        (u64::from(span.multiplier_less_one) + 1) << span.scale
    }

    #[test]
    fn one_page_is_one_page() {
        let span = page_span(PAGE_SIZE, 3).unwrap();
        assert_eq!((span.multiplier_less_one, span.scale), (0, 0));
    }

    proptest! {
        #[test]
        fn spans_cover_and_hardly_more(pages in 1u64..1 << 36) {
            let span = page_span(pages * PAGE_SIZE, 0).unwrap();
            prop_assert!(reach(span) >= pages);
            prop_assert!(reach(span) <= pages + pages / 16);
            prop_assert!(span.multiplier_less_one < 32 && span.scale <= 31);
        }

        #[test]
        fn any_range_has_a_plan(iova: u64, size: u64, tables: bool, by_range: bool, leaf in 0usize..4) {
            let leaves = [None, Some(LeafSize::Page4K), Some(LeafSize::Block2M), Some(LeafSize::Block1G)][leaf];
            let range = TlbRange { iova: Iova(iova), size, leaves, tables };
            if let Plan::Each { count, .. } = plan(Tag::Vmid(1), &range, by_range) {
                prop_assert!(count <= MAX_SINGLE && !by_range);
            }
        }
    }
}
