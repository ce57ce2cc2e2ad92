//! Topics: updateTopic, deleteTopic, updateTopicPerm, topicRoute, topicStatus, topicClusterList, topicList, allocateMQ,
//! updateOrderConf. Java: the classes of `tools.command.topic`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::json;

use super::query_msg::is_true;
use super::text::{front, human_string2};
use super::{Failure, Session};
use crate::client::admin::tools::Tools;
use crate::client::consumer::allocate_averagely;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::route::{ClusterInfo, TopicRouteData};
use crate::protocol::body::stats::TopicOffset;
use crate::protocol::body::topic::TopicConfig;
use crate::protocol::header::topic::CreateTopicRequestHeader;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::sys_flag::topic_sys_flag;
use crate::protocol::topic::{AUTO_CREATE_TOPIC_KEY_TOPIC, dlq_group, retry_group};

/// The namespace of ordered topics. Java: `NamesrvUtil`.
const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";
const QUEUES: i32 = 8;
/// Topics that topicList -c asks for at a time.
const AT_ONCE: usize = 16;

fn request_of(config: &TopicConfig) -> CreateTopicRequestHeader {
    CreateTopicRequestHeader {
        topic: config.topic_name.clone(),
        default_topic: AUTO_CREATE_TOPIC_KEY_TOPIC.to_owned(),
        read_queue_nums: config.read_queue_nums,
        write_queue_nums: config.write_queue_nums,
        perm: config.perm,
        topic_filter_type: config.topic_filter_type,
        topic_sys_flag: Some(config.topic_sys_flag),
        order: config.order,
    }
}

fn wanted(session: &Session) -> Result<TopicConfig, Failure> {
    let number = |option, default| if session.has(option) { session.number(option) } else { Ok(default) };
    let switch = |option| session.value(option).is_some_and(is_true);
    let mut config = TopicConfig::new(
        &session.required("t")?,
        number("r", QUEUES)?,
        number("w", QUEUES)?,
        number("p", TopicConfig::default().perm)?,
    );
    config.topic_sys_flag = topic_sys_flag(switch("u"), switch("s"));
    config.order = switch("o");
    Ok(config)
}

/// updateTopic
pub async fn update(session: &mut Session) -> Result<(), Failure> {
    let config = wanted(session)?;
    if config.perm == 0 {
        eprintln!("WARN: perm 0: nobody can send to {} or consume it any more", config.topic_name);
    }
    match (session.value("b"), session.value("c")) {
        (Some(broker), _) => update_broker(session, &broker, &config).await,
        (None, Some(cluster)) => update_cluster(session, &cluster, &config).await,
        (None, None) => Err(Failure::nowhere()),
    }
}

async fn update_broker(session: &mut Session, broker: &str, config: &TopicConfig) -> Result<(), Failure> {
    let tools = session.tools();
    tools.calls.create_topic(broker, &request_of(config)).await?;
    if config.order {
        let info = tools.cluster_info().await?;
        let name = name_of(&info, broker)?;
        let order_conf = format!("{name}:{}", config.write_queue_nums);
        merge_order_conf(&tools, &config.topic_name, &order_conf).await?;
        session.out.text(&format!("set broker orderConf. isOrder=true, orderConf=[{order_conf}]"));
    }
    session.out.put(
        &format!("create topic to {broker} success.\n"),
        || json!({"brokerAddr": broker, "topicConfig": config}),
    );
    session.out.text(&config.to_string());
    Ok(())
}

async fn update_cluster(session: &mut Session, cluster: &str, config: &TopicConfig) -> Result<(), Failure> {
    let tools = session.tools();
    let mut failures = session.failures();
    for broker in session.masters(cluster).await? {
        match tools.calls.create_topic(&broker, &request_of(config)).await {
            Ok(()) => session.out.put(
                &format!("create topic to {broker} success.\n"),
                || json!({"brokerAddr": broker, "topicConfig": config}),
            ),
            Err(error) => failures.note(Err(error.into())),
        }
    }
    if config.order {
        let info = tools.cluster_info().await?;
        let names = info.cluster_addr_table.get(cluster).into_iter().flatten();
        let pieces: Vec<String> = names.map(|name| format!("{name}:{}", config.write_queue_nums)).collect();
        let order_conf = pieces.join(";");
        tools.put_kv_config(ORDER_TOPIC_CONFIG, &config.topic_name, &order_conf).await?;
        session.out.text(&format!("set cluster orderConf. isOrder=true, orderConf=[{order_conf}]"));
    }
    session.out.text(&config.to_string());
    failures.result()
}

fn name_of<'a>(info: &'a ClusterInfo, addr: &str) -> Result<&'a str, Failure> {
    let is_there = |addrs: &BTreeMap<i64, String>| addrs.values().any(|it| it == addr);
    let found = info.broker_addr_table.iter().find(|(_, broker)| is_there(&broker.broker_addrs));
    found.map(|(name, _)| name.as_str()).ok_or_else(|| {
        Failure::from(format!("no broker has registered the address {addr} with the name server"))
    })
}

/// A broker's own piece changes, the others stay.
async fn merge_order_conf(tools: &Tools, topic: &str, own: &str) -> Result<(), Failure> {
    let known = match tools.kv_config(ORDER_TOPIC_CONFIG, topic).await {
        Ok(known) => known.unwrap_or_default(),
        Err(error) if error.code() == Some(ResponseCode::QueryNotFound.into()) => String::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(tools.put_kv_config(ORDER_TOPIC_CONFIG, topic, &merged(&known, own)).await?)
}

fn merged(known: &str, own: &str) -> String {
    let name = |piece: &str| piece.split(':').next().unwrap_or_default().to_owned();
    let pieces = known.split(';').filter(|piece| !piece.is_empty()).chain([own]);
    let by_name: BTreeMap<String, &str> = pieces.map(|piece| (name(piece), piece)).collect();
    by_name.into_values().collect::<Vec<_>>().join(";")
}

/// deleteTopic
pub async fn delete(session: &mut Session) -> Result<(), Failure> {
    let (topic, cluster) = (session.required("t")?, session.required("c")?);
    // A cluster that is not there must not cost the topic its routes.
    let masters = session.masters(&cluster).await?.len();
    session.confirm(&format!(
        "Delete the topic {topic} from the cluster {cluster} ({masters} masters), with its messages and offsets?"
    ))?;
    session.delete_topic(&cluster, &topic).await
}

/// updateTopicPerm. Java gives every broker the queue numbers that the first one has.
pub async fn update_perm(session: &mut Session) -> Result<(), Failure> {
    let (topic, perm) = (session.required("t")?, session.number::<i32>("p")?);
    let tools = session.tools();
    let route = tools.route(&topic).await?;
    let (addrs, is_broker) = match (session.value("b"), session.value("c")) {
        (Some(broker), _) => (vec![broker], true),
        (None, Some(cluster)) => (session.masters(&cluster).await?, false),
        (None, None) => return Err(Failure::nowhere()),
    };
    let mut changes: Vec<(String, i32, TopicConfig)> = Vec::new();
    for addr in addrs {
        match config_at(&route, &topic, &addr) {
            Some(config) => {
                changes.push((addr, config.perm, TopicConfig { perm, ..config }));
            }
            None if is_broker => {
                return Err(Failure::from(format!("{addr} does not have the topic {topic}")));
            }
            None => {}
        }
    }
    changes.retain(|(_, old, _)| *old != perm);
    if changes.is_empty() {
        session.out.put("new perm equals to the old one!\n", || json!({"changed": 0}));
        return Ok(());
    }
    if perm == 0 {
        eprintln!("WARN: perm 0: nobody can send to {topic} or consume it any more");
    }
    let mut failures = session.failures();
    for (addr, old, config) in changes {
        if let Err(error) = tools.calls.create_topic(&addr, &request_of(&config)).await {
            failures.note(Err(error.into()));
            continue;
        }
        session.out.put(
            &format!("update topic perm from {old} to {perm} in {addr} success.\n"),
            || json!({"brokerAddr": addr, "oldPerm": old, "topicConfig": config}),
        );
        if is_broker {
            session.out.text(&format!("{config}\n"));
        }
    }
    failures.result()
}

/// What a broker has of a topic.
fn config_at(route: &TopicRouteData, topic: &str, addr: &str) -> Option<TopicConfig> {
    let broker = route.broker_datas.iter().find(|it| it.broker_addrs.values().any(|known| known == addr))?;
    let data = route.queue_datas.iter().find(|data| data.broker_name == broker.broker_name)?;
    let mut config = TopicConfig::new(topic, data.read_queue_nums, data.write_queue_nums, data.perm);
    config.topic_sys_flag = data.sys_flag();
    Some(config)
}

/// The route as 4.3.0 knows it: fields of later versions are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRoute<'a> {
    broker_datas: Vec<ShownBroker<'a>>,
    filter_server_table: &'a BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_topic_conf: Option<&'a str>,
    queue_datas: Vec<ShownQueues<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownBroker<'a> {
    broker_addrs: &'a BTreeMap<i64, String>,
    broker_name: &'a str,
    cluster: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownQueues<'a> {
    broker_name: &'a str,
    perm: i32,
    read_queue_nums: i32,
    topic_syn_flag: i32,
    write_queue_nums: i32,
}

fn shown(route: &TopicRouteData) -> String {
    let brokers = route.broker_datas.iter().map(|it| ShownBroker {
        broker_addrs: &it.broker_addrs,
        broker_name: &it.broker_name,
        cluster: &it.cluster,
    });
    let queues = route.queue_datas.iter().map(|it| ShownQueues {
        broker_name: &it.broker_name,
        perm: it.perm,
        read_queue_nums: it.read_queue_nums,
        topic_syn_flag: it.sys_flag(),
        write_queue_nums: it.write_queue_nums,
    });
    let shown = ShownRoute {
        broker_datas: brokers.collect(),
        filter_server_table: &route.filter_server_table,
        order_topic_conf: route.order_topic_conf.as_deref(),
        queue_datas: queues.collect(),
    };
    let text = compat::json::to_pretty_java(&shown).expect("texts and numbers");
    String::from_utf8_lossy(&text).into_owned()
}

/// topicRoute
pub async fn route(session: &mut Session) -> Result<(), Failure> {
    let route = session.tools().route(&session.required("t")?).await?;
    session.out.put(&(shown(&route) + "\n"), || json!(route));
    Ok(())
}

fn status_row(columns: [&str; 5]) -> String {
    let [broker, queue, min, max, updated] = columns;
    format!("{broker:<32}  {queue:<4}  {min:<20}  {max:<20}    {updated}\n")
}

fn queue_row(queue: &MessageQueue, offset: &TopicOffset) -> String {
    let updated = match offset.last_update_timestamp {
        time if time > 0 => human_string2(time),
        _ => String::new(),
    };
    status_row([
        front(&queue.broker_name, 32),
        &queue.queue_id.to_string(),
        &offset.min_offset.to_string(),
        &offset.max_offset.to_string(),
        &updated,
    ])
}

/// topicStatus
pub async fn status(session: &mut Session) -> Result<(), Failure> {
    let topic = session.required("t")?;
    let tools = session.tools();
    let mut failures = session.failures();
    let mut queues: BTreeMap<MessageQueue, TopicOffset> = BTreeMap::new();
    for broker in tools.brokers(&topic).await? {
        match tools.calls.topic_stats(&broker, &topic).await {
            Ok(stats) => queues.extend(stats.offset_table),
            Err(error) => failures.note(Err(error.into())),
        }
    }
    if queues.is_empty() {
        failures.result()?;
        return Err(Failure::from(format!("Not found the topic stats info: {topic} has no queues")));
    }
    session.out.text(&status_row(["#Broker Name", "#QID", "#Min Offset", "#Max Offset", "#Last Updated"]));
    for (queue, offset) in &queues {
        session.out.put(&queue_row(queue, offset), || {
            json!({
                "brokerName": queue.broker_name,
                "queueId": queue.queue_id,
                "minOffset": offset.min_offset,
                "maxOffset": offset.max_offset,
                "lastUpdateTimestamp": offset.last_update_timestamp,
            })
        });
    }
    failures.result()
}

/// The clusters whose brokers have a topic.
fn clusters_of<'a>(info: &'a ClusterInfo, route: &TopicRouteData) -> BTreeSet<&'a str> {
    let has = |names: &BTreeSet<String>| {
        route.broker_datas.iter().any(|broker| names.contains(&broker.broker_name))
    };
    let clusters = info.cluster_addr_table.iter().filter(|(_, names)| has(names));
    clusters.map(|(cluster, _)| cluster.as_str()).collect()
}

/// topicClusterList
pub async fn cluster_list(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    let topic = session.required("t")?;
    let (info, route) = (tools.cluster_info().await?, tools.route(&topic).await?);
    for cluster in clusters_of(&info, &route) {
        session.out.put(&format!("{cluster}\n"), || json!({"topic": topic, "cluster": cluster}));
    }
    Ok(())
}

fn list_row(columns: [&str; 3]) -> String {
    let [cluster, topic, group] = columns;
    format!("{cluster:<20}  {topic:<48}  {group:<48}\n")
}

/// topicList
pub async fn list(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    if session.has("c") {
        return list_with_groups(session, &tools).await;
    }
    let topics = tools.topic_list().await?;
    // In one piece: there may be many thousands.
    session.out.text(&topics.iter().map(|topic| format!("{topic}\n")).collect::<String>());
    for topic in &topics {
        session.out.json(|| json!({"topic": topic}));
    }
    Ok(())
}

async fn list_with_groups(session: &mut Session, tools: &Tools) -> Result<(), Failure> {
    let info = tools.cluster_info().await?;
    let topics = tools.topic_list().await?;
    session.out.text(&list_row(["#Cluster Name", "#Topic", "#Consumer Group"]));
    let topics: Vec<String> =
        topics.into_iter().filter(|it| retry_group(it).is_none() && dlq_group(it).is_none()).collect();
    let all = topics.len();
    let asked = topics.into_iter().map(async |topic| {
        // As in Java: of a topic whose broker does not answer the name alone is shown.
        let route = tools.route(&topic).await.ok();
        let groups = tools.topic_consume_by_who(&topic).await.unwrap_or_default();
        (topic, route, groups)
    });
    let mut asked = stream::iter(asked).buffered(AT_ONCE);
    let mut done = 0;
    while let Some((topic, route, groups)) = asked.next().await {
        done += 1;
        session.progress("topics", done, all as i64);
        let cluster = route.and_then(|route| clusters_of(&info, &route).first().copied()).unwrap_or_default();
        session.out.json(|| json!({"cluster": cluster, "topic": topic, "consumerGroups": groups}));
        let mut groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        if groups.is_empty() {
            groups.push("");
        }
        for group in groups {
            session.out.text(&list_row([front(cluster, 20), front(&topic, 48), front(group, 48)]));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Allocation<'a> {
    result: BTreeMap<&'a str, &'a [MessageQueueFields<'a>]>,
}

/// In the order in which Java prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageQueueFields<'a> {
    broker_name: &'a str,
    queue_id: i32,
    topic: &'a str,
}

/// allocateMQ
pub async fn allocate(session: &mut Session) -> Result<(), Failure> {
    let (topic, ips) = (session.required("t")?, session.required("i")?);
    let places = session.tools().queues(&topic).await?;
    let text = allocation(&places.iter().map(|(queue, _)| queue).collect::<Vec<_>>(), &ips);
    // It is JSON either way.
    super::session::write(text + "\n");
    Ok(())
}

fn allocation(queues: &[&MessageQueue], ips: &str) -> String {
    let ips: Vec<String> = ips.split(',').map(str::to_owned).collect();
    // Java's field order is that of names; ours of the wire is another.
    let queues = queues.iter().map(|queue| MessageQueueFields {
        broker_name: &queue.broker_name,
        queue_id: queue.queue_id,
        topic: &queue.topic,
    });
    let queues: Vec<MessageQueueFields<'_>> = queues.collect();
    let result = ips.iter().map(|ip| (ip.as_str(), allocate_averagely(&queues, &ips, ip))).collect();
    let text = compat::json::to_vec_java(&Allocation { result }).expect("texts and numbers");
    String::from_utf8_lossy(&text).into_owned()
}

/// updateOrderConf
pub async fn update_order_conf(session: &mut Session) -> Result<(), Failure> {
    let (topic, method) = (session.required("t")?, session.required("m")?);
    let tools = session.tools();
    let (text, order_conf) = match method.as_str() {
        "get" => {
            let known = tools.kv_config(ORDER_TOPIC_CONFIG, &topic).await?.unwrap_or_default();
            (format!("get orderConf success. topic=[{topic}], orderConf=[{known}] "), Some(known))
        }
        "put" => {
            let wanted = session.value("v").filter(|value| !value.is_empty());
            let wanted =
                wanted.ok_or_else(|| Failure::from("please set orderConf with option -v.".to_owned()))?;
            tools.put_kv_config(ORDER_TOPIC_CONFIG, &topic, &wanted).await?;
            (format!("update orderConf success. topic=[{topic}], orderConf=[{wanted}]"), Some(wanted))
        }
        "delete" => {
            tools.delete_kv_config(ORDER_TOPIC_CONFIG, &topic).await?;
            (format!("delete orderConf success. topic=[{topic}]"), None)
        }
        _ => return Err(Failure::Usage("-m takes put, get or delete")),
    };
    session.out.put(&text, || json!({"topic": topic, "orderConf": order_conf}));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::route::{BrokerData, QueueData};

    fn a_route() -> TopicRouteData {
        let mut route = TopicRouteData::default();
        for (name, port, queues) in [("broker-a", 1, 4), ("broker-b", 2, 6)] {
            let mut broker = BrokerData::new("C", name);
            broker.broker_addrs.insert(0, format!("127.0.0.1:{port}"));
            route.broker_datas.push(broker);
            route.queue_datas.push(QueueData::new(name, &TopicConfig::new("T", queues, queues, 6)));
        }
        route
    }

    #[test]
    fn order_confs_are_merged() {
        let check =
            |known: &str, own: &str, expected: &str| assert_eq!(merged(known, own), expected, "{known}");
        check("", "a:4", "a:4");
        check("a:2", "a:4", "a:4");
        check("b:2;a:2", "a:4", "a:4;b:2");
    }

    #[test]
    fn each_broker_keeps_its_own_queues() {
        let route = a_route();
        let check = |addr: &str, expected: Option<i32>| {
            assert_eq!(config_at(&route, "T", addr).map(|it| it.read_queue_nums), expected);
        };
        check("127.0.0.1:1", Some(4));
        check("127.0.0.1:2", Some(6));
        check("127.0.0.1:3", None);
    }

    #[test]
    fn routes_stand_as_java_prints_them() {
        let mut route = a_route();
        route.broker_datas.truncate(1);
        route.queue_datas.truncate(1);
        let expected = "{\n\t\"brokerDatas\":[\n\t\t{\n\t\t\t\"brokerAddrs\":{0:\"127.0.0.1:1\"\n\t\t\t},\n\t\t\t\
                        \"brokerName\":\"broker-a\",\n\t\t\t\"cluster\":\"C\"\n\t\t}\n\t],\n\t\"filterServerTable\":{},\n\t\
                        \"queueDatas\":[\n\t\t{\n\t\t\t\"brokerName\":\"broker-a\",\n\t\t\t\"perm\":6,\n\t\t\t\
                        \"readQueueNums\":4,\n\t\t\t\"topicSynFlag\":0,\n\t\t\t\"writeQueueNums\":4\n\t\t}\n\t]\n}";
        assert_eq!(shown(&route), expected);
    }

    #[test]
    fn rows_stand_as_java_prints_them() {
        let queue = MessageQueue::new("T", "broker-a", 3);
        let offset = TopicOffset { last_update_timestamp: 0, max_offset: 12, min_offset: 2 };
        let gap = |blanks: usize| " ".repeat(blanks);
        let expected = format!("broker-a{}3{}2{}12{}\n", gap(26), gap(5), gap(21), gap(22));
        assert_eq!(queue_row(&queue, &offset), expected);
        let expected = format!("C{}T{}g{}\n", gap(21), gap(49), gap(47));
        assert_eq!(list_row(["C", "T", "g"]), expected);
    }

    #[test]
    fn queues_are_shared_out_as_consumers_do() {
        let queues = [0, 1, 2].map(|id| MessageQueue::new("T", "b", id));
        let queues: Vec<&MessageQueue> = queues.iter().collect();
        let queue = |id: i32| format!(r#"{{"brokerName":"b","queueId":{id},"topic":"T"}}"#);
        let expected = format!(r#"{{"result":{{"x":[{},{}],"y":[{}]}}}}"#, queue(0), queue(1), queue(2));
        assert_eq!(allocation(&queues, "x,y"), expected);
    }

    #[test]
    fn clusters_of_all_brokers_count() {
        let names = |name: &str| BTreeSet::from([name.to_owned()]);
        let cluster_addr_table = [("C", "broker-a"), ("D", "broker-b"), ("E", "other")]
            .map(|(cluster, name)| (cluster.to_owned(), names(name)))
            .into();
        let info = ClusterInfo { cluster_addr_table, ..ClusterInfo::default() };
        assert!(clusters_of(&info, &a_route()).into_iter().eq(["C", "D"]));
    }
}
