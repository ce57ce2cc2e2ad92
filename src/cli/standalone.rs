//! `rocketmq standalone`: a name server and a broker in one process, with nothing to set up.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rocketmq::logging::{LogOptions, ServerKind};
use rocketmq::{broker, namesrv};

use super::broker::defaults;
use super::{EXIT_FAILED, check, fail, say, server, settings};

/// Where the page is, or on the next port that is free.
const HTTP_PORT: i32 = 8089;

/// What no option says.
const MORE: &str = "The page to watch it by is at http://127.0.0.1:8089/, or at the next port that is free (httpPort=0: none). Logs are in \
                    ~/logs/rocketmqlogs (ROCKETMQ_LOG_DIR for another folder).";

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// Folder for messages and settings; made where it is missing
    #[arg(long, default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// Port of the name server
    #[arg(long, default_value_t = 9876)]
    port: u16,
    /// Port of the broker; it takes the one two below, too
    #[arg(long, default_value_t = 10911)]
    broker_port: u16,
    /// Address that clients are sent to. Without it both listen on loopback only
    #[arg(long, value_name = "IP")]
    advertise: Option<Ipv4Addr>,
    #[command(flatten)]
    check: check::Options,
    #[command(flatten)]
    properties: settings::Properties,
    #[command(flatten)]
    log: server::Log,
    /// Broker settings
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
}

struct Both {
    namesrv: namesrv::Running,
    broker: broker::Running,
}

pub fn run(args: &Args) -> ExitCode {
    if args.check.is_wanted() {
        return check_config(args);
    }
    let (names, configs, loaded) = match configs(args) {
        Ok(configs) => configs,
        Err(error) => return fail(EXIT_FAILED, error),
    };
    let data = PathBuf::from(&configs.store.store_path_root_dir);
    let _log = args.log.begin(ServerKind::Standalone, &configs.broker.log_level);
    loaded.report();
    let start = async {
        let namesrv = namesrv::start(names).await.map_err(|error| error.to_string())?;
        let mut configs = configs;
        configs.broker.namesrv_addr = format!("{}:{}", configs.broker.broker_ip1, namesrv.addr().port());
        match broker::start(configs).await {
            Ok(broker) => Ok(Both { namesrv, broker }),
            Err(error) => {
                namesrv.stop().await;
                Err(error.to_string())
            }
        }
    };
    server::run(
        start,
        |both| announce(both, &data),
        |both| format!("{}; {}", both.namesrv.state(), both.broker.state()),
        |both| async {
            let went_well = both.broker.stop().await;
            both.namesrv.stop().await;
            went_well
        },
        |error: String| error,
    )
}

fn configs(args: &Args) -> Result<(namesrv::Configs, broker::Configs, settings::Loaded), String> {
    let data =
        std::path::absolute(&args.data).map_err(|error| format!("{}: {error}", args.data.display()))?;
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let ip = args.advertise.unwrap_or(Ipv4Addr::LOCALHOST);
    let bind_ip =
        IpAddr::V4(if args.advertise.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST });
    let serialize_type = args.properties.serialize_type()?;
    let mut names = namesrv::Configs { bind_ip, serialize_type, ..namesrv::Configs::default() };
    names.server.listen_port = args.port.into();
    names.namesrv.kv_config_path = text(data.join("namesrv/kvConfig.json"));
    names.namesrv.config_store_path = text(data.join("namesrv/namesrv.properties"));
    let mut configs = broker::Configs { bind_ip: Some(bind_ip), serialize_type, ..defaults() };
    configs.broker.broker_ip1 = ip.to_string();
    configs.broker.broker_name = "standalone".to_owned();
    configs.broker.http_port = HTTP_PORT;
    configs.server.listen_port = args.broker_port.into();
    configs.store.store_path_root_dir = text(data.clone());
    configs.store.store_path_commit_log = text(data.join("commitlog"));
    configs.tls = args.properties.tls()?;
    configs.client.use_tls = configs.tls.is_asked_of_brokers();
    names.tls = configs.tls.clone();
    let broker::Configs { broker, server, client, store, .. } = &mut configs;
    let mut words = args.properties.entries();
    for word in &args.words {
        words.push(settings::word(word)?);
    }
    // Whoever names a port means that one.
    let is_http_given = words.iter().any(|word| word.key == "httpPort");
    let mut loaded = settings::apply(&mut [broker, server, client, store], words)?;
    loaded.add_doubts(broker::problems(&configs));
    names.namesrv.admin_allowed_addrs.clone_from(&configs.broker.admin_allowed_addrs);
    configs.http_or_next = !is_http_given;
    Ok((names, configs, loaded))
}

/// `--check-config`.
fn check_config(args: &Args) -> ExitCode {
    let mut report = check::Report::default();
    let without_words = Args { words: Vec::new(), ..args.clone() };
    if let Some((_, mut configs, _)) = report.value("command line", self::configs(&without_words)) {
        let entries = report.words(&args.words);
        let broker::Configs { broker, server, client, store, .. } = &mut configs;
        let mut loaded = settings::Loaded::of(&mut [broker, server, client, store], entries);
        loaded.add_all(broker::problems(&configs));
        loaded.add_all(broker::file_problems(&configs));
        report.add(&loaded);
        report.environment(&args.properties, &configs.tls);
    }
    report.print(&args.check)
}

/// Says what runs, and how to use it.
fn announce(both: &Both, data: &Path) {
    let config = &both.broker.broker().config;
    let names = &config.namesrv_addr;
    server::announce(&format!(
        "RocketMQ runs: name server {names}, broker {}:{}",
        config.broker_ip1,
        both.broker.addr().port()
    ));
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("rocketmq"));
    let program = program.display();
    let page =
        both.broker.http_addr().map_or("nowhere: httpPort=0".to_owned(), |addr| format!("http://{addr}/"));
    say(format_args!(
        "
  send messages      {program} example quickstart-producer -n {names} -c 10
  receive them       {program} example quickstart-consumer -n {names} -c 10
  Java clients       producer.setNamesrvAddr(\"{names}\")
  watch              {page}
  data               {}
  logs               {}
  stop               Ctrl-C, or kill {}
",
        data.display(),
        LogOptions::from_env().dir.display(),
        std::process::id()
    ));
}
