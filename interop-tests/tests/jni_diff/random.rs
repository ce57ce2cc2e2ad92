//! Seeded numbers and texts (SplitMix64), so that a failing case fails again.

pub struct Random(u64);

/// What texts are made of: plain, what fastjson escapes, what properties use as marks, other scripts.
const PIECES: [&str; 24] = [
    "a",
    "Topic",
    "%RETRY%g",
    "broker-a",
    "127.0.0.1:10911",
    " ",
    "\"",
    "\\",
    "/",
    "\t",
    "\n",
    "\r",
    "\u{8}",
    "\u{c}",
    "\u{1}",
    "\u{2}",
    "\u{1f}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "ü",
    "漢",
    "𝄞",
    "{}[]:,'",
];

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.u64() % bound as u64) as usize
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Small ones, the extremes, and anything.
    pub fn i64(&mut self) -> i64 {
        match self.below(4) {
            0 => self.below(10) as i64,
            1 => -(self.below(10) as i64),
            2 => *self.pick(&[i64::MIN, i64::MAX, i64::from(i32::MIN), i64::from(i32::MAX)]),
            _ => self.u64() as i64,
        }
    }

    pub fn i32(&mut self) -> i32 {
        match self.below(4) {
            0 => self.below(10) as i32,
            1 => -(self.below(10) as i32),
            2 => *self.pick(&[i32::MIN, i32::MAX]),
            _ => self.u64() as i32,
        }
    }

    /// What fits into the two bytes of a ROCKETMQ header.
    pub fn i16(&mut self) -> i32 {
        i32::from(self.i32() as i16)
    }

    pub fn text(&mut self) -> String {
        let pieces = self.below(6);
        (0..pieces).map(|_| *self.pick(&PIECES)).collect()
    }

    /// A text without the two marks of a properties string, and not empty.
    pub fn property(&mut self) -> String {
        let text: String = self.text().chars().filter(|c| !matches!(c, '\u{1}' | '\u{2}')).collect();
        format!("p{text}")
    }

    pub fn bytes(&mut self, max: usize) -> Vec<u8> {
        let length = self.below(max + 1);
        (0..length).map(|_| self.u64() as u8).collect()
    }
}
