//! `rocketmq example …`: what the quickstart examples of 4.3.0 do and print (Java:
//! `org.apache.rocketmq.example.quickstart.Producer` and `Consumer`), with our own client.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use crate::client::consumer::{Consumer, ConsumerOptions};
use crate::client::message_ext::Message;
use crate::client::namesrvs::Namesrvs;
use crate::client::producer::Producer;
use crate::protocol::body::heartbeat::{ConsumeFromWhere, SUB_ALL};

/// Which example.
#[derive(Debug, clap::Args)]
pub struct ExampleArgs {
    #[command(subcommand)]
    command: ExampleCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ExampleCommand {
    /// Send messages and print what the broker says to each
    QuickstartProducer(QuickstartProducerArgs),
    /// Print messages as they come; it does not answer consumerStatus and consumes nothing directly (307, 309)
    QuickstartConsumer(QuickstartConsumerArgs),
}

#[derive(Debug, clap::Args)]
struct QuickstartProducerArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Producer group
    #[arg(long, short = 'g', default_value = "please_rename_unique_group_name")]
    group: String,
    /// Messages to send
    #[arg(long, short = 'c', default_value_t = 1000)]
    count: u32,
}

#[derive(Debug, clap::Args)]
struct QuickstartConsumerArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Consumer group
    #[arg(long, short = 'g', default_value = "please_rename_unique_group_name_4")]
    group: String,
    /// End after so many messages; without it, at SIGINT or SIGTERM
    #[arg(long, short = 'c')]
    count: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct CommonArgs {
    /// Name servers
    #[arg(
        long,
        short = 'n',
        env = "NAMESRV_ADDR",
        default_value = "127.0.0.1:9876",
        value_name = "HOST:PORT"
    )]
    namesrv: String,
    /// Topic
    #[arg(long, short = 't', default_value = "TopicTest")]
    topic: String,
}

/// Runs an example.
pub fn run(args: ExampleArgs) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
        .and_then(|runtime| {
            runtime.block_on(async {
                match args.command {
                    ExampleCommand::QuickstartProducer(args) => produce(&args).await,
                    ExampleCommand::QuickstartConsumer(args) => consume(&args).await,
                }
            })
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn namesrvs(args: &CommonArgs) -> Result<Namesrvs, String> {
    Namesrvs::parse(&args.namesrv).ok_or_else(|| "no name server is given".to_owned())
}

async fn produce(args: &QuickstartProducerArgs) -> Result<(), String> {
    let producer = Producer::new(namesrvs(&args.common)?, &args.group);
    let mut failed = 0;
    for number in 0..args.count {
        let message = Message::new(&args.common.topic, format!("Hello RocketMQ {number}")).with_tags("TagA");
        match producer.send(&message).await {
            Ok(result) => print_line(&result)?,
            Err(error) => {
                failed += 1;
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    producer.shutdown().await;
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} messages were not sent", args.count)) }
}

async fn consume(args: &QuickstartConsumerArgs) -> Result<(), String> {
    let options = ConsumerOptions {
        group: args.group.clone(),
        topic: args.common.topic.clone(),
        expression: SUB_ALL.to_owned(),
        consume_from_where: ConsumeFromWhere::ConsumeFromFirstOffset,
    };
    let mut consumer = Consumer::new(namesrvs(&args.common)?, options)?;
    print_line(&"Consumer Started.")?;
    let mut left = args.count;
    let mut printed = Ok(());
    let listener = |message| {
        // Java's line ends with a blank.
        let line = format_args!("ConsumeMessageThread_1 Receive New Messages: [{message}] ");
        printed = print_line(&line);
        left = left.map(|left| left.saturating_sub(1));
        printed.is_ok() && left != Some(0)
    };
    consumer.run(listener, until_signal()).await;
    printed
}

/// Prints a line; whoever reads may have gone.
fn print_line(line: &dyn fmt::Display) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|error| format!("cannot print: {error}"))
}

/// Until the process is asked to end.
async fn until_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
