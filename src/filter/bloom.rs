//! Bloom filters over consumers (Java: `BloomFilter`, `BitsArray`): for each stored message a few bits say which
//! consumers' expressions it may match.

use compat::hash::murmur3_128_first;

/// How many bits there are, and which of them stand for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BloomFilter {
    bits: u32,
    hash_count: u32,
}

/// Bits beyond which nobody configures one.
const BITS_MAX: f64 = 1_000_000.0;

impl BloomFilter {
    /// A filter for that many texts with that rate of error. Java: `createByFn`.
    pub fn new(error_rate_percent: u32, expected: u32) -> BloomFilter {
        let error_rate = f64::from(error_rate_percent.clamp(1, 99)) / 100.0;
        let hash_count = (error_rate.ln() / 0.5_f64.ln()).ceil().max(1.0);
        let log2 = |value: f64| value.ln() / 2_f64.ln();
        let bits = (f64::from(expected.max(1)) * log2(1.0 / error_rate) * log2(std::f64::consts::E)).ceil();
        let bits = 8.0 * (bits.min(BITS_MAX) / 8.0).ceil();
        BloomFilter { bits: bits as u32, hash_count: hash_count as u32 }
    }

    /// Number of bits, a multiple of 8. Java: `getM`.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Bits of one text. Java: `getK`.
    pub fn hash_count(&self) -> u32 {
        self.hash_count
    }

    /// The bits of a text. Java: `calcBitPositions`.
    pub fn positions(&self, text: &str) -> Vec<u32> {
        let hash = murmur3_128_first(text.as_bytes());
        let (first, second) = (hash as u32 as i32, (hash >> 32) as u32 as i32);
        let position = |round: u32| {
            let combined = first.wrapping_add((round as i32).wrapping_mul(second));
            let combined = if combined < 0 { !combined } else { combined };
            combined.unsigned_abs() % self.bits
        };
        (1..=self.hash_count).map(position).collect()
    }
}

/// Bits, the lowest of each byte first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitsArray(Vec<u8>);

impl BitsArray {
    /// So many bits, none set.
    pub fn new(bits: u32) -> BitsArray {
        BitsArray(vec![0; bits.div_ceil(8) as usize])
    }

    /// Sets a bit; one that is not there is passed over.
    pub fn set(&mut self, position: u32) {
        if let Some(byte) = self.0.get_mut((position / 8) as usize) {
            *byte |= 1 << (position % 8);
        }
    }

    /// Whether a bit of such bytes is set.
    pub fn is_set_in(bytes: &[u8], position: u32) -> bool {
        bytes.get((position / 8) as usize).is_some_and(|byte| byte & 1 << (position % 8) != 0)
    }

    /// As consume queue extensions keep them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_positions_are_javas() {
        let filter = BloomFilter::new(20, 32);
        assert_eq!((filter.hash_count(), filter.bits()), (3, 112));
        assert_eq!(filter.positions("CID#topic"), [50, 76, 91]);
        assert_eq!(filter.positions("group_a#TopicTest"), [85, 53, 80]);
        for (error_rate, expected) in [(1, 1), (99, 1), (100, 0), (0, u32::MAX), (20, 64)] {
            let filter = BloomFilter::new(error_rate, expected);
            assert!(filter.bits().is_multiple_of(8) && filter.bits() > 0 && filter.hash_count() > 0);
        }
    }

    #[test]
    fn what_was_set_is_set() {
        let filter = BloomFilter::new(20, 32);
        let positions = filter.positions("CID#topic");
        let mut bits = BitsArray::new(filter.bits());
        for position in &positions {
            assert!(!BitsArray::is_set_in(bits.as_bytes(), *position));
            bits.set(*position);
            assert!(BitsArray::is_set_in(bits.as_bytes(), *position));
        }
        assert!(!BitsArray::is_set_in(&bits.as_bytes()[..10], positions[2]));
        bits.set(1_000_000);
        assert_eq!(bits.as_bytes().len(), 14);
        assert_eq!(bits.as_bytes()[50 / 8], 1 << (50 % 8));
    }
}
