//! A topic: which name servers know it, on which brokers it is, how many queues it has there, and what it allows.

use std::collections::BTreeSet;

use super::broker::{Looked, allow};
use super::{Area, Check, Known};
use crate::client::Calls;
use crate::protocol::body::route::{MASTER_ID, QueueData, TopicRouteData};
use crate::protocol::perm::{PERM_READ, PERM_WRITE, perm2string};
use crate::protocol::response_code::ResponseCode;

/// Commands for the operator to copy.
struct Commands<'a> {
    topic: &'a str,
    namesrv: &'a str,
    cluster: &'a str,
}

impl<'a> Commands<'a> {
    fn new(known: &'a [Known], topic: &'a str) -> Commands<'a> {
        let clusters: BTreeSet<&str> =
            known.iter().flat_map(|known| known.info.cluster_addr_table.keys()).map(String::as_str).collect();
        let cluster = if clusters.len() == 1 { clusters.first().copied() } else { None };
        let namesrv = known.first().map_or("HOST:PORT", |known| known.namesrv.as_str());
        Commands { topic, namesrv, cluster: cluster.unwrap_or("CLUSTER") }
    }

    fn on_cluster(&self, more: &str) -> String {
        let Commands { topic, namesrv, cluster } = self;
        format!("`mqadmin updateTopic -n {namesrv} -c {cluster} -t {topic}{more}`")
    }

    fn on_broker(&self, addr: &str, more: &str) -> String {
        let Commands { topic, namesrv, .. } = self;
        format!("`mqadmin updateTopic -n {namesrv} -b {addr} -t {topic}{more}`")
    }
}

pub async fn look(calls: &Calls, known: &[Known], brokers: &[Looked], topic: &str) -> Vec<Check> {
    let commands = Commands::new(known, topic);
    let mut checks = Vec::new();
    let mut route: Option<TopicRouteData> = None;
    let mut without = Vec::new();
    for Known { namesrv, .. } in known {
        match calls.route_info(namesrv, topic).await {
            Ok(found) => route = route.or(Some(found)),
            Err(error) if error.code() == Some(ResponseCode::TopicNotExist.into()) => {
                without.push(namesrv.as_str())
            }
            Err(error) => checks.push(Check::problem(
                Area::Topic,
                topic,
                format!("name server {namesrv} does not say where it is: {error}"),
                "see its namesrv.log",
            )),
        }
    }
    match route {
        Some(route) => {
            let differs = |namesrv: &&str| {
                Check::problem(
                    Area::Topic,
                    topic,
                    format!("name server {namesrv} does not know it, and another one does"),
                    "its brokers must be registered with every name server: complete namesrvAddr in their files",
                )
            };
            checks.extend(without.iter().map(differs));
            checks.extend(queues(&commands, &route, brokers));
        }
        None if !without.is_empty() => checks.push(missing(&commands, brokers)),
        None => {}
    }
    checks
}

fn missing(commands: &Commands<'_>, brokers: &[Looked]) -> Check {
    let topic = commands.topic;
    let creates = |it: &Looked| -> Option<bool> {
        let value = it.config.get("autoCreateTopicEnable")?;
        Some(value == "true" && !it.is_closed())
    };
    let masters = || brokers.iter().filter(|it| it.found.id == MASTER_ID);
    let create = format!("{} creates it", commands.on_cluster(""));
    let (text, advice) = if masters().next().is_none() {
        ("does not exist, and no master is registered".to_owned(), format!("start a master; then {create}"))
    } else if let Some(broker) = masters().find(|it| creates(it) == Some(true)) {
        let name = &broker.found.name;
        (
            format!(
                "does not exist: consumers get `No route info` until the first message; {name} creates topics on a send"
            ),
            format!("send a message, or create it beforehand: {create}. Look for a typing error in the name"),
        )
    } else if let Some(broker) = masters().find(|it| creates(it).is_none()) {
        let name = &broker.found.name;
        (
            format!(
                "does not exist: clients get `No route info`; whether a send creates it is not known, as {name} does not tell \
                 its settings"
            ),
            format!("{create}. Look for a typing error in the name, and at what is said of {name} above"),
        )
    } else {
        let why = match masters().all(Looked::is_closed) {
            true => "brokerPermission lets nothing be sent",
            false => "autoCreateTopicEnable=false",
        };
        (
            format!(
                "does not exist, and no broker creates topics by itself ({why}): clients get `No route info`"
            ),
            format!(
                "{create}. Look for a typing error in the name, and at the name servers that the client asks"
            ),
        )
    };
    Check::problem(Area::Topic, topic, text, advice)
}

fn queues(commands: &Commands<'_>, route: &TopicRouteData, brokers: &[Looked]) -> Vec<Check> {
    let topic = commands.topic;
    let mut checks: Vec<Check> =
        route.queue_datas.iter().map(|queues| on_broker(commands, queues, route, brokers)).collect();
    // What is not named goes back to its default.
    let most = |nums: fn(&QueueData) -> i32| route.queue_datas.iter().map(nums).max().unwrap_or(0).max(1);
    let (read, write) = (most(|it| it.read_queue_nums), most(|it| it.write_queue_nums));
    // What a whole broker takes away no topic can give back.
    let change = |bit: i32| match withheld(route, brokers, bit) {
        Some(allow) => allow,
        None => format!("{} allows it", commands.on_cluster(&format!(" -r {read} -w {write} -p 6"))),
    };
    if !route.queue_datas.iter().any(|it| it.is_writeable() && it.write_queue_nums > 0) {
        let text =
            "no broker lets anything be sent to it: producers fail with `No route info` or `Not found`";
        checks.push(Check::problem(Area::Topic, topic, text, change(PERM_WRITE)));
    }
    if !route.queue_datas.iter().any(|it| it.is_readable() && it.read_queue_nums > 0) {
        let text = "no broker lets it be read: consumers get no queue";
        checks.push(Check::problem(Area::Topic, topic, text, change(PERM_READ)));
    }
    let has: BTreeSet<&str> = route.queue_datas.iter().map(|it| it.broker_name.as_str()).collect();
    let masters = brokers.iter().filter(|it| it.found.id == MASTER_ID);
    let not_on: Vec<&str> =
        masters.map(|it| it.found.name.as_str()).filter(|name| !has.contains(name)).collect();
    if !not_on.is_empty() {
        let text = format!("is not on {}: all its load is the others'", not_on.join(", "));
        checks.push(Check::ok(Area::Topic, topic, text));
    }
    checks
}

/// What to do where it is the brokers themselves that withhold a permission, all that have the topic.
fn withheld(route: &TopicRouteData, brokers: &[Looked], bit: i32) -> Option<String> {
    let is_of_it = |it: &&Looked| {
        it.found.id == MASTER_ID && route.queue_datas.iter().any(|queues| queues.broker_name == it.found.name)
    };
    let masters: Vec<&Looked> = brokers.iter().filter(is_of_it).collect();
    let withhold = |it: &&&Looked| it.permission().is_some_and(|perm| perm & bit == 0);
    let first = masters.iter().find(withhold)?;
    (masters.iter().filter(withhold).count() == masters.len())
        .then(|| format!("brokerPermission of its brokers takes it away: {}", allow(&first.found.addr)))
}

fn on_broker(
    commands: &Commands<'_>,
    queues: &QueueData,
    route: &TopicRouteData,
    brokers: &[Looked],
) -> Check {
    let QueueData { broker_name, read_queue_nums, write_queue_nums, perm, .. } = queues;
    let text = format!(
        "on {broker_name}: {write_queue_nums} queues to write, {read_queue_nums} to read, {}",
        perm2string(*perm)
    );
    let topic = commands.topic;
    let data = route.broker_datas.iter().find(|data| data.broker_name == *broker_name);
    let Some(addr) = data.and_then(|data| data.master_addr()) else {
        let advice = format!("start the master of {broker_name}: nothing can be sent to its queues");
        return Check::warning(Area::Topic, topic, format!("{text}; its master is not there"), advice);
    };
    let master = brokers.iter().find(|it| it.found.id == MASTER_ID && it.found.name == *broker_name);
    let whole = master.and_then(Looked::permission);
    if !queues.is_writeable() || !queues.is_readable() {
        let what = if queues.is_writeable() { "read" } else { "send to" };
        let advice = match whole.filter(|whole| *whole & 6 != 6) {
            Some(_) => format!("brokerPermission of {broker_name} takes it away: {}", allow(addr)),
            None => format!(
                "if clients shall {what} it there: {}; a write permission that was wiped comes back when the broker is \
                 started again",
                commands.on_broker(addr, &format!(" -r {read_queue_nums} -w {write_queue_nums} -p 6"))
            ),
        };
        return Check::warning(Area::Topic, topic, text, advice);
    }
    if read_queue_nums < write_queue_nums {
        let text = format!("{text}: messages in the last queues are not consumed");
        let more = format!(" -r {write_queue_nums} -w {write_queue_nums} -p {perm}");
        let advice = commands.on_broker(addr, &more);
        return Check::warning(Area::Topic, topic, text, advice);
    }
    Check::ok(Area::Topic, topic, text)
}
