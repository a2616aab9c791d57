// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold between messages, looked at as a whole: all entries of the stream tables, all that tables map, all that
//! is cached; and whether what was granted works.

use super::tables::Tables;
use super::{Inner, Machine};
use crate::architecture::descriptor::Leaf;
use crate::architecture::stream_table::{Config, Entry};
use crate::finding::Invariant;
use crate::oracle::{Extent, Space};
use crate::smmu::{Kind, Leaves, Smmu, Transaction};

/// Accesses that are tried of what was granted.
const TRIES: usize = 3;

impl Machine {
    /// Looks at everything.
    pub(super) fn sweep(&self) {
        let mut inner = self.inner();
        if inner.oracle.tampered || inner.oracle.is_busy() {
            return;
        }
        inner.sweep_interrupts();
        for index in 0..inner.smmus.len() {
            let smmu = u16::try_from(index).unwrap_or(u16::MAX);
            let translates = inner.smmus.get(index).is_some_and(Smmu::translates);
            if inner.oracle.works(smmu) && translates {
                inner.sweep_streams(index, smmu);
                inner.try_what_was_granted(index, smmu);
            }
        }
    }
}

impl Inner {
    /// Looks at the entries of all streams that an SMMU can find.
    fn sweep_streams(&mut self, index: usize, smmu: u16) {
        let Self { smmus, around, oracle, roots, .. } = self;
        let Some(found) = smmus.get_mut(index) else { return };
        let mut seen: Vec<Tables> = Vec::new();
        for stream in found.reachable_streams(around) {
            let Ok(Entry { config, ats }) = found.entry_in_memory(stream, around) else { continue };
            if ats != 0 {
                around.findings.note(Invariant::Reach, || format!("stream {stream:#x} may use ATS ({ats})"));
            }
            match config {
                Config::Abort => {}
                Config::Bypass => {
                    around
                        .findings
                        .note(Invariant::Stream, || format!("stream {stream:#x} is set to {config:x?}"));
                }
                Config::Nested(..) if !oracle.may_be_nested(smmu, stream) => {
                    around
                        .findings
                        .note(Invariant::Stream, || format!("stream {stream:#x} was not to be nested"));
                }
                Config::Stage1(_) | Config::Stage2(_) | Config::Nested(..) => {
                    let Some(domain) = oracle.domain_of(smmu, stream) else {
                        around.findings.note(Invariant::Stream, || {
                            format!("stream {stream:#x} of nobody, or blocked, is set to {config:x?}")
                        });
                        continue;
                    };
                    // The streams of a device, and all devices of a domain, have one table.
                    let tables = match Tables::of(found, config, around) {
                        Ok(tables) => tables,
                        Err(what) => {
                            around.findings.note(Invariant::Stream, || format!("stream {stream:#x}: {what}"));
                            continue;
                        }
                    };
                    if seen.contains(&tables) {
                        continue;
                    }
                    seen.push(tables);
                    if let [Some(handle)] = oracle.settings(smmu, stream) {
                        roots.insert(handle.raw(), tables);
                    }
                    let leaves = tables.leaves(around);
                    if let Err(what) = compare(&leaves, &domain.space) {
                        around.findings.note(Invariant::Reach, || format!("stream {stream:#x}: {what}"));
                    }
                    for leaf in tables.combined(found) {
                        if let Err(what) = has_output(&domain.space, &leaf) {
                            around.findings.note(Invariant::Reach, || {
                                format!("stream {stream:#x}, cached of both stages: {what}")
                            });
                        }
                    }
                    for (input, leaf) in tables.cached(found) {
                        if let Err(what) = contains(&domain.space, input, &leaf) {
                            around
                                .findings
                                .note(Invariant::Reach, || format!("stream {stream:#x}, cached: {what}"));
                        }
                    }
                }
            }
        }
    }

    /// Tries some of what was granted: it has to work.
    fn try_what_was_granted(&mut self, index: usize, smmu: u16) {
        for _ in 0..TRIES {
            let attached: Vec<(u32, u64, Extent)> = self
                .oracle
                .attached(smmu)
                .flat_map(|(device, _, domain)| {
                    let stream = device.first_sid + u32::from(device.sids) - 1;
                    domain.space.all().map(move |(iova, extent)| (stream, iova, extent))
                })
                .filter(|(.., extent)| extent.certain)
                .collect();
            let Some(&(stream, iova, extent)) = self.around.random.pick(&attached) else { return };
            let offset = self.around.random.below(extent.size);
            let write = extent.write && (!extent.read || self.around.random.once_in(2));
            let transaction = Transaction { stream, address: iova + offset, write, kind: Kind::Untranslated };
            match self.try_access(index, transaction) {
                Some(access) if access.address == extent.pa + offset => self.land(index, access),
                Some(access) => self.land(index, access),
                None => self.note(Invariant::Service, || {
                    format!("stream {stream:#x} is refused {:#x}, which is mapped", iova + offset)
                }),
            }
        }
    }
}

/// Tells whether a domain has all that a leaf maps.
fn contains(space: &Space, input: u64, leaf: &Leaf) -> Result<(), String> {
    let size = 1 << leaf.bits;
    let (read, write) = (leaf.stage2_allows(false), leaf.stage2_allows(true));
    let mut at = input;
    while at < input + size {
        let pa = leaf.base + (at - input);
        let alike = |(first, extent): &(u64, Extent)| {
            extent.pa + (at - first) == pa && extent.read == read && extent.write == write
        };
        let Some((first, extent)) = space.overlapping(at, 1).find(alike) else {
            return Err(format!(
                "{at:#x} leads to {pa:#x} (read {read}, write {write}), which is not mapped so"
            ));
        };
        at = first + extent.size;
    }
    Ok(())
}

/// Tells whether a domain has all that a leaf of both stages leads to, at whichever IOVA.
fn has_output(space: &Space, leaf: &Leaf) -> Result<(), String> {
    let (read, write) = (leaf.stage2_allows(false), leaf.stage2_allows(true));
    let end = leaf.base + (1 << leaf.bits);
    let mut at = leaf.base;
    while at < end {
        let here = |(_, extent): &(u64, Extent)| {
            let inside = at.checked_sub(extent.pa).is_some_and(|offset| offset < extent.size);
            inside && (extent.read || !read) && (extent.write || !write)
        };
        let Some((_, extent)) = space.all().find(here) else {
            return Err(format!("{at:#x} (read {read}, write {write}) is not mapped so"));
        };
        at = extent.pa + extent.size;
    }
    Ok(())
}

/// Compares what a table maps with what a client was told.
fn compare(leaves: &Leaves, space: &Space) -> Result<(), String> {
    let mut runs: Vec<(u64, u64, u64, u64)> = Vec::new();
    for (input, leaf) in leaves {
        if !leaf.accessed || leaf.stage2_is_device() || leaf.shareability != 3 {
            return Err(format!("{input:#x} is mapped with odd attributes: {leaf:x?}"));
        }
        match runs.last_mut() {
            Some((first, size, pa, access))
                if *first + *size == *input && *pa + *size == leaf.base && *access == leaf.access =>
            {
                *size += 1 << leaf.bits;
            }
            _ => runs.push((*input, 1 << leaf.bits, leaf.base, leaf.access)),
        }
    }
    let mut mapped = 0;
    for (first, size, pa, access) in &runs {
        let mut at = *first;
        while at < first + size {
            let here = pa + (at - first);
            let alike = |(start, extent): &(u64, Extent)| {
                let bits = u64::from(extent.read) | u64::from(extent.write) << 1;
                extent.pa + (at - start) == here && bits == *access
            };
            let Some((start, extent)) = space.overlapping(at, 1).filter(alike).max_by_key(|(_, e)| e.certain)
            else {
                return Err(format!("{at:#x} leads to {here:#x}, which is not mapped so"));
            };
            let mut end = (start + extent.size).min(first + size);
            if !extent.certain {
                // What may be there covers what must be only up to where that begins.
                let certain = space.overlapping(at, end - at).filter(|(_, extent)| extent.certain);
                end = certain.map(|(start, _)| start).filter(|start| *start > at).fold(end, u64::min);
            }
            mapped += if extent.certain { end - at } else { 0 };
            at = end;
        }
    }
    let told: u64 = space.all().filter(|(_, extent)| extent.certain).map(|(_, extent)| extent.size).sum();
    if mapped == told { Ok(()) } else { Err(format!("{mapped:#x} of {told:#x} bytes are mapped")) }
}
