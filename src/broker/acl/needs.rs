//! What a request does with which topics and groups (Java: `PlainAccessValidator.parse`, as in 4.9), and beyond Java's list
//! who locks queues, and that nobody sends to the broker's own queues. What requests name by a place in the log is looked at
//! where it is read: `Acl::check_record`.

use std::borrow::Cow;

use super::Use;
use crate::protocol::body::heartbeat::HeartbeatData;
use crate::protocol::body::queue::LockBatchRequestBody;
use crate::protocol::request_code::RequestCode;
use crate::protocol::topic::{
    RETRY_GROUP_TOPIC_PREFIX, RMQ_SYS_TRANS_HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC, SCHEDULE_TOPIC,
};
use crate::remoting::Command;

/// Topics with what is done, and groups that are consumed for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs<'a> {
    pub topics: Vec<(Cow<'a, str>, Use)>,
    pub groups: Vec<Cow<'a, str>>,
}

impl<'a> Needs<'a> {
    /// Those of one topic.
    pub fn of_topic(topic: &'a str, of: Use) -> Needs<'a> {
        let mut needs = Needs::default();
        needs.topic(Some(topic), of);
        needs
    }

    /// Messages in the broker's own queues say where they go on to, and which transactions have ended.
    fn send(&mut self, topic: Option<&'a str>) -> Result<(), String> {
        if let Some(topic @ (SCHEDULE_TOPIC | RMQ_SYS_TRANS_HALF_TOPIC | RMQ_SYS_TRANS_OP_HALF_TOPIC)) = topic
        {
            return Err(format!("{topic} is the broker's own: no client sends to it"));
        }
        self.topic(topic, Use::Publish);
        Ok(())
    }

    /// A retry topic is its group's.
    fn topic(&mut self, topic: Option<impl Into<Cow<'a, str>>>, of: Use) {
        let Some(topic) = topic.map(Into::into) else { return };
        match topic.strip_prefix(RETRY_GROUP_TOPIC_PREFIX) {
            Some(group) => self.groups.push(group.to_owned().into()),
            None => self.topics.push((topic, of)),
        }
    }

    fn group(&mut self, group: Option<impl Into<Cow<'a, str>>>) {
        self.groups.extend(group.map(Into::into));
    }
}

/// An error: the request cannot be read.
pub fn needs(command: &Command) -> Result<Needs<'_>, String> {
    let mut needs = Needs::default();
    let field = |name: &str| command.ext_field(name);
    let Ok(code) = RequestCode::try_from(command.code) else { return Ok(needs) };
    match code {
        RequestCode::SendMessage | RequestCode::SendReplyMessage => needs.send(field("topic"))?,
        RequestCode::SendMessageV2 | RequestCode::SendBatchMessage | RequestCode::SendReplyMessageV2 => {
            needs.send(field("b"))?;
        }
        RequestCode::ConsumerSendMsgBack => needs.group(field("group")),
        RequestCode::PullMessage | RequestCode::LitePullMessage => {
            needs.topic(field("topic"), Use::Subscribe);
            needs.group(field("consumerGroup"));
        }
        RequestCode::QueryMessage => needs.topic(field("topic"), Use::Subscribe),
        RequestCode::HeartBeat => {
            let data: HeartbeatData =
                compat::json::from_slice(&command.body).map_err(|error| format!("heartbeat: {error}"))?;
            for consumer in data.consumer_data_set {
                needs.group(Some(consumer.group_name));
                for subscription in consumer.subscription_data_set {
                    needs.topic(Some(subscription.topic), Use::Subscribe);
                }
            }
        }
        RequestCode::UnregisterClient
        | RequestCode::GetConsumerListByGroup
        | RequestCode::QueryConsumerOffset => needs.group(field("consumerGroup")),
        RequestCode::UpdateConsumerOffset => {
            needs.group(field("consumerGroup"));
            needs.topic(field("topic"), Use::Subscribe);
        }
        // The body of 42 has the same fields.
        RequestCode::LockBatchMq | RequestCode::UnlockBatchMq => {
            let body: LockBatchRequestBody =
                compat::json::from_slice(&command.body).map_err(|error| format!("queues: {error}"))?;
            needs.group(Some(body.consumer_group));
        }
        _ => {}
    }
    Ok(needs)
}
