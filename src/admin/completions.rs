//! The commands and their options as clap knows commands, for what is generated from that: completions for shells
//! (`mqadmin --completions bash`) and manual pages. Arguments are not read by it, but by `options`, as 4.3.0 reads them.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ValueEnum as _};
use clap_complete::Shell;

use super::commands::COMMANDS;
use super::options::{self, Opt};

/// The shells that there are scripts for.
pub(super) fn shells() -> Vec<String> {
    Shell::value_variants().iter().map(Shell::to_string).collect()
}

/// A script for one of the shells.
pub(super) fn script(shell: &str) -> Option<String> {
    let shell = Shell::from_str(shell, false).ok()?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "mqadmin", &mut script);
    String::from_utf8(script).ok()
}

/// mqadmin with all of its commands and options.
pub fn command() -> clap::Command {
    let names = PossibleValuesParser::new(COMMANDS.iter().map(|command| command.name));
    let help = clap::Command::new("help")
        .about("Options of a command, or the list of commands")
        .arg(Arg::new("command").value_name("COMMAND").value_parser(names));
    clap::Command::new("mqadmin")
        .about("Administration commands")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .subcommands(COMMANDS.iter().map(|it| {
            let ours = options::OURS.iter().map(|(name, about)| our_arg(name, about));
            clap::Command::new(it.name)
                .about(it.about)
                .disable_help_flag(true)
                .disable_version_flag(true)
                .args(options::all(it.options).iter().map(arg).chain(ours))
        }))
        .subcommand(help)
}

fn arg(option: &Opt) -> Arg {
    let arg = Arg::new(option.short).short(option.short.chars().next()).help(option.about);
    // A few of Java's long names have blanks in them, and cannot be typed.
    let long = Some(option.long.trim()).filter(|long| !long.contains(' '));
    let arg = if let Some(long) = long { arg.long(long) } else { arg };
    if option.has_value {
        arg.value_name("arg").required(option.is_required)
    } else {
        arg.action(ArgAction::SetTrue)
    }
}

/// One of [`options::OURS`].
fn our_arg(name: &'static str, about: &'static str) -> Arg {
    let arg = Arg::new(name).long(name.trim_start_matches('-')).help(about);
    if name == options::WATCH { arg.value_name("seconds") } else { arg.action(ArgAction::SetTrue) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_hears_of_each_command_and_option() {
        for shell in shells() {
            let script = script(&shell).unwrap();
            for command in COMMANDS {
                assert!(script.contains(command.name), "{shell}: {}", command.name);
            }
            for word in ["json", "watch", "subExpression", "help"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
        assert_eq!(script("tcsh"), None);
    }

    #[test]
    fn no_letter_or_name_stands_for_two_things() {
        command().debug_assert();
    }
}
