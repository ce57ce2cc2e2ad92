//! Every body against what Java prints.

use compat::json::{from_slice, to_vec, to_vec_java};
use compat::language::LanguageCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

use super::client::*;
use super::group::*;
use super::heartbeat::*;
use super::offset::*;
use super::queue::*;
use super::register::RegisterBrokerBody;
use super::route::*;
use super::stats::*;
use super::topic::*;

const DATA_VERSION: &str = r#"{"counter":2,"timestamp":1795391897067}"#;
const TOPIC_CONFIG: &str = r#"{"order":false,"perm":6,"readQueueNums":4,"topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":4}"#;
const SUBSCRIPTION: &str = r#"{"classFilterMode":false,"codeSet":[65,66],"expressionType":"TAG","subString":"A || B","subVersion":1795391897067,"tagsSet":["A","B"],"topic":"T"}"#;
const GROUP: &str = r#"{"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"groupName":"g","notifyConsumerIdsChangedEnable":true,"retryMaxTimes":16,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}"#;
const MQ: &str = r#"{"brokerName":"broker-a","queueId":0,"topic":"T"}"#;
const PROCESS_QUEUE: &str = r#"{"cachedMsgCount":0,"cachedMsgMaxOffset":0,"cachedMsgMinOffset":0,"cachedMsgSizeInMiB":0,"commitOffset":0,"droped":false,"lastConsumeTimestamp":0,"lastLockTimestamp":0,"lastPullTimestamp":0,"locked":false,"transactionMsgCount":0,"transactionMsgMaxOffset":0,"transactionMsgMinOffset":0,"tryUnlockTimes":0}"#;
const CONNECTION: &str = r#"{"clientAddr":"10.0.0.1:5000","clientId":"c","language":"JAVA","version":273}"#;

/// Printed as Java does, and read back. Java's own text has bare integer keys.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, java: &str) {
    assert_eq!(String::from_utf8(to_vec_java(value).unwrap()).unwrap(), java);
    for text in [to_vec(value).unwrap(), java.into()] {
        assert_eq!(&from_slice::<T>(&text).unwrap(), value);
    }
}

fn version() -> DataVersion {
    DataVersion { counter: 2, timestamp: 1_795_391_897_067 }
}

fn subscription() -> SubscriptionData {
    let mut data = SubscriptionData::of_tags("T", Some("A || B")).unwrap();
    data.sub_version = 1_795_391_897_067;
    data
}

fn topics() -> TopicConfigSerializeWrapper {
    let topic_config_table = [("T".to_owned(), TopicConfig::new("T", 4, 4, 6))].into();
    TopicConfigSerializeWrapper { data_version: version(), topic_config_table }
}

fn connection() -> Connection {
    let client_addr = "10.0.0.1:5000".to_owned();
    Connection { client_addr, client_id: "c".to_owned(), language: LanguageCode::Java, version: 273 }
}

fn mq() -> MessageQueue {
    MessageQueue::new("T", "broker-a", 0)
}

#[test]
fn topics_and_groups() {
    check(&version(), DATA_VERSION);
    check(&TopicConfig::new("T", 4, 4, 6), TOPIC_CONFIG);
    let wrapper = format!(r#"{{"dataVersion":{DATA_VERSION},"topicConfigTable":{{"T":{TOPIC_CONFIG}}}}}"#);
    check(&topics(), &wrapper);
    let registration =
        RegisterBrokerBody { topic_config_serialize_wrapper: topics(), filter_server_list: vec![] };
    check(&registration, &format!(r#"{{"filterServerList":[],"topicConfigSerializeWrapper":{wrapper}}}"#));
    check(&SubscriptionGroupConfig::new("g"), GROUP);
    let subscription_group_table = [("g".to_owned(), SubscriptionGroupConfig::new("g"))].into();
    check(
        &SubscriptionGroupWrapper { data_version: version(), subscription_group_table },
        &format!(r#"{{"dataVersion":{DATA_VERSION},"subscriptionGroupTable":{{"g":{GROUP}}}}}"#),
    );
    let list = TopicList {
        broker_addr: Some("127.0.0.1:10911".to_owned()),
        topic_list: ["T".to_owned(), "%RETRY%g".to_owned()].into(),
    };
    check(&list, r#"{"brokerAddr":"127.0.0.1:10911","topicList":["%RETRY%g","T"]}"#);
    check(&TopicList::default(), r#"{"topicList":[]}"#);
}

#[test]
fn routes() {
    let mut broker = BrokerData::new("DefaultCluster", "broker-a");
    broker.broker_addrs.insert(1, "127.0.0.1:20911".to_owned());
    assert_eq!((broker.select_broker_addr(), broker.master_addr()), (Some("127.0.0.1:20911"), None));
    broker.broker_addrs.insert(0, "127.0.0.1:10911".to_owned());
    assert_eq!(broker.select_broker_addr(), Some("127.0.0.1:10911"));
    let broker_json = r#"{"brokerAddrs":{0:"127.0.0.1:10911",1:"127.0.0.1:20911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}"#;
    let route = TopicRouteData {
        broker_datas: vec![broker.clone()],
        filter_server_table: [].into(),
        order_topic_conf: Some("broker-a:4".to_owned()),
        queue_datas: vec![QueueData::new("broker-a", &TopicConfig::new("T", 4, 4, 6))],
    };
    check(
        &route,
        &format!(
            r#"{{"brokerDatas":[{broker_json}],"filterServerTable":{{}},"orderTopicConf":"broker-a:4","queueDatas":[{{"brokerName":"broker-a","perm":6,"readQueueNums":4,"topicSynFlag":0,"topicSysFlag":0,"writeQueueNums":4}}]}}"#
        ),
    );
    let cluster = ClusterInfo {
        broker_addr_table: [("broker-a".to_owned(), broker)].into(),
        cluster_addr_table: [("DefaultCluster".to_owned(), ["broker-a".to_owned()].into())].into(),
    };
    check(
        &cluster,
        &format!(
            r#"{{"brokerAddrTable":{{"broker-a":{broker_json}}},"clusterAddrTable":{{"DefaultCluster":["broker-a"]}}}}"#
        ),
    );
    check(&KVTable { table: [("k".to_owned(), "v".to_owned())].into() }, r#"{"table":{"k":"v"}}"#);
}

#[test]
fn a_flag_comes_under_either_name() {
    for name in ["topicSynFlag", "topicSysFlag"] {
        let data: QueueData = from_slice(format!(r#"{{"{name}":3}}"#).as_bytes()).unwrap();
        assert_eq!(data.sys_flag(), 3);
    }
}

#[test]
fn clients() {
    check(&subscription(), SUBSCRIPTION);
    let consumer = ConsumerData {
        group_name: "g".to_owned(),
        consume_type: ConsumeType::ConsumePassively,
        message_model: MessageModel::Clustering,
        consume_from_where: ConsumeFromWhere::ConsumeFromLastOffset,
        subscription_data_set: vec![subscription()],
        unit_mode: false,
    };
    let heartbeat = HeartbeatData {
        client_id: "10.0.0.1@123".to_owned(),
        consumer_data_set: vec![consumer],
        producer_data_set: vec![ProducerData { group_name: "CLIENT_INNER_PRODUCER".to_owned() }],
    };
    check(
        &heartbeat,
        &format!(
            r#"{{"clientID":"10.0.0.1@123","consumerDataSet":[{{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"g","messageModel":"CLUSTERING","subscriptionDataSet":[{SUBSCRIPTION}],"unitMode":false}}],"producerDataSet":[{{"groupName":"CLIENT_INNER_PRODUCER"}}]}}"#
        ),
    );
    let consumers = ConsumerConnection {
        connection_set: vec![connection()],
        consume_from_where: Some(ConsumeFromWhere::ConsumeFromLastOffset),
        consume_type: Some(ConsumeType::ConsumePassively),
        message_model: Some(MessageModel::Clustering),
        subscription_table: [("T".to_owned(), subscription())].into(),
    };
    check(
        &consumers,
        &format!(
            r#"{{"connectionSet":[{CONNECTION}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{{"T":{SUBSCRIPTION}}}}}"#
        ),
    );
    check(
        &ProducerConnection { connection_set: vec![connection()] },
        &format!(r#"{{"connectionSet":[{CONNECTION}]}}"#),
    );
    check(
        &CheckClientRequestBody {
            client_id: "c".to_owned(),
            group: "g".to_owned(),
            subscription_data: subscription(),
        },
        &format!(r#"{{"clientId":"c","group":"g","subscriptionData":{SUBSCRIPTION}}}"#),
    );
    check(
        &GetConsumerListByGroupResponseBody { consumer_id_list: vec!["10.0.0.1@123".to_owned()] },
        r#"{"consumerIdList":["10.0.0.1@123"]}"#,
    );
    check(&GroupList { group_list: ["g".to_owned()].into() }, r#"{"groupList":["g"]}"#);
    let direct = ConsumeMessageDirectlyResult {
        consume_result: Some(CMResult::CrSuccess),
        remark: Some("r".to_owned()),
        spent_time_mills: 3,
        ..ConsumeMessageDirectlyResult::default()
    };
    check(
        &direct,
        r#"{"autoCommit":true,"consumeResult":"CR_SUCCESS","order":false,"remark":"r","spentTimeMills":3}"#,
    );
    check(&ProcessQueueInfo::default(), PROCESS_QUEUE);
    let running = ConsumerRunningInfo {
        mq_table: [(mq(), ProcessQueueInfo::default())].into(),
        properties: [(PROP_CONSUME_ORDERLY.to_owned(), "false".to_owned())].into(),
        subscription_set: vec![subscription()],
        ..ConsumerRunningInfo::default()
    };
    check(
        &running,
        &format!(
            r#"{{"mqTable":{{{MQ}:{PROCESS_QUEUE}}},"properties":{{"PROP_CONSUMEORDERLY":"false"}},"statusTable":{{}},"subscriptionSet":[{SUBSCRIPTION}]}}"#
        ),
    );
    check(
        &ConsumeStatus::default(),
        r#"{"consumeFailedMsgs":0,"consumeFailedTPS":0.0,"consumeOKTPS":0.0,"consumeRT":0.0,"pullRT":0.0,"pullTPS":0.0}"#,
    );
}

#[test]
fn queues_and_locks() {
    let lock = LockBatchRequestBody {
        client_id: "c".to_owned(),
        consumer_group: "g".to_owned(),
        mq_set: vec![mq()],
    };
    check(&lock, &format!(r#"{{"clientId":"c","consumerGroup":"g","mqSet":[{MQ}]}}"#));
    check(&LockBatchResponseBody { lock_ok_mq_set: vec![mq()] }, &format!(r#"{{"lockOKMQSet":[{MQ}]}}"#));
    assert_eq!(mq().to_string(), "MessageQueue [topic=T, brokerName=broker-a, queueId=0]");
}

#[test]
fn offsets() {
    check(
        &ConsumerOffsetSerializeWrapper {
            offset_table: [("T@g".to_owned(), [(0, 12), (1, 7)].into())].into(),
        },
        r#"{"offsetTable":{"T@g":{0:12,1:7}}}"#,
    );
    check(
        &DelayOffsetSerializeWrapper { offset_table: [(1, 10), (3, 4)].into() },
        r#"{"offsetTable":{1:10,3:4}}"#,
    );
    check(
        &QueryCorrectionOffsetBody { correction_offsets: [(0, 5), (1, i64::MAX)].into() },
        r#"{"correctionOffsets":{0:5,1:9223372036854775807}}"#,
    );
    let for_c = MessageQueueForC {
        broker_name: "broker-a".to_owned(),
        offset: 12,
        queue_id: 0,
        topic: "T".to_owned(),
    };
    check(
        &ResetOffsetBodyForC { offset_table: vec![for_c] },
        r#"{"offsetTable":[{"brokerName":"broker-a","offset":12,"queueId":0,"topic":"T"}]}"#,
    );
    let table = || [(mq(), 12)].into();
    check(&ResetOffsetBody { offset_table: table() }, &format!(r#"{{"offsetTable":{{{MQ}:12}}}}"#));
    check(
        &GetConsumerStatusBody { consumer_table: [].into(), message_queue_table: table() },
        &format!(r#"{{"consumerTable":{{}},"messageQueueTable":{{{MQ}:12}}}}"#),
    );
    check(
        &GetConsumerStatusBody {
            consumer_table: [("clientId".to_owned(), table())].into(),
            message_queue_table: [].into(),
        },
        &format!(r#"{{"consumerTable":{{"clientId":{{{MQ}:12}}}},"messageQueueTable":{{}}}}"#),
    );
    check(
        &OffsetMovedEvent {
            consumer_group: "g".to_owned(),
            message_queue: mq(),
            offset_new: 0,
            offset_request: 9,
        },
        &format!(r#"{{"consumerGroup":"g","messageQueue":{MQ},"offsetNew":0,"offsetRequest":9}}"#),
    );
}

#[test]
fn statistics() {
    check(
        &TopicStatsTable { offset_table: [(mq(), TopicOffset::default())].into() },
        &format!(r#"{{"offsetTable":{{{MQ}:{{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0}}}}}}"#),
    );
    let offset = OffsetWrapper { broker_offset: 9, consumer_offset: 7, last_timestamp: 1_795_391_897_067 };
    check(
        &ConsumeStats { consume_tps: 0.0, offset_table: [(mq(), offset)].into() },
        &format!(
            r#"{{"consumeTps":0.0,"offsetTable":{{{MQ}:{{"brokerOffset":9,"consumerOffset":7,"lastTimestamp":1795391897067}}}}}}"#
        ),
    );
    check(
        &BrokerStatsData::default(),
        r#"{"statsDay":{"avgpt":0.0,"sum":0,"tps":0.0},"statsHour":{"avgpt":0.0,"sum":0,"tps":0.0},"statsMinute":{"avgpt":0.0,"sum":0,"tps":0.0}}"#,
    );
    check(
        &ConsumeStatsList {
            broker_addr: Some("127.0.0.1:10911".to_owned()),
            consume_stats_list: vec![[("g".to_owned(), vec![])].into()],
            total_diff: 2,
        },
        r#"{"brokerAddr":"127.0.0.1:10911","consumeStatsList":[{"g":[]}],"totalDiff":2}"#,
    );
    check(
        &super::admin::QueryConsumeQueueResponseBody::default(),
        r#"{"maxQueueIndex":0,"minQueueIndex":0}"#,
    );
}

#[test]
fn fields_left_out_take_javas_initialisers() {
    let config: TopicConfig = from_slice(br#"{"topicName":"T"}"#).unwrap();
    assert_eq!(config, TopicConfig::new("T", 16, 16, 6));
    let group: SubscriptionGroupConfig = from_slice(br#"{"groupName":"g"}"#).unwrap();
    assert_eq!(group, SubscriptionGroupConfig::new("g"));
    let data: SubscriptionData = from_slice(b"{}").unwrap();
    assert!(data.expression_type == "TAG" && data.sub_version > 1_700_000_000_000);
    let lock: LockBatchRequestBody = from_slice(br#"{"mqSet":[],"onlyThisBroker":true}"#).unwrap();
    assert_eq!(lock, LockBatchRequestBody::default());
}
