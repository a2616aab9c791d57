// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stage 1, alone or in front of stage 2: context descriptors and their cache, walks, and translations of both stages in
//! one entry of the TLB (IHI 0070, 3.3.2 and 3.4; DDI 0487, D8.2).

use super::tlb::{Cached, Key, Tag, What};
use super::walk::{Leaves, Regime};
use super::{Smmu, Surroundings};
use crate::architecture::context::{CD_WORDS, Context, Half};
use crate::architecture::descriptor::{Leaf, entry_bits};
use crate::architecture::event::Kind;
use crate::architecture::stream_table::{Contexts, Stage2};
use crate::finding::Invariant;
use crate::memory::Place;

impl Smmu {
    /// Translates a virtual address: what is returned says where it leads in the end, and what that allows, as a leaf of
    /// stage 2 would.
    pub(super) fn stage1(
        &mut self,
        (contexts, outer): (Contexts, Option<&Stage2>),
        (stream, input): (u32, u64),
        around: &mut Surroundings,
    ) -> Result<(Key, Leaf), Kind> {
        let context = self.context(contexts, outer, stream, around)?;
        let half = half(&context, input).ok_or(Kind::Translation)?;
        // Without stage 2, translations are tagged with VMID 0 (5.2, S2VMID).
        let tag = Tag { vmid: outer.map_or(0, |outer| outer.vmid), asid: Some(context.asid) };
        let regime = Regime {
            tag,
            root: half.root,
            input_bits: half.input_bits,
            start_level: half.start_level(),
            output_bits: outer.map_or(context.output_bits, |outer| outer.input_bits),
            no_access_faults: context.no_access_faults,
            outer,
        };
        let (key, first) = self.walk(&regime, input, around)?;
        let Some(outer) = outer else { return Ok((key, first.as_stage2(context.attributes))) };
        // A combined entry that was cached has the form of stage 2 already.
        if first.combined {
            return Ok((key, first));
        }
        let ipa = first.base + (input - key.input);
        let (second_key, second) = self.stage2(outer, ipa, around)?;
        // The smaller of the two sizes is what one entry can stand for.
        let bits = first.bits.min(second.bits);
        let mask = (1 << bits) - 1;
        let leaf = Leaf {
            base: (second.base + (ipa - second_key.input)) & !mask,
            bits,
            access: first.as_stage2(context.attributes).access & second.access,
            combined: true,
            ..second
        };
        let key = Key { input: input & !mask, bits, ..key };
        if !around.random.once_in(8) {
            let what = What::Leaf(leaf);
            self.tlb.insert(Cached { key, what }, self.features.tlb_size, &mut around.random);
        }
        Ok((key, leaf))
    }

    /// Reads a stream's context descriptor with the caches' words where there are any, and keeps some.
    fn context(
        &mut self,
        contexts: Contexts,
        outer: Option<&Stage2>,
        stream: u32,
        around: &mut Surroundings,
    ) -> Result<Context, Kind> {
        let mut cached = self.configurations.context(stream);
        let mut words = [0; CD_WORDS];
        let at = match outer {
            Some(outer) => {
                let (key, leaf) = self.stage2(outer, contexts.pointer, around)?;
                let at = leaf.base + (contexts.pointer - key.input);
                if leaf.stage2_allows(false) { at } else { return Err(Kind::Permission) }
            }
            None => contexts.pointer,
        };
        if outer.is_none() && around.memory.place(at) != Place::Pool {
            around.findings.note(Invariant::Pool, || format!("a context was fetched from {at:#x}"));
        }
        for (place, (word, slot)) in (0..).zip(words.iter_mut().zip(&mut cached)) {
            *word = match *slot {
                Some(word) => word,
                None if outer.is_some() => {
                    around.memory.read_theirs(at + 8 * place).map_err(|_| Kind::CdFetch)?
                }
                None => around.memory.read(at + 8 * place).map_err(|_| Kind::CdFetch)?,
            };
            *slot = Some(*word).filter(|_| !around.random.once_in(8));
        }
        self.configurations.keep_context(stream, cached);
        Context::decode(&words, self.features.output_bits()).ok_or(Kind::BadCd)
    }
}

impl Smmu {
    /// Reads the context descriptor that an entry leads to as it stands in memory, without any trace.
    pub(crate) fn context_in_memory(
        &self,
        contexts: Contexts,
        around: &mut Surroundings,
    ) -> Result<Context, Kind> {
        let mut words = [0; CD_WORDS];
        for (place, word) in (0..).zip(&mut words) {
            *word = around.memory.read(contexts.pointer + 8 * place).map_err(|_| Kind::CdFetch)?;
        }
        Context::decode(&words, self.features.output_bits()).ok_or(Kind::BadCd)
    }

    /// Returns all that one half of stage 1 alone maps, as it stands in memory and in the form of stage 2, in the order of
    /// inputs.
    pub(crate) fn stage1_leaves_in_memory(
        context: &Context,
        half: &Half,
        around: &mut Surroundings,
    ) -> Leaves {
        let start = half.start_level();
        let mut leaves = Leaves::new();
        let count = 1 << (half.input_bits - entry_bits(start));
        Self::collect(half.root, start, (0, count), &mut leaves, around);
        leaves.iter_mut().for_each(|(_, leaf)| *leaf = leaf.as_stage2(context.attributes));
        leaves
    }
}

/// Chooses the half of the input that an address is in: the bits above its size are all zero, or all one.
fn half(context: &Context, input: u64) -> Option<Half> {
    let fits = |half: &Half, upper: u64| input >> half.input_bits == upper >> half.input_bits;
    let lower = context.lower.filter(|half| fits(half, 0));
    lower.or_else(|| context.upper.filter(|half| fits(half, u64::MAX)))
}
