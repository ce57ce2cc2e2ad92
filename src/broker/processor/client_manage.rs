//! Clients that come, stay and go (34, 35, 46). Java: `ClientManageProcessor`, `ClientHousekeepingService`.

use std::sync::Arc;

use super::body;
use crate::broker::Broker;
use crate::broker::producers::Client;
use crate::protocol::body::client::CheckClientRequestBody;
use crate::protocol::body::heartbeat::{ConsumerData, EXPRESSION_SQL92, HeartbeatData, SubscriptionData};
use crate::protocol::header::NoHeader;
use crate::protocol::header::client::UnregisterClientRequestHeader;
use crate::protocol::perm::{PERM_READ, PERM_WRITE};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::{sys_flag, topic};
use crate::remoting::router::Answer;
use crate::remoting::{Fault, Peer, Request, Response};

/// Code 34.
pub fn heart_beat(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Answer, Fault> {
    let data: HeartbeatData = body(&request.command)?;
    let client = Client::of(&request.peer, &data.client_id, &request.command, broker.now_ms());
    let mut is_new = false;
    for consumer in &data.consumer_data_set {
        is_new |= register_consumer(broker, &client, consumer);
    }
    for producer in &data.producer_data_set {
        broker.producers.register(&producer.group_name, &client);
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
            client_id,
            group,
            kind,
            "subscription of a type that is not enabled (enablePropertyFilter)"
        );
        let remark = format!("The broker does not support consumer to filter message by {kind}");
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    let refused = |reason: String| {
        let expression = &subscription_data.sub_string;
        tracing::warn!(client_id, group, expression, reason, "subscription does not compile");
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
