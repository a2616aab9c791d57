// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of memory transactions, as 64-bit words (FF-A Memory Management Protocol 1.2, DEN 0140: "MM" below).
//!
//! What the manager writes is not believed to be well-formed: what is not exactly an answer to what was asked is none.

use super::{AreaPages, LentRange, MAX_AREA_PAGES};
use crate::pool::MAX_CHUNK_PAGES;
use crate::table::PAGE_SIZE;
use ffa_abi::PhysAddr;

/// Words of a retrieve request: the header (MM table 1.20) and one access descriptor of FF-A 1.2 (table 1.16).
pub const REQUEST_WORDS: usize = HEADER_WORDS + 4;
/// Words of a relinquish descriptor with one endpoint (MM table 2.25).
pub const RELINQUISH_WORDS: usize = 3;
/// The longest response that is read: header, access descriptor, composite (table 1.13), and a constituent (table 1.14) for
/// each page.
pub const RESPONSE_WORDS: usize = REQUEST_WORDS + COMPOSITE_WORDS + 2 * MAX_AREA_PAGES;

const HEADER_WORDS: usize = 6;
const COMPOSITE_WORDS: usize = 2;
const WORD: usize = size_of::<u64>();
/// Bytes of an access descriptor: since FF-A 1.2, and before.
const ACCESS_BYTES: [u64; 2] = [32, 16];
/// Flags, bits 4:3: which call the transaction is (tables 1.22 and 1.21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Transaction {
    /// FFA_MEM_SHARE.
    Share = 1 << 3,
    /// FFA_MEM_LEND.
    Lend = 2 << 3,
}

const KIND_BITS: u64 = 0b11 << 3;
/// Permissions (table 1.15): read and write; instruction access is not specified.
const READ_WRITE: u64 = 0b10;
const DATA_ACCESS_BITS: u64 = 0b11;
/// Attributes (table 1.18): bit 6 says that memory is non-secure; bits 5:4 are 2 for normal memory, bits 3:2 are 3 for
/// write-back.
const NON_SECURE: u64 = 1 << 6;
const NORMAL_WRITE_BACK: u64 = 0b10_11 << 2;
const TYPE_BITS: u64 = 0b11_11 << 2;

/// Makes a request for what `sender` shared with `own` alone, or lent it.
#[must_use]
pub fn retrieve_request(
    transaction: Transaction,
    own: u16,
    sender: u16,
    memory: u64,
) -> [u64; REQUEST_WORDS] {
    let [size, _] = ACCESS_BYTES;
    let header = u64::from(sender) | (transaction as u64) << 32;
    let access = u64::from(own) | READ_WRITE << 16;
    [header, memory, 0, size | 1 << 32, (HEADER_WORDS * WORD) as u64, 0, access, 0, 0, 0]
}

/// Makes the descriptor that gives it back.
#[must_use]
pub fn relinquish(own: u16, memory: u64) -> [u64; RELINQUISH_WORDS] {
    [memory, 1 << 32, u64::from(own)]
}

/// What a response says that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There are no pages, or more than an area has.
    Size,
    /// It is not memory that the service could use: not shared for reading and writing, not the normal world's, no normal
    /// memory, or no answer to the request.
    Kind,
}

/// Reads the pages out of the response for what is shared. `words` is a copy of the beginning of the buffer that it stands in.
///
/// # Errors
/// [`Unusable`].
pub fn retrieve_response(words: &[u64], own: u16, sender: u16, memory: u64) -> Result<AreaPages, Unusable> {
    let mut pages = AreaPages::new();
    ranges(words, Transaction::Share, (own, sender, memory), MAX_AREA_PAGES, |first, count| {
        for page in 0..count {
            let address = first.checked_add(page.wrapping_mul(PAGE_SIZE)).ok_or(Unusable::Kind)?;
            // Ends at the first that is too many.
            pages.push(PhysAddr(address)).map_err(|_| Unusable::Size)?;
        }
        Ok(())
    })?;
    Ok(pages)
}

/// Reads the pages out of the response for what is lent: they have to follow each other.
///
/// # Errors
/// [`Unusable`].
pub fn lent_response(words: &[u64], own: u16, sender: u16, memory: u64) -> Result<LentRange, Unusable> {
    let mut lent: Option<LentRange> = None;
    ranges(words, Transaction::Lend, (own, sender, memory), MAX_CHUNK_PAGES, |first, count| {
        let more = u16::try_from(count).map_err(|_| Unusable::Size)?;
        let LentRange { base, pages } = lent.unwrap_or(LentRange { base: PhysAddr(first), pages: 0 });
        let end = u64::from(pages).checked_mul(PAGE_SIZE).and_then(|size| base.0.checked_add(size));
        if end != Some(first) {
            return Err(Unusable::Size);
        }
        lent = Some(LentRange { base, pages: pages.checked_add(more).ok_or(Unusable::Size)? });
        Ok(())
    })?;
    lent.ok_or(Unusable::Size)
}

/// Calls `range` with each range of a response, its first address and its number of pages, which together are between one and
/// `most`.
fn ranges(
    words: &[u64],
    transaction: Transaction,
    (own, sender, memory): (u16, u16, u64),
    most: usize,
    mut range: impl FnMut(u64, u64) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let word = |place: usize| words.get(place).copied().ok_or(Unusable::Kind);
    let header = word(0)?;
    let (attributes, flags) = (header >> 16 & 0xffff, header >> 32);
    let is_asked_for = header & 0xffff == u64::from(sender) && word(1)? == memory;
    let is_normal = attributes & NON_SECURE != 0 && attributes & TYPE_BITS == NORMAL_WRITE_BACK;
    let size = word(3)?;
    let one_receiver = size >> 32 == 1 && ACCESS_BYTES.contains(&(size & LOW));
    if !is_asked_for || !is_normal || !one_receiver || flags & KIND_BITS != transaction as u64 {
        return Err(Unusable::Kind);
    }
    let access = word(place(word(4)? & LOW)?)?;
    if access & 0xffff != u64::from(own) || access >> 16 & DATA_ACCESS_BITS != READ_WRITE {
        return Err(Unusable::Kind);
    }
    let composite = place(access >> 32)?;
    let counts = word(composite)?;
    let (total, ranges) = (counts & LOW, counts >> 32);
    if total == 0 || total > most as u64 || ranges > total {
        return Err(Unusable::Size);
    }
    let mut at = composite.saturating_add(COMPOSITE_WORDS);
    let mut seen = 0_u64;
    for _ in 0..ranges {
        let (first, count) = (word(at)?, word(at.saturating_add(1))? & LOW);
        at = at.saturating_add(2);
        if first & (PAGE_SIZE - 1) != 0 {
            return Err(Unusable::Kind);
        }
        seen = seen.saturating_add(count);
        if seen > total {
            return Err(Unusable::Size);
        }
        range(first, count)?;
    }
    if seen == total { Ok(()) } else { Err(Unusable::Size) }
}

const LOW: u64 = 0xffff_ffff;

/// Returns which word stands at an offset in bytes.
fn place(offset: u64) -> Result<usize, Unusable> {
    let offset = usize::try_from(offset).map_err(|_| Unusable::Kind)?;
    if offset.is_multiple_of(WORD) { Ok(offset / WORD) } else { Err(Unusable::Kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const OWN: u16 = 0x8001;
    const MEMORY: u64 = 0x1_0000_0005;

    /// A response as a manager of FF-A 1.2 writes it.
    fn response(ranges: &[(u64, u64)]) -> Vec<u64> {
        let attributes = 0x6f; // non-secure, normal, write-back, inner shareable
        let total: u64 = ranges.iter().map(|(_, count)| count).sum();
        let mut words = vec![attributes << 16 | 0x8 << 32, MEMORY, 0, 32 | 1 << 32, 48, 0];
        words.extend([0x8001 | 0b0110 << 16 | 80 << 32, 0, 0, 0]);
        words.extend([total | (ranges.len() as u64) << 32, 0]);
        words.extend(ranges.iter().flat_map(|(first, count)| [*first, *count]));
        words
    }

    fn read(words: &[u64]) -> Result<Vec<u64>, Unusable> {
        retrieve_response(words, OWN, 0, MEMORY).map(|pages| pages.iter().map(|page| page.0).collect())
    }

    #[test]
    fn pages_come_in_their_order() {
        let words = response(&[(0x4000_5000, 1), (0x4000_1000, 2)]);
        assert_eq!(read(&words), Ok(vec![0x4000_5000, 0x4000_1000, 0x4000_2000]));
    }

    #[test]
    fn what_an_area_does_not_hold_is_refused() {
        assert_eq!(read(&response(&[])), Err(Unusable::Size));
        assert_eq!(read(&response(&[(0x4000_0000, 5)])), Err(Unusable::Size));
        assert_eq!(read(&response(&[(0x4000_0000, 4), (0x5000_0000, 1)])), Err(Unusable::Size));
        // The total is less than what the ranges make.
        let mut words = response(&[(0x4000_0000, 1)]);
        words[13] = u64::from(u32::MAX);
        assert_eq!(read(&words), Err(Unusable::Size));
        words[13] = 2;
        assert_eq!(read(&words), Err(Unusable::Size));
    }

    #[test]
    fn what_is_no_answer_to_the_request_is_refused() {
        let good = response(&[(0x4000_0000, 1)]);
        assert!(read(&good).is_ok());
        for (place, flipped) in [
            (0, 1),       // another sender
            (0, 1 << 22), // secure
            (0, 1 << 18), // not cacheable
            (0, 3 << 35), // lent
            (1, 1),       // another handle
            (3, 3 << 32), // two receivers
            (3, 8),       // access descriptors of another size
            (4, 4),       // an offset that is none
            (6, 2),       // another receiver
            (6, 3 << 16), // read-only
            (6, 1 << 40), // a composite elsewhere
            (12, 0x800),  // half a page
        ] {
            let mut words = good.clone();
            words[place] ^= flipped;
            assert!(read(&words).is_err(), "word {place}, bits {flipped:#x}");
        }
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "{length} words");
        }
    }

    #[test]
    fn requests_are_laid_out_as_the_specification_says() {
        let request = retrieve_request(Transaction::Share, OWN, 0, MEMORY);
        let bytes: Vec<u8> = request.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(&bytes[0..8], [0, 0, 0, 0, 8, 0, 0, 0], "sender, attributes, flags");
        assert_eq!(&bytes[8..16], MEMORY.to_le_bytes());
        assert_eq!(&bytes[24..36], [32, 0, 0, 0, 1, 0, 0, 0, 48, 0, 0, 0], "size, count, offset");
        assert_eq!(&bytes[48..56], [0x01, 0x80, 2, 0, 0, 0, 0, 0], "endpoint, permissions");
        assert_eq!(relinquish(OWN, MEMORY), [MEMORY, 1 << 32, 0x8001]);
    }

    proptest! {
        #[test]
        fn any_words_are_read_without_panic(words in proptest::collection::vec(any::<u64>(), 0..24), small: bool) {
            let mut words = words;
            if small {
                let mut good = response(&[(0x4000_0000, 2), (0x4100_0000, 2)]);
                for (to, bits) in good.iter_mut().zip(&words) {
                    *to ^= bits & bits.rotate_left(17) & bits.rotate_left(41) & bits.rotate_left(5);
                }
                words = good;
            }
            if let Ok(pages) = read(&words) {
                prop_assert!((1..=MAX_AREA_PAGES).contains(&pages.len()));
                prop_assert!(pages.iter().all(|page| page % PAGE_SIZE == 0));
            }
        }
    }
}
