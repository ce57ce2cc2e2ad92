//! `rocketmq namesrv` (Java: `NamesrvStartup`).

use std::path::PathBuf;
use std::process::ExitCode;

use rocketmq::config;
use rocketmq::logging::ServerKind;
use rocketmq::namesrv::{self, Configs, Running};

use super::{EXIT_FAILED, check, fail, print, say, server, settings};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name server config properties file
    #[arg(short = 'c', long = "configFile", value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Print all config items and exit
    #[arg(short = 'p', long = "printConfigItem")]
    print_config_item: bool,
    /// Accepted and not used, as in 4.3.0
    #[arg(short = 'n', long = "namesrvAddr", value_name = "HOST:PORT")]
    namesrv_addr: Option<String>,
    #[command(flatten)]
    check: check::Options,
    #[command(flatten)]
    properties: settings::Properties,
    #[command(flatten)]
    log: server::Log,
    /// Settings, over those of the file
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
}

pub fn run(args: &Args) -> ExitCode {
    if args.check.is_wanted() {
        return check_config(args);
    }
    let mut configs = Configs { file: args.config_file.clone(), ..Configs::default() };
    let sections: &mut [&mut dyn config::Settings] = &mut [&mut configs.namesrv, &mut configs.server];
    let mut loaded =
        match settings::load(sections, &args.properties, args.config_file.as_deref(), &args.words, &[]) {
            Ok(loaded) => loaded,
            Err(error) => return fail(EXIT_FAILED, error),
        };
    loaded.add_doubts(namesrv::problems(&configs));
    if let Some(file) = &args.config_file {
        configs.namesrv.config_store_path = file.display().to_string();
        say(format_args!("load config properties file OK, {}\n", file.display()));
    }
    if args.print_config_item {
        loaded.report();
        return print(config::dump(&[&configs.namesrv, &configs.server]), ExitCode::SUCCESS);
    }
    configs.tls = match args.properties.tls() {
        Ok(tls) => tls,
        Err(error) => return fail(EXIT_FAILED, error),
    };
    configs.serialize_type = match args.properties.serialize_type() {
        Ok(form) => form,
        Err(error) => return fail(EXIT_FAILED, error),
    };
    let _log = args.log.begin(ServerKind::Namesrv, &configs.namesrv.log_level);
    loaded.report();
    let form = configs.serialize_type.name();
    server::run(
        namesrv::start(configs),
        |_| server::announce(&format!("The Name Server boot success. serializeType={form}")),
        Running::state,
        |running| async {
            running.stop().await;
            true
        },
        |error| error.to_string(),
    )
}

/// `--check-config`.
fn check_config(args: &Args) -> ExitCode {
    let mut report = check::Report::default();
    let mut configs = Configs { file: args.config_file.clone(), ..Configs::default() };
    if let Some(tls) = report.value("command line", args.properties.tls()) {
        configs.tls = tls;
    }
    let entries = report.entries(&args.properties, args.config_file.as_deref(), &args.words, Vec::new());
    let sections: &mut [&mut dyn config::Settings] = &mut [&mut configs.namesrv, &mut configs.server];
    let mut loaded = settings::Loaded::of(sections, entries);
    loaded.add_all(namesrv::problems(&configs));
    loaded.add_all(namesrv::file_problems(&configs));
    report.add(&loaded);
    report.environment(&args.properties, &configs.tls);
    report.print(&args.check)
}
