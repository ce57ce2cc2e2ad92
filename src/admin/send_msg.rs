//! Sending: sendMessage, checkMsgSendRT, sendMsgStatus, clusterRT. Java: `SendMessageCommand`, `CheckMsgSendRTCommand`,
//! `SendMsgStatusCommand`, `CLusterSendMsgRTCommand`.

use std::time::{Duration, Instant};

use serde_json::json;

use super::query_msg::is_true;
use super::text::{fixed, now_ms};
use super::{Failure, Session};
use crate::client::message_ext::Message;
use crate::client::producer::{Producer, SendResult};
use crate::protocol::body::queue::MessageQueue;

/// The times of tlog lines are China's.
const TLOG_OFFSET_HOURS: i8 = 8;

/// Java names a tool's producer group after the time.
fn producer(session: &Session) -> Result<Producer, Failure> {
    Ok(Producer::new(session.tools().namesrvs()?.clone(), &now_ms().to_string()))
}

fn row(columns: [&str; 4]) -> String {
    let [broker, queue, result, last] = columns;
    format!("{broker:<32}  {queue:<4}  {result:<20}    {last}\n")
}

/// sendMessage
pub async fn send(session: &mut Session) -> Result<(), Failure> {
    let (topic, body) = (session.required("t")?, session.required("p")?);
    if session.has("i") && !session.has("b") {
        return Err(Failure::told("Broker name must be set if the queue is chosen!"));
    }
    let mut message = Message::new(&topic, body.into_bytes());
    if let Some(tags) = session.value("c") {
        message = message.with_tags(&tags);
    }
    if let Some(keys) = session.value("k") {
        message = message.with_keys(&keys);
    }
    let producer = producer(session)?;
    let sent = send_where(session, &producer, &message).await;
    producer.shutdown().await;
    let result = sent?;
    let queue = &result.message_queue;
    session.out.text(&row(["#Broker Name", "#QID", "#Send Result", "#MsgId"]));
    let (queue_id, status) = (queue.queue_id.to_string(), result.send_status.name());
    session.out.put(&row([&queue.broker_name, &queue_id, status, &result.msg_id]), || {
        json!({
            "brokerName": queue.broker_name,
            "queueId": queue.queue_id,
            "sendResult": status,
            "msgId": result.msg_id,
            "offsetMsgId": result.offset_msg_id,
            "queueOffset": result.queue_offset,
        })
    });
    Ok(())
}

async fn send_where(
    session: &Session,
    producer: &Producer,
    message: &Message,
) -> Result<SendResult, Failure> {
    let Some(broker_name) = session.value("b") else { return Ok(producer.send(message).await?) };
    let chosen: i32 = if session.has("i") { session.number("i")? } else { -1 };
    if chosen >= 0 {
        let queue = MessageQueue::new(&message.topic, &broker_name, chosen);
        return Ok(producer.send_to(message, &queue).await?);
    }
    // Java sends anywhere.
    let mut queues = producer.queues(&message.topic).await?;
    queues.retain(|queue| queue.broker_name == broker_name);
    let at = usize::try_from(now_ms()).unwrap_or(0) % queues.len().max(1);
    let queue = queues.get(at).cloned().unwrap_or_else(|| MessageQueue::new(&message.topic, &broker_name, 0));
    Ok(producer.send_to(message, &queue).await?)
}

fn number_or(session: &Session, option: &str, usual: i64) -> Result<i64, Failure> {
    if session.has(option) { session.number(option) } else { Ok(usual) }
}

fn body_of(size: i64) -> Vec<u8> {
    vec![b'a'; usize::try_from(size).unwrap_or(0)]
}

/// The average of all sends but the first, which finds the way. Java: NaN where there was only that one.
fn average_ms(elapsed: Duration, amount: i64) -> f64 {
    elapsed.as_millis() as f64 / (amount - 1) as f64
}

/// checkMsgSendRT
pub async fn check_rt(session: &mut Session) -> Result<(), Failure> {
    let topic = session.required("t")?;
    let amount = number_or(session, "a", 100)?;
    let message = Message::new(&topic, body_of(session.number("s")?));
    let producer = producer(session)?;
    session.out.text(&row(["#Broker Name", "#QID", "#Send Result", "#RT"]));
    let mut elapsed = Duration::ZERO;
    let mut failures = session.failures();
    for at in 0..amount {
        let began = Instant::now();
        let mut place = (String::new(), 0);
        let sent = async {
            let queues = producer.queues(&topic).await?;
            let queue = &queues[usize::try_from(at).unwrap_or(0) % queues.len()];
            place = (queue.broker_name.clone(), queue.queue_id);
            producer.send_to(&message, queue).await
        };
        let sent = sent.await;
        let took = began.elapsed();
        if at > 0 {
            elapsed += took;
        }
        let (is_sent, took) = (sent.is_ok(), took.as_millis() as u64);
        let (broker, queue_id) = &place;
        session.out.put(
            &row([broker, &queue_id.to_string(), &is_sent.to_string(), &took.to_string()]),
            || json!({"brokerName": broker, "queueId": queue_id, "sendResult": is_sent, "rtMs": took}),
        );
        failures.note(sent.map(drop).map_err(Failure::from));
    }
    producer.shutdown().await;
    session.out.text(&format!("Avg RT: {}\n", fixed(average_ms(elapsed, amount), 2)));
    failures.result()
}

/// Java's body: whole greetings, one more than is needed where they do not divide.
fn greeting(size: i64) -> Vec<u8> {
    let times = usize::try_from(size.max(0)).unwrap_or(0).div_ceil(11);
    b"hello jodie".repeat(times)
}

/// sendMsgStatus
pub async fn status(session: &mut Session) -> Result<(), Failure> {
    let broker_name = session.required("b")?;
    let (size, count) = (number_or(session, "s", 128)?, number_or(session, "c", 50)?);
    let producer = Producer::new(session.tools().namesrvs()?.clone(), "PID_SMSC");
    let sent = async {
        // The first one finds the way.
        producer.send(&Message::new(&broker_name, greeting(16))).await?;
        let message = Message::new(&broker_name, greeting(size));
        for _ in 0..count {
            let began = Instant::now();
            let result = producer.send(&message).await?;
            let took = began.elapsed().as_millis() as u64;
            session.out.put(&format!("rt:{took}ms, SendResult={result}"), || {
                json!({
                    "rtMs": took,
                    "sendStatus": result.send_status.name(),
                    "msgId": result.msg_id,
                    "offsetMsgId": result.offset_msg_id,
                    "messageQueue": result.message_queue,
                    "queueOffset": result.queue_offset,
                })
            });
        }
        Ok(())
    };
    let sent = sent.await;
    producer.shutdown().await;
    sent
}

/// clusterRT: without end.
pub async fn cluster_rt(session: &mut Session) -> Result<(), Failure> {
    let (amount, interval) = (number_or(session, "a", 50)?, number_or(session, "i", 10)?);
    let size = session.number("s")?;
    let is_tlog = session.value("p").is_some_and(is_true);
    let room = session.value("m").unwrap_or_else(|| "noname".to_owned());
    let clusters = session.tools().cluster_info().await?.cluster_addr_table;
    let wanted: Vec<String> = match session.value("c") {
        Some(cluster) if !clusters.contains_key(&cluster) => {
            return Err(Failure::told(&format!("cluster [{cluster}] not exist")));
        }
        Some(cluster) => vec![cluster],
        None => clusters.keys().cloned().collect(),
    };
    let producer = producer(session)?;
    if !is_tlog {
        let header = ["#Cluster Name", "#Broker Name", "#RT", "#successCount", "#failCount"];
        let [cluster, broker, rt, ok, failed] = header;
        session.out.text(&format!("{cluster:<24}  {broker:<24}  {rt:<4}  {ok:<8}  {failed:<8}\n"));
    }
    loop {
        for cluster in &wanted {
            for broker in &clusters[cluster] {
                let message = Message::new(broker, body_of(size));
                let (rt, ok, failed) = measure(&producer, &message, amount).await;
                let text = if is_tlog {
                    format!("{}|{room}|{cluster}|{broker}|{}\n", china_time(), fixed(rt, 0))
                } else {
                    let rt = fixed(rt, 2);
                    format!("{cluster:<24}  {broker:<24}  {rt:<8}  {ok:<16}  {failed:<16}\n")
                };
                session.out.put(&text, || {
                    json!({
                        "clusterName": cluster,
                        "brokerName": broker,
                        "rtMs": rt,
                        "successCount": ok,
                        "failCount": failed,
                    })
                });
            }
        }
        tokio::time::sleep(Duration::from_secs(u64::try_from(interval).unwrap_or(0))).await;
    }
}

async fn measure(producer: &Producer, message: &Message, amount: i64) -> (f64, u64, u64) {
    let (mut elapsed, mut ok, mut failed) = (Duration::ZERO, 0, 0);
    for at in 0..amount {
        let began = Instant::now();
        match producer.send(message).await {
            Ok(_) => ok += 1,
            Err(error) => {
                tracing::debug!(%error, "not sent");
                failed += 1;
            }
        }
        if at > 0 {
            elapsed += began.elapsed();
        }
    }
    (average_ms(elapsed, amount), ok, failed)
}

fn china_time() -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(TLOG_OFFSET_HOURS));
    jiff::Timestamp::now().to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_javas() {
        assert_eq!(greeting(16), b"hello jodiehello jodie");
        assert_eq!(greeting(11), b"hello jodie");
        assert_eq!(greeting(-1), b"");
        assert_eq!(body_of(3), b"aaa");
    }

    #[test]
    fn the_first_send_does_not_count() {
        assert_eq!(fixed(average_ms(Duration::from_millis(10), 5), 2), "2.50");
        assert_eq!(fixed(average_ms(Duration::ZERO, 1), 2), "NaN");
    }

    #[test]
    fn rows_stand_as_java_prints_them() {
        let expected = "#Broker Name                      #QID  #Send Result            #MsgId\n";
        assert_eq!(row(["#Broker Name", "#QID", "#Send Result", "#MsgId"]), expected);
    }
}
