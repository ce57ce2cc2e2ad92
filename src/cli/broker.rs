//! `rocketmq broker` (Java: `BrokerStartup`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use rocketmq::broker::{self, Configs, Doubts, Running};
use rocketmq::config::remoting::{NettyClientConfig, NettyServerConfig};
use rocketmq::config::store::BrokerRole;
use rocketmq::config::{self, Entry, Origin, ProblemKind, host_port};
use rocketmq::logging::ServerKind;
use rocketmq::store::Progress;

use super::progress::Bar;
use super::{EXIT_FAILED, check, fail, print, server, settings};

/// Java's `System.exit(-3)`.
const EXIT_SETTINGS: u8 = 253;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Broker config properties file
    #[arg(short = 'c', long = "configFile", value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Name server address list, eg: 192.168.0.1:9876;192.168.0.2:9876
    #[arg(short = 'n', long = "namesrvAddr", value_name = "HOST:PORT;...")]
    namesrv_addr: Option<String>,
    /// Print all config items and exit
    #[arg(short = 'p', long = "printConfigItem")]
    print_config_item: bool,
    /// Print important config items and exit
    #[arg(short = 'm', long = "printImportantConfig")]
    print_important_config: bool,
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

/// A broker's defaults, which differ from the classes'.
pub fn defaults() -> Configs {
    let bar = Bar::new("recovering the commit log");
    Configs {
        progress: Progress(Arc::new(move |done, all| bar.set(done, all))),
        doubts: Doubts(Arc::new(|doubt| eprintln!("WARNING: {doubt}"))),
        server: NettyServerConfig::for_broker(),
        client: NettyClientConfig::for_broker(),
        ..Configs::default()
    }
}

impl Args {
    /// Settings given as options.
    fn options(&self) -> Vec<Entry> {
        self.namesrv_addr.iter().map(|addr| Entry::new("namesrvAddr", addr, Origin::Option("-n"))).collect()
    }
}

/// Every section that a broker's settings go to.
fn sections(configs: &mut Configs) -> [&mut dyn config::Settings; 4] {
    let Configs { broker, server, client, store, .. } = configs;
    [broker, server, client, store]
}

pub fn run(args: &Args) -> ExitCode {
    if args.check.is_wanted() {
        return check_config(args);
    }
    let mut configs =
        Configs { file: args.config_file.clone(), spare_file: Some(spare_file()), ..defaults() };
    configs.tls = match args.properties.tls() {
        Ok(tls) => tls,
        Err(error) => return fail(EXIT_FAILED, error),
    };
    configs.client.use_tls = configs.tls.is_asked_of_brokers();
    let file = args.config_file.as_deref();
    let mut loaded = match settings::load(
        &mut sections(&mut configs),
        &args.properties,
        file,
        &args.words,
        &args.options(),
    ) {
        Ok(loaded) => loaded,
        Err(error) => return fail(EXIT_FAILED, error),
    };
    loaded.add_doubts(broker::problems(&configs));
    if let Some((_, kind)) = fit_together(&mut configs, &loaded).into_iter().next() {
        return fail(EXIT_SETTINGS, reason(&kind));
    }
    if (args.print_config_item || args.print_important_config)
        && let Err(error) = broker::fill_in_addresses(&mut configs)
    {
        return fail(EXIT_FAILED, error);
    }
    let sections: [&dyn config::Settings; 4] =
        [&configs.broker, &configs.server, &configs.client, &configs.store];
    if args.print_config_item {
        loaded.report();
        return print(config::dump(&sections), ExitCode::SUCCESS);
    }
    if args.print_important_config {
        loaded.report();
        return print(config::dump_important(&sections), ExitCode::SUCCESS);
    }
    configs.serialize_type = match args.properties.serialize_type() {
        Ok(form) => form,
        Err(error) => return fail(EXIT_FAILED, error),
    };
    let _log = args.log.begin(ServerKind::Broker, &configs.broker.log_level);
    loaded.report();
    for line in config::dump(&sections).lines() {
        tracing::info!("{line}");
    }
    let form = configs.serialize_type.name();
    server::run(
        broker::start(configs),
        |running| {
            server::announce(&boot_line(running, form));
            if let Some(choice) = running.chosen_address() {
                server::announce(&choice.to_string());
            }
            warn_of_name_servers(running);
        },
        Running::state,
        Running::stop,
        |error| error.to_string(),
    )
}

/// `--check-config`.
fn check_config(args: &Args) -> ExitCode {
    let mut report = check::Report::default();
    let mut configs = defaults();
    if let Some(tls) = report.value("command line", args.properties.tls()) {
        configs.tls = tls;
    }
    configs.client.use_tls = configs.tls.is_asked_of_brokers();
    let entries = report.entries(&args.properties, args.config_file.as_deref(), &args.words, args.options());
    let mut loaded = settings::Loaded::of(&mut sections(&mut configs), entries);
    loaded.add_all(broker::problems(&configs));
    loaded.add_all(broker::file_problems(&configs));
    let misfits = fit_together(&mut configs, &loaded);
    loaded.add_all(misfits);
    report.add(&loaded);
    report.environment(&args.properties, &configs.tls);
    report.print(&args.check)
}

/// Java: `BrokerPathConfigHelper`.
fn spare_file() -> PathBuf {
    std::env::home_dir().unwrap_or_default().join("store/config/broker.properties")
}

/// What Java checks before it starts, in its words and order, and the key that each is about. Sets what it sets then.
fn fit_together(configs: &mut Configs, loaded: &settings::Loaded) -> Vec<(&'static str, ProblemKind)> {
    let mut problems = Vec::new();
    let addrs = &configs.broker.namesrv_addr;
    let mut each = addrs.split(';').map(str::trim).filter(|addr| !addr.is_empty());
    if let Some((addr, reason)) = each.find_map(|addr| Some((addr, host_port::problem(addr)?))) {
        let reason = format!(
            "The Name Server Address[{addrs}] illegal, please set it as follows, \
             \"127.0.0.1:9876;192.168.0.1:9876\": {addr} {reason}"
        );
        problems.push(("namesrvAddr", ProblemKind::BadValue(reason)));
    }
    match configs.store.broker_role {
        BrokerRole::AsyncMaster | BrokerRole::SyncMaster => configs.broker.broker_id = 0,
        BrokerRole::Slave if configs.broker.broker_id <= 0 => {
            let key = if loaded.is_given("brokerId") { "brokerId" } else { "brokerRole" };
            let reason = "Slave's brokerId must be > 0";
            problems.push((
                key,
                ProblemKind::Misfit { reason, advice: "set brokerId=1 or more, one for each slave" },
            ));
        }
        BrokerRole::Slave => {}
    }
    configs.store.ha_listen_port = configs.server.listen_port.saturating_add(1);
    problems
}

/// A misfit in Java's words.
fn reason(kind: &ProblemKind) -> &str {
    match kind {
        ProblemKind::BadValue(reason) => reason,
        ProblemKind::Misfit { reason, .. } => reason,
        _ => "",
    }
}

/// A broker runs without name servers, too, and who mistyped an address sees nothing but that it runs.
fn warn_of_name_servers(running: &Running) {
    for (addr, reason) in running.registration_failures() {
        eprintln!(
            "WARNING: not registered with the name server {addr}: {reason}. It is tried again; until then clients that \
             ask there get `No route info`. If the address is wrong, set -n or namesrvAddr"
        );
    }
}

fn boot_line(running: &Running, form: &str) -> String {
    let config = &running.broker().config;
    let (name, ip, port) = (&config.broker_name, &config.broker_ip1, running.addr().port());
    let mut line = format!("The broker[{name}, {ip}:{port}] boot success. serializeType={form}");
    if !config.namesrv_addr.is_empty() {
        line.push_str(&format!(" and name server is {}", config.namesrv_addr));
    }
    line
}
