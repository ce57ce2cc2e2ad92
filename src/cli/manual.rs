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
    let written = match &args.dir {
        Some(dir) => write(dir).map_err(|error| format!("manual pages in {}: {error}", dir.display())),
        None => page(&built(Program::Rocketmq))
            .map(|page| say(String::from_utf8_lossy(&page)))
            .map_err(|error| format!("no page: {error}")),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, error),
    }
}

/// Its commands and options, without `help`, which needs no page.
fn built(program: Program) -> clap::Command {
    let mut command = program.command().disable_help_subcommand(true);
    command.build();
    command
}

fn write(dir: &Path) -> std::io::Result<()> {
    fn write(command: &clap::Command, dir: &Path) -> std::io::Result<()> {
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            write(command, dir)?;
        }
        std::fs::write(dir.join(format!("{}.1", page_name(command))), page(command)?)
    }
    std::fs::create_dir_all(dir)?;
    Program::value_variants().iter().try_for_each(|program| write(&built(*program), dir))
}

fn page_name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// What the arguments are read by, and behind it what they do not say.
fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // Of options without a long name clap_mangen's own synopsis leaves the value out.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    Man::new(command.clone().override_usage(usage)).render(&mut page)?;
    page.extend_from_slice(more(page_name(command)).as_bytes());
    Ok(page)
}

/// The sections about the world around a program.
fn more(page: &str) -> String {
    match page {
        "mqbroker" | "rocketmq-broker" => {
            [BROKER_FILES, SERVER, "mqadmin(1), mqshutdown(1), mqnamesrv(1)\n"].concat()
        }
        "mqnamesrv" | "rocketmq-namesrv" => {
            [NAMESRV_FILES, SERVER, "mqadmin(1), mqshutdown(1), mqbroker(1)\n"].concat()
        }
        "rocketmq-standalone" => [".SH FILES\n", LOG_FILES, SERVER, "mqadmin(1)\n"].concat(),
        "mqshutdown" | "rocketmq-shutdown" => SHUTDOWN.to_owned(),
        "rocketmq-admin" => ADMIN.to_owned(),
        "rocketmq" => ROCKETMQ.to_owned(),
        page if page.starts_with("mqadmin") => TOOL.to_owned(),
        _ => String::new(),
    }
}

const BROKER_FILES: &str = ".SH FILES
.TP
\\fI~/store\\fR
Messages, queues, index, topics, groups and offsets, unless storePathRootDir is set
.TP
\\fI$ROCKETMQ_HOME/conf/plain_acl.yml\\fR
Accounts, with aclEnable=true
.TP
\\fI/etc/rocketmq/tls.properties\\fR
Properties tls.*, read where it exists
.TP
\\fI~/logs/rocketmqlogs/broker.log\\fR, \\fIstore.log\\fR and others
The log
";

const NAMESRV_FILES: &str = ".SH FILES
.TP
\\fI~/namesrv/kvConfig.json\\fR
Keys and values, unless kvConfigPath is set
.TP
\\fI/etc/rocketmq/tls.properties\\fR
Properties tls.*, read where it exists
.TP
\\fI~/logs/rocketmqlogs/namesrv.log\\fR
The log
";

const LOG_FILES: &str = ".TP
\\fI~/logs/rocketmqlogs\\fR
The log
";

const SERVER: &str = ".SH ENVIRONMENT
.TP
\\fBNAMESRV_ADDR\\fR
Name servers of a broker, where neither \\-n nor namesrvAddr names them
.TP
\\fBROCKETMQ_HOME\\fR
The installation, where relative files of accounts are; the scripts set it
.TP
\\fBROCKETMQ_LOG\\fR, \\fBROCKETMQ_LOG_DIR\\fR, \\fBROCKETMQ_LOG_FORMAT\\fR
Level, folder and form (text or json) of the log
.TP
\\fBROCKETMQ_SERIALIZE_TYPE\\fR
Form of headers that are sent: JSON or ROCKETMQ
.TP
\\fBJAVA_OPT\\fR, \\fBJAVA_OPT_EXT\\fR
System properties (\\-D) in them count as on the command line, below it; nothing else in them does
.TP
\\fBNOTIFY_SOCKET\\fR
Where systemd wants to hear that the server is ready, and that it stops
.SH SIGNALS
.TP
SIGTERM, SIGINT, SIGHUP
Stop, with everything brought to the disk; one that was ignored at the start, as SIGHUP under nohup, stays so. A second SIGTERM or \
SIGINT ends the stop at once, and the next start recovers
.TP
SIGQUIT
Prints and logs connections and memory, of a broker also what is not yet on the disk
.SH EXIT STATUS
.TP
0
Stopped, and everything is on the disk; settings printed, or without errors
.TP
1
\\-\\-check\\-config found errors
.TP
129, 130, 143
Asked to stop by SIGHUP, SIGINT or SIGTERM before the start was over
.TP
253
Settings of a broker that exclude each other
.TP
255
Not started, or not everything was written at the end; standard error says why
.SH SEE ALSO
docs/configuration.md, docs/operations.md and docs/troubleshooting.md of the release,
";

const SHUTDOWN: &str = ".SH EXIT STATUS
.TP
0
All have ended
.TP
255
None ran, one could not be asked, or one still runs after 60 s
.SH SEE ALSO
mqbroker(1), mqnamesrv(1)
";

const TOOL: &str = ".SH ENVIRONMENT
.TP
\\fBNAMESRV_ADDR\\fR
Name servers, where \\-n does not name them
.TP
\\fBROCKETMQ_TLS_ENABLE\\fR, \\fBROCKETMQ_TLS_CLIENT_\\fR...
TLS, as docs/SECURITY.md says
.TP
\\fBNO_COLOR\\fR
No colours at a terminal
.SH EXIT STATUS
.TP
0
All of it was done
.TP
1
Something failed; standard error says what, and at which address
.TP
2
The command line is wrong
.SH SEE ALSO
mqadmin(1), mqbroker(1), mqnamesrv(1)
";

const ADMIN: &str = ".PP
rocketmq admin COMMAND [OPTION ...] is what mqadmin COMMAND is. mqadmin(1) lists the commands, and each has a page: \
mqadmin\\-updateTopic(1) and so on.
.SH SEE ALSO
mqadmin(1)
";

const ROCKETMQ: &str = ".SH SEE ALSO
mqnamesrv(1), mqbroker(1), mqadmin(1), mqshutdown(1)
";

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
