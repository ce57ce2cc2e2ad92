//! `rocketmq admin`: the commands of mqadmin with their options, columns and texts, and `options::OURS` besides. Java:
//! `MQAdminStartup` and the classes of `tools.command`. Where Java prints an exception and ends with 0, one line on standard
//! error says what failed and where, and the program ends with 1.

mod broker;
mod cluster;
mod commands;
mod completions;
mod connection;
mod consumer;
mod ha;
mod message_text;
mod monitor;
mod namesrv;
mod offset;
mod options;
mod paint;
mod print_msg;
mod query_msg;
mod queue;
mod running_info;
mod send_msg;
mod session;
mod stats;
mod sub_group;
mod suggest;
mod text;
mod topic;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use commands::{COMMANDS, Command};
pub use completions::command;
use options::Given;
use session::{Failure, Failures, Session};

/// Bad usage; 1 says that a command has failed.
const EXIT_USAGE: u8 = 2;
/// Commands that only look, and end: these can be watched.
const WATCHED: [&str; 20] = [
    "topicRoute",
    "topicStatus",
    "topicClusterList",
    "topicList",
    "brokerStatus",
    "queryMsgByKey",
    "brokerConsumeStats",
    "producerConnection",
    "consumerConnection",
    "consumerProgress",
    "clusterList",
    "statsAll",
    "allocateMQ",
    "getNamesrvConfig",
    "getBrokerConfig",
    "queryCq",
    "haStatus",
    "queryMsgById",
    "queryMsgByUniqueKey",
    "queryMsgByOffset",
];
/// Commands that can say what they would do.
const REHEARSED: [&str; 1] = ["resetOffsetByTime"];
/// The beginning of the screen, without what stood on it.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

/// Runs the command that the arguments name.
pub fn run(arguments: &[String]) -> ExitCode {
    let Some((name, arguments)) = arguments.split_first() else {
        session::write(list());
        return ExitCode::SUCCESS;
    };
    match (name.as_str(), arguments) {
        ("help", [of]) => return help_of(of),
        ("help" | "-h" | "--help", []) => {
            session::write(list());
            return ExitCode::SUCCESS;
        }
        ("--completions", _) => return completions(arguments.first()),
        _ => {}
    }
    let Some(command) = find(name) else { return unknown(name) };
    let help = || session::write(options::help(command.name, command.options));
    match options::parse(command.options, arguments) {
        Ok(given) if given.is_help => {
            help();
            ExitCode::SUCCESS
        }
        Ok(given) if given.watch_s.is_some() && !WATCHED.contains(&command.name) => {
            session::complain(&format!("--watch: {} does not only look, or does not end", command.name));
            ExitCode::from(EXIT_USAGE)
        }
        Ok(given) if given.is_dry_run && !REHEARSED.contains(&command.name) => {
            session::complain(&format!("--dry-run: {} cannot say what it would do", command.name));
            ExitCode::from(EXIT_USAGE)
        }
        Ok(given) => repeat(command, &given),
        Err(what) => {
            help();
            session::complain(&what);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Once, or again and again where it is watched.
fn repeat(command: &Command, given: &Given) -> ExitCode {
    loop {
        if given.watch_s.is_some() && std::io::stdout().is_terminal() {
            session::write(CLEAR);
        }
        let ended = once(command, given);
        let Some(seconds) = given.watch_s.filter(|_| ended != Ended::Usage) else { return ended.into() };
        std::thread::sleep(Duration::from_secs(seconds));
    }
}

/// How a command has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    Failed,
    Usage,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        match ended {
            Ended::Well => ExitCode::SUCCESS,
            Ended::Failed => ExitCode::FAILURE,
            Ended::Usage => ExitCode::from(EXIT_USAGE),
        }
    }
}

fn once(command: &Command, given: &Given) -> Ended {
    let mut session = Session::new(given.clone());
    let done = execute(command, &mut session);
    session.finish();
    match done {
        Ok(()) => return Ended::Well,
        Err(failure @ Failure::Usage(_)) => {
            session::write(options::help(command.name, command.options));
            session::complain(&failure);
            return Ended::Usage;
        }
        Err(failure @ Failure::Value(_)) => {
            session::complain(&failure);
            return Ended::Usage;
        }
        Err(Failure::Told(text)) => session::write(text + "\n"),
        Err(Failure::Noted) => {}
        Err(failure) => session::complain(&failure),
    }
    Ended::Failed
}

fn execute(command: &Command, session: &mut Session) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::from(format!("no runtime: {error}")))?;
    runtime.block_on((command.run)(session))
}

fn completions(shell: Option<&String>) -> ExitCode {
    if let Some(script) = shell.and_then(|shell| completions::script(shell)) {
        session::write(script);
        return ExitCode::SUCCESS;
    }
    session::complain(&format!("--completions takes one of {}", completions::shells().join(", ")));
    ExitCode::from(EXIT_USAGE)
}

/// Java takes them in any case.
fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> ExitCode {
    session::write(format_args!("The sub command {name} not exist.\n"));
    if let Some(meant) = suggest::nearest(name, COMMANDS.iter().map(|command| command.name)) {
        eprintln!("Did you mean {meant}?");
    }
    ExitCode::from(EXIT_USAGE)
}

fn help_of(name: &str) -> ExitCode {
    let Some(command) = find(name) else { return unknown(name) };
    session::write(options::help(command.name, command.options));
    ExitCode::SUCCESS
}

fn list() -> String {
    let lines = COMMANDS.iter().map(|command| format!("   {:<20} {}\n", command.name, command.about));
    format!(
        "The most commonly used mqadmin commands are:\n{}\n\
         See 'mqadmin help <command>' for more information on a specific command.\n\
         Every command takes {}; completions for a shell: mqadmin --completions {}.\n",
        lines.collect::<String>(),
        options::OURS.map(|(name, about)| format!("{name} ({about})")).join(", "),
        completions::shells().join("|")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_any_case() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(find(name).map(|command| command.name), expected);
        };
        check("printMsg", Some("printMsg"));
        check("PRINTMSG", Some("printMsg"));
        check("decodeMessageId", None);
    }

    #[test]
    fn every_command_can_be_asked_for_help() {
        for name in WATCHED.into_iter().chain(REHEARSED) {
            assert!(COMMANDS.iter().any(|command| command.name == name), "{name}");
        }
        for command in COMMANDS {
            let help = options::help(command.name, command.options);
            assert!(help.starts_with(&format!("usage: mqadmin {} ", command.name)), "{help}");
        }
        assert!(list().contains("   sendMessage          Send a message\n"));
    }
}
