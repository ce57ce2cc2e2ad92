//! A command's options: what they are, how they are read and how their help looks. Java: `commons-cli` 1.2 with its
//! `PosixParser` and `HelpFormatter`, as `ServerUtil` uses them. [`OURS`] stand in no command's help.

use std::collections::BTreeMap;

/// Width of the help. Java: `ServerUtil`.
const WIDTH: usize = 110;
/// Blanks between an option and what it is.
const GAP: usize = 3;

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    pub short: &'static str,
    pub long: &'static str,
    pub has_value: bool,
    pub is_required: bool,
    pub about: &'static str,
}

impl Opt {
    /// One that must be given.
    pub const fn required(short: &'static str, long: &'static str, about: &'static str) -> Opt {
        Opt { short, long, has_value: true, is_required: true, about }
    }

    /// One that may be given.
    pub const fn optional(short: &'static str, long: &'static str, about: &'static str) -> Opt {
        Opt { short, long, has_value: true, is_required: false, about }
    }

    /// One without a value.
    pub const fn switch(short: &'static str, long: &'static str, about: &'static str) -> Opt {
        Opt { short, long, has_value: false, is_required: false, about }
    }

    fn usage(&self) -> String {
        let value = if self.has_value { " <arg>" } else { "" };
        if self.is_required { format!("-{}{value}", self.short) } else { format!("[-{}{value}]", self.short) }
    }
}

const HELP: Opt = Opt::switch("h", "help", "Print help");
const NAMESRV: Opt =
    Opt::optional("n", "namesrvAddr", "Name server address list, eg: 192.168.0.1:9876;192.168.0.2:9876");
const JSON: &str = "--json";
const YES: &str = "--yes";
pub(super) const WATCH: &str = "--watch";
const DRY_RUN: &str = "--dry-run";

/// What every command takes besides, and Java's do not.
pub const OURS: [(&str, &str); 4] = [
    (JSON, "one JSON value a line"),
    (YES, "do not ask"),
    (WATCH, "again every so many seconds; commands that only look"),
    (DRY_RUN, "say what would be done; resetOffsetByTime"),
];

/// What was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// By the option's letter.
    values: BTreeMap<&'static str, String>,
    pub is_help: bool,
    pub is_json: bool,
    pub is_yes: bool,
    pub is_dry_run: bool,
    /// Seconds between two runs.
    pub watch_s: Option<u64>,
}

impl Given {
    /// An option's value, without blanks around it; none for one that was not given.
    pub fn value(&self, short: &str) -> Option<&str> {
        self.values.get(short).map(|value| value.trim())
    }
}

/// The options of a command and those of all, in the order of the help.
pub fn all(own: &[Opt]) -> Vec<Opt> {
    let mut all: Vec<Opt> = own.iter().copied().chain([HELP, NAMESRV]).collect();
    all.sort_by_key(|option| option.short.to_lowercase());
    all
}

/// Reads a command's arguments; an error says which of them is wrong.
pub fn parse(own: &[Opt], arguments: &[String]) -> Result<Given, String> {
    let known = all(own);
    let mut given = Given::default();
    let mut tokens = flatten(&known, arguments).into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token.as_str() {
            JSON => given.is_json = true,
            YES => given.is_yes = true,
            DRY_RUN => given.is_dry_run = true,
            WATCH => given.watch_s = Some(seconds(&tokens.next().unwrap_or_default())?),
            text if text.starts_with("--watch=") => {
                given.watch_s = Some(seconds(&text["--watch=".len()..])?);
            }
            // What follows is no option, and no command takes anything else.
            "--" => break,
            "-" => {}
            text if text.starts_with('-') => {
                let option = find(&known, text).ok_or_else(|| format!("Unrecognized option: {text}"))?;
                let mut value = String::new();
                if option.has_value {
                    let next =
                        tokens.next_if(|next| !(next.starts_with('-') && find(&known, next).is_some()));
                    let next =
                        next.ok_or_else(|| format!("Missing argument for option: {}", option.short))?;
                    value = without_quotes(&next).to_owned();
                }
                // Java takes the first of several.
                given.values.entry(option.short).or_insert(value);
            }
            _ => {}
        }
    }
    given.is_help = given.values.contains_key(HELP.short);
    let is_missing = |option: &&Opt| option.is_required && !given.values.contains_key(option.short);
    let missing: Vec<&str> = own.iter().filter(is_missing).map(|option| option.short).collect();
    match missing[..] {
        [] => Ok(given),
        _ if given.is_help => Ok(given),
        [one] => Err(format!("Missing required option: {one}")),
        _ => Err(format!("Missing required options: {}", missing.join(", "))),
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| format!("{WATCH} {text}: not a number of seconds"))
}

/// By letter or by name, whatever dashes stand before it.
fn find<'a>(known: &'a [Opt], token: &str) -> Option<&'a Opt> {
    let name = token.strip_prefix("--").or_else(|| token.strip_prefix('-')).unwrap_or(token);
    known.iter().find(|option| option.short == name || option.long == name)
}

/// `-tT` becomes `-t`, `T`, and `--topic=T` `--topic`, `T`. Java: `PosixParser.flatten`.
fn flatten(known: &[Opt], arguments: &[String]) -> Vec<String> {
    let mut tokens = Vec::new();
    for argument in arguments {
        if argument.starts_with("--") {
            match argument.split_once('=') {
                Some((name, value)) if find(known, name).is_some() => {
                    tokens.extend([name.to_owned(), value.to_owned()]);
                }
                _ => tokens.push(argument.clone()),
            }
        } else if !argument.starts_with('-') || argument.len() <= 2 || find(known, argument).is_some() {
            tokens.push(argument.clone());
        } else {
            burst(known, argument, &mut tokens);
        }
    }
    tokens
}

fn burst(known: &[Opt], argument: &str, tokens: &mut Vec<String>) {
    for (at, letter) in argument.char_indices().skip(1) {
        let Some(option) = known.iter().find(|option| option.short.chars().eq([letter])) else {
            tokens.push(argument.to_owned());
            return;
        };
        tokens.push(format!("-{letter}"));
        let rest = &argument[at + letter.len_utf8()..];
        if option.has_value && !rest.is_empty() {
            tokens.push(rest.to_owned());
            return;
        }
    }
}

fn without_quotes(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text)
}

/// What a command takes. Java: `HelpFormatter.printHelp`.
pub fn help(command: &str, own: &[Opt]) -> String {
    let all = all(own);
    let usage: Vec<String> = all.iter().map(Opt::usage).collect();
    let mut text = wrapped(&format!("usage: mqadmin {command} {}", usage.join(" ")), "usage: ".len());
    let left = |option: &Opt| {
        let value = if option.has_value { " <arg>" } else { "" };
        format!(" -{},--{}{value}", option.short, option.long)
    };
    let widest = all.iter().map(|option| left(option).len()).max().unwrap_or_default();
    for option in &all {
        let line = format!("{:<widest$}{}{}", left(option), " ".repeat(GAP), option.about);
        text += &wrapped(&line, widest + GAP);
    }
    text
}

/// In lines; all but the first are indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut rest = text.to_owned();
    while let Some(at) = wrap_at(&rest) {
        lines += rest[..at].trim_end();
        lines.push('\n');
        rest = format!("{}{}", " ".repeat(indent), rest[at..].trim());
    }
    lines + rest.trim_end() + "\n"
}

/// The last blank that leaves a line short enough; the texts are ASCII and have one.
fn wrap_at(text: &str) -> Option<usize> {
    if text.len() <= WIDTH {
        return None;
    }
    text.as_bytes()[..=WIDTH]
        .iter()
        .rposition(|byte| *byte == b' ')
        .filter(|at| !text[..*at].trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &[Opt] = &[
        Opt::required("t", "topic", "Topic name"),
        Opt::optional("p", "body", "UTF-8 string format of the message body"),
        Opt::switch("s", "jstack", "Run jstack"),
    ];

    #[test]
    fn arguments_are_read_as_java_does() {
        let check = |line: &str, expected: &[(&str, &str)]| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let given = parse(OWN, &arguments).unwrap();
            let found: Vec<(&str, &str)> = given.values.iter().map(|(k, v)| (*k, v.as_str())).collect();
            assert_eq!(found, expected, "{line}");
        };
        check("-t T", &[("t", "T")]);
        check("-tT", &[("t", "T")]);
        check("-topic T", &[("t", "T")]);
        check("--topic=T -s", &[("s", ""), ("t", "T")]);
        check("-stT", &[("s", ""), ("t", "T")]);
        check("-t T -p -1", &[("p", "-1"), ("t", "T")]);
        check("-t T -p -x", &[("p", "-x"), ("t", "T")]);
        check("-t \"T\" more -t U", &[("t", "T")]);
        check("-t T -- -s", &[("t", "T")]);
        check("-h", &[("h", "")]);
        check("-t T --json --yes", &[("t", "T")]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |line: &str, expected: &str| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(parse(OWN, &arguments).unwrap_err(), expected);
        };
        check("-p x", "Missing required option: t");
        check("-t", "Missing argument for option: t");
        check("-t -s", "Missing argument for option: t");
        check("-t T -y", "Unrecognized option: -y");
        check("-t T --nothing", "Unrecognized option: --nothing");
        let none: [String; 0] = [];
        let two = [Opt::required("a", "a", ""), Opt::required("b", "b", "")];
        assert_eq!(parse(&two, &none).unwrap_err(), "Missing required options: a, b");
    }

    #[test]
    fn our_own_options_are_kept_apart() {
        let arguments = ["--json", "-t", "T", "--yes"].map(str::to_owned);
        let given = parse(OWN, &arguments).unwrap();
        assert!(given.is_json && given.is_yes && !given.is_help);
        assert!(!help("x", OWN).contains("--json"));
        let check = |line: &str, expected: Result<Option<u64>, &str>| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let found = parse(OWN, &arguments).map(|given| given.watch_s);
            assert_eq!(found, expected.map_err(str::to_owned), "{line}");
        };
        check("-t T", Ok(None));
        check("-t T --watch 2", Ok(Some(2)));
        check("--watch=3 -t T", Ok(Some(3)));
        check("-t T --watch 0", Err("--watch 0: not a number of seconds"));
        check("-t T --watch", Err("--watch : not a number of seconds"));
    }

    #[test]
    fn help_is_javas() {
        let expected = "usage: mqadmin sendMessage [-h] [-n <arg>] [-p <arg>] [-s] -t <arg>\n \
             -h,--help                Print help\n \
             -n,--namesrvAddr <arg>   Name server address list, eg: 192.168.0.1:9876;192.168.0.2:9876\n \
             -p,--body <arg>          UTF-8 string format of the message body\n \
             -s,--jstack              Run jstack\n \
             -t,--topic <arg>         Topic name\n";
        assert_eq!(help("sendMessage", OWN), expected);
    }

    #[test]
    fn long_lines_are_wrapped() {
        let words = "word ".repeat(30);
        let text = wrapped(&words, 7);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0].len(), lines[1].len()), (2, 109, 7 + 39));
    }
}
