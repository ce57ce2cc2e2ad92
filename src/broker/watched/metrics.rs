//! A broker's metrics, family by family. docs/monitoring.md is their table. Names are `rocketmq-exporter`'s where it has one.

use std::sync::atomic::Ordering;

use super::figures::{Figures, PairFigures, Progress, TopicFigures};
use super::{disk_space, refused, role, slaves, trouble};
use crate::broker::Broker;
use crate::broker::consumers::ConsumerGroup;
use crate::http::metrics::{Exposition, Labels};
use crate::http::process::Process;
use crate::protocol::topic::{SCHEDULE_TOPIC, dlq_group, retry_group};
use crate::remoting::router::Pool;

/// Writes all of them.
pub fn write(broker: &Broker, connections: usize, to: &mut Exposition) {
    let config = &broker.config;
    let of_broker = Labels::of(&[
        ("cluster", &config.broker_cluster_name),
        ("brokerIP", &config.broker_ip1),
        ("broker", &config.broker_name),
    ]);
    let of_things = Labels::of(&[("cluster", &config.broker_cluster_name), ("broker", &config.broker_name)]);
    to.set_common(of_broker.clone());
    health(broker, &of_broker, to);
    throughput(broker, to);
    requests(broker, &of_broker, connections, to);
    store(broker, to);
    delays(broker, &of_broker, to);
    replication(broker, &of_broker, to);
    let figures = Figures::collect(broker);
    topics(&figures.topics, &of_things, to);
    pairs(&figures.pairs, &of_things, to);
    clients(broker, &of_things, to);
    to.left_out((figures.topics_left_out + figures.pairs_left_out) as u64);
    Process::look().metrics(to);
}

fn health(broker: &Broker, of_broker: &Labels, to: &mut Exposition) {
    let id = broker.config.broker_id.to_string();
    let version = env!("CARGO_PKG_VERSION");
    let build = of_broker.and(&[("version", version), ("role", role(broker)), ("brokerId", &id)]);
    to.gauges("rocketmq_build_info", "Always 1; what runs stands in the labels", [(&build, 1)]);
    let uptime_s = (broker.now_ms() - broker.boot_ms) as f64 / 1000.0;
    to.gauge("rocketmq_uptime_seconds", "Time since the start", uptime_s);
    to.gauge("rocketmq_ready", "1 where /readyz answers 200", trouble(broker).is_none());
    to.gauge(
        "rocketmq_registered",
        "1 where a name server has agreed to the last registration",
        broker.registrar.is_registered(),
    );
    let is_writable = broker.store.status().reason.is_none();
    to.gauge("rocketmq_store_writable", "1 where the store takes messages", is_writable);
}

fn throughput(broker: &Broker, to: &mut Exposition) {
    let (put, fetched) = broker.statistics.broker_rates();
    to.gauge("rocketmq_broker_tps", "Messages in a second, of the last minute", put);
    to.gauge("rocketmq_broker_qps", "Messages out a second, of the last minute", fetched);
    let counts = broker.stats.counts();
    to.counter("rocketmq_broker_messages_in_total", "Messages stored for producers", counts.messages_in);
    to.counter("rocketmq_broker_bytes_in_total", "Their bytes in the log", counts.bytes_in);
    to.counter("rocketmq_broker_messages_out_total", "Messages given to consumers", counts.messages_out);
    to.counter("rocketmq_broker_bytes_out_total", "Their bytes", counts.bytes_out);
    to.counter("rocketmq_pulls_found_total", "Pulls that found messages", counts.pulls_found);
    to.counter("rocketmq_pulls_missed_total", "Pulls that found none", counts.pulls_missed);
    to.histogram(
        "rocketmq_put_latency_seconds",
        "Puts from the first check to the place in the log, without waiting for disk or slave",
        &broker.stats.put_latency,
    );
    to.histogram(
        "rocketmq_get_latency_seconds",
        "Looks into a queue for pulls, without waiting for messages",
        &broker.stats.get_latency,
    );
    to.gauge(
        "rocketmq_brokeruntime_putmessage_entire_time_max",
        "Longest put since the start, ms",
        counts.put_time_max_ms,
    );
    to.gauge(
        "rocketmq_brokeruntime_getmessage_entire_time_max",
        "Longest look into a queue since the start, ms",
        counts.get_time_max_ms,
    );
}

fn requests(broker: &Broker, of_broker: &Labels, connections: usize, to: &mut Exposition) {
    to.gauge("rocketmq_connections", "Connections to the two ports for clients", connections);
    to.gauge("rocketmq_long_polls", "Pulls that wait for messages", broker.holds.len());
    let refused = refused(broker);
    let refused =
        refused.iter().map(|(what, code, count)| (of_broker.and(&[("what", what), ("code", code)]), *count));
    let refused: Vec<(Labels, u64)> = refused.collect();
    to.counters(
        "rocketmq_requests_refused_total",
        "Sends that were not answered SUCCESS, by code, and requests that found their pool full",
        refused.iter().map(|(labels, count)| (labels, *count)),
    );
    let waiting = |pool: &Pool| pool.waiting().count;
    let pull = waiting(&broker.pools.pull);
    to.gauge("rocketmq_brokeruntime_pull_threadpoolqueue_size", "Cold pulls that wait for their turn", pull);
    let query = waiting(&broker.pools.query);
    to.gauge("rocketmq_brokeruntime_query_threadpoolqueue_size", "Queries that wait for their turn", query);
}

fn store(broker: &Broker, to: &mut Exposition) {
    let store = &broker.store;
    let (min, max, status) = (store.min_commit_log_offset(), store.max_commit_log_offset(), store.status());
    to.gauge("rocketmq_brokeruntime_commitlog_minoffset", "Where the commit log begins; -1 while empty", min);
    to.gauge("rocketmq_brokeruntime_commitlog_maxoffset", "Where the commit log ends", max);
    let flushed = store.flushed_offset();
    to.gauge("rocketmq_commitlog_flushed_offset", "Up to where the commit log is on disk", flushed);
    to.gauge(
        "rocketmq_brokeruntime_remain_howmanydata_toflush",
        "Bytes of the commit log that are not on disk yet",
        (max - flushed).max(0),
    );
    to.gauge(
        "rocketmq_brokeruntime_dispatch_behind_bytes",
        "Bytes of the commit log without entries in queues and index yet",
        store.dispatch_behind_bytes(),
    );
    let commit_log = status.commit_log_ratio;
    to.gauge(
        "rocketmq_brokeruntime_commitlog_disk_ratio",
        "How full the commit log's disk is, 0 to 1",
        commit_log,
    );
    to.gauge(
        "rocketmq_brokeruntime_consumequeue_disk_ratio",
        "How full the consume queues' disk is, 0 to 1",
        status.consume_queue_ratio,
    );
    to.gauge("rocketmq_index_disk_ratio", "How full the index' disk is, 0 to 1", status.index_ratio);
    if let Some(disk) = disk_space(broker) {
        let (total, free) = (disk.total_bytes, disk.free_bytes);
        to.gauge(
            "rocketmq_brokeruntime_commitlogdir_capacity_total",
            "Bytes of the commit log's disk",
            total,
        );
        to.gauge("rocketmq_brokeruntime_commitlogdir_capacity_free", "Bytes free there", free);
    }
}

fn delays(broker: &Broker, of_broker: &Labels, to: &mut Exposition) {
    let levels = broker.schedule.snapshot().offset_table;
    let levels: Vec<(Labels, i64)> = levels
        .into_iter()
        .map(|(level, offset)| {
            let waiting = broker.store.max_offset(SCHEDULE_TOPIC, level - 1) - offset;
            (of_broker.and(&[("level", &level.to_string())]), waiting.max(0))
        })
        .collect();
    to.gauges(
        "rocketmq_delay_messages",
        "Delayed messages that wait, by level",
        levels.iter().map(|(labels, waiting)| (labels, *waiting)),
    );
}

fn replication(broker: &Broker, of_broker: &Labels, to: &mut Exposition) {
    if broker.is_slave() {
        let progress = &broker.following.progress;
        let is_connected = progress.is_connected.load(Ordering::Relaxed);
        to.gauge(
            "rocketmq_master_connected",
            "As a slave: 1 while the master's log is followed",
            is_connected,
        );
        let rate = progress.rate.per_second(broker.now_ms());
        to.gauge("rocketmq_master_bytes_per_second", "As a slave: bytes of the log in the last second", rate);
        return;
    }
    let slaves = slaves(broker);
    to.gauge("rocketmq_slaves", "Slaves that are connected", slaves.len());
    to.gauge(
        "rocketmq_slaves_in_sync",
        "Those that are less than haSlaveFallbehindMax behind",
        slaves.iter().filter(|slave| slave.in_sync).count(),
    );
    let furthest = slaves.iter().map(|slave| slave.lag_bytes).max();
    to.gauges(
        "rocketmq_broker_commitlog_diff",
        "Bytes that the furthest slave lacks",
        furthest.map(|lag_bytes| (of_broker, lag_bytes)),
    );
    let labels: Vec<Labels> = slaves.iter().map(|slave| of_broker.and(&[("slave", &slave.addr)])).collect();
    to.gauges(
        "rocketmq_slave_lag_bytes",
        "Bytes of the log that a slave has not acknowledged",
        labels.iter().zip(slaves.iter().map(|slave| slave.lag_bytes)),
    );
    to.gauges(
        "rocketmq_slave_bytes_per_second",
        "Bytes sent to a slave in the last second",
        labels.iter().zip(slaves.iter().map(|slave| slave.bytes_per_second)),
    );
}

fn topics(topics: &[TopicFigures], of_things: &Labels, to: &mut Exposition) {
    let rows: Vec<(Labels, &TopicFigures)> =
        topics.iter().map(|topic| (of_things.and(&[("topic", topic.name())]), topic)).collect();
    let all = || rows.iter().map(|(labels, topic)| (labels, *topic));
    let counted = || all().filter(|(_, topic)| topic.put.messages > 0);
    to.counters(
        "rocketmq_messages_in_total",
        "Messages stored for producers, by the topic they name",
        counted().map(|(labels, topic)| (labels, topic.put.messages)),
    );
    to.counters(
        "rocketmq_message_bytes_in_total",
        "Their bytes in the log",
        counted().map(|(labels, topic)| (labels, topic.put.bytes)),
    );
    to.gauges(
        "rocketmq_producer_tps",
        "Messages in a second, of the last minute",
        counted().map(|(labels, topic)| (labels, topic.put.messages_per_second)),
    );
    to.gauges(
        "rocketmq_producer_message_size",
        "Bytes in a second, of the last minute",
        counted().map(|(labels, topic)| (labels, topic.put.bytes_per_second)),
    );
    let is_plain =
        |topic: &TopicFigures| retry_group(topic.name()).is_none() && dlq_group(topic.name()).is_none();
    to.gauges(
        "rocketmq_producer_offset",
        "Ends of a topic's queues together",
        all().filter(|(_, topic)| is_plain(topic)).map(|(labels, topic)| (labels, topic.end)),
    );
    to.gauges(
        "rocketmq_topic_retry_offset",
        "The same of retry topics",
        all().filter(|(_, topic)| retry_group(topic.name()).is_some()).map(|(labels, it)| (labels, it.end)),
    );
    let dead = rows
        .iter()
        .filter_map(|(_, topic)| Some((of_things.and(&[("group", dlq_group(topic.name())?)]), topic.end)));
    let dead: Vec<(Labels, i64)> = dead.collect();
    to.gauges(
        "rocketmq_topic_dlq_offset",
        "Messages that a group has given up, ever",
        dead.iter().map(|(labels, end)| (labels, *end)),
    );
    to.gauges(
        "rocketmq_topic_messages",
        "Messages in a topic's queues that have not expired",
        all().map(|(labels, topic)| (labels, topic.stored)),
    );
}

fn pairs(pairs: &[PairFigures], of_things: &Labels, to: &mut Exposition) {
    let label = |pair: &PairFigures| of_things.and(&[("topic", &pair.topic), ("group", &pair.group)]);
    let rows: Vec<(Labels, &PairFigures)> = pairs.iter().map(|pair| (label(pair), pair)).collect();
    let counted =
        || rows.iter().map(|(labels, pair)| (labels, *pair)).filter(|(_, it)| it.fetched.messages > 0);
    to.counters(
        "rocketmq_messages_out_total",
        "Messages given to a group",
        counted().map(|(labels, pair)| (labels, pair.fetched.messages)),
    );
    to.counters(
        "rocketmq_message_bytes_out_total",
        "Their bytes",
        counted().map(|(labels, pair)| (labels, pair.fetched.bytes)),
    );
    to.gauges(
        "rocketmq_consumer_tps",
        "Messages out a second, of the last minute",
        counted().map(|(labels, pair)| (labels, pair.fetched.messages_per_second)),
    );
    to.gauges(
        "rocketmq_consumer_message_size",
        "Bytes out a second, of the last minute",
        counted().map(|(labels, pair)| (labels, pair.fetched.bytes_per_second)),
    );
    let sent_back = rows.iter().filter(|(_, pair)| pair.sent_back > 0);
    to.counters(
        "rocketmq_send_back_nums",
        "Messages that a group has sent back to be consumed again",
        sent_back.map(|(labels, pair)| (labels, pair.sent_back)),
    );
    let progress = || rows.iter().filter_map(|(labels, pair)| Some((labels, *pair, pair.progress?)));
    type Figure = fn(&Progress) -> i64;
    let mut gauges = |name: &str, help: &str, is_retry: bool, figure: Figure| {
        let of_kind = progress().filter(|(_, pair, _)| retry_group(&pair.topic).is_some() == is_retry);
        to.gauges(name, help, of_kind.map(|(labels, _, progress)| (labels, figure(&progress))));
    };
    gauges("rocketmq_group_diff", "Messages that a group has still to consume", false, |it| it.lag);
    gauges("rocketmq_message_accumulation", "The same as rocketmq_group_diff", false, |it| it.lag);
    gauges("rocketmq_group_retrydiff", "The same of its retries", true, |it| it.lag);
    gauges("rocketmq_group_max_queue_diff", "Those of the queue that is furthest behind", false, |it| {
        it.lag_max
    });
    gauges("rocketmq_consumer_offset", "Ends of the queues that a group consumes", false, |it| it.end);
    gauges("rocketmq_group_consume_total_offset", "A group's offsets together", false, |it| it.consumed);
}

fn clients(broker: &Broker, of_things: &Labels, to: &mut Exposition) {
    /// Groups of clients that are told of.
    const GROUPS_MAX: usize = 10_000;
    let mut write = |name: &str, help: &str, mut groups: Vec<(String, usize)>| {
        groups.sort();
        to.left_out(groups.len().saturating_sub(GROUPS_MAX) as u64);
        groups.truncate(GROUPS_MAX);
        let labels: Vec<Labels> =
            groups.iter().map(|(group, _)| of_things.and(&[("group", group)])).collect();
        to.gauges(name, help, labels.iter().zip(groups.iter().map(|(_, count)| *count)));
    };
    let consumers = broker.consumers.all();
    let of_group = |count: fn(&ConsumerGroup) -> usize| {
        consumers.iter().map(|group| (group.name().to_owned(), count(group))).collect()
    };
    write(
        "rocketmq_group_count",
        "Consumers of a group that are connected",
        of_group(|it| it.clients().len()),
    );
    let help = "1 where members of a group subscribe to different things, and miss messages";
    write("rocketmq_group_at_odds", help, of_group(|it| it.is_at_odds().into()));
    write("rocketmq_producer_count", "Producers of a group that are connected", broker.producers.counts());
}
