//! The broker's own settings (Java: `BrokerConfig`). Those of its store stand in `store`, those of its
//! connections in `remoting`. Addresses and names that Java finds out while it loads the class, and that need
//! more than a look at the machine, are empty here and filled in by the broker.

use serde::{Deserialize, Serialize};

use super::allowed_addrs::AllowedAddrs;
use super::{Range, Section, at_least, range};

/// Java: `BrokerConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerConfig {
    /// Installation folder: with `aclEnable` that of `conf/plain_acl.yml`. Set by ROCKETMQ_HOME, too. Default empty. Read at start.
    pub rocketmq_home: String,
    /// Name servers, `host:port;host:port`. Set by NAMESRV_ADDR, too. Default empty. Read at start.
    pub namesrv_addr: String,
    /// Address that clients are sent to and that messages carry as their store host; `iface:NAME` is that of an interface. Default empty: that of the default route's interface. Read at start.
    #[serde(rename = "brokerIP1")]
    pub broker_ip1: String,
    /// Address that slaves are sent to; `iface:NAME` is that of an interface. Default empty: as `brokerIP1`. Read at start.
    #[serde(rename = "brokerIP2")]
    pub broker_ip2: String,
    /// Broker name: the same for a master and its slaves. Default the host name. Read at start.
    pub broker_name: String,
    /// Cluster. Default `DefaultCluster`. Read at start.
    pub broker_cluster_name: String,
    /// 0 for a master, more for a slave. Default 0. Read at start.
    pub broker_id: i64,
    /// What the whole broker allows, bits of `protocol::perm`. Default 6. Changes at run time.
    pub broker_permission: i32,
    /// Queues of the topic that auto-created ones are modelled on. Default 8. Read at start.
    pub default_topic_queue_nums: i32,
    /// A send to an unknown topic creates it. Default true. Changes at run time.
    pub auto_create_topic_enable: bool,
    /// A topic named as the cluster exists and can be used. Default true. Read at start.
    pub cluster_topic_enable: bool,
    /// A topic named as the broker exists and can be used. Default true. Read at start.
    pub broker_topic_enable: bool,
    /// An unknown consumer group is created. Default true. Changes at run time.
    pub auto_create_subscription_group: bool,
    /// Java classes around the store. Default empty. Read at start.
    pub message_store_plug_in: String,
    /// Threads for sends. Default 1. Read at start.
    pub send_message_thread_pool_nums: i32,
    /// Threads that read for pulls what is no longer in memory. Default 16 + 2 for each processor. Read at start.
    pub pull_message_thread_pool_nums: i32,
    /// Threads for queries. Default 8 + 1 for each processor. Read at start.
    pub query_message_thread_pool_nums: i32,
    /// Threads for administration. Default 16. Read at start.
    pub admin_broker_thread_pool_nums: i32,
    /// Threads for clients coming and going. Default 32. Read at start.
    pub client_manage_thread_pool_nums: i32,
    /// Threads for consumer offsets. Default 32. Read at start.
    pub consumer_manage_thread_pool_nums: i32,
    /// Threads for heartbeats. Default 1 for each processor, at most 32. Read at start.
    pub heartbeat_thread_pool_nums: i32,
    /// Time between two writes of the consumer offsets, ms. Default 5000. Read at start.
    pub flush_consumer_offset_interval: i32,
    /// Unused, ms. Default 60000. Read at start.
    pub flush_consumer_offset_history_interval: i32,
    /// Half messages are refused. Default false. Changes at run time.
    pub reject_transaction_message: bool,
    /// Name servers are asked for over HTTP. Default false. Read at start.
    pub fetch_namesrv_addr_by_address_server: bool,
    /// Ends of transactions waiting at most, since no send waits; beyond it SYSTEM_BUSY. Default 10000. Read at start.
    pub send_thread_pool_queue_capacity: i32,
    /// Pulls waiting at most. Default 100000. Read at start.
    pub pull_thread_pool_queue_capacity: i32,
    /// Queries waiting at most. Default 20000. Read at start.
    pub query_thread_pool_queue_capacity: i32,
    /// Client requests waiting at most. Default 1000000. Read at start.
    pub client_manager_thread_pool_queue_capacity: i32,
    /// Offset requests waiting at most. Default 1000000. Read at start.
    pub consumer_manager_thread_pool_queue_capacity: i32,
    /// Heartbeats waiting at most. Default 50000. Read at start.
    pub heartbeat_thread_pool_queue_capacity: i32,
    /// Filter servers to start. Default 0. Read at start.
    pub filter_server_nums: i32,
    /// A pull that finds nothing is held as long as it asks for. Default true. Changes at run time.
    pub long_polling_enable: bool,
    /// How long it is held otherwise, ms. Default 1000. Changes at run time.
    pub short_polling_time_mills: i64,
    /// Members of a group are told when others come or go. Default true. Changes at run time.
    pub notify_consumer_ids_changed_enable: bool,
    /// Unused. Default false. Read at start.
    pub high_speed_mode: bool,
    /// Unused. Default true. Read at start.
    pub commercial_enable: bool,
    /// Unused. Default 1. Read at start.
    pub commercial_timer_count: i32,
    /// Unused. Default 1. Read at start.
    pub commercial_trans_count: i32,
    /// Unused. Default 1. Read at start.
    pub commercial_big_count: i32,
    /// Unused. Default 1. Read at start.
    pub commercial_base_count: i32,
    /// Pulled messages are copied before they are written. Default true. Read at start.
    pub transfer_msg_by_heap: bool,
    /// Unused. Default 40. Read at start.
    pub max_delay_time: i32,
    /// MSG_REGION in replies to sends. Default `DefaultRegion`. Read at start.
    pub region_id: String,
    /// Longest wait for a name server's answer to a registration, ms. Default 6000. Changes at run time.
    pub register_broker_timeout_mills: i32,
    /// Consumers far behind are sent to a slave. Default false. Changes at run time.
    pub slave_read_enable: bool,
    /// Groups too far behind lose `consumeEnable`. Default false. Changes at run time.
    pub disable_consume_if_consumer_read_slowly: bool,
    /// How far that is, bytes. Default 17179869184. Changes at run time.
    pub consumer_fallbehind_threshold: i64,
    /// Requests that waited too long are answered SYSTEM_BUSY. Default true. Changes at run time.
    pub broker_fast_failure_enable: bool,
    /// Longest wait of a send, ms. Default 200. Changes at run time.
    pub wait_time_mills_in_send_queue: i64,
    /// Longest wait of a pull, ms. Default 5000. Changes at run time.
    pub wait_time_mills_in_pull_queue: i64,
    /// Longest wait of a heartbeat, ms. Default 31000. Changes at run time.
    pub wait_time_mills_in_heartbeat_queue: i64,
    /// Sends are refused before this time, ms since 1970. Default 0. Changes at run time.
    pub start_accept_send_request_time_stamp: i64,
    /// TRACE_ON in replies to sends. Default true. Changes at run time.
    pub trace_on: bool,
    /// SQL92 filters are evaluated when a message is stored. Default false. Changes at run time.
    pub enable_calc_filter_bit_map: bool,
    /// Consumers that the Bloom filter is made for. Default 32. Read at start.
    pub expect_consumer_num_use_filter: i32,
    /// Its rate of error, percent, 1 to 99. Default 20. Read at start.
    pub max_error_rate_of_bloom_filter: i32,
    /// Filters of absent consumers are dropped after this time, ms. Default 86400000. Changes at run time.
    pub filter_data_clean_time_span: i64,
    /// SQL92 filters also apply to retried messages. Default false. Changes at run time.
    pub filter_support_retry: bool,
    /// SQL92 subscriptions are allowed. Default false. Changes at run time.
    pub enable_property_filter: bool,
    /// Registrations are compressed. Default false. Changes at run time.
    pub compressed_register: bool,
    /// Registers without asking first whether anything changed. Default true. Changes at run time.
    pub force_register: bool,
    /// Time between two registrations, ms; held within 10000 and 60000. Default 30000. Read at start.
    pub register_name_server_period: i32,
    /// Age of a half message before its producer is asked, ms. Default 3000. Changes at run time.
    pub transaction_time_out: i64,
    /// Times that it is asked before the message is given up. Default 5. Changes at run time.
    pub transaction_check_max: i32,
    /// Time between two rounds of asking, ms. Default 60000. Read at start.
    pub transaction_check_interval: i64,
    /// Host that is asked for name servers. Default `jmenv.tbsite.net`. Read at start.
    pub rmq_address_server_domain: String,
    /// Path under which it is asked. Default `nsaddr`. Read at start.
    pub rmq_address_server_sub_group: String,
    /// Accounts are asked for, as in 4.4. Not a key of 4.3.0. Default false. Read at start.
    pub acl_enable: bool,
    /// Their file, from `rocketmqHome` on; read again when it changes. A key of ours. Default empty: `conf/plain_acl.yml`. Read at start.
    pub plain_acl_file: String,
    /// An auto-created topic is created on the other masters of its cluster, too. A key of ours. Default false. Changes at run time.
    pub auto_create_topic_on_cluster: bool,
    /// IP addresses and networks of slaves, separated by commas; without any, those that the name servers know as this
    /// broker's slaves may follow it. A key of ours. Default empty. Read at start.
    pub ha_allowed_addrs: String,
    /// IP addresses and networks (`10.0.0.0/8`), separated by commas, whose administration that changes something is accepted;
    /// without any, everybody's. A key of ours. Default empty. Read at start.
    pub admin_allowed_addrs: String,
    /// RMQ_SYS_TRACE_TOPIC exists, for clients of 4.4 on. Not a key of 4.3.0. Default true. Read at start.
    pub trace_topic_enable: bool,
    /// Level of the log, or levels of its parts as in `info,rocketmq::store=debug`. A key of ours. Default empty: `ROCKETMQ_LOG`, or info. Changes at run time.
    pub log_level: String,
    /// Port for metrics, health checks and a page to watch the server by; 0 is none. A key of ours. Default 0. Read at start.
    pub http_port: i32,
    /// Address that it is listened on. A key of ours. Default `127.0.0.1`. Read at start.
    pub http_bind_addr: String,
}

impl Default for BrokerConfig {
    fn default() -> BrokerConfig {
        BrokerConfig {
            rocketmq_home: String::new(),
            namesrv_addr: String::new(),
            broker_ip1: String::new(),
            broker_ip2: String::new(),
            broker_name: host_name(),
            broker_cluster_name: "DefaultCluster".to_owned(),
            broker_id: 0,
            broker_permission: 6,
            default_topic_queue_nums: 8,
            auto_create_topic_enable: true,
            cluster_topic_enable: true,
            broker_topic_enable: true,
            auto_create_subscription_group: true,
            message_store_plug_in: String::new(),
            send_message_thread_pool_nums: 1,
            pull_message_thread_pool_nums: 16 + 2 * cpus(),
            query_message_thread_pool_nums: 8 + cpus(),
            admin_broker_thread_pool_nums: 16,
            client_manage_thread_pool_nums: 32,
            consumer_manage_thread_pool_nums: 32,
            heartbeat_thread_pool_nums: cpus().min(32),
            flush_consumer_offset_interval: 5000,
            flush_consumer_offset_history_interval: 60_000,
            reject_transaction_message: false,
            fetch_namesrv_addr_by_address_server: false,
            send_thread_pool_queue_capacity: 10_000,
            pull_thread_pool_queue_capacity: 100_000,
            query_thread_pool_queue_capacity: 20_000,
            client_manager_thread_pool_queue_capacity: 1_000_000,
            consumer_manager_thread_pool_queue_capacity: 1_000_000,
            heartbeat_thread_pool_queue_capacity: 50_000,
            filter_server_nums: 0,
            long_polling_enable: true,
            short_polling_time_mills: 1000,
            notify_consumer_ids_changed_enable: true,
            high_speed_mode: false,
            commercial_enable: true,
            commercial_timer_count: 1,
            commercial_trans_count: 1,
            commercial_big_count: 1,
            commercial_base_count: 1,
            transfer_msg_by_heap: true,
            max_delay_time: 40,
            region_id: "DefaultRegion".to_owned(),
            register_broker_timeout_mills: 6000,
            slave_read_enable: false,
            disable_consume_if_consumer_read_slowly: false,
            consumer_fallbehind_threshold: 17_179_869_184,
            broker_fast_failure_enable: true,
            wait_time_mills_in_send_queue: 200,
            wait_time_mills_in_pull_queue: 5000,
            wait_time_mills_in_heartbeat_queue: 31_000,
            start_accept_send_request_time_stamp: 0,
            trace_on: true,
            enable_calc_filter_bit_map: false,
            expect_consumer_num_use_filter: 32,
            max_error_rate_of_bloom_filter: 20,
            filter_data_clean_time_span: 86_400_000,
            filter_support_retry: false,
            enable_property_filter: false,
            compressed_register: false,
            force_register: true,
            register_name_server_period: 30_000,
            transaction_time_out: 3000,
            transaction_check_max: 5,
            transaction_check_interval: 60_000,
            rmq_address_server_domain: "jmenv.tbsite.net".to_owned(),
            rmq_address_server_sub_group: "nsaddr".to_owned(),
            acl_enable: false,
            plain_acl_file: String::new(),
            auto_create_topic_on_cluster: false,
            ha_allowed_addrs: String::new(),
            admin_allowed_addrs: String::new(),
            trace_topic_enable: true,
            log_level: String::new(),
            http_port: 0,
            http_bind_addr: "127.0.0.1".to_owned(),
        }
    }
}

impl Section for BrokerConfig {
    const JAVA_CLASS: &str = "BrokerConfig";
    const IMPORTANT: &[&str] = &[
        "namesrvAddr",
        "brokerIP1",
        "brokerName",
        "brokerClusterName",
        "brokerId",
        "autoCreateTopicEnable",
        "autoCreateSubscriptionGroup",
        "rejectTransactionMessage",
        "fetchNamesrvAddrByAddressServer",
        "transactionTimeOut",
        "transactionCheckMax",
        "transactionCheckInterval",
    ];
    const RUNTIME: &[&str] = &[
        "brokerPermission",
        "autoCreateTopicEnable",
        "autoCreateSubscriptionGroup",
        "rejectTransactionMessage",
        "longPollingEnable",
        "shortPollingTimeMills",
        "notifyConsumerIdsChangedEnable",
        "registerBrokerTimeoutMills",
        "slaveReadEnable",
        "disableConsumeIfConsumerReadSlowly",
        "consumerFallbehindThreshold",
        "brokerFastFailureEnable",
        "waitTimeMillsInSendQueue",
        "waitTimeMillsInPullQueue",
        "waitTimeMillsInHeartbeatQueue",
        "startAcceptSendRequestTimeStamp",
        "traceOn",
        "enableCalcFilterBitMap",
        "filterDataCleanTimeSpan",
        "filterSupportRetry",
        "enablePropertyFilter",
        "compressedRegister",
        "forceRegister",
        "transactionTimeOut",
        "transactionCheckMax",
        "autoCreateTopicOnCluster",
        "logLevel",
    ];
    const INERT: &[(&str, &str)] = &[
        ("messageStorePlugIn", "Java classes cannot be loaded"),
        (
            "sendMessageThreadPoolNums",
            "requests are handled by their connection's task, not by a pool of threads",
        ),
        (
            "clientManageThreadPoolNums",
            "requests are handled by their connection's task, not by a pool of threads",
        ),
        (
            "consumerManageThreadPoolNums",
            "requests are handled by their connection's task, not by a pool of threads",
        ),
        (
            "heartbeatThreadPoolNums",
            "requests are handled by their connection's task, not by a pool of threads",
        ),
        ("flushConsumerOffsetHistoryInterval", "4.3.0 does not use it either"),
        ("consumerManagerThreadPoolQueueCapacity", "4.3.0 does not use it either"),
        ("filterServerNums", "the filter server is no part of 4.3.0"),
        ("highSpeedMode", "4.3.0 does not use it either"),
        ("commercialEnable", "4.3.0 does not use it either"),
        ("commercialTimerCount", "4.3.0 does not use it either"),
        ("commercialTransCount", "4.3.0 does not use it either"),
        ("commercialBigCount", "4.3.0 does not use it either"),
        ("commercialBaseCount", "4.3.0 does not use it either"),
        ("transferMsgByHeap", "replies are always written straight from the commit log"),
        ("maxDelayTime", "4.3.0 does not use it either"),
        ("clientManagerThreadPoolQueueCapacity", NO_QUEUE),
        ("heartbeatThreadPoolQueueCapacity", NO_QUEUE),
        ("brokerFastFailureEnable", NO_QUEUE),
        ("waitTimeMillsInSendQueue", NO_QUEUE),
        ("waitTimeMillsInPullQueue", NO_QUEUE),
        ("waitTimeMillsInHeartbeatQueue", NO_QUEUE),
        ("fetchNamesrvAddrByAddressServer", "no address server is asked; set namesrvAddr"),
        ("rmqAddressServerDomain", "no address server is asked; set namesrvAddr"),
        ("rmqAddressServerSubGroup", "no address server is asked; set namesrvAddr"),
    ];
    const RANGES: &[Range] = &[
        range("brokerPermission", 0, 7, "only 1, 2 (write) and 4 (read) mean anything"),
        range("defaultTopicQueueNums", 1, 65_535, "auto-created topics get no queues, or the nearest number"),
        at_least("pullMessageThreadPoolNums", 1, "1 counts"),
        at_least("queryMessageThreadPoolNums", 1, "1 counts"),
        at_least("adminBrokerThreadPoolNums", 1, "1 counts"),
        at_least("sendThreadPoolQueueCapacity", 1, "requests are refused with SYSTEM_BUSY"),
        at_least("pullThreadPoolQueueCapacity", 1, "requests are refused with SYSTEM_BUSY"),
        at_least("queryThreadPoolQueueCapacity", 1, "requests are refused with SYSTEM_BUSY"),
        at_least("flushConsumerOffsetInterval", 1, "5000 counts"),
        at_least("shortPollingTimeMills", 0, "pulls are not held"),
        at_least("registerBrokerTimeoutMills", 1, "no registration ends in time, or 6000 counts"),
        range("registerNameServerPeriod", 10_000, 60_000, "the nearest of the two counts"),
        range("maxErrorRateOfBloomFilter", 1, 99, "the nearest of the two counts"),
        at_least("expectConsumerNumUseFilter", 1, "1 counts"),
        at_least("consumerFallbehindThreshold", 1, "every group that is behind at all is too far behind"),
        at_least("filterDataCleanTimeSpan", 1, "filters are dropped as soon as their consumers are gone"),
        at_least("transactionTimeOut", 0, "producers are asked at once"),
        at_least("transactionCheckMax", 1, "half messages are given up unasked"),
        at_least("transactionCheckInterval", 1, "60000 counts"),
    ];

    fn validate(&self) -> Vec<(&'static str, String)> {
        let lists =
            [("adminAllowedAddrs", &self.admin_allowed_addrs), ("haAllowedAddrs", &self.ha_allowed_addrs)];
        let problem = |(key, list): (&'static str, &String)| Some((key, AllowedAddrs::parse(list).err()?));
        let mut problems: Vec<_> = lists.into_iter().filter_map(problem).collect();
        problems.extend(super::http_problems(self.http_port, &self.http_bind_addr));
        problems.extend(super::log_problem(&self.log_level));
        if self.broker_id < 0 {
            problems.push(("brokerId", "is negative: a master has 0, a slave more".to_owned()));
        }
        if self.acl_enable && self.rocketmq_home.is_empty() && self.plain_acl_file.is_empty() {
            let reason = "has no file: set plainAclFile, or ROCKETMQ_HOME for conf/plain_acl.yml there";
            problems.push(("aclEnable", reason.to_owned()));
        }
        for (key, name) in
            [("brokerName", &self.broker_name), ("brokerClusterName", &self.broker_cluster_name)]
        {
            if name.is_empty() {
                problems.push((key, "is empty".to_owned()));
            } else if name.contains(char::is_control) {
                problems.push((key, "has control characters in it".to_owned()));
            }
        }
        problems
    }
}

/// Java turns requests away that have waited for too long; none waits here.
const NO_QUEUE: &str = "requests are handled as soon as they are read: there is no queue that they wait in";

/// Java: `BrokerConfig.localHostName`.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "DEFAULT_BROKER".to_owned() } else { name }
}

fn cpus() -> i32 {
    std::thread::available_parallelism().map_or(1, |cpus| i32::try_from(cpus.get()).unwrap_or(i32::MAX))
}
