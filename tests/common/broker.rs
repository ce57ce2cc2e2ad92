//! A broker in the test's own process, and clients that talk raw frames to it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use compat::language::LanguageCode;
use rocketmq::broker::{self, Configs, Running};
use rocketmq::config::broker::BrokerConfig;
use rocketmq::config::remoting::NettyServerConfig;
use rocketmq::config::store::MessageStoreConfig;
use rocketmq::namesrv;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::command::{FLAG_RESPONSE, VERSION_4_3_0};
use rocketmq::remoting::{Command, codec};
use rocketmq::store::{NewMessage, PutStatus};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A broker on free ports of the loopback, its data in a folder that goes with it.
pub struct Fixture {
    pub folder: TempDir,
    pub runtime: Runtime,
    running: Option<Running>,
    namesrv_addr: String,
    settings: Box<dyn Fn(&mut Configs)>,
}

pub fn configs(folder: &Path, namesrv_addr: &str) -> Configs {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    Configs {
        broker: BrokerConfig {
            broker_name: "broker-a".to_owned(),
            broker_ip1: "127.0.0.1".to_owned(),
            namesrv_addr: namesrv_addr.to_owned(),
            ..BrokerConfig::default()
        },
        server: NettyServerConfig { listen_port: 0, ..NettyServerConfig::for_broker() },
        store: MessageStoreConfig {
            store_path_root_dir: path("store"),
            store_path_commit_log: path("store/commitlog"),
            maped_file_size_commit_log: 1 << 20,
            maped_file_size_consume_queue: 20 * 1000,
            ..MessageStoreConfig::default()
        },
        file: Some(folder.join("broker.conf")),
        bind_ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ..Configs::default()
    }
}

impl Fixture {
    pub fn new() -> Fixture {
        Fixture::registered_with("")
    }

    /// With settings of the test's own.
    pub fn with(settings: impl Fn(&mut Configs) + 'static) -> Fixture {
        Fixture::started("", Box::new(settings))
    }

    pub fn registered_with(namesrv_addr: &str) -> Fixture {
        Fixture::started(namesrv_addr, Box::new(|_| ()))
    }

    fn started(namesrv_addr: &str, settings: Box<dyn Fn(&mut Configs)>) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("broker.conf"), "# ours\nbrokerName=broker-a\n").unwrap();
        Fixture::on(folder, namesrv_addr, settings)
    }

    pub fn start(&mut self) {
        let mut configs = configs(self.folder.path(), &self.namesrv_addr);
        (self.settings)(&mut configs);
        self.running = Some(self.runtime.block_on(broker::start(configs)).unwrap());
    }

    /// On a folder that another one has left, or that is new.
    pub fn on(folder: TempDir, namesrv_addr: &str, settings: impl Fn(&mut Configs) + 'static) -> Fixture {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let settings = Box::new(settings);
        let mut fixture =
            Fixture { folder, runtime, running: None, namesrv_addr: namesrv_addr.to_owned(), settings };
        fixture.start();
        fixture
    }

    pub fn stop(&mut self) {
        let running = self.running.take().unwrap();
        assert!(self.runtime.block_on(running.stop()), "something was not written");
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.running().addr())
    }

    /// Stores a message without the protocol's help; gives its commit-log offset.
    pub fn put(&self, topic: &str, queue_id: i32, body: &str) -> i64 {
        let broker = self.running().broker();
        let result = broker.store.put(&NewMessage {
            topic,
            queue_id,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: broker.now_ms(),
            born_host: broker.store_host,
            store_host: broker.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: "",
        });
        assert_eq!(result.status, PutStatus::PutOk);
        broker.store.dispatch_all();
        result.commit_log_offset
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

/// A name server, on a runtime of its own.
pub struct NameServer {
    _folder: TempDir,
    runtime: Runtime,
    running: Option<namesrv::Running>,
}

impl NameServer {
    pub fn new() -> NameServer {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut configs =
            namesrv::Configs { bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST), ..namesrv::Configs::default() };
        configs.server.listen_port = 0;
        configs.namesrv.kv_config_path = folder.path().join("kvConfig.json").to_str().unwrap().to_owned();
        let running = runtime.block_on(namesrv::start(configs)).unwrap();
        NameServer { _folder: folder, runtime, running: Some(running) }
    }

    pub fn addr(&self) -> String {
        self.running.as_ref().unwrap().addr().to_string()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

pub struct Client {
    stream: TcpStream,
    opaque: i32,
    /// Requests of the broker that came while an answer was waited for.
    asked: VecDeque<Command>,
    language: LanguageCode,
    version: i32,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client {
            stream,
            opaque: 0,
            asked: VecDeque::new(),
            language: LanguageCode::Java,
            version: VERSION_4_3_0,
        }
    }

    /// As a client written in another language.
    pub fn speaking(self, language: LanguageCode) -> Client {
        Client { language, ..self }
    }

    /// As a client of another version.
    pub fn of_version(self, version: i32) -> Client {
        Client { version, ..self }
    }

    /// Where the broker sees this client.
    pub fn addr(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    fn read(&mut self) -> Command {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut whole = length.to_vec();
        whole.resize(4 + u32::from_be_bytes(length) as usize, 0);
        self.stream.read_exact(&mut whole[4..]).unwrap();
        codec::decode(&whole.into()).unwrap()
    }

    pub fn call(&mut self, code: RequestCode, fields: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Command {
        self.opaque += 1;
        let ext = (!fields.is_empty()).then(|| fields.iter().copied().collect());
        let (opaque, language, version) = (self.opaque, self.language, self.version);
        let request = Command { code: code.into(), opaque, language, version, ext, ..Command::default() }
            .with_body(body.into());
        self.write(&request);
        loop {
            let answer = self.read();
            if answer.is_response() {
                assert_eq!(answer.opaque, self.opaque);
                return answer;
            }
            self.asked.push_back(answer);
        }
    }

    /// A call that must go well; its answer's body as JSON, null without one.
    pub fn json(&mut self, code: RequestCode, fields: &[(&str, &str)], body: &Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let answer = self.call(code, fields, body);
        assert_eq!(answer.code, 0, "{code:?}: {:?}", answer.remark);
        if answer.body.is_empty() { Value::Null } else { compat::json::from_slice(&answer.body).unwrap() }
    }

    /// The next request that the broker makes of this client.
    pub fn asked(&mut self) -> Command {
        self.asked.pop_front().unwrap_or_else(|| self.read())
    }

    /// Answers a request of the broker's.
    pub fn answer(&mut self, request: &Command, code: i32, remark: Option<&str>, body: &[u8]) {
        let answer = Command {
            code,
            opaque: request.opaque,
            flag: FLAG_RESPONSE,
            remark: remark.map(str::to_owned),
            ..Command::default()
        };
        self.write(&answer.with_body(body.to_vec()));
    }

    fn write(&mut self, command: &Command) {
        let mut out = BytesMut::new();
        codec::encode(command, &mut out);
        self.stream.write_all(&out).unwrap();
    }

    /// A call's code and remark.
    pub fn outcome(&mut self, code: RequestCode, fields: &[(&str, &str)], body: &str) -> (i32, String) {
        let answer = self.call(code, fields, body);
        (answer.code, answer.remark.unwrap_or_default())
    }

    /// The group that the broker tells a change of.
    pub fn told_of(&mut self) -> String {
        let request = self.asked();
        assert_eq!(request.code, i32::from(RequestCode::NotifyConsumerIdsChanged));
        assert!(request.is_one_way());
        request.ext_field("consumerGroup").unwrap().to_owned()
    }

    pub fn heart_beat(&mut self, client_id: &str, group: &str, topics: &[&str]) {
        let subscription = |topic: &&str| {
            json!({"topic": topic, "subString": "*", "subVersion": 1, "expressionType": "TAG", "classFilterMode": false,
                "tagsSet": [], "codeSet": []})
        };
        let body = json!({
            "clientID": client_id,
            "consumerDataSet": [{"groupName": group, "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
                "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "unitMode": false,
                "subscriptionDataSet": topics.iter().map(subscription).collect::<Vec<_>>()}],
            "producerDataSet": [{"groupName": "CLIENT_INNER_PRODUCER"}],
        });
        self.json(RequestCode::HeartBeat, &[], &body);
    }

    pub fn members(&mut self, group: &str) -> Vec<String> {
        let list = self.json(RequestCode::GetConsumerListByGroup, &[("consumerGroup", group)], &Value::Null);
        let mut ids: Vec<String> = serde_json::from_value(list["consumerIdList"].clone()).unwrap();
        ids.sort();
        ids
    }

    pub fn create_topic(&mut self, topic: &str, queue_nums: &str) -> (i32, String) {
        let fields = [
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", queue_nums),
            ("writeQueueNums", queue_nums),
            ("perm", "6"),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ];
        self.outcome(RequestCode::UpdateAndCreateTopic, &fields, "")
    }

    /// Stores a message in a queue, with its properties as one string.
    pub fn put_in(&mut self, topic: &str, queue_id: &str, body: &str, properties: &str) {
        let fields = [
            ("a", "producers"),
            ("b", topic),
            ("c", "TBW102"),
            ("d", "4"),
            ("e", queue_id),
            ("f", "0"),
            ("g", "1795391897067"),
            ("h", "0"),
            ("i", properties),
        ];
        let (code, remark) = self.outcome(RequestCode::SendMessageV2, &fields, body);
        assert_eq!(code, 0, "{remark}");
    }
}
