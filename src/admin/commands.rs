//! The commands in Java's order, with Java's words. Java: `MQAdminStartup.initCommand`, `buildCommandlineOptions` of each.

use std::pin::Pin;

use super::options::Opt;
use super::{
    Failure, Session, broker, cluster, connection, consumer, ha, monitor, namesrv, offset, print_msg,
    query_msg, queue, send_msg, stats, sub_group, topic,
};

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// A command.
pub struct Command {
    pub name: &'static str,
    pub about: &'static str,
    pub options: &'static [Opt],
    pub run: for<'a> fn(&'a mut Session) -> Running<'a>,
}

const BEGIN: &str = "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]";
const END: &str = "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]";

/// All of them.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "updateTopic",
        about: "Update or create topic",
        options: &[
            Opt::optional("b", "brokerAddr", "create topic to which broker"),
            Opt::optional("c", "clusterName", "create topic to which cluster"),
            Opt::required("t", "topic", "topic name"),
            Opt::optional("r", "readQueueNums", "set read queue nums"),
            Opt::optional("w", "writeQueueNums", "set write queue nums"),
            Opt::optional("p", "perm", "set topic's permission(2|4|6), intro[2:W 4:R; 6:RW]"),
            Opt::optional("o", "order", "set topic's order(true|false"),
            Opt::optional("u", "unit", "is unit topic (true|false"),
            Opt::optional("s", "hasUnitSub", "has unit sub (true|false"),
        ],
        run: |session| Box::pin(topic::update(session)),
    },
    Command {
        name: "deleteTopic",
        about: "Delete topic from broker and NameServer.",
        options: &[
            Opt::required("t", "topic", "topic name"),
            Opt::required("c", "clusterName", "delete topic from which cluster"),
        ],
        run: |session| Box::pin(topic::delete(session)),
    },
    Command {
        name: "updateSubGroup",
        about: "Update or create subscription group",
        options: &[
            Opt::optional("b", "brokerAddr", "create subscription group to which broker"),
            Opt::optional("c", "clusterName", "create subscription group to which cluster"),
            Opt::required("g", "groupName", "consumer group name"),
            Opt::optional("s", "consumeEnable", "consume enable"),
            Opt::optional("m", "consumeFromMinEnable", "from min offset"),
            Opt::optional("d", "consumeBroadcastEnable", "broadcast"),
            Opt::optional("q", "retryQueueNums", "retry queue nums"),
            Opt::optional("r", "retryMaxTimes", "retry max times"),
            Opt::optional("i", "brokerId", "consumer from which broker id"),
            Opt::optional("w", "whichBrokerWhenConsumeSlowly", "which broker id when consume slowly"),
            Opt::optional("a", "notifyConsumerIdsChanged", "notify consumerId changed"),
        ],
        run: |session| Box::pin(sub_group::update(session)),
    },
    Command {
        name: "deleteSubGroup",
        about: "Delete subscription group from broker.",
        options: &[
            Opt::optional("b", "brokerAddr", "delete subscription group from which broker"),
            Opt::optional("c", "clusterName", "delete subscription group from which cluster"),
            Opt::required("g", "groupName", "subscription group name"),
        ],
        run: |session| Box::pin(sub_group::delete(session)),
    },
    Command {
        name: "updateBrokerConfig",
        about: "Update broker's config",
        options: &[
            Opt::optional("b", "brokerAddr", "update which broker"),
            Opt::optional("c", "clusterName", "update which cluster"),
            Opt::required("k", "key", "config key"),
            Opt::required("v", "value", "config value"),
        ],
        run: |session| Box::pin(broker::update_config(session)),
    },
    Command {
        name: "updateTopicPerm",
        about: "Update topic perm",
        options: &[
            Opt::optional("b", "brokerAddr", "create topic to which broker"),
            Opt::optional("c", "clusterName", "create topic to which cluster"),
            Opt::required("t", "topic", "topic name"),
            Opt::required("p", "perm", "set topic's permission(2|4|6), intro[2:W; 4:R; 6:RW]"),
        ],
        run: |session| Box::pin(topic::update_perm(session)),
    },
    Command {
        name: "topicRoute",
        about: "Examine topic route info",
        options: &[Opt::required("t", "topic", "topic name")],
        run: |session| Box::pin(topic::route(session)),
    },
    Command {
        name: "topicStatus",
        about: "Examine topic Status info",
        options: &[Opt::required("t", "topic", "topic name")],
        run: |session| Box::pin(topic::status(session)),
    },
    Command {
        name: "topicClusterList",
        about: "get cluster info for topic",
        options: &[Opt::required("t", "topic", "topic name")],
        run: |session| Box::pin(topic::cluster_list(session)),
    },
    Command {
        name: "brokerStatus",
        about: "Fetch broker runtime status data",
        options: &[
            Opt::optional("b", "brokerAddr", "Broker address"),
            Opt::optional("c", "clusterName", "which cluster"),
        ],
        run: |session| Box::pin(broker::status(session)),
    },
    Command {
        name: "queryMsgById",
        about: "Query Message by Id",
        options: &[
            Opt::required("i", "msgId", "Message Id"),
            Opt::optional("g", "consumerGroup", "consumer group name"),
            Opt::optional("d", "clientId", "The consumer's client id"),
            Opt::optional("s", "sendMessage", "resend message"),
            Opt::optional("u", "unitName", "unit name"),
        ],
        run: |session| Box::pin(query_msg::by_id(session)),
    },
    Command {
        name: "queryMsgByKey",
        about: "Query Message by Key",
        options: &[Opt::required("t", "topic", "topic name"), Opt::required("k", "msgKey", "Message Key")],
        run: |session| Box::pin(query_msg::by_key(session)),
    },
    Command {
        name: "queryMsgByUniqueKey",
        about: "Query Message by Unique key",
        options: &[
            Opt::required("i", "msgId", "Message Id"),
            Opt::optional("g", "consumerGroup", "consumer group name"),
            Opt::optional("d", "clientId", "The consumer's client id"),
            Opt::required("t", "topic", "The topic of msg"),
        ],
        run: |session| Box::pin(query_msg::by_unique_key(session)),
    },
    Command {
        name: "queryMsgByOffset",
        about: "Query Message by offset",
        options: &[
            Opt::required("t", "topic", "topic name"),
            Opt::required("b", "brokerName", "Broker Name"),
            Opt::required("i", "queueId", "Queue Id"),
            Opt::required("o", "offset", "Queue Offset"),
        ],
        run: |session| Box::pin(query_msg::by_offset(session)),
    },
    // The blank behind some names is Java's.
    Command {
        name: "printMsg",
        about: "Print Message Detail",
        options: &[
            Opt::required("t", "topic", "topic name"),
            Opt::optional("c", "charsetName ", "CharsetName(eg: UTF-8,GBK)"),
            Opt::optional("s", "subExpression ", "Subscribe Expression(eg: TagA || TagB)"),
            Opt::optional("b", "beginTimestamp ", BEGIN),
            Opt::optional("e", "endTimestamp ", END),
            Opt::optional("d", "printBody ", "print body"),
        ],
        run: |session| Box::pin(print_msg::all_queues(session)),
    },
    Command {
        name: "printMsgByQueue",
        about: "Print Message Detail",
        options: &[
            Opt::required("t", "topic", "topic name"),
            Opt::required("a", "brokerName ", "broker name"),
            Opt::required("i", "queueId ", "queue id"),
            Opt::optional("c", "charsetName ", "CharsetName(eg: UTF-8,GBK)"),
            Opt::optional("s", "subExpression ", "Subscribe Expression(eg: TagA || TagB)"),
            Opt::optional("b", "beginTimestamp ", BEGIN),
            Opt::optional("e", "endTimestamp ", END),
            Opt::optional("p", "print msg", "print msg. eg: true | false(default)"),
            Opt::optional("d", "printBody ", "print body. eg: true | false(default)"),
            Opt::optional("f", "calculate", "calculate by tag. eg: true | false(default)"),
        ],
        run: |session| Box::pin(print_msg::one_queue(session)),
    },
    Command {
        name: "sendMsgStatus",
        about: "send msg to broker.",
        options: &[
            Opt::required("b", "brokerName", "Broker Name"),
            Opt::optional("s", "messageSize", "Message Size, Default: 128"),
            Opt::optional("c", "count", "send message count, Default: 50"),
        ],
        run: |session| Box::pin(send_msg::status(session)),
    },
    Command {
        name: "brokerConsumeStats",
        about: "Fetch broker consume stats data",
        options: &[
            Opt::required("b", "brokerAddr", "Broker address"),
            Opt::optional("t", "timeoutMillis", "request timeout Millis"),
            Opt::optional("l", "level", "threshold of print diff"),
            Opt::optional("o", "order", "order topic"),
        ],
        run: |session| Box::pin(consumer::broker_stats(session)),
    },
    Command {
        name: "producerConnection",
        about: "Query producer's socket connection and client version",
        options: &[
            Opt::required("g", "producerGroup", "producer group name"),
            Opt::required("t", "topic", "topic name"),
        ],
        run: |session| Box::pin(connection::producer(session)),
    },
    Command {
        name: "consumerConnection",
        about: "Query consumer's socket connection, client version and subscription",
        options: &[Opt::required("g", "consumerGroup", "consumer group name")],
        run: |session| Box::pin(connection::consumer(session)),
    },
    Command {
        name: "consumerProgress",
        about: "Query consumers's progress, speed",
        options: &[
            Opt::optional("g", "groupName", "consumer group name"),
            Opt::optional("s", "showClientIP", "Show Client IP per Queue"),
        ],
        run: |session| Box::pin(consumer::progress(session)),
    },
    Command {
        name: "consumerStatus",
        about: "Query consumer's internal data structure",
        options: &[
            Opt::required("g", "consumerGroup", "consumer group name"),
            Opt::optional("i", "clientId", "The consumer's client id"),
            Opt::switch("s", "jstack", "Run jstack command in the consumer progress"),
        ],
        run: |session| Box::pin(consumer::status(session)),
    },
    Command {
        name: "cloneGroupOffset",
        about: "clone offset from other group.",
        options: &[
            Opt::required("s", "srcGroup", "set source consumer group"),
            Opt::required("d", "destGroup", "set destination consumer group"),
            Opt::required("t", "topic", "set the topic"),
            Opt::optional("o", "offline", "the group or the topic is offline"),
        ],
        run: |session| Box::pin(offset::clone(session)),
    },
    Command {
        name: "clusterList",
        about: "List all of clusters",
        options: &[
            Opt::switch("m", "moreStats", "Print more stats"),
            Opt::optional("i", "interval", "specify intervals numbers, it is in seconds"),
        ],
        run: |session| Box::pin(cluster::list(session)),
    },
    Command {
        name: "topicList",
        about: "Fetch all topic list from name server",
        options: &[Opt::switch("c", "clusterModel", "clusterModel")],
        run: |session| Box::pin(topic::list(session)),
    },
    Command {
        name: "updateKvConfig",
        about: "Create or update KV config.",
        options: &[
            Opt::required("s", "namespace", "set the namespace"),
            Opt::required("k", "key", "set the key name"),
            Opt::required("v", "value", "set the key value"),
        ],
        run: |session| Box::pin(namesrv::update_kv(session)),
    },
    Command {
        name: "deleteKvConfig",
        about: "Delete KV config.",
        options: &[
            Opt::required("s", "namespace", "set the namespace"),
            Opt::required("k", "key", "set the key name"),
        ],
        run: |session| Box::pin(namesrv::delete_kv(session)),
    },
    Command {
        name: "wipeWritePerm",
        about: "Wipe write perm of broker in all name server",
        options: &[Opt::required("b", "brokerName", "broker name")],
        run: |session| Box::pin(namesrv::wipe_write_perm(session)),
    },
    Command {
        name: "resetOffsetByTime",
        about: "Reset consumer offset by timestamp(without client restart).",
        options: &[
            Opt::required("g", "group", "set the consumer group"),
            Opt::required("t", "topic", "set the topic"),
            Opt::required(
                "s",
                "timestamp",
                "set the timestamp[now|currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]",
            ),
            Opt::optional("f", "force", "set the force rollback by timestamp switch[true|false]"),
            Opt::switch("c", "cplus", "reset c++ client offset"),
        ],
        run: |session| Box::pin(offset::reset(session)),
    },
    Command {
        name: "updateOrderConf",
        about: "Create or update or delete order conf",
        options: &[
            Opt::required("t", "topic", "topic name"),
            Opt::optional("v", "orderConf", "set order conf [eg. brokerName1:num;brokerName2:num]"),
            Opt::required("m", "method", "option type [eg. put|get|delete"),
        ],
        run: |session| Box::pin(topic::update_order_conf(session)),
    },
    Command {
        name: "cleanExpiredCQ",
        about: "Clean expired ConsumeQueue on broker.",
        options: &[
            Opt::optional("b", "brokerAddr", "Broker address"),
            Opt::optional("c", "cluster", "clustername"),
        ],
        run: |session| Box::pin(broker::clean_expired_cq(session)),
    },
    Command {
        name: "cleanUnusedTopic",
        about: "Clean unused topic on broker.",
        options: &[
            Opt::optional("b", "brokerAddr", "Broker address"),
            Opt::optional("c", "cluster", "cluster name"),
        ],
        run: |session| Box::pin(broker::clean_unused_topic(session)),
    },
    Command {
        name: "startMonitoring",
        about: "Start Monitoring",
        options: &[],
        run: |session| Box::pin(monitor::start(session)),
    },
    Command {
        name: "statsAll",
        about: "Topic and Consumer tps stats",
        options: &[
            Opt::switch("a", "activeTopic", "print active topic only"),
            Opt::optional("t", "topic", "print select topic only"),
        ],
        run: |session| Box::pin(stats::all(session)),
    },
    Command {
        name: "allocateMQ",
        about: "Allocate MQ",
        options: &[Opt::required("t", "topic", "topic name"), Opt::required("i", "ipList", "ipList")],
        run: |session| Box::pin(topic::allocate(session)),
    },
    Command {
        name: "checkMsgSendRT",
        about: "check message send response time",
        options: &[
            Opt::required("t", "topic", "topic name"),
            Opt::optional("a", "amout", "message amout | default 100"),
            Opt::required("s", "size", "message size | default 128 Byte"),
        ],
        run: |session| Box::pin(send_msg::check_rt(session)),
    },
    Command {
        name: "clusterRT",
        about: "List All clusters Message Send RT",
        options: &[
            Opt::optional("a", "amout", "message amout | default 100"),
            Opt::required("s", "size", "message size | default 128 Byte"),
            Opt::optional("c", "cluster", "cluster name | default display all cluster"),
            Opt::optional("p", "print log", "print as tlog | default false"),
            Opt::optional("m", "machine room", "machine room name | default noname"),
            Opt::optional("i", "interval", "print interval | default 10 seconds"),
        ],
        run: |session| Box::pin(send_msg::cluster_rt(session)),
    },
    Command {
        name: "getNamesrvConfig",
        about: "Get configs of name server.",
        options: &[],
        run: |session| Box::pin(namesrv::get_config(session)),
    },
    Command {
        name: "updateNamesrvConfig",
        about: "Update configs of name server.",
        options: &[Opt::required("k", "key", "config key"), Opt::required("v", "value", "config value")],
        run: |session| Box::pin(namesrv::update_config(session)),
    },
    Command {
        name: "getBrokerConfig",
        about: "Get broker config by cluster or special broker!",
        options: &[
            Opt::optional("b", "brokerAddr", "update which broker"),
            Opt::optional("c", "clusterName", "update which cluster"),
        ],
        run: |session| Box::pin(broker::get_config(session)),
    },
    Command {
        name: "queryCq",
        about: "Query cq command.",
        options: &[
            Opt::required("t", "topic", "topic name"),
            Opt::required("q", "queue", "queue num, ie. 1"),
            Opt::required("i", "index", "start queue index."),
            Opt::optional("c", "count", "how many."),
            Opt::optional("b", "broker", "broker addr."),
            Opt::optional("g", "consumer", "consumer group."),
        ],
        run: |session| Box::pin(queue::query(session)),
    },
    Command {
        name: "sendMessage",
        about: "Send a message",
        options: &[
            Opt::required("t", "topic", "Topic name"),
            Opt::required("p", "body", "UTF-8 string format of the message body"),
            Opt::optional("k", "key", "Message keys"),
            Opt::optional("c", "tags", "Message tags"),
            Opt::optional("b", "broker", "Send message to target broker"),
            Opt::optional("i", "qid", "Send message to target queue"),
        ],
        run: |session| Box::pin(send_msg::send(session)),
    },
    Command {
        name: "consumeMessage",
        about: "Consume message",
        options: &[
            Opt::required("t", "topic", "Topic name"),
            Opt::optional("b", "brokerName", "Broker name"),
            Opt::optional("i", "queueId", "Queue Id"),
            Opt::optional("o", "offset", "Queue offset"),
            Opt::optional("g", "consumerGroup", "Consumer group name"),
            Opt::optional("s", "beginTimestamp ", BEGIN),
            Opt::optional("e", "endTimestamp ", END),
            Opt::optional("c", "MessageNumber", "Number of message to be consumed"),
        ],
        run: |session| Box::pin(print_msg::consume(session)),
    },
    // Of 5.x.
    Command {
        name: "haStatus",
        about: "Fetch ha runtime status data.",
        options: &[
            Opt::optional("c", "clusterName", "which cluster"),
            Opt::optional("b", "brokerAddr", "which broker to fetch"),
            Opt::optional("i", "interval", "the interval(second) of get info"),
        ],
        run: |session| Box::pin(ha::status(session)),
    },
];
