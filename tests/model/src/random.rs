// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers that look random and are the same each time.

/// A generator of 64-bit words (SplitMix64), or of what bytes say.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    /// Each decision is made by the next of them, and all are the first one behind the last.
    bytes: Option<std::vec::IntoIter<u8>>,
}

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, bytes: None }
    }

    /// Has bytes decide: a small change of them is a small change of what is decided.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self { state: 0, bytes: Some(bytes.into_iter()) }
    }

    /// Returns the next bytes as a number, where bytes decide.
    fn next_bytes(&mut self, count: u32) -> Option<u64> {
        let bytes = self.bytes.as_mut()?;
        Some((0..count).fold(0, |number, _| number << 8 | u64::from(bytes.next().unwrap_or(0))))
    }

    /// Makes the generator of a part of what a seed stands for.
    #[must_use]
    pub fn part(seed: u64, part: u64) -> Self {
        let mut random = Self::new(seed);
        let start = random.word();
        Self::new(start ^ part.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Returns the next word.
    pub fn word(&mut self) -> u64 {
        if let Some(number) = self.next_bytes(2) {
            // Few words mean anything by themselves: one of as many as there are numbers.
            return Self::new(number).word();
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Returns a number below a limit, or 0 where that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let bytes = (u64::BITS - limit.saturating_sub(1).leading_zeros()).div_ceil(8);
        if let Some(number) = self.next_bytes(bytes) {
            return number.checked_rem(limit).unwrap_or(0);
        }
        // The high half of a product: no division.
        let product = u128::from(self.word()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Returns a place in something of that length.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(0))).unwrap_or(0)
    }

    /// Says yes once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Returns one of some things.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.place(things.len()))
    }

    /// Returns one of some values, or the default where there are none.
    pub fn any<T: Copy + Default>(&mut self, values: &[T]) -> T {
        self.pick(values).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_one_after_the_other() {
        let mut random = Random::of_bytes(vec![3, 13, 1, 0]);
        assert_eq!((random.below(10), random.below(10), random.below(300)), (3, 3, 256));
        assert_eq!((random.below(10), random.below(1)), (0, 0), "there are no more");
        assert_eq!(Random::of_bytes(vec![1, 2]).word(), Random::new(0x102).word());
    }

    #[test]
    fn numbers_stay_below_their_limit_and_repeat() {
        let mut random = Random::new(7);
        let first: Vec<u64> = (0..100).map(|_| random.below(10)).collect();
        assert!(first.iter().all(|number| *number < 10) && first.contains(&0) && first.contains(&9));
        let mut again = Random::new(7);
        assert!(first.iter().all(|number| *number == again.below(10)));
        assert_ne!(Random::part(7, 0).word(), Random::part(7, 1).word());
        assert_eq!(random.below(0), 0);
    }
}
