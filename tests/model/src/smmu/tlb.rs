// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cached translations and cached table descriptors, and the least that each command removes (IHI 0070, 3.17 and 4.4).
//!
//! Only valid descriptors are kept (3.21.1). What a command need not remove stays: by IPA nothing that combines both stages,
//! by ASID nothing global.

use crate::architecture::command::Scope;
use crate::architecture::descriptor::Leaf;
use crate::random::Random;

/// The configuration that something was inserted by: stage 2 alone where there is no ASID, else stage 1 or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) vmid: u16,
    pub(super) asid: Option<u16>,
}

/// What finds a cached descriptor, and what an invalidation looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(super) tag: Tag,
    /// First input address.
    pub(super) input: u64,
    /// log2 of the bytes of input that it covers.
    pub(super) bits: u32,
    /// The level of the table that it stood in.
    pub(super) level: u32,
    pub(super) kind: KeyKind,
}

/// What kind of descriptor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Table,
    Leaf,
    /// A leaf of stage 1 for all ASIDs.
    GlobalLeaf,
}

impl Key {
    fn covers(&self, tag: Tag, input: u64) -> bool {
        // What is global is for all ASIDs.
        let global = self.kind == KeyKind::GlobalLeaf && self.tag.vmid == tag.vmid && tag.asid.is_some();
        (self.tag == tag || global)
            && input.checked_sub(self.input).is_some_and(|offset| offset >> self.bits == 0)
    }

    /// Tells whether a command has to remove it.
    pub(super) fn is_hit(&self, scope: &Scope) -> bool {
        let Tag { vmid, asid } = self.tag;
        let by_address = |addresses: &crate::architecture::command::Addresses| {
            let kind = match self.kind {
                KeyKind::Table => addresses.takes_table(self.level),
                KeyKind::Leaf | KeyKind::GlobalLeaf => addresses.takes_leaf(self.level),
            };
            kind && addresses.hit(self.input, 1 << self.bits)
        };
        match *scope {
            Scope::All => true,
            Scope::El2 => false,
            Scope::Vmid(other) => other == vmid,
            Scope::Ipa(other, addresses) => other == vmid && asid.is_none() && by_address(&addresses),
            Scope::Stage1(other) => other == vmid && asid.is_some(),
            Scope::Asid(other, number) => {
                other == vmid && asid == Some(number) && self.kind != KeyKind::GlobalLeaf
            }
            Scope::Va(other, number, addresses) => {
                let number = number.is_none() || asid == number || self.kind == KeyKind::GlobalLeaf;
                other == vmid && asid.is_some() && number && by_address(&addresses)
            }
        }
    }
}

/// A cached descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cached {
    pub(super) key: Key,
    pub(super) what: What,
}

/// What a cached descriptor leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The next table.
    Table(u64),
    /// A block or page.
    Leaf(Leaf),
}

/// Two cached translations for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict(pub(super) Cached, pub(super) Cached);

/// The cache.
#[derive(Debug, Default)]
pub(super) struct Tlb {
    entries: Vec<Cached>,
}

impl Tlb {
    /// Makes a cache as reset leaves it: with anything in it.
    pub(super) fn unknown(random: &mut Random) -> Self {
        let leaf = Leaf {
            base: 0x4000_0000,
            bits: 30,
            accessed: true,
            access: 3,
            attributes: 15,
            shareability: 3,
            global: false,
            not_cached: false,
            combined: false,
        };
        let entries = (0..4).map(|place| {
            let tag = Tag { vmid: u16::try_from(random.below(4)).unwrap_or(0), asid: None };
            let key = Key { tag, input: place << 30, bits: 30, level: 1, kind: KeyKind::Leaf };
            Cached { key, what: What::Leaf(leaf) }
        });
        Self { entries: entries.collect() }
    }

    /// Finds the translation of an address.
    pub(super) fn leaf(&self, tag: Tag, input: u64) -> Result<Option<(Key, Leaf)>, Box<Conflict>> {
        let mut found: Option<Cached> = None;
        for entry in self.entries.iter().filter(|entry| entry.key.covers(tag, input)) {
            match (entry.what, found) {
                (What::Table(_), _) => {}
                (What::Leaf(_), None) => found = Some(*entry),
                (What::Leaf(_), Some(other)) => return Err(Box::new(Conflict(other, *entry))),
            }
        }
        Ok(found.and_then(|entry| match entry.what {
            What::Leaf(leaf) => Some((entry.key, leaf)),
            What::Table(_) => None,
        }))
    }

    /// Finds a cached table on the way of an address, and the level of its entries: which, of several, the SMMU chooses.
    pub(super) fn table(&self, tag: Tag, input: u64, random: &mut Random) -> Option<(u64, u32)> {
        let next = |entry: &Cached| match entry.what {
            What::Table(next) if entry.key.covers(tag, input) => Some((next, entry.key.level + 1)),
            _ => None,
        };
        let count = self.entries.iter().filter_map(next).count();
        self.entries.iter().filter_map(next).nth(random.place(count))
    }

    /// Keeps a descriptor, in place of another where there is no room.
    pub(super) fn insert(&mut self, entry: Cached, room: usize, random: &mut Random) {
        if self.entries.contains(&entry) {
            return;
        }
        if self.entries.len() >= room {
            self.evict(random);
        }
        self.entries.push(entry);
    }

    /// Loses something, as caches do.
    pub(super) fn evict(&mut self, random: &mut Random) {
        if !self.entries.is_empty() {
            let place = random.place(self.entries.len());
            self.entries.swap_remove(place);
        }
    }

    /// Does what a command has to do, and no more.
    pub(super) fn forget(&mut self, scope: &Scope) {
        self.entries.retain(|entry| !entry.key.is_hit(scope));
    }

    /// Returns all cached translations of both stages under a VMID.
    pub(super) fn combined(&self, vmid: u16) -> impl Iterator<Item = Leaf> {
        self.entries.iter().filter(move |entry| entry.key.tag.vmid == vmid).filter_map(|entry| {
            match entry.what {
                What::Leaf(leaf) if leaf.combined => Some(leaf),
                What::Leaf(_) | What::Table(_) => None,
            }
        })
    }

    /// Returns all cached translations under a tag.
    pub(super) fn leaves(&self, tag: Tag) -> impl Iterator<Item = (u64, Leaf)> {
        self.entries.iter().filter(move |entry| entry.key.tag == tag).filter_map(|entry| match entry.what {
            What::Leaf(leaf) => Some((entry.key.input, leaf)),
            What::Table(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::command::Addresses;

    fn key(asid: Option<u16>, level: u32, kind: KeyKind) -> Key {
        Key { tag: Tag { vmid: 3, asid }, input: 0x20_0000, bits: 39 - 9 * level, level, kind }
    }

    #[test]
    fn commands_remove_no_more_than_they_must() {
        let page = Addresses { first: 0x20_0000, length: 0, leaf: true, level: 0 };
        let all = Addresses { leaf: false, ..page };
        let (stage2, both) = (key(None, 3, KeyKind::Leaf), key(Some(5), 3, KeyKind::Leaf));
        assert!(stage2.is_hit(&Scope::Ipa(3, page)) && !both.is_hit(&Scope::Ipa(3, page)));
        assert!(!stage2.is_hit(&Scope::Ipa(4, page)) && !stage2.is_hit(&Scope::Stage1(3)));
        assert!(both.is_hit(&Scope::Va(3, None, page)) && both.is_hit(&Scope::Asid(3, 5)));
        assert!(!both.is_hit(&Scope::Va(3, Some(6), page)));
        let global = key(Some(5), 3, KeyKind::GlobalLeaf);
        assert!(global.is_hit(&Scope::Va(3, Some(6), page)) && !global.is_hit(&Scope::Asid(3, 5)));
        let table = key(None, 2, KeyKind::Table);
        assert!(!table.is_hit(&Scope::Ipa(3, page)) && table.is_hit(&Scope::Ipa(3, all)));
        for key in [stage2, both, global, table] {
            assert!(key.is_hit(&Scope::Vmid(3)) && key.is_hit(&Scope::All) && !key.is_hit(&Scope::El2));
        }
    }

    #[test]
    fn two_translations_of_one_address_are_a_conflict() {
        let leaf = |bits| Leaf {
            base: 0,
            bits,
            accessed: true,
            access: 3,
            attributes: 15,
            shareability: 3,
            global: false,
            not_cached: false,
            combined: false,
        };
        let mut tlb = Tlb::default();
        let mut random = Random::new(1);
        for level in [2, 3] {
            let what = What::Leaf(leaf(39 - 9 * level));
            tlb.insert(Cached { key: key(None, level, KeyKind::Leaf), what }, 8, &mut random);
        }
        let tag = Tag { vmid: 3, asid: None };
        assert!(tlb.leaf(tag, 0x20_0000).is_err());
        assert!(tlb.leaf(tag, 0x20_1000).unwrap().is_some());
        assert_eq!(tlb.leaf(tag, 0x40_0000), Ok(None));
    }
}
