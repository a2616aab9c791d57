// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mapped in one domain, as its client was told.

use iommu_core::policy::Range;
use std::collections::BTreeMap;

/// A run of pages that are mapped alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) size: u64,
    pub(crate) pa: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
    /// Whether it must be there; calls that met may have left it or not.
    pub(crate) certain: bool,
}

impl Extent {
    fn from(self, offset: u64, size: u64) -> Self {
        Self { size, pa: self.pa + offset, ..self }
    }

    fn continues(&self, next: &Self) -> bool {
        self.pa + self.size == next.pa
            && (self.read, self.write, self.certain) == (next.read, next.write, next.certain)
    }
}

/// An address space.
#[derive(Clone, Debug, Default)]
pub(crate) struct Space {
    /// By first IOVA; they may overlap only where they are not certain.
    extents: BTreeMap<u64, Vec<Extent>>,
}

impl Space {
    /// Makes one in which memory is mapped at its own addresses, for reads and writes.
    pub(crate) fn identity(memory: &[Range]) -> Self {
        let mut space = Self::default();
        for range in memory {
            let extent = Extent { size: range.size, pa: range.base, read: true, write: true, certain: true };
            space.insert(range.base, extent);
        }
        space
    }

    /// Adds an extent.
    pub(crate) fn insert(&mut self, iova: u64, extent: Extent) {
        if extent.size == 0 {
            return;
        }
        // Grown in place where it continues the one before: long ranges are mapped in pieces.
        if let Some((first, before)) = self.extents.range_mut(..iova).next_back()
            && let [only] = before.as_mut_slice()
            && *first + only.size == iova
            && only.continues(&extent)
        {
            only.size += extent.size;
            return;
        }
        self.extents.entry(iova).or_default().push(extent);
    }

    /// Returns what overlaps a range, with first IOVAs.
    pub(crate) fn overlapping(&self, iova: u64, size: u64) -> impl Iterator<Item = (u64, Extent)> {
        let end = iova.saturating_add(size);
        self.extents
            .range(..end)
            .flat_map(|(first, extents)| extents.iter().map(move |extent| (*first, *extent)))
            .filter(move |(first, extent)| iova.max(*first) < (first + extent.size).min(end))
    }

    /// Removes what must be there from a range; what may be there stays so.
    pub(crate) fn remove(&mut self, iova: u64, size: u64) {
        self.cut(iova, size, |extent| extent.certain);
    }

    /// Removes everything from a range.
    pub(crate) fn clear(&mut self, iova: u64, size: u64) {
        self.cut(iova, size, |_| true);
    }

    fn cut(&mut self, iova: u64, size: u64, which: impl Fn(&Extent) -> bool) {
        let end = iova.saturating_add(size);
        let hit: Vec<(u64, Extent)> = self.overlapping(iova, size).filter(|(_, e)| which(e)).collect();
        for (first, extent) in hit {
            if let Some(extents) = self.extents.get_mut(&first) {
                extents.retain(|other| *other != extent);
                if extents.is_empty() {
                    self.extents.remove(&first);
                }
            }
            if first < iova {
                self.extents.entry(first).or_default().push(extent.from(0, iova - first));
            }
            let last = first + extent.size;
            if last > end {
                self.extents.entry(end).or_default().push(extent.from(end - first, last - end));
            }
        }
    }

    /// Returns what leads to memory, with first IOVAs.
    pub(crate) fn leading_to(&self, base: u64, size: u64) -> impl Iterator<Item = (u64, Extent)> {
        let end = base.saturating_add(size);
        self.all().filter(move |(_, extent)| extent.pa.max(base) < (extent.pa + extent.size).min(end))
    }

    /// Removes everything that leads to memory.
    pub(crate) fn forget(&mut self, base: u64, size: u64) {
        let end = base.saturating_add(size);
        let hit: Vec<(u64, Extent)> = self.leading_to(base, size).collect();
        for (iova, extent) in hit {
            let Some(extents) = self.extents.get_mut(&iova) else { continue };
            if let Some(place) = extents.iter().position(|other| *other == extent) {
                extents.remove(place);
            }
            let (from, to) =
                (extent.pa.max(base) - extent.pa, (extent.pa + extent.size).min(end) - extent.pa);
            if from > 0 {
                extents.push(extent.from(0, from));
            }
            if extents.is_empty() {
                self.extents.remove(&iova);
            }
            if to < extent.size {
                self.extents.entry(iova + to).or_default().push(extent.from(to, extent.size - to));
            }
        }
    }

    /// Lets nothing in a range be certain.
    pub(crate) fn doubt(&mut self, iova: u64, size: u64) {
        let hit: Vec<(u64, Extent)> = self.overlapping(iova, size).filter(|(_, e)| e.certain).collect();
        self.remove(iova, size);
        let end = iova.saturating_add(size);
        for (first, extent) in hit {
            let (from, to) = (first.max(iova), (first + extent.size).min(end));
            let part = Extent { certain: false, ..extent.from(from - first, to - from) };
            self.insert(from, part);
        }
    }

    /// Counts the bytes of a range that must be mapped.
    pub(crate) fn certain_bytes(&self, iova: u64, size: u64) -> u64 {
        let end = iova.saturating_add(size);
        let within = |(first, extent): (u64, Extent)| (first + extent.size).min(end) - first.max(iova);
        self.overlapping(iova, size).filter(|(_, extent)| extent.certain).map(within).sum()
    }

    /// Tells whether a part of a range may or may not be mapped.
    pub(crate) fn is_doubtful(&self, iova: u64, size: u64) -> bool {
        self.overlapping(iova, size).any(|(_, extent)| !extent.certain)
    }

    /// Returns all extents.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, Extent)> {
        self.extents.iter().flat_map(|(first, extents)| extents.iter().map(move |extent| (*first, *extent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn extent(size: u64, pa: u64) -> Extent {
        Extent { size, pa, read: true, write: false, certain: true }
    }

    #[test]
    fn removal_leaves_both_ends() {
        let mut space = Space::default();
        space.insert(0x1000, extent(0x5000, 0x8000));
        space.insert(0x6000, extent(0x1000, 0xd000));
        assert_eq!(space.all().collect::<Vec<_>>(), [(0x1000, extent(0x6000, 0x8000))]);
        space.remove(0x2000, 0x2000);
        let left = [(0x1000, extent(0x1000, 0x8000)), (0x4000, extent(0x3000, 0xb000))];
        assert_eq!(space.all().collect::<Vec<_>>(), left);
        assert_eq!(space.certain_bytes(0x1000, 0x4000), 0x2000);
    }

    #[test]
    fn memory_is_forgotten_wherever_it_is_mapped() {
        let mut space = Space::default();
        space.insert(0x1000, extent(0x3000, 0x8000));
        space.insert(0x9000, extent(0x1000, 0x9000));
        space.insert(0xa000, extent(0x1000, 0x7000));
        assert_eq!(space.leading_to(0x9000, 0x1000).count(), 2);
        space.forget(0x9000, 0x1000);
        let left = [(0x1000, 0x8000), (0x3000, 0xa000), (0xa000, 0x7000)];
        assert_eq!(space.all().collect::<Vec<_>>(), left.map(|(iova, pa)| (iova, extent(0x1000, pa))));
    }

    #[test]
    fn what_is_in_doubt_stays_so() {
        let mut space = Space::default();
        space.insert(0x1000, extent(0x3000, 0x8000));
        space.doubt(0x2000, 0x1000);
        space.remove(0, 0x10000);
        assert_eq!(space.all().count(), 1);
        assert!(space.is_doubtful(0x2000, 1) && !space.is_doubtful(0x1000, 0x1000));
        assert_eq!(space.certain_bytes(0, 0x10000), 0);
        space.clear(0, 0x10000);
        assert_eq!(space.all().count(), 0);
    }
}
