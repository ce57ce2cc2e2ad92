//! `rocketmq completions` and `rocketmq man`: completions for shells and manual pages, made of what the program itself
//! reads its arguments by. Java has neither.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, EXIT_FAILED, fail, say};

#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// For which shell
    shell: Shell,
    /// For this program, or one of the scripts of bin/
    #[arg(value_enum, default_value_t = Program::Rocketmq)]
    program: Program,
}

#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Folder for a page of each command and each script of bin/; without one, the first page on standard output
    dir: Option<PathBuf>,
}

/// What operators type.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Program {
    Rocketmq,
    Mqadmin,
    Mqbroker,
    Mqnamesrv,
    Mqshutdown,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Program::Rocketmq => "rocketmq",
            Program::Mqadmin => "mqadmin",
            Program::Mqbroker => "mqbroker",
            Program::Mqnamesrv => "mqnamesrv",
            Program::Mqshutdown => "mqshutdown",
        }
    }

    /// Its commands and options.
    fn command(self) -> clap::Command {
        match self {
            Program::Rocketmq => Cli::command(),
            Program::Mqadmin => rocketmq::admin::command(),
            Program::Mqbroker => self.subcommand("broker"),
            Program::Mqnamesrv => self.subcommand("namesrv"),
            Program::Mqshutdown => self.subcommand("shutdown"),
        }
    }

    /// One of the program's subcommands under the name of the script that runs it.
    fn subcommand(self, name: &str) -> clap::Command {
        let mut all = Cli::command();
        let command = all.find_subcommand_mut(name).map(std::mem::take).unwrap_or_default();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let about = about.replace(&format!(" ({})", self.name()), "");
        command.name(self.name()).about(about).version(env!("CARGO_PKG_VERSION")).disable_version_flag(true)
    }
}

/// What is said of arguments that are not understood, or as help, under the name of the script that was typed.
pub fn as_script(error: clap::Error) -> clap::Error {
    let Ok(script) = std::env::var("ROCKETMQ_SCRIPT") else { return error };
    let known = [Program::Mqbroker, Program::Mqnamesrv].into_iter().find(|known| known.name() == script);
    let Some(program) = known else { return error };
    // The subcommand is not the operator's word.
    let words = [program.name().into()].into_iter().chain(std::env::args_os().skip(2));
    program.command().try_get_matches_from(words).err().unwrap_or(error)
}

/// Prints the script.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut command = args.program.command();
    if let Program::Rocketmq = args.program {
        command = command
            .mut_subcommand("admin", |own| rocketmq::admin::command().name("admin").about(about(&own)));
    }
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, args.program.name(), &mut script);
    say(String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

fn about(command: &clap::Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// Writes the pages.
pub fn man(args: &ManArgs) -> ExitCode {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        return match Man::new(without_help(Program::Rocketmq)).render(&mut page) {
            Ok(()) => {
                say(String::from_utf8_lossy(&page));
                ExitCode::SUCCESS
            }
            Err(error) => fail(EXIT_FAILED, format!("no page: {error}")),
        };
    };
    match write(dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, format!("manual pages in {}: {error}", dir.display())),
    }
}

/// Its commands and options, without `help`, which needs no page.
fn without_help(program: Program) -> clap::Command {
    program.command().disable_help_subcommand(true)
}

fn write(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for program in Program::value_variants() {
        clap_mangen::generate_to(without_help(*program), dir)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_its_options() {
        fn check(program: Program, expected: &str) {
            let help = program.command().render_long_help().to_string();
            assert!(help.contains(expected), "{help}");
            assert!(!about(&program.command()).contains(program.name()));
        }
        check(Program::Rocketmq, "standalone");
        check(Program::Mqadmin, "updateTopic");
        check(Program::Mqbroker, "--printImportantConfig");
        check(Program::Mqnamesrv, "--configFile");
        check(Program::Mqshutdown, "namesrv");
    }
}
