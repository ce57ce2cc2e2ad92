//! Java's text hashes as they stand in files and on the wire (`String.hashCode`,
//! `IndexFile.indexKeyHashMethod`).

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

#[cfg(test)]
mod tests {
    use super::*;

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
