//! The store's settings (Java: `MessageStoreConfig`).

use serde::{Deserialize, Serialize};

use super::{Range, Section, at_least, in_home, range};

/// Java: `BrokerRole`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BrokerRole {
    #[default]
    #[serde(rename = "ASYNC_MASTER")]
    AsyncMaster,
    #[serde(rename = "SYNC_MASTER")]
    SyncMaster,
    #[serde(rename = "SLAVE")]
    Slave,
}

/// Java: `FlushDiskType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlushDiskType {
    #[default]
    #[serde(rename = "ASYNC_FLUSH")]
    AsyncFlush,
    #[serde(rename = "SYNC_FLUSH")]
    SyncFlush,
}

/// Java: `MessageStoreConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageStoreConfig {
    /// Folder of everything but the log. Default `~/store`.
    pub store_path_root_dir: String,
    /// Folder of the commit log. Default `~/store/commitlog`, whatever storePathRootDir is.
    pub store_path_commit_log: String,
    /// Size of a log file, bytes. Default 1073741824.
    pub maped_file_size_commit_log: i32,
    /// Size of a queue file, bytes, rounded to 20. Default 6000000.
    pub maped_file_size_consume_queue: i32,
    /// Queues have extensions (`consumequeue_ext`), with bit maps for filters. Default false.
    pub enable_consume_queue_ext: bool,
    /// Size of a file of queue extensions, bytes. Default 50331648.
    pub mapped_file_size_consume_queue_ext: i32,
    /// Inert: the Bloom filter decides. Default 64.
    pub bit_map_length_consume_queue_ext: i32,
    /// Under ASYNC_FLUSH, time between two flushes of the log, ms. Default 500. Changes at run time.
    pub flush_interval_commit_log: i32,
    /// Inert: there is no write pool. Default 200.
    pub commit_interval_commit_log: i32,
    /// Inert: there is one kind of append lock. Default false.
    pub use_reentrant_lock_when_put_message: bool,
    /// ASYNC_FLUSH looks by the clock alone, and is not woken as soon as there are flushCommitLogLeastPages.
    /// Default false. Changes at run time.
    pub flush_commit_log_timed: bool,
    /// Time between two flushes of the queues, ms. Default 1000. Changes at run time.
    pub flush_interval_consume_queue: i32,
    /// Time between two looks at what may be deleted, ms. Default 10000.
    pub clean_resource_interval: i32,
    /// Pause between the deletions of two log files, ms. Default 100. Changes at run time.
    pub delete_commit_log_files_interval: i32,
    /// Pause between the deletions of two queue files, ms. Default 100. Changes at run time.
    pub delete_consume_queue_files_interval: i32,
    /// Force unmap after, ms. Default 120000.
    pub destroy_maped_file_interval_forcibly: i32,
    /// Retry first undeleted file, ms. Default 120000.
    pub redelete_hanged_file_interval: i32,
    /// Hours of the day in which old files are deleted, as in `04;16`. Default 04. Changes at run time.
    pub delete_when: String,
    /// Beyond so many % of a disk old files are deleted at any hour. Default 75. Changes at run time.
    pub disk_max_used_space_ratio: i32,
    /// Beyond so many % of a disk no messages are taken and files are deleted before their time. Java's system property
    /// `rocketmq.broker.diskSpaceWarningLevelRatio` (0.90), and its key from 4.9 on. Default 90. Changes at run time.
    pub disk_space_warning_level_ratio: i32,
    /// Beyond so many % of a disk files are deleted before their time. Java's system property
    /// `rocketmq.broker.diskSpaceCleanForciblyRatio` (0.85), and its key from 4.9 on. Default 85. Changes at run time.
    pub disk_space_clean_forcibly_ratio: i32,
    /// Age from which log files may be deleted, hours; half messages older than that are given up. Default 72. Changes at run time.
    pub file_reserved_time: i32,
    /// Dead. Default 600000.
    pub put_msg_index_hight_water: i32,
    /// Largest message and largest batch, bytes. Default 4194304. Changes at run time.
    pub max_message_size: i32,
    /// Recovery checks the CRC of bodies. Default true.
    #[serde(rename = "checkCRCOnRecover")]
    pub check_crc_on_recover: bool,
    /// Pages that must be waiting for a flush of the log. Default 4. Changes at run time.
    pub flush_commit_log_least_pages: i32,
    /// Inert: there is no write pool. Default 4.
    pub commit_commit_log_least_pages: i32,
    /// Pages of a step when files are warmed up; with SYNC_FLUSH each step is synced. Default 4096.
    pub flush_least_pages_when_warm_maped_file: i32,
    /// Pages that must be waiting for a flush of a queue. Default 2. Changes at run time.
    pub flush_consume_queue_least_pages: i32,
    /// Time after which the log is flushed however little waits, ms. Default 10000. Changes at run time.
    pub flush_commit_log_thorough_interval: i32,
    /// Inert: there is no write pool. Default 200.
    pub commit_commit_log_thorough_interval: i32,
    /// The same for queues, and for the checkpoint, ms. Default 60000. Changes at run time.
    pub flush_consume_queue_thorough_interval: i32,
    /// Most of a pull that is answered from memory, bytes. Default 262144. Changes at run time.
    pub max_transfer_bytes_on_message_in_memory: i32,
    /// Most messages of a pull that is answered from memory. Default 32. Changes at run time.
    pub max_transfer_count_on_message_in_memory: i32,
    /// Most of a pull that is read from the disk, bytes. Default 65536. Changes at run time.
    pub max_transfer_bytes_on_message_in_disk: i32,
    /// Most messages of a pull that is read from the disk. Default 8. Changes at run time.
    pub max_transfer_count_on_message_in_disk: i32,
    /// Messages within so many % of the memory behind the end of the log count as being in memory. Default 40. Changes at run time.
    pub access_message_in_memory_max_ratio: i32,
    /// Messages are indexed by key. Default true.
    pub message_index_enable: bool,
    /// Hash slots of an index file. Default 5000000.
    pub max_hash_slot_num: i32,
    /// Entries of an index file. Default 20000000.
    pub max_index_num: i32,
    /// Most messages that a query by key finds. Default 64. Changes at run time.
    pub max_msgs_num_batch: i32,
    /// Inert: the index is always completed. Default false.
    pub message_index_safe: bool,
    /// Inert: listenPort + 1. Default 10912.
    pub ha_listen_port: i32,
    /// Time between two signs of life of replication, ms. Default 5000.
    pub ha_send_heartbeat_interval: i32,
    /// Silence after which a replication link is given up, ms. Default 20000.
    pub ha_housekeeping_interval: i32,
    /// Most of the log that one frame to a slave carries, bytes. Default 32768.
    pub ha_transfer_batch_size: i32,
    /// As a slave: the master's address for replication, `host:port` with its listenPort + 1; else the name servers say. Default empty.
    pub ha_master_address: String,
    /// Ours. A slave without any log gets the master's last file and what follows, as in 4.3.0; false: all that the master has.
    /// Default true. Read at start.
    pub sync_from_last_file: bool,
    /// Most that a slave may be behind for a SYNC_MASTER to wait for it, bytes. Default 268435456. Changes at run time.
    pub ha_slave_fallbehind_max: i32,
    /// A master that answers sends at once, one that waits for a slave to have them, or a slave. Default ASYNC_MASTER.
    pub broker_role: BrokerRole,
    /// Whether sends are answered before they are on the disk, or behind that. Default ASYNC_FLUSH.
    pub flush_disk_type: FlushDiskType,
    /// Longest wait of a send for disk and slave, ms. Default 5000. Changes at run time.
    pub sync_flush_timeout: i32,
    /// Delay levels, level 1 first. Default 1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h.
    pub message_delay_level: String,
    /// Time between two writes of `delayOffset.json`, ms. Default 10000.
    pub flush_delay_offset_interval: i64,
    /// Files are deleted before their time where a disk gets full. Default true. Changes at run time.
    pub clean_file_forcibly_enable: bool,
    /// New log files are brought into memory and kept there. Default false.
    pub warm_maped_file_enable: bool,
    /// A slave, too, corrects offsets that lie outside a queue. Default false. Changes at run time.
    pub offset_check_in_slave: bool,
    /// Inert: there are no Java threads to dump. Default false.
    pub debug_lock_enable: bool,
    /// Inert: 4.3.0 stops dispatching with it. Default false.
    pub duplication_enable: bool,
    /// How far pulls lag behind the end of the log is counted: GROUP_GET_FALL_SIZE and GROUP_GET_FALL_TIME. Default true.
    pub disk_fall_recorded: bool,
    /// Sends are refused when the append lock is held for longer than this, ms. Default 1000. Changes at run time.
    pub os_page_cache_busy_time_out_mills: i64,
    /// Most messages that a query by unique key finds. Default 32. Changes at run time.
    pub default_query_max_num: i32,
    /// Inert: messages go to the page cache at once. Default false.
    pub transient_store_pool_enable: bool,
    /// Inert: there is no write pool. Default 5.
    pub transient_store_pool_size: i32,
    /// Inert: there is no write pool. Default false.
    pub fast_fail_if_no_buffer_in_store_pool: bool,
}

impl Default for MessageStoreConfig {
    fn default() -> MessageStoreConfig {
        MessageStoreConfig {
            store_path_root_dir: in_home("store"),
            store_path_commit_log: in_home("store/commitlog"),
            maped_file_size_commit_log: 1_073_741_824,
            maped_file_size_consume_queue: 6_000_000,
            enable_consume_queue_ext: false,
            mapped_file_size_consume_queue_ext: 50_331_648,
            bit_map_length_consume_queue_ext: 64,
            flush_interval_commit_log: 500,
            commit_interval_commit_log: 200,
            use_reentrant_lock_when_put_message: false,
            flush_commit_log_timed: false,
            flush_interval_consume_queue: 1000,
            clean_resource_interval: 10_000,
            delete_commit_log_files_interval: 100,
            delete_consume_queue_files_interval: 100,
            destroy_maped_file_interval_forcibly: 120_000,
            redelete_hanged_file_interval: 120_000,
            delete_when: "04".to_owned(),
            disk_max_used_space_ratio: 75,
            disk_space_warning_level_ratio: 90,
            disk_space_clean_forcibly_ratio: 85,
            file_reserved_time: 72,
            put_msg_index_hight_water: 600_000,
            max_message_size: 4_194_304,
            check_crc_on_recover: true,
            flush_commit_log_least_pages: 4,
            commit_commit_log_least_pages: 4,
            flush_least_pages_when_warm_maped_file: 4096,
            flush_consume_queue_least_pages: 2,
            flush_commit_log_thorough_interval: 10_000,
            commit_commit_log_thorough_interval: 200,
            flush_consume_queue_thorough_interval: 60_000,
            max_transfer_bytes_on_message_in_memory: 262_144,
            max_transfer_count_on_message_in_memory: 32,
            max_transfer_bytes_on_message_in_disk: 65_536,
            max_transfer_count_on_message_in_disk: 8,
            access_message_in_memory_max_ratio: 40,
            message_index_enable: true,
            max_hash_slot_num: 5_000_000,
            max_index_num: 20_000_000,
            max_msgs_num_batch: 64,
            message_index_safe: false,
            ha_listen_port: 10_912,
            ha_send_heartbeat_interval: 5000,
            ha_housekeeping_interval: 20_000,
            ha_transfer_batch_size: 32_768,
            ha_master_address: String::new(),
            sync_from_last_file: true,
            ha_slave_fallbehind_max: 268_435_456,
            broker_role: BrokerRole::AsyncMaster,
            flush_disk_type: FlushDiskType::AsyncFlush,
            sync_flush_timeout: 5000,
            message_delay_level: "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h".to_owned(),
            flush_delay_offset_interval: 10_000,
            clean_file_forcibly_enable: true,
            warm_maped_file_enable: false,
            offset_check_in_slave: false,
            debug_lock_enable: false,
            duplication_enable: false,
            disk_fall_recorded: true,
            os_page_cache_busy_time_out_mills: 1000,
            default_query_max_num: 32,
            transient_store_pool_enable: false,
            transient_store_pool_size: 5,
            fast_fail_if_no_buffer_in_store_pool: false,
        }
    }
}

const NO_POOL: &str = "there is no write pool: messages go to the page cache at once, so that an acknowledged one \
                       survives a killed process, and an append does not wait for the disk without one, either";

impl Section for MessageStoreConfig {
    const JAVA_CLASS: &str = "MessageStoreConfig";
    const IMPORTANT: &[&str] = &[
        "storePathRootDir",
        "storePathCommitLog",
        "flushIntervalCommitLog",
        "commitIntervalCommitLog",
        "flushCommitLogTimed",
        "deleteWhen",
        "fileReservedTime",
        "maxTransferBytesOnMessageInMemory",
        "maxTransferCountOnMessageInMemory",
        "maxTransferBytesOnMessageInDisk",
        "maxTransferCountOnMessageInDisk",
        "accessMessageInMemoryMaxRatio",
        "messageIndexEnable",
        "messageIndexSafe",
        "haMasterAddress",
        "brokerRole",
        "flushDiskType",
        "cleanFileForciblyEnable",
        "transientStorePoolEnable",
    ];
    const RUNTIME: &[&str] = &[
        "flushIntervalCommitLog",
        "flushCommitLogTimed",
        "flushCommitLogLeastPages",
        "flushCommitLogThoroughInterval",
        "flushIntervalConsumeQueue",
        "flushConsumeQueueLeastPages",
        "flushConsumeQueueThoroughInterval",
        "maxTransferBytesOnMessageInMemory",
        "maxTransferCountOnMessageInMemory",
        "maxTransferBytesOnMessageInDisk",
        "maxTransferCountOnMessageInDisk",
        "accessMessageInMemoryMaxRatio",
        "maxMessageSize",
        "syncFlushTimeout",
        "osPageCacheBusyTimeOutMills",
        "offsetCheckInSlave",
        "deleteWhen",
        "fileReservedTime",
        "diskMaxUsedSpaceRatio",
        "diskSpaceWarningLevelRatio",
        "diskSpaceCleanForciblyRatio",
        "deleteCommitLogFilesInterval",
        "deleteConsumeQueueFilesInterval",
        "flushCommitLogTimed",
        "cleanFileForciblyEnable",
        "haSlaveFallbehindMax",
        "defaultQueryMaxNum",
        "maxMsgsNumBatch",
    ];
    const INERT: &[(&str, &str)] = &[
        ("putMsgIndexHightWater", "4.3.0 does not use it either"),
        ("bitMapLengthConsumeQueueExt", "the Bloom filter decides it, as in 4.3.0"),
        ("haListenPort", "slaves are served on listenPort + 1, as in 4.3.0"),
        (
            "useReentrantLockWhenPutMessage",
            "the append lock neither spins for long nor is it held across a system call",
        ),
        ("duplicationEnable", "4.3.0 stops dispatching with it"),
        ("debugLockEnable", "there are no Java threads to dump"),
        ("transientStorePoolEnable", NO_POOL),
        ("transientStorePoolSize", NO_POOL),
        ("fastFailIfNoBufferInStorePool", NO_POOL),
        ("commitIntervalCommitLog", NO_POOL),
        ("commitCommitLogLeastPages", NO_POOL),
        ("commitCommitLogThoroughInterval", NO_POOL),
        ("destroyMapedFileIntervalForcibly", "readers keep a deleted file for as long as they are at it"),
        ("redeleteHangedFileInterval", "what could not be deleted is tried again with every round"),
        ("messageIndexSafe", "recovery completes the index wherever it ends"),
    ];
    const RANGES: &[Range] = &[
        at_least("flushIntervalCommitLog", 1, "1 counts"),
        at_least("flushCommitLogLeastPages", 0, "0 counts"),
        at_least("flushCommitLogThoroughInterval", 0, "0 counts"),
        at_least("flushConsumeQueueLeastPages", 0, "0 counts"),
        at_least("flushConsumeQueueThoroughInterval", 0, "0 counts"),
        at_least("deleteCommitLogFilesInterval", 0, "0 counts"),
        at_least("deleteConsumeQueueFilesInterval", 0, "0 counts"),
        at_least("flushIntervalConsumeQueue", 1, "1 counts"),
        at_least("cleanResourceInterval", 1, "1 counts"),
        range("diskMaxUsedSpaceRatio", 10, 95, "the nearest of the two counts"),
        range(
            "diskSpaceWarningLevelRatio",
            1,
            100,
            "messages are refused always, or never however full the disk is",
        ),
        range("diskSpaceCleanForciblyRatio", 1, 100, "files are deleted before their time always, or never"),
        at_least("fileReservedTime", 1, "files are deleted however new they are"),
        at_least("maxMessageSize", 1, "no message is taken"),
        at_least("maxTransferBytesOnMessageInMemory", 1, "a pull gets one message"),
        at_least("maxTransferCountOnMessageInMemory", 1, "a pull gets one message"),
        at_least("maxTransferBytesOnMessageInDisk", 1, "a pull gets one message"),
        at_least("maxTransferCountOnMessageInDisk", 1, "a pull gets one message"),
        range("accessMessageInMemoryMaxRatio", 0, 100, "0 or all of the memory counts"),
        at_least("maxMsgsNumBatch", 1, "queries find nothing"),
        at_least("defaultQueryMaxNum", 1, "queries find nothing"),
        at_least("haSendHeartbeatInterval", 1, "5000 counts"),
        at_least("haHousekeepingInterval", 1, "20000 counts"),
        at_least("haTransferBatchSize", 1, "32768 counts"),
        at_least("haSlaveFallbehindMax", 1, "no slave is ever near enough for a SYNC_MASTER"),
        at_least("syncFlushTimeout", 1, "no send is answered with SEND_OK under SYNC_FLUSH"),
        at_least("osPageCacheBusyTimeOutMills", 1, "sends are refused as soon as one waits"),
        at_least("flushDelayOffsetInterval", 1, "10000 counts"),
    ];

    fn validate(&self) -> Vec<(&'static str, String)> {
        let folders = [
            ("storePathRootDir", &self.store_path_root_dir),
            ("storePathCommitLog", &self.store_path_commit_log),
        ];
        super::path_problems(&folders)
    }
}
