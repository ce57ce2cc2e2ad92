//! The broker's topics and `topics.json` (Java: `TopicConfigManager`): which there are at first, which names and queues a
//! topic may have, and how sends make one. How a table is kept is `table`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::table::{Table, Wrapper};
use crate::clock::Clock;
use crate::config::file::FileError;
use crate::protocol::body::topic::{DataVersion, TopicConfig, TopicConfigSerializeWrapper};
use crate::protocol::perm::{self, PERM_INHERIT, PERM_READ, PERM_WRITE};
use crate::protocol::topic::{self, AUTO_CREATE_TOPIC_KEY_TOPIC, NameError, TBW102_TOPIC, is_default_topic};

/// Most queues of a topic. Java has no limit and makes a file and an object of each.
pub const QUEUE_NUMS_MAX: i32 = 65_535;

/// Why a topic is not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("topic[{topic}]: {reason}")]
    Name { topic: String, reason: NameError },
    #[error("topic[{topic}]: {queue_nums} queues are not between 0 and {QUEUE_NUMS_MAX}")]
    QueueNums { topic: String, queue_nums: i32 },
    #[error("Create new topic failed, because the default topic[{0}] not exist")]
    NoDefault(String),
    #[error("Create new topic failed, because the default topic[{0}] has no perm [{1}]")]
    NotInherited(String, &'static str),
}

/// What the built-in topics depend on.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    pub broker_name: String,
    pub broker_cluster_name: String,
    pub default_topic_queue_nums: i32,
    pub auto_create_topic_enable: bool,
    pub cluster_topic_enable: bool,
    pub broker_topic_enable: bool,
    pub trace_topic_enable: bool,
}

impl BuiltIn {
    /// store.md 1.8, and what later and earlier versions have: TBW102, RMQ_SYS_TRACE_TOPIC, the topic of replies.
    fn topics(&self) -> Vec<TopicConfig> {
        let read_write = PERM_READ | PERM_WRITE;
        let own = |enabled: bool| if enabled { PERM_INHERIT | read_write } else { PERM_INHERIT };
        let mut topics = vec![TopicConfig::new(topic::SELF_TEST_TOPIC, 1, 1, read_write)];
        if self.auto_create_topic_enable {
            topics.extend(self.templates());
        }
        topics.push(TopicConfig::new(topic::BENCHMARK_TOPIC, 1024, 1024, read_write));
        topics.push(TopicConfig::new(&self.broker_cluster_name, 16, 16, own(self.cluster_topic_enable)));
        topics.push(TopicConfig::new(&self.broker_name, 1, 1, own(self.broker_topic_enable)));
        topics.push(TopicConfig::new(topic::OFFSET_MOVED_EVENT_TOPIC, 1, 1, read_write));
        topics.push(TopicConfig::new(&topic::reply_topic(&self.broker_cluster_name), 1, 1, read_write));
        if self.trace_topic_enable {
            topics.push(TopicConfig::new(topic::RMQ_SYS_TRACE_TOPIC, 1, 1, read_write));
        }
        // Not every name that a broker or a cluster may have.
        topics.retain(|config| topic::check_own(&config.topic_name).is_ok());
        topics
    }

    /// What topics are modelled on that a send makes: clients ask for its route to find out whether one may.
    fn templates(&self) -> [TopicConfig; 2] {
        let queue_nums = self.default_topic_queue_nums.clamp(0, QUEUE_NUMS_MAX);
        let perm = PERM_INHERIT | PERM_READ | PERM_WRITE;
        [AUTO_CREATE_TOPIC_KEY_TOPIC, TBW102_TOPIC]
            .map(|name| TopicConfig::new(name, queue_nums, queue_nums, perm))
    }
}

/// The topics of this broker.
pub struct TopicTable {
    table: Table<TopicConfigSerializeWrapper>,
    /// The names of the built-in topics but for the templates.
    system: BTreeSet<String>,
    templates: [TopicConfig; 2],
    auto_create: AtomicBool,
}

impl Wrapper for TopicConfigSerializeWrapper {
    type Row = TopicConfig;

    fn new(data_version: DataVersion, topic_config_table: BTreeMap<String, TopicConfig>) -> Self {
        TopicConfigSerializeWrapper { data_version, topic_config_table }
    }

    fn into_parts(self) -> (DataVersion, BTreeMap<String, TopicConfig>) {
        (self.data_version, self.topic_config_table)
    }
}

impl TopicTable {
    /// The built-in topics, and over them what the file has. `changed` is told of every change that must be
    /// saved and registered; it is called under the table's lock and must only leave a note.
    pub fn open(
        file: PathBuf,
        built_in: &BuiltIn,
        clock: Clock,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<TopicTable, FileError> {
        let topics = built_in.topics();
        let names = topics.iter().map(|config| config.topic_name.clone());
        let system: BTreeSet<_> = names.filter(|name| !is_default_topic(name)).collect();
        let topics = topics.into_iter().map(|config| (config.topic_name.clone(), config));
        let accept = |name: &str, config: &mut TopicConfig| {
            if let Err(reason) = check(&system, name, config) {
                tracing::error!(topic = name, %reason, "topic of the file left out");
                return false;
            }
            name.clone_into(&mut config.topic_name);
            true
        };
        let table = Table::open(file, clock, topics, accept, changed)?;
        let auto_create = AtomicBool::new(built_in.auto_create_topic_enable);
        Ok(TopicTable { table, system, templates: built_in.templates(), auto_create })
    }

    /// A topic's settings.
    pub fn get(&self, topic: &str) -> Option<Arc<TopicConfig>> {
        self.table.get(topic)
    }

    /// Whether there is such a topic with such a queue.
    pub fn has_queue(&self, topic: &str, queue_id: i32) -> bool {
        let has = |config: &TopicConfig| {
            (0..config.read_queue_nums.max(config.write_queue_nums)).contains(&queue_id)
        };
        self.table.look(topic, has).unwrap_or(false)
    }

    /// Whether the topic is ordered (Java: `isOrderTopic`).
    pub fn is_order(&self, topic: &str) -> bool {
        self.table.look(topic, |config| config.order).unwrap_or(false)
    }

    /// Number of topics.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every topic's name.
    pub fn names(&self) -> Vec<String> {
        self.table.names()
    }

    /// Every topic's settings.
    pub fn all(&self) -> Vec<Arc<TopicConfig>> {
        self.table.all()
    }

    /// The built-in topics' names, as reply 305 lists them.
    pub fn system_topics(&self) -> BTreeSet<String> {
        let has_templates = self.auto_create.load(Ordering::Relaxed);
        let templates = self.templates.iter().filter(|_| has_templates);
        self.system.iter().cloned().chain(templates.map(|config| config.topic_name.clone())).collect()
    }

    /// Whether a topic is built in.
    pub fn is_system(&self, topic: &str) -> bool {
        is_default_topic(topic) || self.system.contains(topic)
    }

    /// `autoCreateTopicEnable` has been set. Clients do not send before the templates have a route: they are made where
    /// they are not there. Switched off they stay, as in Java's table, and sends that go by them are refused.
    pub fn set_auto_create(&self, enabled: bool) {
        if !self.auto_create.swap(enabled, Ordering::Relaxed) && enabled {
            for config in &self.templates {
                self.table.put_new(&config.topic_name, config.clone());
            }
        }
    }

    /// The topic, made from the settings of `default_topic` where it does not exist (Java:
    /// `createTopicInSendMessageMethod`).
    pub fn create_on_send(
        &self,
        topic: &str,
        default_topic: &str,
        queue_nums: i32,
        topic_sys_flag: i32,
        remote: SocketAddr,
    ) -> Result<Arc<TopicConfig>, TopicError> {
        check_name(topic)?;
        if let Some(config) = self.get(topic) {
            return Ok(config);
        }
        let Some(default) = self.get(default_topic) else {
            return Err(TopicError::NoDefault(default_topic.to_owned()));
        };
        let mut perm = default.perm;
        // Left over in the file from a time when it was allowed.
        if is_default_topic(default_topic) && !self.auto_create.load(Ordering::Relaxed) {
            perm = PERM_READ | PERM_WRITE;
        }
        if !perm::is_inherited(perm) {
            return Err(TopicError::NotInherited(default_topic.to_owned(), perm::perm2string(perm)));
        }
        let queue_nums = queue_nums.min(default.write_queue_nums).max(0);
        let mut config = TopicConfig::new(topic, queue_nums, queue_nums, perm & !PERM_INHERIT);
        config.topic_filter_type = default.topic_filter_type;
        config.topic_sys_flag = topic_sys_flag;
        let (config, is_new) = self.table.put_new(topic, config);
        if is_new {
            tracing::info!(
                "Create new topic by default topic:[{default_topic}] config:[{config}] producer:[{remote}]"
            );
        }
        Ok(config)
    }

    /// A topic of the broker's own, retries, dead letters or half messages, made where it does not exist (Java:
    /// `createTopicInSendMessageBackMethod`).
    pub fn create_on_send_back(
        &self,
        topic: &str,
        queue_nums: i32,
        perm: i32,
        topic_sys_flag: i32,
    ) -> Result<Arc<TopicConfig>, TopicError> {
        if let Some(config) = self.get(topic) {
            return Ok(config);
        }
        let mut config = TopicConfig::new(topic, queue_nums, queue_nums, perm);
        config.topic_sys_flag = topic_sys_flag;
        check(&self.system, topic, &config)?;
        let (config, is_new) = self.table.put_new(topic, config);
        if is_new {
            tracing::info!("create new topic {config}");
        }
        Ok(config)
    }

    /// Makes or changes a topic.
    pub fn update(&self, config: TopicConfig) -> Result<Arc<TopicConfig>, TopicError> {
        check(&self.system, &config.topic_name, &config)?;
        match self.get(&config.topic_name) {
            Some(old) => tracing::info!("update topic config, old:[{old}] new:[{config}]"),
            None => tracing::info!("create new topic [{config}]"),
        }
        Ok(self.table.put(&config.topic_name.clone(), config))
    }

    /// Forgets a topic; `false` where it was not known.
    pub fn delete(&self, topic: &str) -> bool {
        let existed = self.table.delete(topic);
        if existed {
            tracing::info!("delete topic config OK, topic: {topic}");
        }
        existed
    }

    /// What the name server's ORDER_TOPIC_CONFIG says: those topics are ordered, the others are not (Java:
    /// `updateOrderTopicConfig`).
    pub fn set_ordered<'a>(&self, ordered: impl IntoIterator<Item = &'a str>) {
        let ordered: BTreeSet<&str> = ordered.into_iter().collect();
        let is_wrong = |config: &TopicConfig| config.order != ordered.contains(config.topic_name.as_str());
        self.table.correct(is_wrong, |config| {
            config.order = !config.order;
            tracing::info!("update order topic config, topic={}, order={}", config.topic_name, config.order);
        });
    }

    /// Counts a change that is not a topic's, such as of the broker's permission.
    pub fn bump_version(&self) {
        self.table.bump_version();
    }

    /// Replaces everything by a master's table.
    pub fn replace(&self, wrapper: TopicConfigSerializeWrapper) {
        self.table.replace(wrapper, |name, config| check(&self.system, name, config).is_ok());
    }

    /// The table's version.
    pub fn version(&self) -> DataVersion {
        self.table.version()
    }

    /// The table as replies, registrations and the file have it.
    pub fn snapshot(&self) -> TopicConfigSerializeWrapper {
        self.table.snapshot()
    }

    /// Writes the file where something has changed since the last time. Blocks.
    pub fn persist(&self) -> Result<(), FileError> {
        self.table.persist()
    }
}

fn check_name(name: &str) -> Result<(), TopicError> {
    topic::check_topic(name).map_err(|reason| TopicError::Name { topic: name.to_owned(), reason })
}

fn check(system: &BTreeSet<String>, name: &str, config: &TopicConfig) -> Result<(), TopicError> {
    // The broker's and the cluster's own topics may have dots: host names do.
    if !system.contains(name) {
        check_name(name)?;
    }
    for queue_nums in [config.read_queue_nums, config.write_queue_nums] {
        if !(0..=QUEUE_NUMS_MAX).contains(&queue_nums) {
            return Err(TopicError::QueueNums { topic: config.topic_name.clone(), queue_nums });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::clock;

    fn built_in() -> BuiltIn {
        BuiltIn {
            broker_name: "broker-a".to_owned(),
            broker_cluster_name: "DefaultCluster".to_owned(),
            default_topic_queue_nums: 8,
            auto_create_topic_enable: true,
            cluster_topic_enable: true,
            broker_topic_enable: false,
            trace_topic_enable: true,
        }
    }

    #[test]
    fn names_that_no_topic_may_have_make_none() {
        let names = |broker: &str, cluster: &str| {
            let (broker_name, broker_cluster_name) = (broker.to_owned(), cluster.to_owned());
            let built_in = BuiltIn { broker_name, broker_cluster_name, ..built_in() };
            built_in.topics().into_iter().map(|config| config.topic_name).collect::<Vec<_>>()
        };
        let good = names("a.example.org", "c");
        assert!(["a.example.org", "c", "c_REPLY_TOPIC"].iter().all(|name| good.iter().any(|it| it == name)));
        for bad in ["a/../b", "x y", "a\nb", &"x".repeat(300)] {
            assert_eq!(names(bad, bad).len(), good.len() - 3, "{bad}");
        }
        assert!(!names("..", ".").iter().any(|name| name == ".." || name == "."));
    }

    fn table(folder: &tempfile::TempDir, built_in: &BuiltIn) -> (TopicTable, Arc<AtomicUsize>) {
        let changes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&changes);
        let (clock, _) = clock::manual(1000);
        let file = folder.path().join("config/topics.json");
        let note = move || {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        (TopicTable::open(file, built_in, clock, note).unwrap(), changes)
    }

    fn remote() -> SocketAddr {
        "127.0.0.1:5000".parse().unwrap()
    }

    #[test]
    fn the_built_in_topics_are_there_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let (topics, changes) = table(&folder, &built_in());
        let check = |name: &str, queue_nums: i32, perm: i32| {
            let config = topics.get(name).unwrap();
            assert_eq!((config.read_queue_nums, config.write_queue_nums), (queue_nums, queue_nums), "{name}");
            assert_eq!(config.perm, perm, "{name}");
        };
        check("SELF_TEST_TOPIC", 1, 6);
        check("AUTO_CREATE_TOPIC_KEY", 8, 7);
        check("TBW102", 8, 7);
        check("BenchmarkTest", 1024, 6);
        check("DefaultCluster", 16, 7);
        check("broker-a", 1, 1);
        check("OFFSET_MOVED_EVENT", 1, 6);
        check("DefaultCluster_REPLY_TOPIC", 1, 6);
        check("RMQ_SYS_TRACE_TOPIC", 1, 6);
        assert!(topics.get("SCHEDULE_TOPIC_XXXX").is_none());
        assert_eq!(topics.system_topics().len(), topics.len());
        assert_eq!(changes.load(Ordering::Relaxed), 0);
        let (topics, _) = table(
            &folder,
            &BuiltIn { auto_create_topic_enable: false, trace_topic_enable: false, ..built_in() },
        );
        assert!(topics.get("TBW102").is_none() && topics.get("RMQ_SYS_TRACE_TOPIC").is_none());
        assert_eq!(topics.system_topics().len(), topics.len());
    }

    #[test]
    fn topics_by_sends_can_be_allowed_later() {
        let folder = tempfile::tempdir().unwrap();
        let built_in = BuiltIn { auto_create_topic_enable: false, ..built_in() };
        let (topics, changes) = table(&folder, &built_in);
        let send = |topic: &str, default: &str| topics.create_on_send(topic, default, 4, 0, remote()).is_ok();
        assert!(!send("A", "TBW102"));
        topics.set_auto_create(true);
        assert_eq!(changes.load(Ordering::Relaxed), 2, "both are registered");
        assert_eq!(topics.system_topics().len(), topics.len());
        assert!(send("A", "TBW102") && send("B", "AUTO_CREATE_TOPIC_KEY"));
        // Who deletes one while it is on means that.
        assert!(topics.delete("TBW102"));
        topics.set_auto_create(true);
        assert!(!send("C", "TBW102"));
        topics.set_auto_create(false);
        assert!(!send("C", "AUTO_CREATE_TOPIC_KEY"));
        topics.set_auto_create(true);
        assert!(send("C", "TBW102"));
    }

    #[test]
    fn a_send_makes_its_topic_from_the_default_topic() {
        let folder = tempfile::tempdir().unwrap();
        let (topics, changes) = table(&folder, &built_in());
        let check = |topic: &str, default: &str, asked: i32, expected: Result<i32, TopicError>| {
            let made = topics.create_on_send(topic, default, asked, 2, remote());
            assert_eq!(made.map(|config| config.write_queue_nums), expected, "{topic}");
        };
        check("A", "AUTO_CREATE_TOPIC_KEY", 4, Ok(4));
        check("B", "TBW102", 16, Ok(8));
        check("C", "TBW102", -1, Ok(0));
        check("A", "TBW102", 1, Ok(4));
        check("D", "none", 4, Err(TopicError::NoDefault("none".to_owned())));
        check("D", "A", 4, Err(TopicError::NotInherited("A".to_owned(), "RW-")));
        check("E", "DefaultCluster", 20, Ok(16));
        let reason = NameError::IllegalCharacters;
        check("../x", "TBW102", 4, Err(TopicError::Name { topic: "../x".to_owned(), reason }));
        let config = topics.get("A").unwrap();
        assert_eq!((config.perm, config.topic_sys_flag, config.order), (6, 2, false));
        assert_eq!(changes.load(Ordering::Relaxed), 4);
        topics.set_auto_create(false);
        check("F", "TBW102", 4, Err(TopicError::NotInherited("TBW102".to_owned(), "RW-")));
    }

    #[test]
    fn retry_topics_are_made_as_asked_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let (topics, changes) = table(&folder, &built_in());
        assert_eq!(topics.create_on_send_back("%DLQ%g", 1, 2, 0).unwrap().perm, 2);
        assert_eq!(topics.create_on_send_back("%DLQ%g", 3, 6, 0).unwrap().read_queue_nums, 1);
        assert_eq!(changes.load(Ordering::Relaxed), 1);
        let many = topics.create_on_send_back("%RETRY%g", QUEUE_NUMS_MAX + 1, 6, 0);
        assert!(matches!(many, Err(TopicError::QueueNums { .. })));
    }

    #[test]
    fn topics_survive_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (topics, _) = table(&folder, &built_in());
        let file = folder.path().join("config/topics.json");
        topics.persist().unwrap();
        assert!(!file.exists(), "nothing has changed");
        topics.update(TopicConfig::new("A", 3, 5, 6)).unwrap();
        topics.update(TopicConfig::new("B", 1, 1, 6)).unwrap();
        assert!(topics.delete("B") && !topics.delete("B"));
        topics.persist().unwrap();
        let (again, changes) = table(&folder, &built_in());
        assert_eq!(again.snapshot(), topics.snapshot());
        assert_eq!((again.version().counter, again.get("A").unwrap().write_queue_nums), (3, 5));
        assert_eq!(changes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_file_without_our_built_in_topics_gives_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let mut older = built_in();
        older.trace_topic_enable = false;
        let (topics, _) = table(&folder, &older);
        topics.update(TopicConfig::new("A", 3, 5, 6)).unwrap();
        topics.persist().unwrap();
        let mut newer = built_in();
        newer.trace_topic_enable = true;
        let (grown, _) = table(&folder, &newer);
        assert_eq!((topics.version().counter, grown.version().counter), (1, 2));
        grown.persist().unwrap();
        let (again, _) = table(&folder, &newer);
        assert_eq!(again.snapshot(), grown.snapshot());
    }

    #[test]
    fn a_file_cannot_bring_names_that_leave_the_store() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        let text = r#"{"dataVersion":{"counter":7,"timestamp":5},"topicConfigTable":{"../x":{"topicName":"../x"},
            "ok":{"topicName":"ok","readQueueNums":2,"writeQueueNums":2,"perm":4}}}"#;
        std::fs::write(folder.path().join("config/topics.json"), text).unwrap();
        let (topics, _) = table(&folder, &built_in());
        assert!(topics.get("../x").is_none());
        assert_eq!(topics.get("ok").unwrap().perm, 4);
        assert_eq!(topics.version().counter, 8, "the built-in topics came on top");
    }

    #[test]
    fn a_masters_table_replaces_ours() {
        let folder = tempfile::tempdir().unwrap();
        let dotted = BuiltIn { broker_name: "broker.a".to_owned(), ..built_in() };
        let (topics, changes) = table(&folder, &dotted);
        let mut master = topics.snapshot();
        master.data_version.counter = 9;
        master.topic_config_table.insert("../x".to_owned(), TopicConfig::new("../x", 1, 1, 6));
        master.topic_config_table.insert("A".to_owned(), TopicConfig::new("A", 2, 2, 6));
        master.topic_config_table.remove("TBW102");
        topics.replace(master.clone());
        master.topic_config_table.remove("../x");
        assert_eq!(topics.snapshot(), master, "its own name may have a dot");
        assert_eq!(changes.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_name_server_says_which_topics_are_ordered() {
        let folder = tempfile::tempdir().unwrap();
        let (topics, changes) = table(&folder, &built_in());
        topics.set_ordered(["SELF_TEST_TOPIC", "unknown"]);
        assert!(topics.is_order("SELF_TEST_TOPIC") && !topics.is_order("TBW102"));
        topics.set_ordered(["SELF_TEST_TOPIC"]);
        assert_eq!(changes.load(Ordering::Relaxed), 1);
        topics.set_ordered([]);
        assert!(!topics.is_order("SELF_TEST_TOPIC"));
    }
}
