//! Calls we make to others, one async function for each request (Java: `MQClientAPIImpl`), and the plain
//! [`producer`] and [`consumer`] that the examples are made of. It keeps no routes and no schedules of its own:
//! whoever calls decides when.

pub mod account;
pub mod admin;
pub mod consumer;
pub mod message_ext;
pub mod namesrvs;
pub mod producer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::account::Account;
use crate::protocol::body::client::GetConsumerListByGroupResponseBody;
use crate::protocol::body::heartbeat::HeartbeatData;
use crate::protocol::body::route::{ClusterInfo, KVTable, TopicRouteData};
use crate::protocol::body::stats::TopicStatsTable;
use crate::protocol::header::client::{GetConsumerListByGroupRequestHeader, UnregisterClientRequestHeader};
use crate::protocol::header::offset::{
    GetMaxOffsetRequestHeader, GetMaxOffsetResponseHeader, GetMinOffsetRequestHeader,
    GetMinOffsetResponseHeader, QueryConsumerOffsetRequestHeader, QueryConsumerOffsetResponseHeader,
    UpdateConsumerOffsetRequestHeader,
};
use crate::protocol::header::pull::{PullMessageRequestHeader, PullMessageResponseHeader};
use crate::protocol::header::route::GetRouteInfoRequestHeader;
use crate::protocol::header::send::{SendMessageRequestHeaderV2, SendMessageResponseHeader};
use crate::protocol::header::topic::{CreateTopicRequestHeader, GetTopicStatsInfoRequestHeader};
use crate::protocol::request_code::RequestCode;
use crate::protocol::response_code::ResponseCode;
use crate::remoting::client::{Client, ClientOptions};
use crate::remoting::router::NoService;
use crate::remoting::tls::ClientTls;
use crate::remoting::{Command, InvokeError, SUCCESS};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No answer came.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// The answer is another code than the call expects.
    #[error("{addr} answered CODE: {code}  DESC: {remark}")]
    Refused { addr: String, code: i32, remark: String },
    /// The answer does not say what it must.
    #[error("{addr} answered what cannot be read: {reason}")]
    Malformed { addr: String, reason: String },
}

impl CallError {
    /// The code that the other side refused with.
    pub fn code(&self) -> Option<i32> {
        match self {
            CallError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A broker's answer to a send. Java: `SendResult`, without the client's own message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReply {
    /// 0, or one of the three codes that say "stored, but not yet safe" (10, 11, 12).
    pub code: i32,
    /// Offset message id; of a batch all of them, joined by commas.
    pub offset_msg_id: String,
    pub queue_id: i32,
    /// Entry in the queue; of a batch the first.
    pub queue_offset: i64,
    pub transaction_id: Option<String>,
    pub region_id: Option<String>,
    pub trace_on: Option<bool>,
}

/// A broker's answer to a pull. Java: `PullResultExt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullReply {
    /// 0 (found), 19 (none yet), 20 (none match, pull on), 21 (offset out of range).
    pub code: i32,
    pub header: PullMessageResponseHeader,
    /// Stored messages back to back, see [`message_ext`].
    pub body: Bytes,
}

/// The calls, with the connections and the time that each may take.
#[derive(Clone)]
pub struct Calls {
    client: Arc<Client>,
    timeout: Duration,
    /// What requests are signed with.
    account: Option<Arc<Account>>,
}

impl Calls {
    /// Calls over connections that others may share.
    pub fn new(client: Arc<Client>, timeout: Duration) -> Calls {
        Calls { client, timeout, account: None }
    }

    /// Calls over connections of their own, whose servers' requests are refused; with TLS where the environment
    /// asks for it. Needs a runtime.
    pub fn standalone(timeout: Duration) -> Calls {
        let client = Client::new(ClientOptions::of_environment(), Arc::new(NoService));
        Calls::new(Arc::new(client), timeout)
    }

    /// The same with TLS or without, as the caller says.
    pub fn over(tls: Option<Arc<ClientTls>>, timeout: Duration) -> Calls {
        let options = ClientOptions { tls, ..ClientOptions::default() };
        let client = Client::new(options, Arc::new(NoService));
        Calls::new(Arc::new(client), timeout)
    }

    /// The connections.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The same with so many times the time.
    pub fn taking(&self, times: u32) -> Calls {
        Calls { timeout: self.timeout * times, ..self.clone() }
    }

    /// The same with requests that an account signs, if there is one.
    pub fn signed_by(self, account: Option<Arc<Account>>) -> Calls {
        Calls { account, ..self }
    }

    /// Sends any request; any code is a result.
    pub async fn invoke(&self, addr: &str, request: Command) -> Result<Command, CallError> {
        Ok(self.invoke_within(addr, request, self.timeout).await?)
    }

    async fn invoke_within(
        &self,
        addr: &str,
        mut request: Command,
        timeout: Duration,
    ) -> Result<Command, InvokeError> {
        if let Some(account) = &self.account {
            account.sign(&mut request);
        }
        self.client.invoke(addr, request, timeout).await
    }

    /// Where a topic is (105). A name server that does not know it answers 17.
    pub async fn route_info(&self, namesrv: &str, topic: &str) -> Result<TopicRouteData, CallError> {
        let header = GetRouteInfoRequestHeader { topic: topic.to_owned() };
        let reply = self.succeed(namesrv, RequestCode::GetRouteintoByTopic, &header, Bytes::new()).await?;
        body_of(namesrv, &reply)
    }

    /// Every broker that a name server knows (106).
    pub async fn cluster_info(&self, namesrv: &str) -> Result<ClusterInfo, CallError> {
        let reply = self.succeed(namesrv, RequestCode::GetBrokerClusterInfo, &(), Bytes::new()).await?;
        body_of(namesrv, &reply)
    }

    /// A broker's figures (28).
    pub async fn broker_runtime_info(&self, broker: &str) -> Result<KVTable, CallError> {
        let reply = self.succeed(broker, RequestCode::GetBrokerRuntimeInfo, &(), Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// Stores one message (310), or with the header's `batch` several (320).
    pub async fn send(
        &self,
        broker: &str,
        header: &SendMessageRequestHeaderV2<'_>,
        body: Bytes,
    ) -> Result<SendReply, CallError> {
        let code = if header.batch { RequestCode::SendBatchMessage } else { RequestCode::SendMessageV2 };
        let reply = self.invoke(broker, Command::request(code, header).with_body(body)).await?;
        let stored = [
            SUCCESS,
            ResponseCode::FlushDiskTimeout.into(),
            ResponseCode::SlaveNotAvailable.into(),
            ResponseCode::FlushSlaveTimeout.into(),
        ];
        if !stored.contains(&reply.code) {
            return Err(refused(broker, &reply));
        }
        let header: SendMessageResponseHeader<'_> = header_of(broker, &reply)?;
        Ok(SendReply {
            code: reply.code,
            offset_msg_id: header.msg_id.into_owned(),
            queue_id: header.queue_id,
            queue_offset: header.queue_offset,
            transaction_id: header.transaction_id.map(std::borrow::Cow::into_owned),
            region_id: header.msg_region.map(std::borrow::Cow::into_owned),
            trace_on: header.trace_on,
        })
    }

    /// Reads messages from an offset on (11). `hold` is added to the time that the call may take: as long as
    /// the header lets the broker hold it.
    pub async fn pull(
        &self,
        broker: &str,
        header: &PullMessageRequestHeader<'_>,
        hold: Duration,
    ) -> Result<PullReply, CallError> {
        let request = Command::request(RequestCode::PullMessage, header);
        let reply = self.invoke_within(broker, request, self.timeout + hold).await?;
        let answers = [
            SUCCESS,
            ResponseCode::PullNotFound.into(),
            ResponseCode::PullRetryImmediately.into(),
            ResponseCode::PullOffsetMoved.into(),
        ];
        if !answers.contains(&reply.code) {
            return Err(refused(broker, &reply));
        }
        Ok(PullReply { code: reply.code, header: header_of(broker, &reply)?, body: reply.body })
    }

    /// Entry that a group consumes next (14); none where it has not said so yet.
    pub async fn consumer_offset(
        &self,
        broker: &str,
        header: &QueryConsumerOffsetRequestHeader,
    ) -> Result<Option<i64>, CallError> {
        let reply = self.succeed(broker, RequestCode::QueryConsumerOffset, header, Bytes::new()).await;
        match reply {
            Ok(reply) => {
                let header: QueryConsumerOffsetResponseHeader = header_of(broker, &reply)?;
                Ok(Some(header.offset))
            }
            Err(error) if error.code() == Some(ResponseCode::QueryNotFound.into()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says which entry a group consumes next (15).
    pub async fn update_consumer_offset(
        &self,
        broker: &str,
        header: &UpdateConsumerOffsetRequestHeader,
    ) -> Result<(), CallError> {
        self.succeed(broker, RequestCode::UpdateConsumerOffset, header, Bytes::new()).await.map(drop)
    }

    /// Entry after the last of a queue (30).
    pub async fn max_offset(&self, broker: &str, topic: &str, queue_id: i32) -> Result<i64, CallError> {
        let header = GetMaxOffsetRequestHeader { topic: topic.to_owned(), queue_id };
        let reply = self.succeed(broker, RequestCode::GetMaxOffset, &header, Bytes::new()).await?;
        Ok(header_of::<GetMaxOffsetResponseHeader>(broker, &reply)?.offset)
    }

    /// First entry of a queue (31).
    pub async fn min_offset(&self, broker: &str, topic: &str, queue_id: i32) -> Result<i64, CallError> {
        let header = GetMinOffsetRequestHeader { topic: topic.to_owned(), queue_id };
        let reply = self.succeed(broker, RequestCode::GetMinOffset, &header, Bytes::new()).await?;
        Ok(header_of::<GetMinOffsetResponseHeader>(broker, &reply)?.offset)
    }

    /// The queues of a topic on one broker, and their bounds (202). A broker without that topic answers 17.
    pub async fn topic_stats(&self, broker: &str, topic: &str) -> Result<TopicStatsTable, CallError> {
        let header = GetTopicStatsInfoRequestHeader { topic: topic.to_owned() };
        let reply = self.succeed(broker, RequestCode::GetTopicStatsInfo, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// Says who we are (34). The result is the broker's version.
    pub async fn heartbeat(&self, broker: &str, data: &HeartbeatData) -> Result<i32, CallError> {
        let body = json_of(broker, data)?;
        Ok(self.succeed(broker, RequestCode::HeartBeat, &(), body).await?.version)
    }

    /// Takes back what heartbeats said (35).
    pub async fn unregister_client(
        &self,
        broker: &str,
        header: &UnregisterClientRequestHeader,
    ) -> Result<(), CallError> {
        self.succeed(broker, RequestCode::UnregisterClient, header, Bytes::new()).await.map(drop)
    }

    /// The client ids of a consumer group (38).
    pub async fn consumer_ids(&self, broker: &str, consumer_group: &str) -> Result<Vec<String>, CallError> {
        let header = GetConsumerListByGroupRequestHeader { consumer_group: consumer_group.to_owned() };
        let reply = self.succeed(broker, RequestCode::GetConsumerListByGroup, &header, Bytes::new()).await?;
        Ok(body_of::<GetConsumerListByGroupResponseBody>(broker, &reply)?.consumer_id_list)
    }

    /// Creates a topic on one broker, or changes it (17).
    pub async fn create_topic(
        &self,
        broker: &str,
        header: &CreateTopicRequestHeader,
    ) -> Result<(), CallError> {
        self.succeed(broker, RequestCode::UpdateAndCreateTopic, header, Bytes::new()).await.map(drop)
    }

    /// A request that only SUCCESS answers.
    pub async fn succeed<H: Serialize + ?Sized>(
        &self,
        addr: &str,
        code: RequestCode,
        header: &H,
        body: Bytes,
    ) -> Result<Command, CallError> {
        let reply = self.invoke(addr, Command::request(code, header).with_body(body)).await?;
        if reply.code == SUCCESS { Ok(reply) } else { Err(refused(addr, &reply)) }
    }
}

fn refused(addr: &str, reply: &Command) -> CallError {
    let remark = reply.remark.clone().unwrap_or_default();
    CallError::Refused { addr: addr.to_owned(), code: reply.code, remark }
}

fn malformed(addr: &str, reason: &impl ToString) -> CallError {
    CallError::Malformed { addr: addr.to_owned(), reason: reason.to_string() }
}

fn header_of<'a, H: serde::Deserialize<'a>>(addr: &str, reply: &'a Command) -> Result<H, CallError> {
    reply.header().map_err(|error| malformed(addr, &error))
}

fn body_of<T: DeserializeOwned>(addr: &str, reply: &Command) -> Result<T, CallError> {
    compat::json::from_slice(&reply.body).map_err(|error| malformed(addr, &error))
}

fn json_of<T: Serialize>(addr: &str, value: &T) -> Result<Bytes, CallError> {
    compat::json::to_vec(value).map(Bytes::from).map_err(|error| malformed(addr, &error))
}
