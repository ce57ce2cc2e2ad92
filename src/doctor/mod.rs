//! `rocketmq doctor`: walks from the name servers over the routes to every broker and its ports, and says in plain words
//! what is wrong and what to do next. It asks and connects, and changes nothing; it works against Java's servers, too. Java
//! has no such thing.

mod broker;
mod folders;
mod names;
mod report;
mod topic;

use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;

use self::report::{Area, Check, Report};
use crate::client::Calls;
use crate::client::namesrvs::Namesrvs;
use crate::protocol::body::route::ClusterInfo;
use crate::protocol::topic::check_topic;

/// For one request or one connection.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What to look at.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Name servers
    #[arg(
        short = 'n',
        long = "namesrvAddr",
        env = "NAMESRV_ADDR",
        default_value = "127.0.0.1:9876",
        value_name = "HOST:PORT;..."
    )]
    namesrv_addr: String,
    /// A topic to look at, too: whether it exists, where, and what it allows
    #[arg(short = 't', long)]
    topic: Option<String>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Looks, and prints what it has found: 0 without problems, 1 with some.
pub fn run(args: &DoctorArgs) -> ExitCode {
    let Some(namesrvs) = Namesrvs::parse(&args.namesrv_addr) else {
        eprintln!("ERROR: no name server is named: -n HOST:PORT, or NAMESRV_ADDR");
        return ExitCode::FAILURE;
    };
    if let Some(topic) = &args.topic
        && let Err(reason) = check_topic(topic)
    {
        eprintln!("ERROR: -t '{topic}' is no topic's name: {reason}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("ERROR: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(examine(&namesrvs, args.topic.as_deref()));
    report.print(args.json);
    if report.problems() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A name server and the brokers that it knows.
struct Known {
    namesrv: String,
    info: ClusterInfo,
}

async fn examine(namesrvs: &Namesrvs, topic: Option<&str>) -> Report {
    let calls = Calls::standalone(TIMEOUT);
    let mut report = Report::default();
    let known = names::look(&calls, namesrvs, &mut report).await;
    if known.is_empty() {
        return report;
    }
    let found = broker::all(&known);
    let brokers = join_all(found.iter().map(|found| broker::look(&calls, found))).await;
    for broker in &brokers {
        report.extend(broker.checks.iter().cloned());
    }
    report.extend(broker::together(&brokers));
    // Folders are asked of the brokers, and looked at where they are this machine's.
    for broker in brokers.iter().filter(|broker| broker.is_here) {
        report.extend(folders::look(broker));
    }
    if let Some(topic) = topic {
        report.extend(topic::look(&calls, &known, &brokers, topic).await);
    }
    report
}

/// Why no connection was made, and what to look for.
struct Unreached {
    reason: String,
    advice: &'static str,
}

/// Connects and hangs up.
async fn connect(addr: &str) -> Result<(), Unreached> {
    match tokio::time::timeout(TIMEOUT, tokio::net::TcpStream::connect(addr)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Unreached { reason: error.to_string(), advice: advice_for(&error) }),
        Err(_) => Err(Unreached {
            reason: format!("no answer within {} s", TIMEOUT.as_secs()),
            advice: "see whether that machine is up; then look for a firewall on the way, and for an address that only the \
                     machine itself or its containers know",
        }),
    }
}

fn advice_for(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "start it; if it runs, it is at another address or port than this",
        ErrorKind::HostUnreachable => {
            "see whether that machine is up, and whether the address is right; nobody on the way to it answers for it"
        }
        // Without a port, or with one that is none.
        ErrorKind::InvalidInput => "write HOST:PORT, as in 192.168.0.1:9876",
        _ if error.to_string().contains("lookup") => {
            "this name has no address here: write an IP address, or mend the name service"
        }
        _ => "no route leads there from this machine: look at the address, and at the network",
    }
}
