//! Colours, at a terminal only: the heads of tables stand out, and what is wrong.

use std::io::IsTerminal;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const BOLD_RED: &str = "\x1b[1;31m";
const OFF: &str = "\x1b[0m";
/// Words of tables that somebody should look at.
const ALARMING: [&str; 5] = ["OFFLINE", "NOT_ONLINE", "NO_CONSUMER", "Fall Behind", "Failed"];

/// Whether a stream gets colours: a terminal that has any, and nobody who has asked for none (<https://no-color.org>).
pub fn is_wanted(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A text of ours with colours.
pub fn paint(text: &str) -> String {
    text.split_inclusive('\n').map(paint_line).collect()
}

fn paint_line(line: &str) -> String {
    let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
    if line.starts_with(['#', '=']) {
        return format!("{BOLD}{line}{OFF}{end}");
    }
    let found = ALARMING.iter().find_map(|word| word_at(line, word).map(|at| (at, at + word.len())));
    match found {
        Some((from, to)) => format!("{}{RED}{}{OFF}{}{end}", &line[..from], &line[from..to], &line[to..]),
        None => format!("{line}{end}"),
    }
}

/// Where a word stands by itself between blanks.
fn word_at(line: &str, word: &str) -> Option<usize> {
    let is_blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    line.match_indices(word).map(|(at, _)| at).find(|at| {
        let bytes = line.as_bytes();
        is_blank(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && is_blank(bytes.get(at + word.len()))
    })
}

/// The word before what went wrong.
pub fn error(is_painted: bool) -> String {
    if is_painted { format!("{BOLD_RED}ERROR:{OFF}") } else { "ERROR:".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_alarms_stand_out() {
        let check = |text: &str, expected: &str| assert_eq!(paint(text), expected);
        check("#Topic\na b\n", "\x1b[1m#Topic\x1b[0m\na b\n");
        check("g OFFLINE 3\n", "g \x1b[31mOFFLINE\x1b[0m 3\n");
        check("IS_OFFLINE_NOW x", "IS_OFFLINE_NOW x");
        check("Failed", "\x1b[31mFailed\x1b[0m");
        check("", "");
    }
}
