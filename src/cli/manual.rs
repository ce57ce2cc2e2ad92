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

    const HEAD: &str = "\
# Commands

<!-- Made of src/cli and src/admin by src/cli/manual.rs: UPDATE_DOCS=1 cargo test --bin rocketmq commands_page -->

All that `rocketmq` takes. `sh bin/mqnamesrv`, `mqbroker`, `mqadmin` and `mqshutdown` are `rocketmq namesrv`, `broker`, `admin` and
`shutdown`. `--help` behind a command says the same; `rocketmq man DIR` writes manual pages.
";

    /// `docs/commands.md`.
    fn page() -> String {
        let mut page = HEAD.to_owned();
        for command in Program::Rocketmq.command().get_subcommands().filter(|it| it.get_name() != "admin") {
            describe(command, "rocketmq", &[], &mut page);
        }
        let admin = Program::Mqadmin.command();
        let all: Vec<&str> = vec!["help", "namesrvAddr", "json", "yes", "watch", "dry-run"];
        page += "\n## rocketmq admin\n\nAdministration commands (mqadmin). Each takes these, too:\n";
        let any = admin.get_subcommands().next().unwrap();
        let common = any.get_arguments().filter(|it| it.get_long().is_some_and(|long| all.contains(&long)));
        table(common, &mut page);
        for command in admin.get_subcommands().filter(|it| it.get_name() != "help") {
            describe(command, "mqadmin", &all, &mut page);
        }
        page
    }

    /// A command and those below it, without what is said elsewhere.
    fn describe(command: &clap::Command, before: &str, elsewhere: &[&str], page: &mut String) {
        let name = format!("{before} {}", command.get_name());
        let level = if before == "rocketmq" { "##" } else { "###" };
        page.push_str(&format!("\n{level} {name}\n\n{}\n", about(command)));
        let is_said = |arg: &&clap::Arg| {
            !arg.is_hide_set() && !arg.get_long().is_some_and(|long| elsewhere.contains(&long))
        };
        table(command.get_arguments().filter(is_said), page);
        if let Some(more) = command.get_after_help() {
            page.push_str(&format!("\n{more}\n"));
        }
        for below in command.get_subcommands() {
            describe(below, &name, elsewhere, page);
        }
    }

    fn table<'a>(args: impl Iterator<Item = &'a clap::Arg>, page: &mut String) {
        let rows: Vec<String> = args.map(row).collect();
        if !rows.is_empty() {
            page.push_str(&format!("\n| | | default |\n|---|---|---|\n{}", rows.concat()));
        }
    }

    fn row(arg: &clap::Arg) -> String {
        let names = [
            arg.get_short().map(|it| format!("`-{it}`")),
            arg.get_long().map(|it| format!("`--{it}`")),
            (arg.is_positional() || arg.get_action().takes_values())
                .then(|| arg.get_value_names().unwrap_or_default().join(" "))
                .filter(|it| !it.is_empty())
                .map(|it| format!("`{it}`")),
        ];
        let text = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        let choices: Vec<String> =
            arg.get_possible_values().iter().map(|it| format!("`{}`", it.get_name())).collect();
        let env =
            arg.get_env().map(|it| format!("; environment: `{}`", it.to_string_lossy())).unwrap_or_default();
        let is_choice = arg.get_action().takes_values() && !choices.is_empty();
        let choices = if is_choice { format!(": {}", choices.join(", ")) } else { String::new() };
        let default = match arg.get_default_values() {
            [] if arg.is_required_set() => "needed".to_owned(),
            values => values.iter().map(|it| format!("`{}`", it.to_string_lossy())).collect(),
        };
        let default = if arg.get_action().takes_values() { default } else { String::new() };
        format!(
            "| {} | {text}{choices}{env} | {default} |\n",
            names.into_iter().flatten().collect::<Vec<_>>().join(" ")
        )
    }

    #[test]
    fn the_commands_page_is_what_the_program_takes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
        let page = page();
        if std::env::var_os("UPDATE_DOCS").is_some_and(|it| it == "1") {
            std::fs::write(&path, page).unwrap();
            return;
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let differing = page.lines().zip(written.lines()).find(|(ours, theirs)| ours != theirs);
        assert!(
            page == written,
            "docs/commands.md is not what the program takes: UPDATE_DOCS=1 cargo test --bin rocketmq commands_page\n\
             {differing:?}"
        );
    }
}
