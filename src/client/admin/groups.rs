//! What tools ask and tell brokers about consumer groups, their members and their offsets. Java: the same methods of
//! `MQClientAPIImpl`. Which brokers are asked is the caller's to know.

use std::collections::BTreeMap;

use bytes::Bytes;
use compat::language::LanguageCode;

use crate::client::{CallError, Calls, body_of, header_of, json_of, refused};
use crate::protocol::body::client::{
    ConsumeMessageDirectlyResult, ConsumerConnection, ConsumerRunningInfo, GroupList,
};
use crate::protocol::body::group::{SubscriptionGroupConfig, SubscriptionGroupWrapper};
use crate::protocol::body::offset::ResetOffsetBody;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::stats::{BrokerStatsData, ConsumeStats, ConsumeStatsList};
use crate::protocol::header::admin::ViewBrokerStatsDataRequestHeader;
use crate::protocol::header::client::{
    ConsumeMessageDirectlyResultRequestHeader, GetConsumerConnectionListRequestHeader,
    GetConsumerRunningInfoRequestHeader,
};
use crate::protocol::header::offset::{
    CloneGroupOffsetRequestHeader, ResetOffsetRequestHeader, SearchOffsetRequestHeader,
    SearchOffsetResponseHeader,
};
use crate::protocol::header::topic::{
    DeleteSubscriptionGroupRequestHeader, GetConsumeStatsInBrokerHeader, GetConsumeStatsRequestHeader,
    QueryTopicConsumeByWhoRequestHeader,
};
use crate::protocol::request_code::RequestCode;
use crate::remoting::{Command, SUCCESS};

impl Calls {
    /// How far a group is on one broker (208), for one topic or all.
    pub async fn consume_stats(
        &self,
        broker: &str,
        consumer_group: &str,
        topic: Option<&str>,
    ) -> Result<ConsumeStats, CallError> {
        let header = GetConsumeStatsRequestHeader {
            consumer_group: consumer_group.to_owned(),
            topic: topic.map(str::to_owned),
        };
        let reply = self.succeed(broker, RequestCode::GetConsumeStats, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// How far all groups are on one broker (317).
    pub async fn broker_consume_stats(
        &self,
        broker: &str,
        is_order: bool,
    ) -> Result<ConsumeStatsList, CallError> {
        let header = GetConsumeStatsInBrokerHeader { is_order };
        let reply = self.succeed(broker, RequestCode::GetBrokerConsumeStats, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// Who is in a group, as one broker knows (203).
    pub async fn consumer_connection(
        &self,
        broker: &str,
        consumer_group: &str,
    ) -> Result<ConsumerConnection, CallError> {
        let header = GetConsumerConnectionListRequestHeader { consumer_group: consumer_group.to_owned() };
        let code = RequestCode::GetConsumerConnectionList;
        let reply = self.succeed(broker, code, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// Groups that consume a topic, as one broker knows (300).
    pub async fn topic_consume_by_who(&self, broker: &str, topic: &str) -> Result<GroupList, CallError> {
        let header = QueryTopicConsumeByWhoRequestHeader { topic: topic.to_owned() };
        let reply = self.succeed(broker, RequestCode::QueryTopicConsumeByWho, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// What a member says of itself (307); the broker asks it.
    pub async fn consumer_running_info(
        &self,
        broker: &str,
        consumer_group: &str,
        client_id: &str,
        jstack_enable: bool,
    ) -> Result<ConsumerRunningInfo, CallError> {
        let header = GetConsumerRunningInfoRequestHeader {
            consumer_group: consumer_group.to_owned(),
            client_id: client_id.to_owned(),
            jstack_enable,
        };
        let reply = self.succeed(broker, RequestCode::GetConsumerRunningInfo, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// Has a member consume one message (309); the broker hands it over.
    pub async fn consume_message_directly(
        &self,
        broker: &str,
        header: &ConsumeMessageDirectlyResultRequestHeader,
    ) -> Result<ConsumeMessageDirectlyResult, CallError> {
        let reply = self.succeed(broker, RequestCode::ConsumeMessageDirectly, header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// Creates a group on one broker, or changes it (200).
    pub async fn update_subscription_group(
        &self,
        broker: &str,
        config: &SubscriptionGroupConfig,
    ) -> Result<(), CallError> {
        let body = json_of(broker, config)?;
        self.succeed(broker, RequestCode::UpdateAndCreateSubscriptiongroup, &(), body).await.map(drop)
    }

    /// Every group of one broker (201).
    pub async fn subscription_groups(&self, broker: &str) -> Result<SubscriptionGroupWrapper, CallError> {
        let code = RequestCode::GetAllSubscriptiongroupConfig;
        let reply = self.succeed(broker, code, &(), Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// Takes a group's settings away from one broker (207).
    pub async fn delete_subscription_group(&self, broker: &str, group_name: &str) -> Result<(), CallError> {
        let header = DeleteSubscriptionGroupRequestHeader {
            group_name: group_name.to_owned(),
            ..DeleteSubscriptionGroupRequestHeader::default()
        };
        self.succeed(broker, RequestCode::DeleteSubscriptiongroup, &header, Bytes::new()).await.map(drop)
    }

    /// Has the members of a group go to where a topic's queues were at a time (222). With `is_c` they are told in the form
    /// of C++ clients.
    pub async fn reset_offset(
        &self,
        broker: &str,
        header: &ResetOffsetRequestHeader,
        is_c: bool,
    ) -> Result<BTreeMap<MessageQueue, i64>, CallError> {
        let mut request = Command::request(RequestCode::InvokeBrokerToResetOffset, header);
        if is_c {
            request.language = LanguageCode::Cpp;
        }
        let reply = self.invoke(broker, request).await?;
        if reply.code != SUCCESS {
            return Err(refused(broker, &reply));
        }
        Ok(body_of::<ResetOffsetBody>(broker, &reply)?.offset_table)
    }

    /// Gives a group the offsets of another one (314).
    pub async fn clone_group_offset(
        &self,
        broker: &str,
        header: &CloneGroupOffsetRequestHeader,
    ) -> Result<(), CallError> {
        self.succeed(broker, RequestCode::CloneGroupOffset, header, Bytes::new()).await.map(drop)
    }

    /// Entry of a queue that was the first stored at a time or later (29).
    pub async fn search_offset(
        &self,
        broker: &str,
        topic: &str,
        queue_id: i32,
        timestamp: i64,
    ) -> Result<i64, CallError> {
        let header = SearchOffsetRequestHeader { topic: topic.to_owned(), queue_id, timestamp };
        let reply = self.succeed(broker, RequestCode::SearchOffsetByTimestamp, &header, Bytes::new()).await?;
        Ok(header_of::<SearchOffsetResponseHeader>(broker, &reply)?.offset)
    }

    /// A statistic of one broker (315).
    pub async fn broker_stats(
        &self,
        broker: &str,
        stats_name: &str,
        stats_key: &str,
    ) -> Result<BrokerStatsData, CallError> {
        let header = ViewBrokerStatsDataRequestHeader {
            stats_name: stats_name.to_owned(),
            stats_key: stats_key.to_owned(),
        };
        let reply = self.succeed(broker, RequestCode::ViewBrokerStatsData, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }
}
