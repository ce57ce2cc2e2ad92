//! `bench latency`: sends at a fixed rate and measures until the acknowledgement and until a long-polling
//! consumer has the message. Every message has the moment at which it is due; both latencies count from there,
//! so a broker that stalls is charged for all that should have been sent meanwhile (coordinated omission).
//! Plain threads that block: a timer of a runtime is too coarse for two thousand sends a second.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use super::consume::{records, stamp, template_of};
use super::drive::DriveError;
use super::produce::{STAMP_BYTES, message_body, now_ms, property, seconds, send_template};
use super::report::{CpuMeter, Live, Report, histogram, record};
use super::target::{Target, TargetArgs};
use super::wire::{NUMBER_MARK, OFFSET_MARK, OPAQUE_BASE, Reply, Scanner, Template};
use super::{Error, runtime};
use crate::client::Calls;
use crate::protocol::header::pull::PullMessageRequestHeader;
use crate::protocol::message::{PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, PROPERTY_WAIT_STORE_MSG_OK};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::sys_flag::{PULL_SUBSCRIPTION, PULL_SUSPEND};
use crate::remoting::SUCCESS;

#[derive(Debug, clap::Args)]
pub(super) struct LatencyArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Consumer group
    #[arg(long, default_value = "bench_consumer")]
    group: String,
    /// Messages a second
    #[arg(long, short = 'r', default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Bytes of a message's body
    #[arg(long, short = 's', default_value_t = 128, value_parser = clap::value_parser!(u32).range(24..=4_000_000))]
    size: u32,
    /// Seconds to measure for
    #[arg(long, short = 'd', default_value_t = 10.0)]
    duration: f64,
    /// Seconds of sending that are not measured, before
    #[arg(long, short = 'w', default_value_t = 2.0)]
    warmup: f64,
}

/// What both directions count from: message `index` is due at `begin + index / rate`.
#[derive(Clone, Copy)]
struct Schedule {
    begin: Instant,
    rate: u32,
    warmup: u64,
    count: u64,
}

impl Schedule {
    fn due(&self, index: u64) -> Instant {
        self.begin + Duration::from_nanos((u128::from(index) * 1_000_000_000 / u128::from(self.rate)) as u64)
    }

    /// Latency of a message that arrives now; none while warming up.
    fn latency(&self, index: u64, now: Instant) -> Option<Duration> {
        (self.warmup..self.count).contains(&index).then(|| now.saturating_duration_since(self.due(index)))
    }
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    acknowledged: AtomicU64,
    received: AtomicU64,
    refused: AtomicU64,
    stopping: AtomicBool,
    failure: Mutex<Option<String>>,
}

impl Shared {
    /// Keeps the first failure; those after the stop are of our own making.
    fn note(&self, result: Result<(), DriveError>) {
        if let Err(error) = result
            && !self.stopping.load(Ordering::Acquire)
        {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error.to_string());
        }
    }

    fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends, receives, prints the result; false: something was refused or lost.
pub(super) fn run(args: &LatencyArgs) -> Result<bool, Error> {
    let (target, offsets) = runtime()?.block_on(prepare(args))?;
    let live = Arc::new(Live::default());
    let _shown = live.show("latency");
    measure(args, &target, &offsets, &live)
}

/// The broker, and where each of its queues ends.
async fn prepare(args: &LatencyArgs) -> Result<(Target, Vec<i64>), Error> {
    let mut targets = args.target.resolve().await?;
    let target = targets.swap_remove(0);
    let calls = Calls::standalone(Duration::from_secs(5));
    let mut offsets = Vec::new();
    for queue_id in 0..target.queues {
        offsets.push(calls.max_offset(&target.addr, &args.target.topic, queue_id).await?);
    }
    Ok((target, offsets))
}

fn connect(target: &Target) -> Result<TcpStream, Error> {
    let stream =
        TcpStream::connect(&target.addr).map_err(Error::io(format!("connect to {}", target.addr)))?;
    stream.set_nodelay(true).map_err(Error::io("set TCP_NODELAY"))?;
    Ok(stream)
}

fn measure(args: &LatencyArgs, target: &Target, offsets: &[i64], live: &Live) -> Result<bool, Error> {
    let (outgoing, incoming) = (connect(target)?, connect(target)?);
    let run = now_ms() as u32;
    let each_second = |span: f64| (seconds(span).as_secs_f64() * f64::from(args.rate)) as u64;
    let warmup = each_second(args.warmup);
    // Time for the pulls to be parked before the first message comes.
    let begin = Instant::now() + Duration::from_millis(300);
    let schedule =
        Schedule { begin, rate: args.rate, warmup, count: (warmup + each_second(args.duration)).max(1) };
    let shared = Shared::default();
    let outcome = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let mut receiver = Receiver::new(args, offsets, run, schedule, &shared, live);
            shared.note(receiver.run(&incoming));
            receiver.arrived
        });
        let acknowledged = scope.spawn(|| {
            let mut acks = Acks { schedule, shared: &shared, latency: histogram(), errors: BTreeMap::new() };
            shared.note(read_replies(&outgoing, |reply, now, _| acks.reply(reply, now)));
            (acks.latency, acks.errors)
        });
        let sender = scope.spawn(|| {
            let mut late = histogram();
            shared.note(send(args, target, run, schedule, &outgoing, &mut late));
            late
        });
        wait_until(schedule.due(schedule.warmup), &shared);
        let meter = CpuMeter::start(args.target.server_pid);
        wait_until(schedule.due(schedule.count), &shared);
        let used = meter.stop();
        wait_for_the_last(schedule.count, args.target.patience(), &shared);
        shared.stopping.store(true, Ordering::Release);
        for stream in [&outgoing, &incoming] {
            if let Err(error) = stream.shutdown(Shutdown::Both) {
                tracing::debug!(%error, "connection was gone");
            }
        }
        let arrived = receiver.join().expect("the receiver does not panic");
        let (acks, errors) = acknowledged.join().expect("the reader does not panic");
        let late = sender.join().expect("the sender does not panic");
        Outcome { arrived, acks, errors, late, used }
    });
    Ok(report(args, schedule, &shared, &outcome))
}

struct Outcome {
    arrived: Histogram<u64>,
    acks: Histogram<u64>,
    errors: BTreeMap<i32, u64>,
    late: Histogram<u64>,
    used: super::report::CpuUsed,
}

fn report(args: &LatencyArgs, schedule: Schedule, shared: &Shared, outcome: &Outcome) -> bool {
    let elapsed = schedule.due(schedule.count) - schedule.due(schedule.warmup);
    let measured = outcome.arrived.len();
    let parameters = json!({
        "topic": args.target.topic,
        "rate": args.rate,
        "size": args.size,
        "warmup_s": args.warmup,
    });
    let mut report = Report::new("latency", parameters);
    report.throughput(measured, measured * u64::from(args.size), elapsed);
    report.latency("end to end", "end_to_end_us", &outcome.arrived);
    report.latency("acknowledged", "ack_us", &outcome.acks);
    report.latency("sent late by", "late_us", &outcome.late);
    report.cpu(outcome.used, measured, elapsed, args.target.server_pid);
    report.errors(&outcome.errors);
    let lost =
        shared.acknowledged.load(Ordering::Acquire).saturating_sub(shared.received.load(Ordering::Acquire));
    report.put("lost", format!("{lost} acknowledged and not received"), "lost", json!(lost));
    let failure = shared.failure();
    if let Some(failure) = &failure {
        report.put("failed", failure, "failed", json!(failure));
    }
    report.print(args.target.json);
    failure.is_none() && outcome.errors.is_empty() && lost == 0
}

fn wait_until(moment: Instant, shared: &Shared) {
    while shared.failure().is_none() {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(200)));
    }
}

/// Until every message has been answered and every acknowledged one received, or nothing has moved for long.
fn wait_for_the_last(count: u64, patience: Duration, shared: &Shared) {
    let mut before = (0, 0);
    let mut moved = Instant::now();
    while shared.failure().is_none() && moved.elapsed() < patience {
        let acknowledged = shared.acknowledged.load(Ordering::Acquire);
        let received = shared.received.load(Ordering::Acquire);
        let answered = acknowledged + shared.refused.load(Ordering::Acquire);
        if answered >= count && received >= acknowledged {
            return;
        }
        if before != (answered, received) {
            before = (answered, received);
            moved = Instant::now();
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends each message when it is due; those that are late go together.
fn send(
    args: &LatencyArgs,
    target: &Target,
    run: u32,
    schedule: Schedule,
    mut stream: &TcpStream,
    late: &mut Histogram<u64>,
) -> Result<(), DriveError> {
    shorten_timer_slack();
    let run = format!("{run:08X}");
    let unique = property(PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, &format!("7F000001{run}{NUMBER_MARK}"));
    let properties = unique + &property(PROPERTY_WAIT_STORE_MSG_OK, "true");
    let body = message_body(args.size as usize, &run);
    let mut templates: Vec<Template> = (0..target.queues)
        .map(|queue_id| {
            let body = body.clone();
            send_template(&args.target.topic, queue_id, &properties, body, false, args.target.form())
        })
        .collect();
    let queues = templates.len() as u64;
    let mut out = Vec::new();
    let mut index = 0;
    while index < schedule.count {
        let wait = schedule.due(index).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        let (now, time) = (Instant::now(), now_ms());
        out.clear();
        while index < schedule.count && schedule.due(index) <= now && out.len() < 1 << 20 {
            if let Some(latency) = schedule.latency(index, now) {
                record(late, latency, 1);
            }
            let template = &mut templates[(index % queues) as usize];
            template.set_time(time);
            template.append(&mut out, OPAQUE_BASE + (index % u64::from(OPAQUE_BASE)) as u32, index, 2);
            index += 1;
        }
        stream.write_all(&out)?;
    }
    Ok(())
}

/// Linux wakes a sleeper up to 50 µs late to save power; here that would be measured as latency. Where it
/// cannot be changed the figures say how late the sends were.
fn shorten_timer_slack() {
    let thread = std::fs::read_link("/proc/thread-self").ok();
    let id = thread.as_deref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    if let Some(id) = id
        && let Err(error) = std::fs::write(format!("/proc/{id}/timerslack_ns"), "1000")
    {
        tracing::debug!(%error, "timer slack unchanged");
    }
}

/// Reads replies until the connection ends. What the handler appends is sent.
fn read_replies(
    mut stream: &TcpStream,
    mut handle: impl FnMut(&Reply<'_>, Instant, &mut Vec<u8>) -> Result<(), DriveError>,
) -> Result<(), DriveError> {
    let mut scanner = Scanner::default();
    let mut read = vec![0; 256 * 1024];
    let mut filled = 0;
    let mut out = Vec::new();
    loop {
        let count = stream.read(&mut read[filled..])?;
        if count == 0 {
            return Err(DriveError::Closed);
        }
        filled += count;
        let now = Instant::now();
        let mut start = 0;
        while let Some((reply, length)) = scanner.next(&read[start..filled])? {
            handle(&reply, now, &mut out)?;
            start += length;
        }
        if !out.is_empty() {
            stream.write_all(&out)?;
            out.clear();
        }
        read.copy_within(start..filled, 0);
        filled -= start;
        if filled == read.len() {
            read.resize(2 * read.len(), 0);
        }
    }
}

/// The acknowledgements.
struct Acks<'a> {
    schedule: Schedule,
    shared: &'a Shared,
    latency: Histogram<u64>,
    errors: BTreeMap<i32, u64>,
}

impl Acks<'_> {
    fn reply(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), DriveError> {
        let index = u64::from(reply.opaque.wrapping_sub(OPAQUE_BASE));
        if reply.code != SUCCESS {
            *self.errors.entry(reply.code).or_default() += 1;
            self.shared.refused.fetch_add(1, Ordering::AcqRel);
            return Ok(());
        }
        if let Some(latency) = self.schedule.latency(index, now) {
            record(&mut self.latency, latency, 1);
        }
        self.shared.acknowledged.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

/// The consumer: one held pull for each queue.
struct Receiver<'a> {
    templates: Vec<Template>,
    run: u32,
    schedule: Schedule,
    shared: &'a Shared,
    live: &'a Live,
    arrived: Histogram<u64>,
}

impl<'a> Receiver<'a> {
    fn new(
        args: &LatencyArgs,
        offsets: &[i64],
        run: u32,
        schedule: Schedule,
        shared: &'a Shared,
        live: &'a Live,
    ) -> Receiver<'a> {
        let template = |(queue_id, offset): (usize, &i64)| {
            let header = PullMessageRequestHeader {
                consumer_group: &args.group,
                topic: &args.target.topic,
                queue_id: queue_id as i32,
                queue_offset: OFFSET_MARK,
                max_msg_nums: 32,
                sys_flag: PULL_SUSPEND | PULL_SUBSCRIPTION,
                commit_offset: 0,
                suspend_timeout_millis: 15_000,
                subscription: Some("*"),
                sub_version: 0,
                expression_type: None,
            };
            let mut template = template_of(&header, args.target.form());
            template.set_offset(*offset);
            template
        };
        let templates = offsets.iter().enumerate().map(template).collect();
        Receiver { templates, run, schedule, shared, live, arrived: histogram() }
    }

    fn run(&mut self, mut stream: &TcpStream) -> Result<(), DriveError> {
        let mut out = Vec::new();
        for (queue_id, template) in self.templates.iter_mut().enumerate() {
            template.append(&mut out, OPAQUE_BASE + queue_id as u32, 0, 1);
        }
        stream.write_all(&out)?;
        read_replies(stream, |reply, now, out| self.reply(reply, now, out))
    }

    fn reply(&mut self, reply: &Reply<'_>, now: Instant, out: &mut Vec<u8>) -> Result<(), DriveError> {
        let refused = |what: &str| DriveError::Refused(format!("{what}: {}", reply.header_text()));
        let goes_on = [
            SUCCESS,
            ResponseCode::PullNotFound.into(),
            ResponseCode::PullRetryImmediately.into(),
            ResponseCode::PullOffsetMoved.into(),
        ];
        if !goes_on.contains(&reply.code) {
            return Err(refused("a pull is refused"));
        }
        let index = reply.opaque.wrapping_sub(OPAQUE_BASE) as usize;
        let template = self.templates.get_mut(index).ok_or_else(|| refused("a reply to nothing"))?;
        // The next pull first: what comes meanwhile must find it there.
        let next = reply.ext_number("nextBeginOffset").ok_or_else(|| refused("no nextBeginOffset"))?;
        template.set_offset(next);
        template.append(out, reply.opaque, 0, 1);
        if reply.code != SUCCESS {
            return Ok(());
        }
        for message in records(reply.body).flatten() {
            let Some((_, number)) = stamp(message.body).filter(|(run, _)| *run == self.run) else { continue };
            if let Some(latency) = self.schedule.latency(number, now) {
                record(&mut self.arrived, latency, 1);
            }
            self.shared.received.fetch_add(1, Ordering::AcqRel);
            self.live.messages.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

const _: () = assert!(STAMP_BYTES == 24, "the least size of a message holds the stamp");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_when_a_message_was_due() {
        let begin = Instant::now();
        let schedule = Schedule { begin, rate: 2000, warmup: 2, count: 10 };
        let at = |us: u64| begin + Duration::from_micros(us);
        assert_eq!(schedule.due(3), at(1500));
        assert_eq!(schedule.latency(3, at(4000)), Some(Duration::from_micros(2500)));
        assert_eq!(schedule.latency(3, at(1000)), Some(Duration::ZERO));
        assert_eq!(schedule.latency(1, at(4000)), None);
        assert_eq!(schedule.latency(10, at(4000)), None);
    }
}
