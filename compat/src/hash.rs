//! Java's text hashes as they stand in files and on the wire (`String.hashCode`,
//! `IndexFile.indexKeyHashMethod`).

/// `String.hashCode`: over UTF-16 units, with 32-bit overflow. Tags codes of consume queues and subscriptions.
pub fn java_string_hash(text: &str) -> i32 {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    if text.is_ascii() {
        return text.bytes().fold(0, |hash, byte| step(hash, byte.into()));
    }
    text.encode_utf16().fold(0, step)
}

/// The hash of an index key `topic#key`: never negative.
pub fn index_key_hash(key: &str) -> i32 {
    // Java: Math.abs of the smallest int is still negative, and becomes 0.
    java_string_hash(key).checked_abs().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        assert_eq!(java_string_hash(""), 0);
        assert_eq!(java_string_hash("TagA"), 2_598_919);
        assert_eq!(java_string_hash("polygenelubricants"), i32::MIN);
        assert_eq!(java_string_hash("𝄞"), 0xD834 * 31 + 0xDD1E);
        assert_eq!(index_key_hash("polygenelubricants"), 0);
        assert_eq!(index_key_hash("TopicTest#C000020212B15FFD2B277149B5DC0000"), 1_238_128_072);
    }
}
