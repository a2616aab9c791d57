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
/// Size of a word, and what tokens are aligned to, in bytes.
const WORD: usize = 4;

/// A token.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    /// A node of this name begins.
    Begin(&'a str),
    /// A property: its name and its value.
    Property(PropertyName<'a>, &'a [u8]),
    /// A node ends.
    End,
}

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
            (Token::Begin(_), next) => Some(next),
            _ => None,
        }
    }

    /// Returns the token at `at`, or the first behind it that means something, and where the next one is.
    #[inline(never)]
    pub(super) fn token(self, mut at: usize) -> Option<(Token<'a>, usize)> {
        loop {
            let rest = self.blob.get(at..)?;
            let tag = u32::from_be_bytes(*rest.first_chunk()?);
            // A word was there: no sum of it and a few words wraps.
            at = at.wrapping_add(WORD);
            match tag {
                1 => {
                    let name = text_at(self.blob, at)?;
                    let end = at.wrapping_add(name.len()).wrapping_add(1);
                    return Some((Token::Begin(name), aligned(end)));
                }
                2 => return Some((Token::End, at)),
                3 => {
                    let ([_, [l0, l1, l2, l3], [n0, n1, n2, n3]], value) = head(rest)?;
                    let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).ok()?;
                    let name = usize::try_from(u32::from_be_bytes([n0, n1, n2, n3])).ok()?;
                    let (name, value) = (self.strings.get(name..)?, value.get(..length)?);
                    at = at.wrapping_add(2 * WORD);
                    return Some((
                        Token::Property(PropertyName(name), value),
                        aligned(at.wrapping_add(length)),
                    ));
                }
                4 => {}
                _ => return None,
            }
        }
    }

    /// Returns the name of the next child and where its tokens begin. `depth` is how many nodes deep below the parent `at`
    /// is: 0 at the parent's own tokens, 1 at those of the child before.
    #[inline(never)]
    pub(super) fn next_child(self, depth: &mut usize, mut at: usize) -> Option<(&'a str, usize)> {
        loop {
            let (token, next) = self.token(at)?;
            at = next;
            match token {
                Token::Property(..) => {}
                Token::Begin(name) => {
                    *depth += 1;
                    if *depth == 1 {
                        return Some((name, at));
                    }
                }
                Token::End => *depth = depth.checked_sub(1)?,
            }
        }
    }
}

/// Takes the three words off that a property begins with: the token, the length of its value, the place of its name.
fn head(bytes: &[u8]) -> Option<([[u8; WORD]; 3], &[u8])> {
    let (words, rest) = bytes.split_first_chunk::<{ 3 * WORD }>()?;
    let [t0, t1, t2, t3, l0, l1, l2, l3, n0, n1, n2, n3] = *words;
    Some(([[t0, t1, t2, t3], [l0, l1, l2, l3], [n0, n1, n2, n3]], rest))
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word_at(bytes, at)?).ok()
}

/// Returns the text at `at` up to its NUL.
fn text_at(bytes: &[u8], at: usize) -> Option<&str> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().position(|byte| *byte == 0)?;
    core::str::from_utf8(rest.get(..length)?).ok()
}

/// Rounds up to where a token may be. Only of offsets behind a byte that is there.
const fn aligned(offset: usize) -> usize {
    offset.wrapping_add(WORD - 1) & !(WORD - 1)
}
