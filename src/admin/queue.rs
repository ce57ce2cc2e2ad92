//! queryCq: entries of a consume queue. Java: `QueryConsumeQueueCommand`. A 4.3.0 broker answers with an empty body and a
//! broker without that request with none: then the entries are read by pulling.

use serde_json::json;

use super::{Failure, Session};
use crate::client::admin::messages::{PullStatus, Reader};
use crate::client::admin::tools::{Place, Tools};
use crate::client::message_ext::MessageExt;
use crate::protocol::body::admin::{ConsumeQueueData, QueryConsumeQueueResponseBody};
use crate::protocol::body::heartbeat::SubscriptionData;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::header::query::QueryConsumeQueueRequestHeader;
use crate::protocol::message::PROPERTY_TAGS;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::topic::TOOLS_CONSUMER_GROUP;

const LINE: &str = "======================================\n";

/// queryCq
pub async fn query(session: &mut Session) -> Result<(), Failure> {
    let topic = session.required("t")?;
    let header = QueryConsumeQueueRequestHeader {
        topic: topic.clone(),
        queue_id: session.number("q")?,
        index: session.number("i")?,
        count: if session.has("c") { session.number("c")? } else { 10 },
        consumer_group: session.value("g"),
    };
    let tools = session.tools();
    let broker = match session.value("b").filter(|broker| !broker.is_empty()) {
        Some(broker) => broker,
        None => first_master(&tools, &topic).await?,
    };
    let mut body = match tools.calls.consume_queue(&broker, &header).await {
        Ok(body) => body,
        Err(error) if error.code() == Some(ResponseCode::RequestCodeNotSupported.into()) => {
            QueryConsumeQueueResponseBody::default()
        }
        Err(error) => return Err(error.into()),
    };
    if body.queue_data.is_none() && body.max_queue_index == 0 {
        body = read(&tools, broker, &header).await?;
    }
    let text = text(&body, header.index)?;
    session.out.put(&text, || json!(body));
    Ok(())
}

async fn first_master(tools: &Tools, topic: &str) -> Result<String, Failure> {
    let route = tools.route(topic).await?;
    let master = route.broker_datas.iter().find_map(|broker| broker.master_addr());
    master.map(str::to_owned).ok_or_else(|| Failure::from("No topic route data!".to_owned()))
}

/// What the broker would have said.
async fn read(
    tools: &Tools,
    broker: String,
    header: &QueryConsumeQueueRequestHeader,
) -> Result<QueryConsumeQueueResponseBody, Failure> {
    let mut body = QueryConsumeQueueResponseBody::default();
    if let Some(group) = &header.consumer_group {
        let connection = tools.consumer_connection(group).await.ok();
        body.subscription_data = connection.and_then(|mut it| it.subscription_table.remove(&header.topic));
        if body.subscription_data.is_none() {
            body.filter_data = Some(format!("{group}@{} is not online!", header.topic));
        }
    }
    let place: Place = (MessageQueue::new(&header.topic, "", header.queue_id), broker);
    (body.min_queue_index, body.max_queue_index) = tools.bounds(&place, None, None).await?;
    let reader = Reader::new(TOOLS_CONSUMER_GROUP, &header.topic, "*").map_err(Failure::from)?;
    let end = header.index.saturating_add(header.count.into()).min(body.max_queue_index);
    let mut offset = header.index;
    let mut entries = Vec::new();
    while offset < end {
        let most = i32::try_from(end - offset).unwrap_or(i32::MAX);
        let pulled = tools.pull(&reader, &place, offset, most).await?;
        if pulled.status != PullStatus::Found || pulled.next_begin_offset <= offset {
            break;
        }
        offset = pulled.next_begin_offset;
        entries.extend(pulled.messages.iter().map(|message| entry(message, body.subscription_data.as_ref())));
    }
    body.queue_data = Some(entries);
    Ok(body)
}

fn entry(message: &MessageExt, subscription: Option<&SubscriptionData>) -> ConsumeQueueData {
    let tags_code = message.property(PROPERTY_TAGS).map_or(0, compat::hash::java_string_hash);
    let eval = subscription.is_some_and(|data| data.is_tag_type() && data.may_match(Some(tags_code.into())));
    ConsumeQueueData {
        physic_offset: message.commit_log_offset,
        physic_size: message.store_size,
        tags_code: tags_code.into(),
        eval,
        ..ConsumeQueueData::default()
    }
}

fn text(body: &QueryConsumeQueueResponseBody, index: i64) -> Result<String, Failure> {
    let mut text = String::new();
    if let Some(data) = &body.subscription_data {
        let pretty = compat::json::to_pretty_java(data).map_err(|error| Failure::from(error.to_string()))?;
        text += &format!("Subscription data: \n{}\n{LINE}", String::from_utf8_lossy(&pretty));
    }
    if let Some(data) = &body.filter_data {
        text += &format!("Filter data: \n{data}\n{LINE}");
    }
    text += &format!("Queue data: \nmax: {}, min: {}\n{LINE}", body.max_queue_index, body.min_queue_index);
    for (at, entry) in (index..).zip(body.queue_data.iter().flatten()) {
        text += &format!("idx: {at}\n{}\n{LINE}", entry_text(entry));
    }
    Ok(text)
}

/// Java: `ConsumeQueueData.toString`.
fn entry_text(entry: &ConsumeQueueData) -> String {
    let or_null = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
    format!(
        "ConsumeQueueData{{physicOffset={}, physicSize={}, tagsCode={}, extendDataJson='{}', bitMap='{}', eval={}, \
         msg='{}'}}",
        entry.physic_offset,
        entry.physic_size,
        entry.tags_code,
        or_null(&entry.extend_data_json),
        or_null(&entry.bit_map),
        entry.eval,
        or_null(&entry.msg)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_numbered_and_printed_as_java_does() {
        let entry = ConsumeQueueData { physic_offset: 7, physic_size: 9, ..ConsumeQueueData::default() };
        let body = QueryConsumeQueueResponseBody {
            max_queue_index: 5,
            min_queue_index: 1,
            filter_data: Some("g@T is not online!".to_owned()),
            queue_data: Some(vec![entry]),
            subscription_data: None,
        };
        let expected = "Filter data: \ng@T is not online!\n======================================\n\
             Queue data: \nmax: 5, min: 1\n======================================\n\
             idx: 4\nConsumeQueueData{physicOffset=7, physicSize=9, tagsCode=0, extendDataJson='null', \
             bitMap='null', eval=false, msg='null'}\n======================================\n";
        assert_eq!(text(&body, 4).unwrap(), expected);
    }
}
