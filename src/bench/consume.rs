//! `bench consume`: pulls every queue of a topic from its beginning to the end it has when we start, one pull
//! in flight for each queue, and on wish checks every message: CRC, queue offsets without gaps, and the numbers
//! that `bench produce` gave, of which none may be missing, doubled or out of order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use super::drive::{DriveError, Load, connect, drive};
use super::produce::{SEQUENCE_BITS, STAMP_BYTES};
use super::report::{CpuMeter, Live, Report, histogram, record};
use super::target::{Target, TargetArgs};
use super::wire::{OFFSET_MARK, OPAQUE_BASE, Reply, Template};
use super::{Error, runtime};
use crate::client::Calls;
use crate::protocol::header::pull::PullMessageRequestHeader;
use crate::protocol::request_code::RequestCode;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::sys_flag::PULL_SUBSCRIPTION;
use crate::remoting::{Command, SUCCESS, SerializeType};

#[derive(Debug, clap::Args)]
pub(super) struct ConsumeArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Consumer group
    #[arg(long, default_value = "bench_consumer")]
    group: String,
    /// Most messages in a reply
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(i32).range(1..=32_768))]
    max_msgs: i32,
    /// Tags to pull
    #[arg(long, default_value = "*")]
    tags: String,
    /// How often to read everything
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    passes: u32,
    /// Check every message
    #[arg(long)]
    verify: bool,
    /// Wait until so many messages are there, and fail unless exactly so many come in each pass
    #[arg(long)]
    expect: Option<u64>,
}

/// Pulls, prints the result; false: something was refused, lost or wrong.
pub(super) fn run(args: &ConsumeArgs) -> Result<bool, Error> {
    runtime()?.block_on(measure(args))
}

async fn measure(args: &ConsumeArgs) -> Result<bool, Error> {
    let targets = args.target.resolve().await?;
    let live = Arc::new(Live::default());
    let deadline = Instant::now() + args.target.patience();
    let mut pullers = pullers(args, &targets, &live).await?;
    // What was just sent may not have reached the queues yet.
    while args.expect.is_some_and(|expected| entries(&pullers) < expected) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        pullers = self::pullers(args, &targets, &live).await?;
    }
    pullers.retain(|(_, puller)| !puller.queues.is_empty());
    let mut streams = Vec::new();
    for (addr, puller) in pullers {
        streams.push((connect(&addr).await?, puller));
    }
    let shown = live.show("consume");
    let patience = args.target.patience();
    let begin = Instant::now();
    let meter = CpuMeter::start(args.target.server_pid);
    let mut tasks = Vec::new();
    for (stream, mut puller) in streams {
        tasks.push(tokio::spawn(async move {
            let result = drive(&stream, &mut puller, patience).await;
            (puller, result)
        }));
    }
    let mut total = Tally::new();
    let mut failed = Vec::new();
    for task in tasks {
        let (puller, result) = task.await.map_err(|error| Error::Usage(error.to_string()))?;
        total.add(puller.tally);
        failed.extend(result.err().map(|error: DriveError| error.to_string()));
    }
    let (elapsed, used) = (begin.elapsed(), meter.stop());
    drop(shown);
    let parameters = json!({
        "topic": args.target.topic,
        "connections": args.target.connections,
        "queues": targets[0].queues,
        "max_msgs": args.max_msgs,
        "passes": args.passes,
    });
    let mut report = Report::new("consume", parameters);
    report.throughput(total.messages, total.body_bytes, elapsed);
    let each = total.messages as f64 / total.pulls.max(1) as f64;
    report.put("pulls", format!("{} of {each:.1} messages", total.pulls), "pulls", json!(total.pulls));
    report.latency("pull latency", "latency_us", &total.latency);
    report.cpu(used, total.messages, elapsed, args.target.server_pid);
    report.errors(&total.errors);
    let mut sound = total.errors.is_empty() && failed.is_empty();
    if args.verify {
        let findings = total.check.findings();
        sound &= findings.is_sound();
        report.put("verified", findings.line(), "verify", findings.json());
    }
    if let Some(expected) = args.expect.map(|expected| expected * u64::from(args.passes)) {
        sound &= total.messages == expected;
        report.put("expected", expected.to_string(), "expected", json!(expected));
    }
    if !failed.is_empty() {
        report.put("connections", format!("{} failed: {}", failed.len(), failed[0]), "failed", json!(failed));
    }
    report.print(args.target.json);
    Ok(sound)
}

/// The connections' loads: the queues of each broker shared out among its connections.
async fn pullers(
    args: &ConsumeArgs,
    targets: &[Target],
    live: &Arc<Live>,
) -> Result<Vec<(String, Puller)>, Error> {
    let calls = Calls::standalone(Duration::from_secs(5));
    let connections = usize::from(args.target.connections).max(targets.len());
    let mut pullers: Vec<(String, Puller)> = (0..connections)
        .map(|index| {
            let addr = args.target.target_of(targets, index).addr.clone();
            (addr, Puller::new(args.verify, args.passes, Arc::clone(live)))
        })
        .collect();
    for (number, target) in targets.iter().enumerate() {
        let own = (connections - number).div_ceil(targets.len());
        for queue_id in 0..target.queues {
            let topic = &args.target.topic;
            let min = calls.min_offset(&target.addr, topic, queue_id).await?;
            let end = calls.max_offset(&target.addr, topic, queue_id).await?;
            let template = pull_template(args, queue_id);
            let index = number + targets.len() * (queue_id as usize % own);
            if min < end {
                pullers[index].1.add(Queue::new(template, queue_id, min, end));
            }
        }
    }
    Ok(pullers)
}

/// Messages to be pulled in each pass.
fn entries(pullers: &[(String, Puller)]) -> u64 {
    let queues = pullers.iter().flat_map(|(_, puller)| &puller.queues);
    queues.map(|queue| queue.end.abs_diff(queue.min)).sum()
}

fn pull_template(args: &ConsumeArgs, queue_id: i32) -> Template {
    let header = PullMessageRequestHeader {
        consumer_group: &args.group,
        topic: &args.target.topic,
        queue_id,
        queue_offset: OFFSET_MARK,
        max_msg_nums: args.max_msgs,
        sys_flag: PULL_SUBSCRIPTION,
        commit_offset: 0,
        suspend_timeout_millis: 20_000,
        subscription: Some(&args.tags),
        sub_version: 0,
        expression_type: None,
    };
    template_of(&header, args.target.form())
}

pub(super) fn template_of(header: &PullMessageRequestHeader<'_>, form: SerializeType) -> Template {
    Template::new(Command::request(RequestCode::PullMessage, header), form)
}

/// Pulls in a row that may lead no further: a broker that has just started dispatches its log first.
const MISSES_MAX: u32 = 50_000;

/// One queue being read.
struct Queue {
    template: Template,
    queue_id: i32,
    min: i64,
    end: i64,
    next: i64,
    sent: Instant,
    passes_done: u32,
    /// Pulls in a row that led no further.
    misses: u32,
    /// Queue offset that the next message must have.
    expected: i64,
    /// Last sequence by run and connection.
    last: HashMap<(u32, u16), u64>,
}

impl Queue {
    fn new(template: Template, queue_id: i32, min: i64, end: i64) -> Queue {
        let sent = Instant::now();
        let last = HashMap::new();
        Queue {
            template,
            queue_id,
            min,
            end,
            next: min,
            sent,
            passes_done: 0,
            misses: 0,
            expected: min,
            last,
        }
    }
}

/// One connection's load: a pull for each of its queues, opaque by queue.
struct Puller {
    queues: Vec<Queue>,
    ready: Vec<usize>,
    waiting: usize,
    verify: bool,
    passes: u32,
    tally: Tally,
    live: Arc<Live>,
}

impl Puller {
    fn new(verify: bool, passes: u32, live: Arc<Live>) -> Puller {
        Puller {
            queues: Vec::new(),
            ready: Vec::new(),
            waiting: 0,
            verify,
            passes,
            tally: Tally::new(),
            live,
        }
    }

    fn add(&mut self, queue: Queue) {
        self.ready.push(self.queues.len());
        self.queues.push(queue);
    }
}

impl Load for Puller {
    fn next(&mut self, out: &mut Vec<u8>, now: Instant) -> bool {
        let Some(index) = self.ready.pop() else { return false };
        let queue = &mut self.queues[index];
        queue.template.set_offset(queue.next);
        queue.sent = now;
        queue.template.append(out, OPAQUE_BASE + index as u32, 0, 1);
        self.waiting += 1;
        true
    }

    fn reply(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), DriveError> {
        let index = reply.opaque.wrapping_sub(OPAQUE_BASE) as usize;
        let Some(queue) = self.queues.get_mut(index) else {
            return Err(DriveError::Refused(format!("a reply to nothing: {}", reply.header_text())));
        };
        self.waiting -= 1;
        self.tally.pulls += 1;
        record(&mut self.tally.latency, now.duration_since(queue.sent), 1);
        if reply.code == SUCCESS {
            let before = self.tally.messages;
            for record in records(reply.body) {
                let record = record.ok_or_else(|| DriveError::Refused("a torn message".to_owned()))?;
                self.tally.messages += 1;
                self.tally.body_bytes += record.body.len() as u64;
                if self.verify && queue.passes_done == 0 {
                    self.tally.check.message(queue, &record);
                }
            }
            self.live.messages.fetch_add(self.tally.messages - before, Ordering::Relaxed);
        } else if ![ResponseCode::PullRetryImmediately, ResponseCode::PullOffsetMoved]
            .map(i32::from)
            .contains(&reply.code)
        {
            *self.tally.errors.entry(reply.code).or_default() += 1;
            self.live.errors.fetch_add(1, Ordering::Relaxed);
            // Found nothing below the end that the broker named: what is not there yet comes soon, what is
            // refused stays so.
            if reply.code != i32::from(ResponseCode::PullNotFound) {
                return Ok(());
            }
        }
        let next = reply.ext_number("nextBeginOffset");
        let next = next.ok_or_else(|| DriveError::Refused("a reply without nextBeginOffset".to_owned()))?;
        queue.misses = if next > queue.next { 0 } else { queue.misses + 1 };
        if queue.misses > MISSES_MAX {
            let (id, end) = (queue.queue_id, queue.end);
            return Err(DriveError::Refused(format!("queue {id} stays at {next}, its end is {end}")));
        }
        queue.next = next;
        if queue.next >= queue.end {
            queue.passes_done += 1;
            queue.next = queue.min;
        }
        if queue.passes_done < self.passes {
            self.ready.push(index);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.ready.is_empty() && self.waiting == 0
    }
}

/// A stored message as far as it is looked at.
pub(super) struct StoredMessage<'a> {
    magic: u32,
    body_crc: u32,
    queue_id: i32,
    queue_offset: i64,
    pub body: &'a [u8],
}

/// The messages of a pull's reply; none in place of one that is torn, which ends them.
pub(super) fn records(mut bytes: &[u8]) -> impl Iterator<Item = Option<StoredMessage<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let cut = stored_message(bytes);
        bytes = cut.as_ref().map_or(&[], |(_, rest)| rest);
        Some(cut.map(|(message, _)| message))
    })
}

fn stored_message(bytes: &[u8]) -> Option<(StoredMessage<'_>, &[u8])> {
    let int = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let (message, rest) = bytes.split_at_checked(int(bytes, 0)? as usize)?;
    let body_length = int(message, 84)? as usize;
    let body = message.get(88..)?.get(..body_length)?;
    let message = StoredMessage {
        magic: int(message, 4)?,
        body_crc: int(message, 8)?,
        queue_id: int(message, 12)? as i32,
        queue_offset: i64::from_be_bytes(*message.get(20..)?.first_chunk()?),
        body,
    };
    Some((message, rest))
}

/// Run and number of a message that `bench produce` or `bench latency` made.
pub(super) fn stamp(body: &[u8]) -> Option<(u32, u64)> {
    let text = std::str::from_utf8(body.get(..STAMP_BYTES)?).ok()?;
    let (run, number) = text.split_at_checked(8)?;
    Some((u32::from_str_radix(run, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
}

struct Tally {
    messages: u64,
    body_bytes: u64,
    pulls: u64,
    errors: BTreeMap<i32, u64>,
    latency: Histogram<u64>,
    check: Check,
}

impl Tally {
    fn new() -> Tally {
        Tally {
            messages: 0,
            body_bytes: 0,
            pulls: 0,
            errors: BTreeMap::new(),
            latency: histogram(),
            check: Check::default(),
        }
    }

    fn add(&mut self, other: Tally) {
        self.messages += other.messages;
        self.body_bytes += other.body_bytes;
        self.pulls += other.pulls;
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        self.latency.add(&other.latency).expect("both have the same bounds");
        self.check.add(other.check);
    }
}

/// What was seen of the numbers that messages carry.
#[derive(Default)]
struct Check {
    damaged: u64,
    offset_gaps: u64,
    out_of_order: u64,
    doubled: u64,
    unstamped: u64,
    /// Sequences seen, a bit for each, by run and connection.
    seen: HashMap<(u32, u16), Vec<u64>>,
}

/// Sequences past this are damage, not messages: a bit for each is kept.
const SEQUENCE_MAX: u64 = 1 << 33;

impl Check {
    fn message(&mut self, queue: &mut Queue, message: &StoredMessage<'_>) {
        let crc = crc32fast::hash(message.body) & 0x7FFF_FFFF;
        let is_sound = message.magic == 0xDAA3_20A7 && message.body_crc == crc;
        self.damaged += u64::from(!is_sound || message.queue_id != queue.queue_id);
        self.offset_gaps += u64::from(message.queue_offset != queue.expected);
        queue.expected = message.queue_offset + 1;
        let stamp = stamp(message.body).filter(|(_, number)| sequence(*number) < SEQUENCE_MAX);
        let Some((run, number)) = stamp else {
            self.unstamped += 1;
            return;
        };
        let (source, sequence) = ((run, (number >> SEQUENCE_BITS) as u16), sequence(number));
        if queue.last.insert(source, sequence).is_some_and(|last| last >= sequence) {
            self.out_of_order += 1;
        }
        let words = self.seen.entry(source).or_default();
        let (word, bit) = ((sequence / 64) as usize, 1 << (sequence % 64));
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        self.doubled += u64::from(words[word] & bit != 0);
        words[word] |= bit;
    }

    fn add(&mut self, other: Check) {
        self.damaged += other.damaged;
        self.offset_gaps += other.offset_gaps;
        self.out_of_order += other.out_of_order;
        self.doubled += other.doubled;
        self.unstamped += other.unstamped;
        for (source, theirs) in other.seen {
            let ours = self.seen.entry(source).or_default();
            ours.resize(ours.len().max(theirs.len()), 0);
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                self.doubled += u64::from((*ours & theirs).count_ones());
                *ours |= theirs;
            }
        }
    }

    fn findings(&self) -> Findings {
        let missing = self.seen.values().map(|words| {
            let seen: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
            let last = words.last().map_or(0, |word| word.leading_zeros());
            words.len() as u64 * 64 - u64::from(last) - seen
        });
        Findings {
            damaged: self.damaged,
            offset_gaps: self.offset_gaps,
            out_of_order: self.out_of_order,
            doubled: self.doubled,
            missing: missing.sum(),
            unstamped: self.unstamped,
        }
    }
}

fn sequence(number: u64) -> u64 {
    number & ((1 << SEQUENCE_BITS) - 1)
}

/// The result of the checks, in messages.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Findings {
    damaged: u64,
    offset_gaps: u64,
    out_of_order: u64,
    doubled: u64,
    /// Below the highest that came: sends that were refused are among them.
    missing: u64,
    unstamped: u64,
}

impl Findings {
    /// Missing numbers may be sends that the broker refused; the rest is the broker's doing.
    fn is_sound(&self) -> bool {
        self.damaged + self.offset_gaps + self.out_of_order + self.doubled == 0
    }

    fn line(&self) -> String {
        let Findings { damaged, offset_gaps, out_of_order, doubled, missing, unstamped } = self;
        format!(
            "{damaged} damaged, {offset_gaps} gaps in queue offsets, {out_of_order} out of order, {doubled} \
             doubled, {missing} missing, {unstamped} without a stamp"
        )
    }

    fn json(&self) -> serde_json::Value {
        json!(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(queue_offset: i64, number: u64) -> Vec<u8> {
        let body = format!("0000000A{number:016X}x");
        let mut bytes = vec![0; 91];
        bytes[4..8].copy_from_slice(&0xDAA3_20A7_u32.to_be_bytes());
        bytes[8..12].copy_from_slice(&(crc32fast::hash(body.as_bytes()) & 0x7FFF_FFFF).to_be_bytes());
        bytes[20..28].copy_from_slice(&queue_offset.to_be_bytes());
        bytes[84..88].copy_from_slice(&(body.len() as u32).to_be_bytes());
        bytes.splice(88..88, body.bytes());
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    #[test]
    fn damage_gaps_doubles_and_order_are_found() {
        let check = |messages: &[(i64, u64)], expected: [u64; 5]| {
            let header = PullMessageRequestHeader::default();
            let mut queue = Queue::new(template_of(&header, SerializeType::Json), 0, 0, 9);
            let mut check = Check::default();
            let bytes: Vec<u8> = messages.iter().flat_map(|(at, number)| message(*at, *number)).collect();
            for record in records(&bytes) {
                check.message(&mut queue, &record.unwrap());
            }
            let found = check.findings();
            let counts = [found.damaged, found.offset_gaps, found.out_of_order, found.doubled, found.missing];
            assert_eq!(counts, expected);
        };
        let other = 1 << SEQUENCE_BITS;
        check(&[(0, 0), (1, 1), (2, other), (3, 2), (4, other + 1)], [0; 5]);
        check(&[(0, 0), (2, 1)], [0, 1, 0, 0, 0]);
        check(&[(0, 0), (1, 2)], [0, 0, 0, 0, 1]);
        check(&[(0, 1), (1, 0)], [0, 0, 1, 0, 0]);
        check(&[(0, 0), (1, 0)], [0, 0, 1, 1, 0]);
        check(&[(0, 64), (1, 65)], [0, 0, 0, 0, 64]);
    }

    #[test]
    fn a_flipped_bit_is_damage_and_a_torn_message_ends_the_reply() {
        let mut bytes = message(0, 0);
        let length = bytes.len();
        bytes.extend(message(1, 1));
        assert_eq!(records(&bytes).flatten().count(), 2);
        for cut in length + 1..bytes.len() {
            let found: Vec<bool> = records(&bytes[..cut]).map(|record| record.is_some()).collect();
            assert_eq!(found, [true, false]);
        }
        bytes[90] ^= 1;
        let header = PullMessageRequestHeader::default();
        let mut queue = Queue::new(template_of(&header, SerializeType::Json), 0, 0, 9);
        let mut check = Check::default();
        check.message(&mut queue, &records(&bytes).next().unwrap().unwrap());
        assert_eq!(check.findings().damaged, 1);
    }

    #[test]
    fn checks_of_connections_add_up() {
        let header = PullMessageRequestHeader::default();
        let of = |number: u64| {
            let mut queue = Queue::new(template_of(&header, SerializeType::Json), 0, 0, 9);
            let mut check = Check::default();
            let bytes = message(0, number);
            check.message(&mut queue, &records(&bytes).next().unwrap().unwrap());
            check
        };
        let mut sum = of(0);
        sum.add(of(3));
        sum.add(of(3));
        let found = sum.findings();
        assert_eq!((found.missing, found.doubled), (2, 1));
    }
}
