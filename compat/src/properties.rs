//! `java.util.Properties` text, read with the line of each entry, and the forms in which RocketMQ prints its
//! settings (`MixAll.properties2String`). Values keep their trailing blanks, as Java's do: who reads settings
//! decides about them.

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: String,
    /// Number of the line that the entry begins on, from 1.
    pub line: usize,
}

/// All entries of a text in order, repeated keys too. Lines are those of `str::lines`, by which settings are
/// changed in place; Java also ends one at a `\r` alone.
pub fn parse(text: &str) -> Vec<Entry> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries = Vec::new();
    let mut lines = text.split(['\n']).map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    while let Some((index, first)) = lines.next() {
        let first = first.trim_start_matches([' ', '\t', '\u{c}']);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while ends_with_continuation(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches([' ', '\t', '\u{c}']));
        }
        let (key, value) = split(&logical);
        entries.push(Entry { key: unescape(key), value: unescape(value), line: index + 1 });
    }
    entries
}

fn ends_with_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Cuts at the first `=`, `:` or blank that no backslash protects.
fn split(line: &str) -> (&str, &str) {
    let blank = |char: char| matches!(char, ' ' | '\t' | '\u{c}');
    let mut is_escaped = false;
    let end = line.char_indices().find(|(_, char)| {
        let ends = !is_escaped && (blank(*char) || matches!(char, '=' | ':'));
        is_escaped = !is_escaped && *char == '\\';
        ends
    });
    let Some((end, _)) = end else { return (line, "") };
    let rest = line[end..].trim_start_matches(blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(blank))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => match utf16_escape(chars.as_str()) {
                Some((char, rest)) => {
                    out.push(char);
                    chars = rest.chars();
                }
                // Java refuses the whole file here; a lone `\u` is more likely part of a path.
                None => out.push_str("\\u"),
            },
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// The character behind `\u`, which two escapes may make up, and what follows it. A half alone becomes a
/// replacement character, as Java writes it out as UTF-8.
fn utf16_escape(text: &str) -> Option<(char, &str)> {
    let unit = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(text)?;
    let rest = &text[4..];
    if let Some(second) = rest.strip_prefix("\\u").and_then(unit)
        && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
        && pair.len_utf16() == 2
    {
        return Some((pair, &rest[6..]));
    }
    Some((char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), rest))
}

/// `key=value` lines as Java prints them for GET_BROKER_CONFIG: nothing is escaped.
pub fn to_lines<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    entries.into_iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}

/// A value as it may stand in a properties file and be read back as it was.
pub fn escape_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (index, char) in value.chars().enumerate() {
        match char {
            ' ' if index == 0 => out.push_str("\\ "),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let entries = parse(text);
        let found: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.value.as_str(), e.line)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn reads_as_java_does() {
        check("a=1\n#c\n  ! d\n\n b : 2\r\nc 3", &[("a", "1", 1), ("b", "2", 5), ("c", "3", 6)]);
        check("k = v  \nempty=\nalone\n", &[("k", "v  ", 1), ("empty", "", 2), ("alone", "", 3)]);
        check("a=1\\\n   2\\\n3\nb=x\\\\\nc=4", &[("a", "123", 1), ("b", "x\\", 4), ("c", "4", 5)]);
        check("a\\=b\\:c\\ d==e\\u00fc\\n", &[("a=b:c d", "=eü\n", 1)]);
        check("p=C:\\\\x\\q \\u12", &[("p", "C:\\xq \\u12", 1)]);
        check("a=1\\", &[("a", "1", 1)]);
    }

    /// Read so by the JDK's `Properties.load`.
    #[test]
    fn continuations_and_separators_are_javas() {
        check("a=b\\\r\n  c", &[("a", "bc", 1)]);
        check("a=b\\\n\nc=d", &[("a", "b", 1), ("c", "d", 3)]);
        check("a=b\\\n#c", &[("a", "b#c", 1)]);
        check("#c\\\na=b", &[("a", "b", 2)]);
        check("a  :  = b", &[("a", "= b", 1)]);
        check("=b\n:c", &[("", "b", 1), ("", "c", 2)]);
        check("a=b\u{b}c", &[("a", "b\u{b}c", 1)]);
    }

    #[test]
    fn unicode_escapes_are_four_digits_and_may_pair() {
        check("a=\\uD83D\\uDE00x", &[("a", "😀x", 1)]);
        check("a=\\u0041\\u00e9", &[("a", "Aé", 1)]);
        // Java refuses the whole file for these.
        check("a=\\u+041 \\uZZZZ", &[("a", "\\u+041 \\uZZZZ", 1)]);
        // Java keeps a half of a pair, which UTF-8 can not hold.
        check("a=\\uD83Dx\\uDE00", &[("a", "\u{fffd}x\u{fffd}", 1)]);
        check("a=\\uD83D\\u0041", &[("a", "\u{fffd}A", 1)]);
    }

    #[test]
    fn escaped_values_come_back() {
        for value in ["", " x ", "a=b:c#d", "C:\\temp\\new", "l1\nl2\t\u{c}"] {
            check(&format!("k={}", escape_value(value)), &[("k", value, 1)]);
        }
    }
}
