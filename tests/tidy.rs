//! The shape of the source: who may import whom, where `unsafe` may stand, and a few habits that no lint checks. It looks
//! at text, not at what the code does.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Module of `src/`, and what it may import beside itself and `strmap` (the crate `compat` is free to all, too).
/// ARCHITECTURE.md says why; a new module needs a line here.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("strmap", &[]),
    ("clock", &[]),
    ("seats", &[]),
    ("logging", &[]),
    ("http", &["seats"]),
    ("filter", &[]),
    ("protocol", &[]),
    ("config", &["logging"]),
    ("remoting", &["config"]),
    ("store", &["clock", "config", "protocol"]),
    ("inspect", &["config", "protocol", "store"]),
    ("ha", &["config", "seats", "store"]),
    ("client", &["protocol", "remoting"]),
    ("namesrv", &["client", "clock", "config", "http", "logging", "protocol", "remoting"]),
    (
        "broker",
        &["client", "clock", "config", "filter", "ha", "http", "logging", "protocol", "remoting", "store"],
    ),
    ("admin", &["client", "protocol"]),
    ("doctor", &["client", "logging", "protocol"]),
    ("example", &["client", "protocol"]),
    ("bench", &["client", "protocol", "remoting"]),
    // The program: src/main.rs and src/cli.
    (
        "main",
        &[
            "admin", "bench", "broker", "client", "config", "doctor", "example", "http", "inspect",
            "logging", "namesrv", "protocol", "remoting", "store",
        ],
    ),
];
const PROGRAM: &[&str] = &["main", "cli"];
const UNSAFE: &str = "src/store/mapped_file.rs";
const MOST_LINES: usize = 1000;

struct Source {
    /// From the checkout's root.
    path: String,
    /// Without comment lines and without what follows `mod tests {`.
    code: Vec<String>,
    tests: Vec<String>,
    opens_with_doc: bool,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Source {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let lines = |text: &str| text.lines().filter(is_code).map(str::to_owned).collect();
        let (code, tests) = match text.find("#[cfg(test)]\nmod tests {") {
            _ if !path.starts_with("src/") || path.ends_with("/tests.rs") => ("", text.as_str()),
            Some(at) => text.split_at(at),
            None => (text.as_str(), ""),
        };
        Source { code: lines(code), tests: lines(tests), opens_with_doc: text.starts_with("//!"), path }
    }

    /// `broker` for src/broker/mod.rs and src/broker.rs; none for what lies outside `src/`.
    fn module(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|module| *module != "lib")
    }

    /// Every `X` of `crate::X` and `crate::{X, Y::Z}`, and of `rocketmq::X` in the program.
    fn imports(&self) -> BTreeSet<String> {
        let text = self.code.join("\n");
        let root =
            if self.module().is_some_and(|it| PROGRAM.contains(&it)) { "rocketmq::" } else { "crate::" };
        let mut names = BTreeSet::new();
        for (at, _) in text.match_indices(root) {
            let after = &text[at + root.len()..];
            match after.strip_prefix('{') {
                Some(list) => names.extend(top_level(list).map(name)),
                None => names.extend([name(after)]),
            }
        }
        names.remove("");
        names
    }
}

/// The items of a `use` list up to its closing brace, inner lists left alone.
fn top_level(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let end = list.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth < 0
    });
    let mut depth = 0_i32;
    list[..end.unwrap_or(list.len())].split(move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    })
}

fn name(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "compat", "interop-tests"].map(|it| root.join(it)).into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!path.ends_with("target")).then_some(path));
            } else if path.extension().is_some_and(|it| it == "rs") {
                sources.push(Source::read(root, &path));
            }
        }
    }
    assert!(sources.len() > 20, "the sources are not where this test looks");
    sources
}

/// `complaint` says what is wrong with a file, if anything.
fn check(complaint: impl Fn(&Source) -> Option<String>) {
    let complaint = |source: &Source| complaint(source).map(|it| format!("{}: {it}", source.path));
    let complaints: Vec<String> = sources().iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn modules_import_only_what_the_table_allows() {
    check(|source| {
        let module = source.module()?;
        let row = if PROGRAM.contains(&module) { "main" } else { module };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == row) else {
            return Some(format!("module {module} is not in the import table of tests/tidy.rs"));
        };
        let modules = MAY_IMPORT.iter().map(|(name, _)| *name).chain(source.module());
        let known: BTreeSet<&str> = modules.collect();
        let imports = source.imports();
        let wrong = imports.iter().map(String::as_str).filter(|name| {
            known.contains(name) && *name != module && *name != "strmap" && !allowed.contains(name)
        });
        let wrong: Vec<&str> = wrong.collect();
        (!wrong.is_empty()).then(|| format!("{module} must not import {}", wrong.join(", ")))
    });
}

#[test]
fn imports_are_found_however_they_are_written() {
    fn check(code: &str, expected: &[&str]) {
        let code = code.lines().map(str::to_owned).collect();
        let source = Source { path: "src/ha/mod.rs".into(), code, tests: Vec::new(), opens_with_doc: true };
        assert_eq!(source.imports().iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
    check("use crate::store::MessageStore;", &["store"]);
    check(
        "pub use crate::{\n    broker::{Broker, topic_config},\n    client,\n};\nuse x::{y};",
        &["broker", "client"],
    );
    check("fn f(store: &crate::store::Store) { crate::remoting::x() }", &["remoting", "store"]);
}

#[test]
fn unsafe_stands_in_one_file() {
    check(|source| {
        let mut words = source
            .code
            .iter()
            .chain(&source.tests)
            .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '"'));
        let found = source.path != UNSAFE && words.any(|word| word == "unsafe");
        found.then(|| format!("unsafe belongs into {UNSAFE}"))
    });
}

#[test]
fn every_file_says_what_it_is() {
    check(|source| (!source.opens_with_doc).then(|| "open it with //!".to_owned()));
}

#[test]
fn no_file_outgrows_its_reader() {
    check(|source| {
        let lines = source.code.len();
        (lines > MOST_LINES).then(|| format!("{lines} lines of code, {MOST_LINES} are the most"))
    });
}

#[test]
fn tests_do_not_sleep() {
    check(|source| {
        let calls = [concat!("::sleep", "("), concat!(" sleep", "(")];
        source.tests.iter().any(|line| calls.iter().any(|call| line.contains(call))).then(|| {
            "a test sleeps: wait for the event itself, with a time-out, or pause tokio's time".to_owned()
        })
    });
}

/// The messages of all `tracing::error!`: the last text of each call.
fn logged_errors(code: &str) -> Vec<String> {
    let calls = code.split("tracing::error!(").skip(1);
    let message = |call: &str| {
        let (mut depth, mut message, mut rest) = (1, String::new(), call.char_indices());
        while let Some((_, char)) = rest.next().filter(|_| depth > 0) {
            match char {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                '"' => {
                    message.clear();
                    while let Some((_, char)) = rest.next().filter(|(_, char)| *char != '"') {
                        message.push(char);
                    }
                }
                _ => {}
            }
        }
        // A text may go on in the next line.
        message.split("\\\n").map(str::trim_start).collect::<String>()
    };
    calls.map(message).filter(|message| !message.is_empty()).collect()
}

#[test]
fn logged_errors_are_found() {
    let text = "tracing::error!(topic = \"T\", %error, (1), \"first\"); tracing::error!(\"{what}: second\")";
    assert_eq!(logged_errors(text), ["first", "{what}: second"]);
    assert!(logged_errors("tracing::warn!(\"no\"); // \"nor\"").is_empty());
}

/// An operator who finds an ERROR in a log finds it there, too.
#[test]
fn docs_troubleshooting_has_every_error_that_is_logged() {
    let doc = include_str!("../docs/troubleshooting.md");
    check(|source| {
        let errors = logged_errors(&source.code.join("\n"));
        // What is put in at run time stands as … there.
        let literal = |message: &String| {
            let parts = message.split(['{', '}', '`']).step_by(2).map(str::trim);
            parts.max_by_key(|part| part.len()).unwrap_or_default().to_owned()
        };
        let missing: Vec<String> =
            errors.iter().map(literal).filter(|it| !doc.contains(it.as_str())).collect();
        (!missing.is_empty()).then(|| format!("docs/troubleshooting.md lacks {missing:?}"))
    });
}
