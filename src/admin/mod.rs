//! `rocketmq admin`: the commands of mqadmin with their options, columns and texts, and `--json` and `--yes` besides. Java:
//! `MQAdminStartup` and the classes of `tools.command`. Where Java prints an exception and ends with 0, one line on standard
//! error says what failed and where, and the program ends with 1.

mod commands;
mod consumer;
mod message_text;
mod monitor;
mod offset;
mod options;
mod print_msg;
mod query_msg;
mod queue;
mod running_info;
mod send_msg;
mod session;
mod stats;
mod sub_group;
mod text;

use std::process::ExitCode;

use commands::{COMMANDS, Command};
use session::{Failure, Failures, Session};

/// Runs the command that the arguments name.
pub fn run(arguments: &[String]) -> ExitCode {
    let Some((name, arguments)) = arguments.split_first() else {
        session::write(list());
        return ExitCode::SUCCESS;
    };
    if let ("help", [of]) = (name.as_str(), arguments) {
        return help_of(of);
    }
    if matches!(name.as_str(), "help" | "-h" | "--help") && arguments.is_empty() {
        session::write(list());
        return ExitCode::SUCCESS;
    }
    let Some(command) = find(name) else { return unknown(name) };
    let help = || session::write(options::help(command.name, command.options));
    match options::parse(command.options, arguments) {
        Ok(given) if given.is_help => {
            help();
            ExitCode::SUCCESS
        }
        Ok(given) => match execute(command, Session::new(given)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                match failure {
                    Failure::Usage => help(),
                    Failure::Told(text) => session::write(text + "\n"),
                    Failure::Noted => {}
                    failure => eprintln!("ERROR: {failure}"),
                }
                ExitCode::FAILURE
            }
        },
        Err(what) => {
            help();
            eprintln!("ERROR: {what}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: &Command, mut session: Session) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::from(format!("no runtime: {error}")))?;
    runtime.block_on((command.run)(&mut session))
}

/// Java takes them in any case.
fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> ExitCode {
    session::write(format_args!("The sub command {name} not exist.\n"));
    ExitCode::FAILURE
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
         See 'mqadmin help <command>' for more information on a specific command.\n",
        lines.collect::<String>()
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
        for command in COMMANDS {
            let help = options::help(command.name, command.options);
            assert!(help.starts_with(&format!("usage: mqadmin {} ", command.name)), "{help}");
        }
        assert!(list().contains("   sendMessage          Send a message\n"));
    }
}
