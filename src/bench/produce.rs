//! `bench produce`: sends with a fixed number of requests in flight on each connection. Each message carries a
//! number of its own (connection and sequence) in its body, its unique key and its index key, by which `bench
//! consume --verify` finds out what is missing, doubled or out of order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde_json::json;

use super::drive::{DriveError, Load, connect, drive};
use super::report::{CpuMeter, Live, Report, histogram, record};
use super::target::{Target, TargetArgs};
use super::wire::{NUMBER_MARK, OPAQUE_BASE, Reply, TIME_MARK, Template};
use super::{Error, runtime};
use crate::protocol::header::send::SendMessageRequestHeaderV2;
use crate::protocol::message::{
    NAME_VALUE_SEPARATOR, PROPERTY_KEYS, PROPERTY_SEPARATOR, PROPERTY_TAGS,
    PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, PROPERTY_WAIT_STORE_MSG_OK,
};
use crate::protocol::request_code::RequestCode;
use crate::remoting::{Command, SUCCESS, SerializeType};

/// The body's head: eight digits for the run, sixteen for the message's number.
pub(super) const STAMP_BYTES: usize = 24;
/// Bits of a message's number that count; those above name the connection.
pub(super) const SEQUENCE_BITS: u32 = 48;
/// Most requests in flight on a connection: the slot's bits of an opaque.
const WINDOW_MAX: u16 = 8192;

#[derive(Debug, clap::Args)]
pub(super) struct ProduceArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Requests in flight on each connection
    #[arg(long, short = 'f', default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=i64::from(WINDOW_MAX)))]
    in_flight: u16,
    /// Bytes of a message's body
    #[arg(long, short = 's', default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    size: u32,
    /// Messages in a request; more than one goes as SEND_BATCH_MESSAGE
    #[arg(long, short = 'b', default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// Messages to send; without it, as many as the duration allows
    #[arg(long, short = 'n', conflicts_with = "duration")]
    count: Option<u64>,
    /// Seconds to send for
    #[arg(long, short = 'd', default_value_t = 10.0)]
    duration: f64,
    /// Seconds of sending that are not measured, before
    #[arg(long, short = 'w', default_value_t = 0.0)]
    warmup: f64,
    /// Give each message an index key of its own
    #[arg(long)]
    keys: bool,
    /// Give each message a tag
    #[arg(long)]
    tags: bool,
    /// Threads of this program; one drives about a million messages a second
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
}

/// Sends, prints the result; false: something was refused or lost.
pub(super) fn run(args: &ProduceArgs) -> Result<bool, Error> {
    if args.threads == 1 {
        return runtime()?.block_on(measure(args));
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(args.threads.into()).enable_all();
    builder.build().map_err(Error::io("start the runtime"))?.block_on(measure(args))
}

async fn measure(args: &ProduceArgs) -> Result<bool, Error> {
    let targets = args.target.resolve().await?;
    let connections = usize::from(args.target.connections);
    let live = Arc::new(Live::default());
    let mut streams = Vec::new();
    for index in 0..connections {
        streams.push(connect(&args.target.target_of(&targets, index).addr).await?);
    }
    let begin = Instant::now() + seconds(args.warmup);
    let end = args.count.is_none().then(|| begin + seconds(args.duration));
    let shown = live.show("produce");
    let patience = args.target.patience();
    let run = format!("{:08X}", now_ms() as u32);
    let mut tasks = Vec::new();
    for (index, stream) in streams.into_iter().enumerate() {
        let target = args.target.target_of(&targets, index);
        let templates = templates(args, target, &run);
        let share = args.count.map(|count| share_of(count.div_ceil(args.batch.into()), connections, index));
        let mut sender =
            Sender::new(templates, index, args.in_flight, args.batch, (begin, end), share, Arc::clone(&live));
        tasks.push(tokio::spawn(async move {
            let result = drive(&stream, &mut sender, patience).await;
            (sender.tally, result)
        }));
    }
    tokio::time::sleep_until(begin.into()).await;
    let meter = CpuMeter::start(args.target.server_pid);
    let mut used = None;
    if let Some(end) = end {
        tokio::time::sleep_until(end.into()).await;
        used = Some(meter.stop());
    }
    let mut total = Tally::new(begin);
    let mut failed = Vec::new();
    for task in tasks {
        let (tally, result) = task.await.map_err(|error| Error::Usage(error.to_string()))?;
        total.add(&tally);
        failed.extend(result.err());
    }
    let used = used.unwrap_or_else(|| meter.stop());
    drop(shown);
    let elapsed = end.unwrap_or(total.last).duration_since(begin);
    let mut report = Report::new("produce", parameters(args, &targets));
    report.throughput(total.messages, total.messages * u64::from(args.size), elapsed);
    report.latency("latency", "latency_us", &total.latency);
    report.cpu(used, total.messages, elapsed, args.target.server_pid);
    report.errors(&total.errors);
    let lost: Vec<String> = failed.iter().map(DriveError::to_string).collect();
    if !lost.is_empty() {
        report.put("connections", format!("{} failed: {}", lost.len(), lost[0]), "failed", json!(lost));
    }
    report.print(args.target.json);
    Ok(total.errors.is_empty() && lost.is_empty())
}

fn parameters(args: &ProduceArgs, targets: &[Target]) -> serde_json::Value {
    json!({
        "brokers": targets.iter().map(|target| &target.addr).collect::<Vec<_>>(),
        "topic": args.target.topic,
        "queues": targets[0].queues,
        "connections": args.target.connections,
        "in_flight": args.in_flight,
        "size": args.size,
        "batch": args.batch,
        "keys": args.keys,
        "tags": args.tags,
        "warmup_s": args.warmup,
    })
}

/// Part number `index` of a count that is shared out.
fn share_of(count: u64, parts: usize, index: usize) -> u64 {
    let parts = parts as u64;
    count / parts + u64::from((index as u64) < count % parts)
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::from_secs(86_400))
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A request for each queue of the target.
fn templates(args: &ProduceArgs, target: &Target, run: &str) -> Vec<Template> {
    let properties = properties(args, run);
    let body = message_body(args.size as usize, run);
    (0..target.queues)
        .map(|queue_id| {
            let (own, body) = if args.batch == 1 {
                (properties.clone(), body.clone())
            } else {
                let item = batch_item(&body, &properties);
                (property(PROPERTY_WAIT_STORE_MSG_OK, "true"), item.repeat(args.batch.into()))
            };
            send_template(&args.target.topic, queue_id, &own, body, args.batch > 1, args.target.form())
        })
        .collect()
}

/// A send request as the 4.3.0 producer makes it.
pub(super) fn send_template(
    topic: &str,
    queue_id: i32,
    properties: &str,
    body: Vec<u8>,
    batch: bool,
    form: SerializeType,
) -> Template {
    let header = SendMessageRequestHeaderV2 {
        producer_group: "bench_producer",
        topic,
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id,
        born_timestamp: TIME_MARK,
        properties: Some(properties),
        reconsume_times: Some(0),
        batch,
        ..SendMessageRequestHeaderV2::default()
    };
    let code = if batch { RequestCode::SendBatchMessage } else { RequestCode::SendMessageV2 };
    Template::new(Command::request(code, &header).with_body(body), form)
}

fn properties(args: &ProduceArgs, run: &str) -> String {
    // A unique key has 32 digits. Java's begin with address and process id; here it is a constant and the run.
    let unique = format!("7F000001{run}{NUMBER_MARK}");
    let mut text = property(PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, &unique);
    text.push_str(&property(PROPERTY_WAIT_STORE_MSG_OK, "true"));
    if args.keys {
        text.push_str(&property(PROPERTY_KEYS, NUMBER_MARK));
    }
    if args.tags {
        text.push_str(&property(PROPERTY_TAGS, "TagA"));
    }
    text
}

pub(super) fn property(name: &str, value: &str) -> String {
    format!("{name}{NAME_VALUE_SEPARATOR}{value}{PROPERTY_SEPARATOR}")
}

/// A body with the stamp in front, where there is room for it.
pub(super) fn message_body(size: usize, run: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(size);
    if size >= STAMP_BYTES {
        body.extend_from_slice(run.as_bytes());
        body.extend_from_slice(NUMBER_MARK.as_bytes());
    }
    // Neither constant nor random: text that compresses as text does.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    while body.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        body.push(b'a' + ((state >> 59) as u8) % 26);
    }
    body
}

/// One message of a batch's body.
fn batch_item(body: &[u8], properties: &str) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).expect("options bound the sizes").to_be_bytes();
    let mut item = Vec::new();
    item.extend_from_slice(&length(22 + body.len() + properties.len()));
    // Magic, CRC and flag: the broker looks at none of them.
    item.extend_from_slice(&[0; 12]);
    item.extend_from_slice(&length(body.len()));
    item.extend_from_slice(body);
    let properties_length = u16::try_from(properties.len()).expect("a few short properties");
    item.extend_from_slice(&properties_length.to_be_bytes());
    item.extend_from_slice(properties.as_bytes());
    item
}

/// What came of the sends of a connection, or of all.
struct Tally {
    messages: u64,
    errors: BTreeMap<i32, u64>,
    latency: Histogram<u64>,
    last: Instant,
}

impl Tally {
    fn new(begin: Instant) -> Tally {
        Tally { messages: 0, errors: BTreeMap::new(), latency: histogram(), last: begin }
    }

    fn add(&mut self, other: &Tally) {
        self.messages += other.messages;
        for (code, count) in &other.errors {
            *self.errors.entry(*code).or_default() += count;
        }
        self.latency.add(&other.latency).expect("both have the same bounds");
        self.last = self.last.max(other.last);
    }
}

/// One connection's load. A request's opaque names its slot and how often the slot was used.
struct Sender {
    templates: Vec<Template>,
    next_template: usize,
    batch: u64,
    marks: usize,
    /// When each slot's request was made; none: the slot is free.
    slots: Vec<Option<(Instant, u32)>>,
    free: Vec<u16>,
    generation: u32,
    next_number: u64,
    begin: Instant,
    end: Option<Instant>,
    /// Requests still to be made from `begin` on.
    left: Option<u64>,
    stopped: bool,
    clock: (Instant, i64),
    tally: Tally,
    live: Arc<Live>,
}

impl Sender {
    fn new(
        templates: Vec<Template>,
        index: usize,
        window: u16,
        batch: u16,
        (begin, end): (Instant, Option<Instant>),
        left: Option<u64>,
        live: Arc<Live>,
    ) -> Sender {
        let marks = templates[0].number_marks() / usize::from(batch);
        Sender {
            // Connections begin with different queues.
            next_template: index % templates.len(),
            templates,
            batch: batch.into(),
            marks,
            slots: vec![None; window.into()],
            free: (0..window).rev().collect(),
            generation: 0,
            next_number: (index as u64) << SEQUENCE_BITS,
            begin,
            end,
            left,
            stopped: false,
            clock: (Instant::now(), now_ms()),
            tally: Tally::new(begin),
            live,
        }
    }
}

impl Load for Sender {
    fn next(&mut self, out: &mut Vec<u8>, now: Instant) -> bool {
        self.stopped |= self.left == Some(0) || self.end.is_some_and(|end| now >= end);
        if self.stopped {
            return false;
        }
        let Some(slot) = self.free.pop() else { return false };
        if now >= self.begin
            && let Some(left) = &mut self.left
        {
            *left -= 1;
        }
        self.generation = (self.generation + 1) & 0xFFFF;
        let tag = self.generation * u32::from(WINDOW_MAX) + u32::from(slot);
        let index = self.next_template;
        self.next_template = (index + 1) % self.templates.len();
        let template = &mut self.templates[index];
        let now_ms = self.clock.1 + i64::try_from(now.duration_since(self.clock.0).as_millis()).unwrap_or(0);
        template.set_time(now_ms);
        template.append(out, OPAQUE_BASE + tag, self.next_number, self.marks);
        self.next_number += self.batch;
        self.slots[usize::from(slot)] = Some((now, tag));
        true
    }

    fn reply(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), DriveError> {
        let tag = reply.opaque.wrapping_sub(OPAQUE_BASE);
        let slot = tag % u32::from(WINDOW_MAX);
        let waiting = self.slots.get_mut(slot as usize).and_then(|held| held.take_if(|held| held.1 == tag));
        let Some((sent, _)) = waiting else {
            return Err(DriveError::Refused(format!("a reply to nothing: {}", reply.header_text())));
        };
        self.free.push(slot as u16);
        if sent < self.begin || self.end.is_some_and(|end| now > end) {
            return Ok(());
        }
        if reply.code == SUCCESS {
            self.tally.messages += self.batch;
            self.live.messages.fetch_add(self.batch, Ordering::Relaxed);
            record(&mut self.tally.latency, now.duration_since(sent), 1);
            self.tally.last = now;
        } else {
            *self.tally.errors.entry(reply.code).or_default() += self.batch;
            self.live.errors.fetch_add(self.batch, Ordering::Relaxed);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.stopped && self.free.len() == self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (count, parts) in [(0, 3), (10, 3), (2, 8), (16, 8)] {
            assert_eq!((0..parts).map(|index| share_of(count, parts, index)).sum::<u64>(), count);
        }
    }

    fn sender(left: Option<u64>) -> Sender {
        let template = send_template("T", 0, NUMBER_MARK, b"x".to_vec(), false, SerializeType::RocketMq);
        let begin = Instant::now();
        Sender::new(vec![template], 1, 2, 1, (begin, None), left, Arc::default())
    }

    fn reply(code: i32, opaque: u32) -> Vec<u8> {
        let command = Command { code, flag: 1, opaque: opaque as i32, ..Command::default() };
        let mut bytes = bytes::BytesMut::new();
        crate::remoting::codec::encode(&command, &mut bytes);
        bytes.to_vec()
    }

    #[test]
    fn the_window_bounds_what_is_in_flight() {
        let mut sender = sender(Some(3));
        let mut scanner = super::super::wire::Scanner::default();
        let mut out = Vec::new();
        let now = Instant::now();
        assert!(sender.next(&mut out, now) && sender.next(&mut out, now) && !sender.next(&mut out, now));
        let mut opaques = Vec::new();
        let mut rest = &out[..];
        while let Some((request, length)) = scanner.next(rest).unwrap() {
            opaques.push(request.opaque);
            rest = &rest[length..];
        }
        let give = |sender: &mut Sender, code: i32, opaque: u32| {
            let bytes = reply(code, opaque);
            let (reply, _) = super::super::wire::Scanner::default().next(&bytes).unwrap().unwrap();
            sender.reply(&reply, Instant::now())
        };
        assert!(give(&mut sender, 2, opaques[1]).is_ok());
        assert!(give(&mut sender, 0, opaques[1]).is_err(), "answered twice");
        assert!(sender.next(&mut out, now) && !sender.next(&mut out, now));
        assert!(!sender.is_done());
        assert!(give(&mut sender, 0, opaques[0]).is_ok());
        let (last, _) = scanner.next(&out[out.len() / 3 * 2..]).unwrap().unwrap();
        assert!(give(&mut sender, 0, last.opaque).is_ok());
        assert!(!sender.next(&mut out, now) && sender.is_done());
        assert_eq!((sender.tally.messages, &sender.tally.errors), (2, &BTreeMap::from([(2, 1)])));
    }

    #[tokio::test]
    async fn refusals_show_in_the_result() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            produce: ProduceArgs,
        }
        let check = async |code: i32, options: &[&str], expected: bool| {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap().to_string();
            let server = tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(super::super::echo::echo(stream, super::super::echo::reply(code)));
                }
            });
            let line = ["bench", "--raw", "--broker", &addr, "-n", "1000", "-c", "3", "-f", "7"];
            let cli = <Cli as clap::Parser>::parse_from(line.iter().chain(options));
            assert_eq!(measure(&cli.produce).await.unwrap(), expected, "{code} {options:?}");
            server.abort();
        };
        check(0, &[], true).await;
        check(0, &["--form", "rocketmq", "-b", "10", "-s", "1000"], true).await;
        check(2, &["--json", "--keys", "--tags"], false).await;
    }

    #[test]
    fn a_batch_numbers_its_messages() {
        let item = batch_item(&message_body(30, "0000000A"), &property("UNIQ_KEY", NUMBER_MARK));
        let length = u32::from_be_bytes(*item.first_chunk().unwrap()) as usize;
        assert_eq!(length, item.len());
        let mut template = send_template("T", 0, "", item.repeat(3), true, SerializeType::Json);
        assert_eq!(template.number_marks(), 6);
        let mut out = Vec::new();
        template.append(&mut out, OPAQUE_BASE, 7, 2);
        let body = &out[out.len() - 3 * item.len()..];
        let numbers: Vec<&[u8]> = body.chunks(item.len()).map(|item| &item[28..44]).collect();
        assert_eq!(numbers, [b"0000000000000007", b"0000000000000008", b"0000000000000009"]);
    }
}
