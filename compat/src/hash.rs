//! Java's text hashes as they stand in files and on the wire (`String.hashCode`,
//! `IndexFile.indexKeyHashMethod`, Guava's `Hashing.murmur3_128`).

/// `String.hashCode`: over UTF-16 units, with 32-bit overflow. Tags codes of consume queues and subscriptions.
pub fn java_string_hash(text: &str) -> i32 {
    hash_on(0, text)
}

/// The hash of a text whose first part has the given one.
fn hash_on(first: i32, text: &str) -> i32 {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    if text.is_ascii() {
        return text.bytes().fold(first, |hash, byte| step(hash, byte.into()));
    }
    text.encode_utf16().fold(first, step)
}

/// The hash of an index key `topic#key`: never negative.
pub fn index_key_hash(topic: &str, key: &str) -> i32 {
    // Java: Math.abs of the smallest int is still negative, and becomes 0.
    hash_on(hash_on(hash_on(0, topic), "#"), key).checked_abs().unwrap_or(0)
}

/// The first half of MurmurHash3 x64 128 with seed 0. Java: `Hashing.murmur3_128().hashString(text, UTF_8).asLong()`.
pub fn murmur3_128_first(bytes: &[u8]) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix_first = |word: u64| word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix_second = |word: u64| word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    // The last, incomplete block is filled with zeros, which change nothing.
    let word = |bytes: &[u8]| {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(whole)
    };
    let (mut first, mut second) = (0_u64, 0_u64);
    for block in bytes.chunks(16) {
        let (low, high) = block.split_at(block.len().min(8));
        first ^= mix_first(word(low));
        let is_whole = block.len() == 16;
        if is_whole {
            first = first.rotate_left(27).wrapping_add(second).wrapping_mul(5).wrapping_add(0x52dc_e729);
        }
        second ^= mix_second(word(high));
        if is_whole {
            second = second.rotate_left(31).wrapping_add(first).wrapping_mul(5).wrapping_add(0x3849_5ab5);
        }
    }
    first ^= bytes.len() as u64;
    second ^= bytes.len() as u64;
    first = first.wrapping_add(second);
    second = second.wrapping_add(first);
    avalanche(first).wrapping_add(avalanche(second))
}

fn avalanche(mut word: u64) -> u64 {
    word = (word ^ word >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ word >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur_as_guava_has_it() {
        let check =
            |text: &str, expected: u64| assert_eq!(murmur3_128_first(text.as_bytes()), expected, "{text}");
        // Of the reference implementation's first half.
        check("", 0);
        check("hello", 0xcbd8_a7b3_41bd_9b02);
        check("hello, world", 0x342f_ac62_3a5e_bc8e);
        check("19 Jan 2038 at 3:14:07 AM", 0xb89e_5988_b737_affc);
        check("The quick brown fox jumps over the lazy dog.", 0xcd99_481f_9ee9_02c9);
    }

    #[test]
    fn hashes_as_java_does() {
        assert_eq!(java_string_hash(""), 0);
        assert_eq!(java_string_hash("TagA"), 2_598_919);
        assert_eq!(java_string_hash("polygenelubricants"), i32::MIN);
        assert_eq!(java_string_hash("𝄞"), 0xD834 * 31 + 0xDD1E);
        assert_eq!(index_key_hash("TopicTest", "C000020212B15FFD2B277149B5DC0000"), 1_238_128_072);
        assert_eq!(index_key_hash("", "ü𝄞"), java_string_hash("#ü𝄞").abs());
        // Texts of this hash are rare with a `#` in them; this one was searched for.
        assert_eq!(hash_on(0, "polygenelubricants").checked_abs(), None);
    }
}
