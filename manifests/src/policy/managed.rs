// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that a policy speaks of: what the host may hand to devices, and the pool.

use crate::{
    error::{Reason, Result},
    platform::Memory,
    source::{Node, Tree},
};
use iommu_core::policy::{MAX_MANAGED, Range};

/// Reads `pool`, which must be the carve-out of `/memory`.
pub(super) fn pool(tree: &Tree, node: &Node, memory: &Memory) -> Result<Range> {
    match node.cells("pool")?.as_slice() {
        [phandle] => tree
            .by_phandle(*phandle)
            .filter(|target| target.path() == "/memory/pool")
            .map(|_| memory.pool)
            .ok_or_else(|| node.error(Reason::Target("pool", "/memory/pool"))),
        _ => Err(node.error(Reason::Malformed("pool", "one phandle"))),
    }
}

/// Reads `managed` and cuts the pool out of it.
pub(super) fn managed(
    tree: &Tree,
    node: &Node,
    memory: &Memory,
    pool: &Range,
) -> Result<heapless::Vec<Range, MAX_MANAGED>> {
    let mut ranges = heapless::Vec::new();
    for phandle in node.cells("managed")? {
        if tree.by_phandle(phandle).is_none_or(|target| target.path() != "/memory/normal-ram") {
            return Err(node.error(Reason::Target("managed", "/memory/normal-ram")));
        }
        for range in without(&memory.normal_ram, pool) {
            ranges
                .push(range)
                .map_err(|_| node.error(Reason::TooMany("ranges of managed memory", MAX_MANAGED)))?;
        }
    }
    Ok(ranges)
}

/// Returns what of `range` is left without `cut`: none, one or two ranges.
fn without(range: &Range, cut: &Range) -> Vec<Range> {
    let (Some(end), Some(cut_end)) = (range.end(), cut.end()) else { return Vec::new() };
    if !range.overlaps(cut) {
        return vec![*range];
    }
    let below = cut.base.checked_sub(range.base).and_then(|size| Range::new(range.base, size));
    let above = end.checked_sub(cut_end).and_then(|size| Range::new(cut_end, size));
    below.into_iter().chain(above).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_leaves_what_is_below_and_above() {
        let range = Range { base: 10, size: 10 };
        let cut = |base, size| without(&range, &Range { base, size });
        assert_eq!(cut(0, 5), [range]);
        assert_eq!(cut(15, 5), [Range { base: 10, size: 5 }]);
        assert_eq!(cut(5, 10), [Range { base: 15, size: 5 }]);
        assert_eq!(cut(12, 2), [Range { base: 10, size: 2 }, Range { base: 14, size: 6 }]);
        assert_eq!(cut(0, 100), []);
    }
}
