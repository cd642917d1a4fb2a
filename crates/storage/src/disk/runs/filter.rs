//! A Bloom filter in blocks of one cache line: says "not here" nearly always when that is so, and never wrongly.

use super::Fingerprint;

/// Bits for each entry: about 1.3 in a hundred look-ups of an absent entry say "maybe".
const BITS_PER_ENTRY: u64 = 10;
const BLOCK_BITS: u64 = 512;
const PROBES: u32 = 6;
/// Probes take their nine bits each from the fingerprint multiplied by this odd number (2^64 divided by the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug)]
pub(super) struct Filter(Vec<[u64; 8]>);

impl Filter {
    /// An empty filter for so many entries.
    pub(super) fn with_capacity(entries: u64) -> Self {
        let blocks = entries.saturating_mul(BITS_PER_ENTRY).div_ceil(BLOCK_BITS).max(1);
        Self(vec![[0; 8]; usize::try_from(blocks).expect("a filter fits into memory")])
    }

    pub(super) fn insert(&mut self, key: Fingerprint) {
        let block = self.block(key);
        for (word, bit) in probes(key) {
            self.0[block][word] |= bit;
        }
    }

    pub(super) fn may_contain(&self, key: Fingerprint) -> bool {
        let block = &self.0[self.block(key)];
        probes(key).all(|(word, bit)| block[word] & bit != 0)
    }

    fn block(&self, key: Fingerprint) -> usize {
        // The high half, scaled to the number of blocks.
        ((u128::from(key.0) * self.0.len() as u128) >> 64) as usize
    }
}

fn probes(key: Fingerprint) -> impl Iterator<Item = (usize, u64)> {
    let bits = key.0.wrapping_mul(SPREAD);
    (0..PROBES).map(move |probe| {
        let bit = (bits >> (64 - 9 * (probe + 1))) % BLOCK_BITS;
        ((bit / 64) as usize, 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_little_else() {
        let key = |n: u32| Fingerprint::of(&[&n.to_be_bytes()]);
        let mut filter = Filter::with_capacity(10_000);
        (0..10_000).for_each(|n| filter.insert(key(n)));
        assert!((0..10_000).all(|n| filter.may_contain(key(n))));
        let wrong = (10_000..60_000).filter(|n| filter.may_contain(key(*n))).count();
        assert!(wrong < 1_000, "{wrong} of 50,000");
    }
}
