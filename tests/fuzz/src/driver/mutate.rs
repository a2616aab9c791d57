// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes of an input.

use super::random::Random;

/// No input becomes longer.
pub(crate) const MOST_BYTES: usize = 8192;

/// Changes `bytes` in some ways at some places; `other` may lend a part.
pub(crate) fn mutate(mut bytes: Vec<u8>, other: &[u8], random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(6) {
        change(&mut bytes, other, random);
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    let length = 1 + random.below(16);
    let end = (at + length).min(bytes.len());
    match random.below(9) {
        0 => {
            let bit = random.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        1 => {
            let value = random.byte();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        2 => {
            let value = [0, 1, 0x7f, 0x80, 0xff].get(random.below(5)).copied().unwrap_or(0);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        3 => {
            let step = random.byte() % 16;
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(step).wrapping_sub(8);
            }
        }
        4 => drop(bytes.drain(at..end)),
        5 => {
            let new: Vec<u8> = (0..length).map(|_| random.byte()).collect();
            bytes.splice(at..at, new);
        }
        6 => {
            let part = bytes.get(at..end).unwrap_or_default().to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, part);
        }
        7 => {
            let from = random.below(other.len());
            let part = other.get(from..(from + 4 * length).min(other.len())).unwrap_or_default().to_vec();
            bytes.splice(at..at, part);
        }
        _ => {
            // One input's beginning, the other one's end.
            let from = random.below(other.len());
            bytes.truncate(at);
            bytes.extend(other.get(from..).unwrap_or_default());
        }
    }
}
