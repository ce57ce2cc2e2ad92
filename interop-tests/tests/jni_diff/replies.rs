//! What our broker answers to administration, read by the Java classes that tools read it with, is what it was meant to say.

use compat::json;
use rocketmq::protocol::body::admin::{ConsumeQueueData, QueryConsumeQueueResponseBody};
use rocketmq::protocol::body::client::{
    Connection, ConsumerConnection, GetConsumerListByGroupResponseBody, GroupList, ProducerConnection,
};
use rocketmq::protocol::body::group::SubscriptionGroupWrapper;
use rocketmq::protocol::body::offset::{
    ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper, QueryCorrectionOffsetBody,
};
use rocketmq::protocol::body::queue::MessageQueue;
use rocketmq::protocol::body::route::{ClusterInfo, KVTable, TopicRouteData};
use rocketmq::protocol::body::stats::{
    BrokerStatsData, ConsumeStats, ConsumeStatsList, OffsetWrapper, QueryConsumeTimeSpanBody, QueueTimeSpan,
    TopicOffset, TopicStatsTable,
};
use rocketmq::protocol::body::topic::{TopicConfigSerializeWrapper, TopicList};
use rocketmq::protocol::request_code::RequestCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::broker::{Client, Fixture};
use crate::items::Writer;
use crate::oracle::{Shown, tell};

#[allow(dead_code, reason = "the root package's own tests use the rest")]
#[path = "../../../tests/common/broker.rs"]
mod broker;

const BODY: &str = "org.apache.rocketmq.common.protocol.body.";
const ADMIN: &str = "org.apache.rocketmq.common.admin.";

/// A reply's body as Java reads it.
fn read<T: DeserializeOwned>(
    client: &mut Client,
    code: RequestCode,
    fields: &[(&str, &str)],
    class: &str,
) -> T {
    let answer = client.call(code, fields, "");
    assert_eq!(answer.code, 0, "{code:?}: {:?}", answer.remark);
    let item = Writer::new().text(class).bytes(Some(&answer.body)).done();
    let theirs = tell("json reprint", &[item]).remove(0);
    json::from_slice(&theirs).unwrap_or_else(|error| panic!("{code:?}: {error}: {:?}", Shown(&theirs)))
}

/// Topic T of two queues, three messages in the first, of which group g has consumed two.
struct Scene {
    fixture: Fixture,
    client: Client,
    offsets: Vec<i64>,
}

impl Scene {
    fn new() -> Scene {
        let fixture = Fixture::new();
        let mut client = fixture.connect();
        assert_eq!(client.create_topic("T", "2").0, 0);
        client.heart_beat("client-1", "g", &["T"]);
        let offsets = ["one", "two", "three"].map(|body| fixture.put("T", 0, body)).into();
        let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", "0"), ("commitOffset", "2")];
        assert_eq!(client.call(RequestCode::UpdateConsumerOffset, &fields, "").code, 0);
        Scene { fixture, client, offsets }
    }

    fn time(&self, offset: i64) -> i64 {
        self.fixture.running().broker().store.store_time_of("T", 0, offset)
    }

    fn consume_stats(&self) -> ConsumeStats {
        let first = OffsetWrapper { broker_offset: 3, consumer_offset: 2, last_timestamp: self.time(1) };
        let offset_table = [(queue(0), first), (queue(1), OffsetWrapper::default())].into();
        ConsumeStats { consume_tps: 0.0, offset_table }
    }
}

fn queue(queue_id: i32) -> MessageQueue {
    MessageQueue::new("T", "broker-a", queue_id)
}

#[test]
fn topics_and_progress() {
    let mut scene = Scene::new();
    let topic = [("topic", "T")];
    let table: TopicStatsTable =
        read(&mut scene.client, RequestCode::GetTopicStatsInfo, &topic, &format!("{ADMIN}TopicStatsTable"));
    let first = TopicOffset { last_update_timestamp: scene.time(2), max_offset: 3, min_offset: 0 };
    let rows = [(queue(0), first), (queue(1), TopicOffset::default())];
    assert_eq!(table, TopicStatsTable { offset_table: rows.into() });

    let class = format!("{ADMIN}ConsumeStats");
    let group = [("consumerGroup", "g")];
    let stats: ConsumeStats = read(&mut scene.client, RequestCode::GetConsumeStats, &group, &class);
    // Every topic that the group has offsets of, which is this one.
    assert_eq!(stats, scene.consume_stats());

    let class = format!("{BODY}ConsumeStatsList");
    let order = [("isOrder", "false")];
    let list: ConsumeStatsList = read(&mut scene.client, RequestCode::GetBrokerConsumeStats, &order, &class);
    assert_eq!(list.total_diff, 1);
    assert_eq!(list.broker_addr, Some(scene.fixture.running().broker().store_host.to_string()));
    let of_group = list.consume_stats_list.iter().find_map(|groups| groups.get("g"));
    assert_eq!(of_group, Some(&vec![scene.consume_stats()]));
    assert!(list.consume_stats_list.iter().any(|groups| groups.values().any(Vec::is_empty)), "{list:?}");

    let groups: GroupList =
        read(&mut scene.client, RequestCode::QueryTopicConsumeByWho, &topic, &format!("{BODY}GroupList"));
    assert_eq!(groups, GroupList { group_list: ["g".to_owned()].into() });
}

#[test]
fn time_spans() {
    let mut scene = Scene::new();
    let fields = [("topic", "T"), ("group", "g")];
    let class = format!("{BODY}QueryConsumeTimeSpanBody");
    let body: QueryConsumeTimeSpanBody =
        read(&mut scene.client, RequestCode::QueryConsumeTimeSpan, &fields, &class);
    let delay = body.consume_time_span_set[0].delay_time;
    assert!((0..600_000).contains(&delay), "{delay}");
    // Java makes the texts anew from the times.
    let first = QueueTimeSpan::new(queue(0), scene.time(0), scene.time(2), scene.time(1), delay);
    let second = QueueTimeSpan::new(queue(1), -1, -1, -1, 0);
    assert_eq!(body, QueryConsumeTimeSpanBody { consume_time_span_set: vec![first, second] });
}

#[test]
fn entries_of_a_queue() {
    let mut scene = Scene::new();
    let fields = [("topic", "T"), ("queueId", "0"), ("index", "1"), ("count", "32"), ("consumerGroup", "g")];
    let class = format!("{BODY}QueryConsumeQueueResponseBody");
    let body: QueryConsumeQueueResponseBody =
        read(&mut scene.client, RequestCode::QueryConsumeQueue, &fields, &class);
    let store = &scene.fixture.running().broker().store;
    let entry = |offset: i64| ConsumeQueueData {
        eval: true,
        physic_offset: scene.offsets[offset as usize],
        physic_size: store.unit("T", 0, offset).unwrap().length,
        ..ConsumeQueueData::default()
    };
    assert_eq!((body.min_queue_index, body.max_queue_index), (0, 3));
    assert_eq!(body.queue_data, Some(vec![entry(1), entry(2)]));
    let subscription = body.subscription_data.unwrap();
    assert_eq!((subscription.topic.as_str(), subscription.sub_string.as_str()), ("T", "*"));
}

#[test]
fn statistics() {
    let mut scene = Scene::new();
    let statistics = &scene.fixture.running().broker().statistics;
    statistics.put("T", 6, 600);
    statistics.put("T", 4, 400);
    // The broker takes its own samples, too; they change nothing of the sums.
    statistics.sample(1_000_000);
    let mut view = |name: &str| -> BrokerStatsData {
        let fields = [("statsName", name), ("statsKey", "T")];
        let class = format!("{BODY}BrokerStatsData");
        read(&mut scene.client, RequestCode::ViewBrokerStatsData, &fields, &class)
    };
    for (name, sum, avgpt) in [("TOPIC_PUT_NUMS", 10, 5.0), ("TOPIC_PUT_SIZE", 1000, 500.0)] {
        let BrokerStatsData { stats_day, stats_hour, stats_minute } = view(name);
        for item in [stats_day, stats_hour, stats_minute] {
            assert_eq!((item.sum, item.avgpt), (sum, avgpt), "{name}: {item:?}");
        }
    }
}

#[test]
fn connections() {
    let mut scene = Scene::new();
    let group = [("consumerGroup", "g")];
    let class = format!("{BODY}ConsumerConnection");
    let consumers: ConsumerConnection =
        read(&mut scene.client, RequestCode::GetConsumerConnectionList, &group, &class);
    let meant = scene.fixture.running().broker().consumers.find("g").unwrap().connections();
    assert_eq!(consumers, meant);
    let client_ids = |set: &[Connection]| set.iter().map(|it| it.client_id.clone()).collect::<Vec<_>>();
    let set: Vec<Connection> = consumers.connection_set.into_iter().collect();
    assert_eq!(client_ids(&set), ["client-1"]);

    let group = [("producerGroup", "CLIENT_INNER_PRODUCER")];
    let class = format!("{BODY}ProducerConnection");
    let producers: ProducerConnection =
        read(&mut scene.client, RequestCode::GetProducerConnectionList, &group, &class);
    let set: Vec<Connection> = producers.connection_set.into_iter().collect();
    assert_eq!(client_ids(&set), ["client-1"]);
    assert!(set[0].client_addr.starts_with("127.0.0.1:"), "{set:?}");
    assert_eq!((set[0].version, format!("{:?}", set[0].language)), (273, "Java".to_owned()));
}

#[test]
fn runtime_info() {
    let mut scene = Scene::new();
    let class = format!("{BODY}KVTable");
    let info: KVTable = read(&mut scene.client, RequestCode::GetBrokerRuntimeInfo, &[], &class);
    for key in
        ["commitLogMaxOffset", "putMessageDistributeTime", "putTps", "runtime", "pageCacheLockTimeMills"]
    {
        assert!(info.table.contains_key(key), "{key}: {info:?}");
    }
    assert_eq!(info.table["brokerVersionDesc"], "V4_3_0");
    let end = scene.fixture.running().broker().store.max_commit_log_offset();
    assert_eq!(info.table["commitLogMaxOffset"], end.to_string());
    assert!(info.table["runtime"].starts_with("[ 0 days, 0 hours, "), "{info:?}");
}

/// Java reads a reply's body and has all that is in it: printed by Java and read again, it is what it was.
fn survives<T: Serialize + DeserializeOwned>(
    client: &mut Client,
    code: RequestCode,
    fields: &[(&str, &str)],
    class: &str,
) {
    let answer = client.call(code, fields, "");
    assert_eq!(answer.code, 0, "{code:?}: {:?}", answer.remark);
    let item = Writer::new().text(class).bytes(Some(&answer.body)).done();
    let theirs = tell("json reprint", &[item]).remove(0);
    let ours = |body: &[u8]| {
        let body: T =
            json::from_slice(body).unwrap_or_else(|error| panic!("{code:?}: {error}: {:?}", Shown(body)));
        String::from_utf8(json::to_vec(&body).unwrap()).unwrap()
    };
    assert_eq!(ours(&theirs), ours(&answer.body), "{code:?}");
    assert!(answer.body.starts_with(b"{\""), "{code:?}: {:?}", Shown(&answer.body));
}

#[test]
fn tables_and_lists_of_a_broker() {
    let mut scene = Scene::new();
    let body = |name: &str| format!("{BODY}{name}");
    let client = &mut scene.client;
    survives::<TopicConfigSerializeWrapper>(
        client,
        RequestCode::GetAllTopicConfig,
        &[],
        &body("TopicConfigSerializeWrapper"),
    );
    survives::<ConsumerOffsetSerializeWrapper>(
        client,
        RequestCode::GetAllConsumerOffset,
        &[],
        &body("ConsumerOffsetSerializeWrapper"),
    );
    let delays = "org.apache.rocketmq.store.schedule.DelayOffsetSerializeWrapper";
    survives::<DelayOffsetSerializeWrapper>(client, RequestCode::GetAllDelayOffset, &[], delays);
    let groups = body("SubscriptionGroupWrapper");
    survives::<SubscriptionGroupWrapper>(client, RequestCode::GetAllSubscriptiongroupConfig, &[], &groups);
    let members = "org.apache.rocketmq.common.protocol.header.GetConsumerListByGroupResponseBody";
    let group = [("consumerGroup", "g")];
    survives::<GetConsumerListByGroupResponseBody>(
        client,
        RequestCode::GetConsumerListByGroup,
        &group,
        members,
    );
    let topics = body("TopicList");
    survives::<TopicList>(client, RequestCode::GetSystemTopicListFromBroker, &[], &topics);
    let compared = [("filterGroups", ""), ("compareGroup", "g"), ("topic", "T")];
    let correction = body("QueryCorrectionOffsetBody");
    survives::<QueryCorrectionOffsetBody>(client, RequestCode::QueryCorrectionOffset, &compared, &correction);
}

#[test]
fn tables_and_lists_of_a_name_server() {
    let names = broker::NameServer::new();
    let fixture = Fixture::registered_with(&names.addr());
    let mut at_broker = fixture.connect();
    assert_eq!(at_broker.create_topic("T", "2").0, 0);
    let mut client = Client::connect(names.addr().parse().unwrap());
    let body = |name: &str| format!("{BODY}{name}");
    let route = "org.apache.rocketmq.common.protocol.route.TopicRouteData";
    survives::<TopicRouteData>(&mut client, RequestCode::GetRouteintoByTopic, &[("topic", "T")], route);
    survives::<ClusterInfo>(&mut client, RequestCode::GetBrokerClusterInfo, &[], &body("ClusterInfo"));
    let key = [("namespace", "n"), ("key", "a key"), ("value", "a value")];
    assert_eq!(client.call(RequestCode::PutKvConfig, &key, "").code, 0);
    let namespace = [("namespace", "n")];
    survives::<KVTable>(&mut client, RequestCode::GetKvlistByNamespace, &namespace, &body("KVTable"));
    let topics = body("TopicList");
    let cluster = [("cluster", "DefaultCluster")];
    survives::<TopicList>(&mut client, RequestCode::GetTopicsByCluster, &cluster, &topics);
    for code in [
        RequestCode::GetAllTopicListFromNameserver,
        RequestCode::GetSystemTopicListFromNs,
        RequestCode::GetUnitTopicList,
        RequestCode::GetHasUnitSubTopicList,
        RequestCode::GetHasUnitSubUnunitTopicList,
    ] {
        survives::<TopicList>(&mut client, code, &[], &topics);
    }
}
