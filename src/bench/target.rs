//! What is measured: the brokers and the queues of the topic on each, looked up and created where needed.

use std::time::Duration;

use super::Error;
use crate::client::Calls;
use crate::protocol::header::topic::CreateTopicRequestHeader;
use crate::protocol::perm::{PERM_READ, PERM_WRITE};
use crate::protocol::response_code::ResponseCode;
use crate::remoting::SerializeType;

/// Options that say where to and how.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// Broker to measure; the topic is created there where it is missing
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "namesrv", conflicts_with = "namesrv")]
    broker: Option<String>,
    /// Name server: all masters that have the topic; where none has, it is created on all
    #[arg(long, value_name = "HOST:PORT")]
    namesrv: Option<String>,
    /// Topic
    #[arg(long, default_value = "bench")]
    pub topic: String,
    /// Queues of the topic on each broker, where it has to be created
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    queues: u16,
    /// Look nothing up and create nothing: the other side may be an echo server, the topic must be there
    #[arg(long, requires = "broker")]
    raw: bool,
    /// Connections, shared out among the brokers
    #[arg(long, short = 'c', default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,
    /// Header form of the requests
    #[arg(long, value_enum, default_value_t = Form::Json)]
    form: Form,
    /// Longest wait for an answer, seconds
    #[arg(long, default_value_t = 15)]
    patience: u64,
    /// Process id of the server, for its CPU time and memory
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    Json,
    Rocketmq,
}

/// A broker, and how many queues the topic has there.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub addr: String,
    pub queues: i32,
}

impl TargetArgs {
    pub fn form(&self) -> SerializeType {
        match self.form {
            Form::Json => SerializeType::Json,
            Form::Rocketmq => SerializeType::RocketMq,
        }
    }

    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    /// Where connection number `index` goes.
    pub fn target_of<'a>(&self, targets: &'a [Target], index: usize) -> &'a Target {
        &targets[index % targets.len()]
    }

    /// The brokers to measure. The topic is there afterwards, with the queues that it had before, if any.
    pub async fn resolve(&self) -> Result<Vec<Target>, Error> {
        let queues = i32::from(self.queues);
        let calls = Calls::standalone(Duration::from_secs(5));
        match (&self.broker, &self.namesrv) {
            (Some(addr), _) if self.raw => Ok(vec![Target { addr: addr.clone(), queues }]),
            (Some(addr), _) => Ok(vec![self.on_broker(&calls, addr).await?]),
            (None, Some(namesrv)) => self.on_cluster(&calls, namesrv).await,
            (None, None) => Err(Error::Usage("--broker is missing".to_owned())),
        }
    }

    async fn on_broker(&self, calls: &Calls, addr: &str) -> Result<Target, Error> {
        let queues = match calls.topic_stats(addr, &self.topic).await {
            Ok(stats) => i32::try_from(stats.offset_table.len()).unwrap_or(i32::MAX),
            Err(error) if error.code() == Some(ResponseCode::TopicNotExist.into()) => {
                calls.create_topic(addr, &self.topic_config()).await?;
                self.queues.into()
            }
            Err(error) => return Err(error.into()),
        };
        if queues == 0 {
            return Err(Error::Usage(format!("{} has no queue on {addr}", self.topic)));
        }
        Ok(Target { addr: addr.to_owned(), queues })
    }

    async fn on_cluster(&self, calls: &Calls, namesrv: &str) -> Result<Vec<Target>, Error> {
        let mut targets = Vec::new();
        match calls.route_info(namesrv, &self.topic).await {
            Ok(route) => {
                for data in &route.queue_datas {
                    let broker =
                        route.broker_datas.iter().find(|broker| broker.broker_name == data.broker_name);
                    let queues = data.write_queue_nums.min(data.read_queue_nums);
                    if let Some(addr) = broker.and_then(|broker| broker.master_addr())
                        && data.is_writeable()
                        && data.is_readable()
                        && queues > 0
                    {
                        targets.push(Target { addr: addr.to_owned(), queues });
                    }
                }
            }
            Err(error) if error.code() == Some(ResponseCode::TopicNotExist.into()) => {
                for data in calls.cluster_info(namesrv).await?.broker_addr_table.values() {
                    if let Some(addr) = data.master_addr() {
                        targets.push(self.on_broker(calls, addr).await?);
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        if targets.is_empty() {
            return Err(Error::Usage(format!("no master at {namesrv} has queues of {} for us", self.topic)));
        }
        Ok(targets)
    }

    fn topic_config(&self) -> CreateTopicRequestHeader {
        CreateTopicRequestHeader {
            topic: self.topic.clone(),
            default_topic: "TBW102".to_owned(),
            read_queue_nums: self.queues.into(),
            write_queue_nums: self.queues.into(),
            perm: PERM_READ | PERM_WRITE,
            topic_sys_flag: Some(0),
            ..CreateTopicRequestHeader::default()
        }
    }
}
