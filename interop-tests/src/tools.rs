//! `rocketmq admin` and stock mqadmin side by side: both ask one cluster, one after the other, so that only what time
//! changes is masked.

use std::time::Duration;

use crate::cluster::{self, Cluster};
use crate::{java, process};

/// For one command.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What one of the tools printed on standard output, and whether it ended well; Java's always does.
pub struct Printed {
    pub text: String,
    /// What it said of a failure.
    pub failed: Option<String>,
}

/// Runs ours.
pub fn ours(cluster: &Cluster, command: &[&str]) -> Printed {
    let home = tempfile::tempdir().expect("a folder to work in");
    let mut program = cluster::ours("admin", home.path());
    program.args(command).args(["-n", &cluster.namesrv_addr.to_string()]).current_dir(home.path());
    let output = process::run("rocketmq admin", program, None, LIMIT);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let failed = (!output.status.success()).then(|| text(&output.stderr));
    Printed { text: text(&output.stdout), failed }
}

/// Runs stock mqadmin, all in one JVM.
pub fn stock(cluster: &Cluster, commands: &[Vec<String>]) -> Vec<Printed> {
    let namesrv = cluster.namesrv_addr.to_string();
    let commands: Vec<Vec<&str>> = commands
        .iter()
        .map(|it| it.iter().map(String::as_str).chain(["-n", namesrv.as_str()]).collect())
        .collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    java::mqadmin(&commands, LIMIT).iter().map(|output| without_exception(output)).collect()
}

/// Standard output alone: an exception's trace begins with its class and goes to the end, or to the next output.
fn without_exception(output: &str) -> Printed {
    let is_trace = |line: &&str| {
        line.starts_with("\tat ")
            || line.starts_with("\t... ")
            || line.starts_with("Caused by: ")
            || line.starts_with("org.apache.rocketmq.")
            || line.starts_with("java.lang.")
            || line.starts_with("See http")
            || line.starts_with("For more information")
            // A hint of our name server (docs/DIFFERENCES.md).
            || (line.starts_with('(') && line.ends_with(")\n"))
    };
    let (trace, text): (Vec<&str>, Vec<&str>) = output.split_inclusive('\n').partition(is_trace);
    let failed = (!trace.is_empty()).then(|| trace.concat());
    Printed { text: text.concat(), failed }
}

/// Without what time changes: instants, durations, rates.
pub fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        masked.push_str(&rest[..at]);
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let end = rest[at..].find(|c| !is_part(c)).map_or(rest.len(), |length| at + length);
        let number = &rest[at..end];
        let is_instant = number.len() >= 13 && number.bytes().all(|it| it.is_ascii_digit());
        let is_rate = number.bytes().filter(|it| *it == b'.').count() == 1 && !number.ends_with('.');
        masked.push_str(match () {
            () if is_instant => "INSTANT",
            () if is_rate => "RATE",
            () => number,
        });
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

/// Words after which a number is a matter of time, or of how often something was sent.
const COUNTERS: [&str; 5] = ["rt:", "spentTimeMills=", "queueOffset=", "offsetMsgId=", "msgId="];

/// What sending changes.
pub fn mask_sent(text: &str) -> String {
    let mut text = text.to_owned();
    for word in COUNTERS {
        let pieces: Vec<&str> = text.split(word).collect();
        let without = |piece: &&str| piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).to_owned();
        let rest: Vec<String> = pieces[1..].iter().map(without).collect();
        text = [vec![pieces[0].to_owned()], rest].concat().join(word);
    }
    // Columns of sendMessage and checkMsgSendRT.
    let is_id = |word: &str| word.len() == 32 && word.bytes().all(|it| it.is_ascii_hexdigit());
    let mask_row = |line: &str| {
        let Some((row, last)) = line.rsplit_once(' ') else { return line.to_owned() };
        let is_masked = row.contains("SEND_OK") || row.contains(" true ") || is_id(last);
        if is_masked { format!("{} LAST", row.trim_end()) } else { line.to_owned() }
    };
    text.lines().map(mask_row).collect::<Vec<_>>().join("\n")
}

/// How two outputs are held against each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// To the byte, but for time.
    Exact,
    /// Lines in any order: Java prints a hash table's.
    Lines,
    /// Also what was sent, and where to.
    Sent,
    /// Words alone, whose columns numbers widen.
    Words,
    /// Words alone, whatever the numbers.
    Names,
    /// What stands before each line's colon.
    Heads,
    /// Rows in any order, whatever their numbers; the first may stand behind a title.
    Rows,
    /// Whatever number each line ends with.
    Counted,
    /// The text is the same; Java's tool ends with 0 all the same.
    Refused,
}

impl How {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            How::Exact => "same",
            How::Lines | How::Rows => "same lines",
            How::Sent => "same but counters",
            How::Words => "same words",
            How::Names => "same but numbers",
            How::Heads => "same keys",
            How::Counted => "same but a count",
            How::Refused => "same refusal",
        }
    }
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Commands of both tools, asked of one cluster.
pub struct Comparison<'a> {
    pub cluster: &'a Cluster,
    /// What was not the same.
    pub complaints: Vec<String>,
}

impl<'a> Comparison<'a> {
    pub fn of(cluster: &'a Cluster) -> Comparison<'a> {
        Comparison { cluster, complaints: Vec::new() }
    }

    /// Java first, all in one JVM, then ours.
    pub fn check(&mut self, commands: &[(How, &str)]) {
        let words = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<String>>();
        let split: Vec<Vec<String>> = commands.iter().map(|(_, line)| words(line)).collect();
        let theirs = stock(self.cluster, &split);
        for ((how, line), (command, theirs)) in commands.iter().zip(split.iter().zip(theirs)) {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let ours = ours(self.cluster, &command);
            if !is_same(*how, &theirs, &ours) {
                let why = |printed: &Printed| printed.failed.clone().unwrap_or_default();
                self.complaints.push(format!(
                    "{line}\n-- stock\n{}{}\n-- ours\n{}{}",
                    theirs.text,
                    why(&theirs),
                    ours.text,
                    why(&ours)
                ));
            }
        }
    }
}

/// `clusterList` has `0.00(0,0ms)`: a rate, requests that wait, and for how long.
pub fn without_load(text: &str) -> String {
    let cut = |line: &str| {
        line.split(' ')
            .map(|word| if word.ends_with("ms)") { "RATE" } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

fn words(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

fn rows(text: &str) -> String {
    let text = text.replace(':', ":\n");
    let mut rows: Vec<&str> =
        text.lines().map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit())).collect();
    rows.sort_unstable();
    rows.join("\n")
}

/// Whether both tools have said the same.
pub fn is_same(how: How, theirs: &Printed, ours: &Printed) -> bool {
    let masked = |printed: &Printed| match how {
        How::Sent => mask(&mask_sent(&printed.text)),
        How::Counted => {
            let without = |line: &str| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            printed.text.lines().map(without).collect::<Vec<_>>().join("\n")
        }
        How::Rows => rows(&printed.text),
        How::Words => words(&without_load(&mask(&printed.text))),
        How::Names => words(&printed.text.replace(|it: char| it.is_ascii_digit(), "")),
        How::Heads => printed
            .text
            .lines()
            .map(|line| line.split(": ").next().unwrap_or(line).to_owned() + "\n")
            .collect(),
        _ => mask(&printed.text),
    };
    let (their_text, our_text) = (masked(theirs), masked(ours));
    let is_text_same = match how {
        // Also of several brokers.
        How::Lines | How::Heads => lines(&their_text) == lines(&our_text),
        How::Refused => their_text.trim_end() == our_text.trim_end(),
        _ => their_text == our_text,
    };
    // Where Java throws, ours says why with the same code and the same words, and ends with 1.
    let is_failure_same = match (&theirs.failed, &ours.failed) {
        (None, Some(_)) if how == How::Refused => true,
        _ if how == How::Refused => false,
        (None, None) => true,
        (Some(theirs), Some(ours)) => {
            let told = theirs.lines().filter_map(|line| line.split_once("CODE: ")).next_back();
            told.is_none_or(|(_, told)| ours.contains(&format!("CODE: {}", told.trim_end())))
        }
        _ => false,
    };
    is_text_same && is_failure_same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_take_only_what_time_changes() {
        let check = |text: &str, expected: &str| assert_eq!(mask(text), expected);
        check("timestamp(long)[1795453080000], 127.0.0.1:10911", "timestamp(long)[INSTANT], 127.0.0.1:10911");
        check("Consume TPS: 0.25", "Consume TPS: RATE");
        check("queueId=3, 12 x", "queueId=3, 12 x");
        let check = |text: &str, expected: &str| assert_eq!(mask_sent(text), expected);
        check("rt:12ms, spentTimeMills=3] x", "rt:, spentTimeMills=] x");
        check("broker-a  0  SEND_OK   7F00000121FD0E9CDBCB74EFD3450000", "broker-a  0  SEND_OK LAST");
        check("broker-a  0  plain 5", "broker-a  0  plain 5");
    }
}
