//! What tools ask brokers about stored messages: by id, by key, by queue. Java: `MQAdminImpl`, and `PullAPIWrapper` as
//! `DefaultMQPullConsumer` uses it. Nothing here waits for messages that are not there yet.

use bytes::Bytes;

use crate::client::message_ext::{DamagedMessage, MessageExt};
use crate::client::{CallError, Calls, body_of, malformed};
use crate::protocol::body::admin::QueryConsumeQueueResponseBody;
use crate::protocol::body::heartbeat::SubscriptionData;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::header::pull::PullMessageRequestHeader;
use crate::protocol::header::query::{
    QueryConsumeQueueRequestHeader, QueryMessageRequestHeader, ViewMessageRequestHeader,
};
use crate::protocol::message::{PROPERTY_MAX_OFFSET, PROPERTY_MIN_OFFSET, PROPERTY_TAGS};
use crate::protocol::request_code::RequestCode;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::sys_flag::pull_sys_flag;
use std::time::Duration;

/// What a pull found. Java: the enum of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullStatus {
    Found,
    NoNewMsg,
    NoMatchedMsg,
    OffsetIllegal,
}

impl PullStatus {
    /// Java's name.
    pub fn name(self) -> &'static str {
        match self {
            PullStatus::Found => "FOUND",
            PullStatus::NoNewMsg => "NO_NEW_MSG",
            PullStatus::NoMatchedMsg => "NO_MATCHED_MSG",
            PullStatus::OffsetIllegal => "OFFSET_ILLEGAL",
        }
    }
}

/// A pull's result. Java: `PullResult`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub status: PullStatus,
    pub messages: Vec<MessageExt>,
    pub next_begin_offset: i64,
}

/// Reads a queue for a group that need not be there.
#[derive(Debug, Clone)]
pub struct Reader {
    pub consumer_group: String,
    pub subscription: SubscriptionData,
}

impl Reader {
    /// A reader of what an expression of tags lets through.
    pub fn new(consumer_group: &str, topic: &str, expression: &str) -> Result<Reader, String> {
        let subscription = SubscriptionData::build(topic, Some(expression), None);
        let subscription = subscription.map_err(|error| error.to_string())?;
        Ok(Reader { consumer_group: consumer_group.to_owned(), subscription })
    }

    /// Reads on from an entry, without waiting and without a trace at the broker.
    pub async fn pull(
        &self,
        calls: &Calls,
        broker: &str,
        queue: &MessageQueue,
        offset: i64,
        max_msg_nums: i32,
    ) -> Result<Pulled, CallError> {
        let header = PullMessageRequestHeader {
            consumer_group: &self.consumer_group,
            topic: &queue.topic,
            queue_id: queue.queue_id,
            queue_offset: offset,
            max_msg_nums,
            sys_flag: pull_sys_flag(false, false, true, false),
            commit_offset: 0,
            suspend_timeout_millis: 0,
            subscription: Some(&self.subscription.sub_string),
            sub_version: 0,
            expression_type: Some(&self.subscription.expression_type),
        };
        let reply = calls.pull(broker, &header, Duration::ZERO).await?;
        let status = match ResponseCode::try_from(reply.code) {
            Ok(ResponseCode::PullNotFound) => PullStatus::NoNewMsg,
            Ok(ResponseCode::PullRetryImmediately) => PullStatus::NoMatchedMsg,
            Ok(ResponseCode::PullOffsetMoved) => PullStatus::OffsetIllegal,
            _ => PullStatus::Found,
        };
        let mut messages = Vec::new();
        if status == PullStatus::Found {
            messages = decode(broker, &reply.body)?;
            messages.retain(|message| self.wants(message));
            for message in &mut messages {
                // Java's client adds these, and prints them.
                let own = std::mem::take(&mut message.message);
                message.message = own
                    .with_property(PROPERTY_MIN_OFFSET, &reply.header.min_offset.to_string())
                    .with_property(PROPERTY_MAX_OFFSET, &reply.header.max_offset.to_string());
            }
        }
        Ok(Pulled { status, messages, next_begin_offset: reply.header.next_begin_offset })
    }

    /// Brokers choose by the tag's hash code.
    fn wants(&self, message: &MessageExt) -> bool {
        let tags = &self.subscription.tags_set;
        tags.is_empty() || message.property(PROPERTY_TAGS).is_some_and(|tag| tags.contains(tag))
    }
}

impl Calls {
    /// The message at a place of one broker's log (33).
    pub async fn view_message(&self, broker: &str, offset: i64) -> Result<MessageExt, CallError> {
        let header = ViewMessageRequestHeader { offset };
        let reply = self.succeed(broker, RequestCode::ViewMessageById, &header, Bytes::new()).await?;
        let message = decode(broker, &reply.body)?.into_iter().next();
        message.ok_or_else(|| malformed(broker, &"there is no message in it"))
    }

    /// Messages of one broker's index (12), those of other keys with the same hash code among them.
    pub async fn query_message(
        &self,
        broker: &str,
        header: &QueryMessageRequestHeader,
    ) -> Result<Vec<MessageExt>, CallError> {
        let found = self.succeed(broker, RequestCode::QueryMessage, header, Bytes::new()).await;
        match found {
            Ok(reply) => decode(broker, &reply.body),
            Err(error) if error.code() == Some(ResponseCode::QueryNotFound.into()) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Entries of a consume queue (321).
    pub async fn consume_queue(
        &self,
        broker: &str,
        header: &QueryConsumeQueueRequestHeader,
    ) -> Result<QueryConsumeQueueResponseBody, CallError> {
        let reply = self.succeed(broker, RequestCode::QueryConsumeQueue, header, Bytes::new()).await?;
        body_of(broker, &reply)
    }
}

fn decode(broker: &str, body: &Bytes) -> Result<Vec<MessageExt>, CallError> {
    MessageExt::decode_all(body).map_err(|error: DamagedMessage| malformed(broker, &error))
}
