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
    /// Broker to measure; the topic is created there
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "namesrv", conflicts_with = "namesrv")]
    broker: Option<String>,
    /// Name server: all masters that have the topic; where none has, it is created on all
    #[arg(long, value_name = "HOST:PORT")]
    namesrv: Option<String>,
    /// Topic
    #[arg(long, default_value = "bench")]
    pub topic: String,
    /// Queues of the topic on each broker
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

    /// The brokers to measure. The topic is there afterwards.
    pub async fn resolve(&self) -> Result<Vec<Target>, Error> {
        let queues = i32::from(self.queues);
        let calls = Calls::standalone(Duration::from_secs(5));
        let Some(namesrv) = &self.namesrv else {
            let addr = self.broker.clone().ok_or_else(|| Error::Usage("--broker is missing".to_owned()))?;
            if !self.raw {
                calls.create_topic(&addr, &self.topic_config()).await?;
            }
            return Ok(vec![Target { addr, queues }]);
        };
        match calls.route_info(namesrv, &self.topic).await {
            Ok(route) => {
                let queues_of = |name: &str| {
                    let data = route.queue_datas.iter().find(|data| data.broker_name == name)?;
                    (data.is_writeable() && data.is_readable())
                        .then_some(data.write_queue_nums.min(data.read_queue_nums))
                };
                let targets = route.broker_datas.iter().filter_map(|data| {
                    Some(Target {
                        addr: data.master_addr()?.to_owned(),
                        queues: queues_of(&data.broker_name).filter(|queues| *queues > 0)?,
                    })
                });
                let targets: Vec<Target> = targets.collect();
                if targets.is_empty() {
                    return Err(Error::Usage(format!("no master has queues of {} for us", self.topic)));
                }
                Ok(targets)
            }
            Err(error) if error.code() == Some(ResponseCode::TopicNotExist.into()) => {
                let mut targets = Vec::new();
                for data in calls.cluster_info(namesrv).await?.broker_addr_table.values() {
                    if let Some(addr) = data.master_addr() {
                        calls.create_topic(addr, &self.topic_config()).await?;
                        targets.push(Target { addr: addr.to_owned(), queues });
                    }
                }
                if targets.is_empty() {
                    return Err(Error::Usage(format!("{namesrv} knows no master")));
                }
                Ok(targets)
            }
            Err(error) => Err(error.into()),
        }
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
