// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tokens of a device tree's structure block (Devicetree Specification 0.4, §5.4), read one by one.
//!
//! Nothing here judges a tree: what is damaged ends the walk that meets it.

/// Offset of the structure block's offset in the header (§5.2), in bytes.
const STRUCTURE_OFFSET: usize = 8;
/// The same of the strings block's offset.
const STRINGS_OFFSET: usize = 12;
/// The same of the strings block's size.
const STRINGS_SIZE: usize = 32;
/// Tokens (§5.4.1): a node begins, and its name follows; it ends.
const BEGIN: u32 = 1;
const END: u32 = 2;
/// A property: the length of its value, the place of its name and the value follow.
const PROPERTY: u32 = 3;
/// Nothing, which is passed over.
const NOTHING: u32 = 4;
/// Size of a word, and what tokens are aligned to, in bytes.
const WORD: usize = 4;

/// The name of a property: where it begins in the strings block. Where it ends is only looked for when it matters.
#[derive(Clone, Copy)]
pub(super) struct PropertyName<'a>(&'a [u8]);

impl<'a> PropertyName<'a> {
    /// Tells whether the name is `wanted`.
    #[inline(always)]
    pub(super) fn is(self, wanted: &[u8]) -> bool {
        self.0.first() == wanted.first() && self.0.strip_prefix(wanted).and_then(<[u8]>::first) == Some(&0)
    }

    /// Returns the bytes of the name, if it ends.
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|byte| *byte == 0)?;
        self.0.get(..length)
    }

    /// Returns the name, if it is text.
    pub(super) fn text(self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }
}

/// A blob and its strings.
#[derive(Clone, Copy)]
pub(super) struct Structure<'a> {
    blob: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Structure<'a> {
    /// Finds the blocks of `blob`.
    pub(super) fn of(blob: &'a [u8]) -> Option<Self> {
        let strings = blob.get(length_at(blob, STRINGS_OFFSET)?..)?;
        let strings = strings.get(..length_at(blob, STRINGS_SIZE)?)?;
        Some(Self { blob, strings })
    }

    /// Returns where the tokens of the root begin.
    pub(super) fn root(self) -> Option<usize> {
        match self.token(length_at(self.blob, STRUCTURE_OFFSET)?)? {
            (BEGIN, inside) => self.read_name(inside).map(|(_, next)| next),
            _ => None,
        }
    }

    /// Returns the property at `at`, name and value, and where the next one is; nothing behind the last of a node.
    #[inline(never)]
    pub(super) fn property(self, at: usize) -> Option<(PropertyName<'a>, &'a [u8], usize)> {
        match self.token(at)? {
            (PROPERTY, inside) => self.read_property(inside),
            _ => None,
        }
    }

    /// Returns the value of the first property called `wanted` from `at` on to the end of a node's properties.
    #[inline(never)]
    pub(super) fn find(self, mut at: usize, wanted: &[u8]) -> Option<&'a [u8]> {
        while let (PROPERTY, inside) = self.token(at)? {
            let (name, value, next) = self.read_property(inside)?;
            if name.is(wanted) {
                return Some(value);
            }
            at = next;
        }
        None
    }

    /// Returns the name of the next child and where its tokens begin. `depth` is how many nodes deep below the parent `at`
    /// is: 0 at the parent's own tokens, 1 at those of the child before.
    #[inline(never)]
    pub(super) fn next_child(self, depth: &mut usize, mut at: usize) -> Option<(&'a str, usize)> {
        loop {
            let (token, inside) = self.token(at)?;
            match token {
                PROPERTY => (_, _, at) = self.read_property(inside)?,
                BEGIN => {
                    let name;
                    (name, at) = self.read_name(inside)?;
                    *depth = depth.checked_add(1)?;
                    if *depth == 1 {
                        return Some((core::str::from_utf8(name).ok()?, at));
                    }
                }
                END => {
                    at = inside;
                    *depth = depth.checked_sub(1)?;
                }
                _ => return None,
            }
        }
    }

    /// Returns the token at `at`, or the first behind it that means something, and where it goes on.
    #[inline(always)]
    fn token(self, mut at: usize) -> Option<(u32, usize)> {
        loop {
            let token = word_at(self.blob, at)?;
            // A word was there: no sum of it and a few words wraps.
            at = at.wrapping_add(WORD);
            if token != NOTHING {
                return Some((token, at));
            }
        }
    }

    /// Returns name and value of the property whose length stands at `at`, and where the next token is.
    #[inline(always)]
    fn read_property(self, at: usize) -> Option<(PropertyName<'a>, &'a [u8], usize)> {
        let (words, rest) = self.blob.get(at..)?.split_first_chunk::<{ 2 * WORD }>()?;
        let [l0, l1, l2, l3, n0, n1, n2, n3] = *words;
        let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).ok()?;
        let name = usize::try_from(u32::from_be_bytes([n0, n1, n2, n3])).ok()?;
        let (name, value) = (self.strings.get(name..)?, rest.get(..length)?);
        // What lies in the blob is behind a place in it, and does not wrap.
        let end = at.wrapping_add(2 * WORD).wrapping_add(length);
        Some((PropertyName(name), value, aligned(end)))
    }

    /// Returns the name of the node that begins where it stands at `at`, and where the next token is.
    #[inline(always)]
    fn read_name(self, at: usize) -> Option<(&'a [u8], usize)> {
        let rest = self.blob.get(at..)?;
        let length = rest.iter().position(|byte| *byte == 0)?;
        Some((rest.get(..length)?, aligned(at.wrapping_add(length).wrapping_add(1))))
    }
}

#[inline(always)]
fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word_at(bytes, at)?).ok()
}

/// Rounds up to where a token may be. Only of offsets behind a byte that is there.
const fn aligned(offset: usize) -> usize {
    offset.wrapping_add(WORD - 1) & !(WORD - 1)
}
