//! Looking into a consume queue (321). Java: `AdminBrokerProcessor.queryConsumeQueue`, which encodes its answer before
//! it fills it.

use std::sync::Arc;

use serde_json::json;

use crate::broker::Broker;
use crate::broker::processor::reply;
use crate::protocol::body::admin::{ConsumeQueueData, QueryConsumeQueueResponseBody};
use crate::protocol::body::heartbeat::SubscriptionData;
use crate::protocol::header::query::QueryConsumeQueueRequestHeader;
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};
use crate::store::consume_queue_ext::UNIT_MIN_BYTES;
use crate::store::{ExtUnit, QueueEntry};

/// Entries of one answer: more do not fit into a frame that Java takes.
const ENTRIES_MAX: usize = 10_000;

/// Code 321.
pub fn query_consume_queue(
    broker: &Arc<Broker>,
    request: Request<QueryConsumeQueueRequestHeader>,
) -> Result<Response, Fault> {
    let QueryConsumeQueueRequestHeader { topic, queue_id, index, count, consumer_group } = &request.header;
    let count = usize::try_from(*count).unwrap_or(0).min(ENTRIES_MAX);
    let view = broker
        .store
        .queue_view(topic, *queue_id, *index, count)
        .ok_or_else(|| Fault::new(ResponseCode::SystemError, format!("{queue_id}@{topic} is not exist!")))?;
    let (mut subscription, mut filter_data) = (None, None);
    if let Some(group) = consumer_group {
        let members = broker.consumers.find(group);
        subscription = members.and_then(|members| members.subscription(topic));
        filter_data = match &subscription {
            None => Some(format!("{group}@{topic} is not online!")),
            Some(_) => broker.filters.to_json(topic, group),
        };
    }
    let data = |entry: &QueueEntry| data(entry, subscription.as_deref());
    let response = reply(&QueryConsumeQueueResponseBody {
        filter_data,
        max_queue_index: view.max_offset,
        min_queue_index: view.min_offset,
        queue_data: (!view.entries.is_empty()).then(|| view.entries.iter().map(data).collect()),
        subscription_data: subscription.as_deref().cloned(),
    });
    if view.entries.is_empty() {
        let remark = format!("Index {index} of {queue_id}@{topic} is not exist!");
        return Ok(Response { remark: Some(remark.into()), ..response });
    }
    Ok(response)
}

fn data(entry: &QueueEntry, subscription: Option<&SubscriptionData>) -> ConsumeQueueData {
    let tags_code = entry.ext.as_ref().map_or(entry.unit.tags_code, |ext| ext.tags_code);
    ConsumeQueueData {
        bit_map: entry.ext.as_ref().map(|ext| bits(&ext.bitmap)),
        // As far as the entry goes.
        eval: subscription.is_some_and(|subscription| subscription.may_match(Some(tags_code))),
        extend_data_json: entry.ext.as_ref().map(ext_json),
        msg: entry.is_ext_lost.then(|| format!("Cq extend not exist!addr: {}", entry.unit.tags_code)),
        physic_offset: entry.unit.commit_log_offset,
        physic_size: entry.unit.length,
        tags_code: entry.unit.tags_code,
    }
}

/// The highest bit first, eight bytes a line. Java: `BitsArray.toString`.
fn bits(bitmap: &[u8]) -> String {
    let line_end = |index: usize| if index.is_multiple_of(8) { "\n" } else { "" };
    let bytes = bitmap.iter().enumerate().rev();
    bytes.map(|(index, byte)| format!("{byte:08b}{}", line_end(index))).collect()
}

/// Java: `CqExtUnit` as JSON, but for its bit map, which the row has already.
fn ext_json(ext: &ExtUnit) -> String {
    let size = UNIT_MIN_BYTES + ext.bitmap.len();
    json!({ "msgStoreTime": ext.store_timestamp_ms, "size": size, "tagsCode": ext.tags_code }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_javas() {
        assert_eq!(bits(&[0b101, 0b1]), "0000000100000101\n");
        assert_eq!(bits(&[1; 9]), format!("{}\n{}\n", "00000001", "00000001".repeat(8)));
        assert_eq!(bits(&[]), "");
    }
}
