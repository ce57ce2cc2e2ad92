//! Clients that come, stay and go (34, 35, 46). Java: `ClientManageProcessor`, `ClientHousekeepingService`.

use std::fmt::Display;
use std::sync::Arc;

use super::body;
use crate::broker::log_lines::Lines;
use crate::broker::producers::Client;
use crate::broker::{Broker, log_lines};
use crate::protocol::body::client::CheckClientRequestBody;
use crate::protocol::body::heartbeat::{
    ConsumerData, EXPRESSION_SQL92, HeartbeatData, ProducerData, SubscriptionData,
};
use crate::protocol::header::NoHeader;
use crate::protocol::header::client::UnregisterClientRequestHeader;
use crate::protocol::perm::{PERM_READ, PERM_WRITE};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::{sys_flag, topic};
use crate::remoting::router::Answer;
use crate::remoting::{Fault, Peer, Request, Response};

/// Groups that one heartbeat may name: some hundred times what a large process has.
const GROUPS_MAX: usize = 10_000;
/// Subscriptions of all of them.
const SUBSCRIPTIONS_MAX: usize = 10_000;
/// What a subscription may take, bytes: the longest SQL92 expression, or as much of tags with what is kept of each.
const SUBSCRIPTION_MAX_BYTES: usize = 1 << 20;
/// An address, a process id and a unit's name.
pub(super) const CLIENT_ID_MAX_BYTES: usize = 1024;

/// Code 34.
pub fn heart_beat(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Answer, Fault> {
    let data: HeartbeatData = body(&request.command)?;
    check_size(&data).inspect_err(|refusal| {
        tracing::warn!(remote = %request.peer.remote(), reason = %refusal.remark, "heartbeat refused");
    })?;
    let client = Client::of(&request.peer, &data.client_id, &request.command, broker.now_ms());
    let (mut is_new, mut lines) = (false, Lines::default());
    let mut passed_over = |group: &str, reason: &dyn Display| {
        if lines.has_next() {
            let (group, remote) = (log_lines::beginning(group), client.peer.remote());
            tracing::warn!(group, %remote, %reason, "client of a group that cannot be passed over");
        }
    };
    for consumer in &data.consumer_data_set {
        // Its pulls are refused, too.
        match topic::check_group(&consumer.group_name) {
            Ok(()) => is_new |= register_consumer(broker, &client, consumer),
            Err(reason) => passed_over(&consumer.group_name, &reason),
        }
    }
    for ProducerData { group_name } in &data.producer_data_set {
        if is_producer_group(group_name) {
            broker.producers.register(group_name, &client);
        } else {
            passed_over(group_name, &"the name is empty, too long or has control characters");
        }
    }
    if !is_new {
        return Ok(Response::ok().into());
    }
    // Who asks for the group next finds it.
    let broker = Arc::clone(broker);
    Ok(Answer::later(async move {
        broker.registered().await;
        Ok(Response::ok())
    }))
}

fn check_size(data: &HeartbeatData) -> Result<(), Fault> {
    let refused = |what: &str, count: usize, max: usize| {
        let remark = format!("heartbeat with {count} {what}, {max} are allowed");
        Err(Fault::new(ResponseCode::SystemError, remark))
    };
    if data.client_id.len() > CLIENT_ID_MAX_BYTES {
        return refused("bytes of client id", data.client_id.len(), CLIENT_ID_MAX_BYTES);
    }
    let groups = data.consumer_data_set.len() + data.producer_data_set.len();
    if groups > GROUPS_MAX {
        return refused("groups", groups, GROUPS_MAX);
    }
    let subscriptions = || data.consumer_data_set.iter().flat_map(|consumer| &consumer.subscription_data_set);
    let count = subscriptions().count();
    if count > SUBSCRIPTIONS_MAX {
        return refused("subscriptions", count, SUBSCRIPTIONS_MAX);
    }
    match subscriptions().map(SubscriptionData::kept_bytes).find(|bytes| *bytes > SUBSCRIPTION_MAX_BYTES) {
        Some(bytes) => refused("bytes of one subscription", bytes, SUBSCRIPTION_MAX_BYTES),
        None => Ok(()),
    }
}

/// Nothing is stored under a producer group's name, and clients not written in Java take more characters than Java's do.
fn is_producer_group(group: &str) -> bool {
    (1..=topic::MAX_GROUP_BYTES).contains(&group.len()) && !group.chars().any(char::is_control)
}

/// Whether the group was not known here before.
fn register_consumer(broker: &Arc<Broker>, client: &Arc<Client>, data: &ConsumerData) -> bool {
    let group = &data.group_name;
    let mut is_new = false;
    let config = broker.groups.find_or_create(group);
    if let Some(config) = &config {
        // The retry topic's route is what makes admin tools find the group.
        let unit_flag = if data.unit_mode { sys_flag::TOPIC_UNIT_SUB } else { 0 };
        let queue_nums = config.retry_queue_nums.max(0);
        let name = topic::retry_topic(group);
        is_new = broker.topics.get(&name).is_none();
        broker.create_topic_on_send_back(&name, queue_nums, PERM_READ | PERM_WRITE, unit_flag);
    }
    let may_notify = config.is_none_or(|config| config.notify_consumer_ids_changed_enable);
    if broker.consumers.register(client, data) && may_notify {
        broker.notify_group(group);
    }
    // Filters that are not enabled filter nothing: those there are end.
    let is_filtering = broker.live.enable_property_filter();
    broker.filters.register(group, if is_filtering { &data.subscription_data_set } else { &[] });
    is_new
}

/// Code 35.
pub fn unregister_client(
    broker: &Arc<Broker>,
    request: Request<UnregisterClientRequestHeader>,
) -> Result<Response, Fault> {
    let (header, peer_id) = (&request.header, request.peer.id());
    if let Some(group) = &header.producer_group {
        broker.producers.unregister(group, peer_id);
    }
    if let Some(group) = &header.consumer_group {
        let config = broker.groups.get(group);
        let may_notify = config.is_none_or(|config| config.notify_consumer_ids_changed_enable);
        if broker.consumers.unregister(group, peer_id) && may_notify {
            broker.notify_group(group);
        }
    }
    Ok(Response { ext: Some(Default::default()), ..Response::ok() })
}

/// Code 46: whether the broker can filter by a subscription.
pub fn check_client_config(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Response, Fault> {
    let CheckClientRequestBody { client_id, group, subscription_data } = body(&request.command)?;
    if subscription_data.is_tag_type() {
        return Ok(Response::ok());
    }
    let kind = &subscription_data.expression_type;
    if !broker.live.enable_property_filter() {
        tracing::warn!(
            client_id = log_lines::beginning(&client_id),
            group = log_lines::beginning(&group),
            kind = log_lines::beginning(kind),
            "subscription of a type that is not enabled (enablePropertyFilter)"
        );
        let remark = format!("The broker does not support consumer to filter message by {kind}");
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    let refused = |reason: String| {
        let expression = &subscription_data.sub_string;
        let (client_id, group) = (log_lines::beginning(&client_id), log_lines::beginning(&group));
        let (expression, reason_shown) = (log_lines::beginning(expression), log_lines::beginning(&reason));
        tracing::warn!(client_id, group, expression, reason = reason_shown, "subscription does not compile");
        Fault::new(ResponseCode::SubscriptionParseFailed, reason)
    };
    if kind != EXPRESSION_SQL92 {
        return Err(refused(format!("there is no expression type {kind}: TAG and SQL92 are known")));
    }
    let SubscriptionData { topic, sub_string, sub_version, .. } = &subscription_data;
    let built = broker.filters.build(topic, &group, sub_string, *sub_version);
    built.map(|_| Response::ok()).map_err(|error| refused(error.to_string()))
}

/// A connection has ended.
pub fn disconnected(broker: &Arc<Broker>, peer: &Arc<Peer>) {
    broker.producers.disconnected(peer.id());
    for group in broker.consumers.disconnected(peer.id()) {
        broker.notify_group(&group);
    }
}
