//! Reading whole queues: printMsg, printMsgByQueue, consumeMessage. Java: `PrintMessageSubCommand`,
//! `PrintMessageByQueueCommand`, `ConsumeMessageCommand`. Offsets are not committed.

use std::collections::HashMap;

use serde_json::json;

use super::message_text::{self, Charset};
use super::query_msg::is_true;
use super::text::{now_ms, parse_time};
use super::{Failure, Session};
use crate::client::admin::messages::{PullStatus, Pulled, Reader};
use crate::client::admin::tools::{Place, Tools};
use crate::client::message_ext::MessageExt;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::message::PROPERTY_TAGS;
use crate::protocol::topic::TOOLS_CONSUMER_GROUP;

/// As many as brokers give at once, unless they are told otherwise.
const MOST_AT_ONCE: i64 = 32;
/// consumeMessage's own number of messages.
const MESSAGE_COUNT: i64 = 128;

fn charset(session: &Session) -> Result<Charset, Failure> {
    let Some(name) = session.value("c") else { return Ok(Charset::default()) };
    Charset::named(&name).ok_or_else(|| Failure::from(format!("the charset {name} is not known")))
}

fn time(session: &Session, option: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = session.value(option) else { return Ok(None) };
    let time = parse_time(&text);
    time.map(Some).ok_or_else(|| {
        Failure::from(format!("-{option} {text}: neither milliseconds nor yyyy-MM-dd#HH:mm:ss:SSS"))
    })
}

/// Without the messages that lie behind the end: a pull brings some more.
fn up_to(pulled: &mut Pulled, end: i64) {
    pulled.messages.retain(|message| message.queue_offset < end);
}

/// printMsg
pub async fn all_queues(session: &mut Session) -> Result<(), Failure> {
    let topic = session.required("t")?;
    let charset = charset(session)?;
    let with_body = session.value("d").is_none_or(is_true);
    let (begin, end) = (time(session, "b")?, time(session, "e")?);
    let expression = session.value("s").unwrap_or_else(|| "*".to_owned());
    let reader = Reader::new(TOOLS_CONSUMER_GROUP, &topic, &expression).map_err(Failure::from)?;
    let tools = session.tools();
    let mut spans = Vec::new();
    for place in tools.queues(&topic).await? {
        let (min, max) = tools.bounds(&place, begin, end).await?;
        spans.push((place, min, max));
    }
    let all: i64 = spans.iter().map(|(_, min, max)| (max - min).max(0)).sum();
    let mut done = 0;
    for (place, min, max) in &spans {
        let queue = &place.0;
        session.out.text(&format!("minOffset={min}, maxOffset={max}, {queue}"));
        let mut offset = *min;
        while offset < *max {
            let mut pulled = tools.pull(&reader, place, offset, MOST_AT_ONCE as i32).await?;
            let before = std::mem::replace(&mut offset, pulled.next_begin_offset);
            let status = pulled.status.name();
            match pulled.status {
                PullStatus::Found => {
                    up_to(&mut pulled, *max);
                    show(session, &pulled.messages, with_body.then_some(&charset));
                }
                PullStatus::NoMatchedMsg => {
                    session.out.text(&format!("{queue} no matched msg. status={status}, offset={offset}"));
                }
                PullStatus::NoNewMsg | PullStatus::OffsetIllegal => {
                    session
                        .out
                        .text(&format!("{queue} print msg finished. status={status}, offset={offset}"));
                    break;
                }
            }
            if offset <= before {
                break;
            }
            session.progress("messages", done + offset.min(*max) - min, all);
        }
        done += (max - min).max(0);
        session.progress("messages", done, all);
    }
    Ok(())
}

fn show(session: &mut Session, messages: &[MessageExt], body: Option<&Charset>) {
    if session.out.is_json() {
        messages.iter().for_each(|message| session.out.json(|| message_text::json(message, body)));
    } else {
        // One write for all of a pull: there may be millions.
        let lines: String = messages.iter().map(|message| message_text::line(message, body)).collect();
        session.out.text(&lines);
    }
}

/// printMsgByQueue
pub async fn one_queue(session: &mut Session) -> Result<(), Failure> {
    let (topic, broker_name) = (session.required("t")?, session.required("a")?);
    let queue_id = session.number("i")?;
    let charset = charset(session)?;
    let [is_printed, with_body, is_counted] =
        ["p", "d", "f"].map(|option| session.value(option).is_some_and(is_true));
    let (begin, end) = (time(session, "b")?, time(session, "e")?);
    let expression = session.value("s").unwrap_or_else(|| "*".to_owned());
    let reader = Reader::new(TOOLS_CONSUMER_GROUP, &topic, &expression).map_err(Failure::from)?;
    let tools = session.tools();
    let addr = tools.broker_of(&topic, &broker_name).await?;
    let place = (MessageQueue::new(&topic, &broker_name, queue_id), addr);
    let (min, max) = tools.bounds(&place, begin, end).await?;
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut offset = min;
    while offset < max {
        let mut pulled = tools.pull(&reader, &place, offset, MOST_AT_ONCE as i32).await?;
        let before = std::mem::replace(&mut offset, pulled.next_begin_offset);
        let goes_on = matches!(pulled.status, PullStatus::Found | PullStatus::NoMatchedMsg);
        up_to(&mut pulled, max);
        for message in &pulled.messages {
            let tag = message.property(PROPERTY_TAGS).filter(|tag| !tag.trim().is_empty());
            if let Some(tag) = tag {
                *counts.entry(tag.to_owned()).or_default() += 1;
            }
        }
        if is_printed {
            show(session, &pulled.messages, with_body.then_some(&charset));
        }
        if !goes_on || offset <= before {
            break;
        }
        session.progress("messages", offset.min(max) - min, max - min);
    }
    session.progress("messages", 1, 1);
    if is_counted {
        for (tag, count) in by_count(counts) {
            session
                .out
                .put(&format!("Tag: {tag:<30} Count: {count}\n"), || json!({"tag": tag, "count": count}));
        }
    }
    Ok(())
}

/// The most frequent first.
fn by_count(counts: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

/// What consumeMessage is to read.
struct Wanted {
    count: i64,
    begin: Option<i64>,
    end: Option<i64>,
}

/// consumeMessage
pub async fn consume(session: &mut Session) -> Result<(), Failure> {
    let topic = session.required("t")?;
    // Java takes the group's name from -b.
    let group = session.value("g").unwrap_or_else(|| TOOLS_CONSUMER_GROUP.to_owned());
    let count = if session.has("c") { session.number("c")? } else { MESSAGE_COUNT };
    if count <= 0 {
        return Err(Failure::told("Please input a positive messageNumber!"));
    }
    if session.has("i") && !session.has("b") {
        return Err(Failure::told("Please set the brokerName before queueId!"));
    }
    if session.has("o") && !session.has("i") {
        return Err(Failure::told("Please set queueId before offset!"));
    }
    let wanted = Wanted { count, begin: time(session, "s")?, end: time(session, "e")? };
    check_times(&wanted, now_ms())?;
    let reader = Reader::new(&group, &topic, "*").map_err(Failure::from)?;
    let tools = session.tools();
    match session.value("b") {
        Some(broker_name) if session.has("i") => {
            let addr = tools.broker_of(&topic, &broker_name).await?;
            let place = (MessageQueue::new(&topic, &broker_name, session.number("i")?), addr);
            let offset = if session.has("o") { session.number("o")? } else { 0 };
            consume_queue(session, &tools, &reader, &place, offset, &wanted).await
        }
        broker_name => {
            let mut places = tools.queues(&topic).await?;
            places.retain(|(queue, _)| broker_name.as_ref().is_none_or(|name| *name == queue.broker_name));
            consume_all(session, &tools, &reader, &places, &wanted).await
        }
    }
}

fn check_times(wanted: &Wanted, now_ms: i64) -> Result<(), Failure> {
    let is_future = |time: Option<i64>| time.is_some_and(|time| time > now_ms);
    if is_future(wanted.begin) {
        return Err(Failure::told("Please set the beginTimestamp before now!"));
    }
    if is_future(wanted.end) {
        return Err(Failure::told("Please set the endTimestamp before now!"));
    }
    if wanted.end.is_some_and(|end| wanted.begin.unwrap_or(0) > end) {
        let text = "Please make sure that the beginTimestamp is less than or equal to the endTimestamp";
        return Err(Failure::told(text));
    }
    Ok(())
}

async fn consume_queue(
    session: &mut Session,
    tools: &Tools,
    reader: &Reader,
    place: &Place,
    offset: i64,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let (min, mut max) = tools.bounds(place, wanted.begin, wanted.end).await?;
    if offset > max {
        session.out.text(&format!("{} no matched msg, offset={offset}\n", place.0));
        return Ok(());
    }
    let min = min.max(offset);
    if max - min > wanted.count {
        session.out.text(&format!("The oldler {} message will be provided\n", wanted.count));
        max = min + wanted.count - 1;
    }
    pull_by_queue(session, tools, reader, place, min, max).await
}

async fn consume_all(
    session: &mut Session,
    tools: &Tools,
    reader: &Reader,
    places: &[Place],
    wanted: &Wanted,
) -> Result<(), Failure> {
    let mut left = wanted.count;
    for place in places {
        if left <= 0 {
            break;
        }
        let (min, mut max) = tools.bounds(place, wanted.begin, wanted.end).await?;
        if max - min > left {
            let queue_id = place.0.queue_id;
            session.out.text(&format!("The older {left} message of the {queue_id} queue will be provided\n"));
            max = min + left - 1;
            left = 0;
        } else {
            // Java takes one off for each queue, and stops no more once it has passed zero.
            left -= (max - min).max(0);
        }
        pull_by_queue(session, tools, reader, place, min, max).await?;
    }
    Ok(())
}

/// Up to and with the message at `max`.
async fn pull_by_queue(
    session: &mut Session,
    tools: &Tools,
    reader: &Reader,
    place: &Place,
    min: i64,
    max: i64,
) -> Result<(), Failure> {
    let queue = &place.0;
    let mut offset = min;
    while offset <= max {
        let most = (max - offset + 1).min(i64::from(i32::MAX)) as i32;
        let pulled = tools.pull(reader, place, offset, most).await?;
        let before = std::mem::replace(&mut offset, pulled.next_begin_offset);
        let status = pulled.status.name();
        match pulled.status {
            PullStatus::Found => {
                session.out.text("Consume ok\n");
                show(session, &pulled.messages, Some(&Charset::default()));
            }
            PullStatus::NoMatchedMsg => {
                session.out.text(&format!("{queue} no matched msg. status={status}, offset={offset}\n"));
            }
            PullStatus::NoNewMsg | PullStatus::OffsetIllegal => {
                session.out.text(&format!("{queue} print msg finished. status={status}, offset={offset}\n"));
                break;
            }
        }
        if offset <= before {
            break;
        }
        session.progress("messages", (offset - min).min(max - min), max - min);
    }
    session.progress("messages", 1, 1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_must_have_been_and_stand_in_order() {
        let check = |begin: Option<i64>, end: Option<i64>, expected: Option<&str>| {
            let told = check_times(&Wanted { count: 1, begin, end }, 100).err().map(|it| it.to_string());
            assert_eq!(told.as_deref(), expected);
        };
        check(None, None, None);
        check(Some(1), Some(100), None);
        check(Some(101), None, Some("Please set the beginTimestamp before now!"));
        check(None, Some(101), Some("Please set the endTimestamp before now!"));
        check(
            Some(3),
            Some(2),
            Some("Please make sure that the beginTimestamp is less than or equal to the endTimestamp"),
        );
    }

    #[test]
    fn the_most_frequent_tag_comes_first() {
        let counts = [("b", 1), ("a", 1), ("c", 5)].map(|(tag, count)| (tag.to_owned(), count));
        let ordered: Vec<String> = by_count(counts.into()).into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(ordered, ["c", "a", "b"]);
    }
}
