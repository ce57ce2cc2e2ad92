//! A server, and `rocketmq admin` that is run against it as an operator would.

use rocketmq::protocol::request_code::RequestCode;
use serde_json::Value;
use tempfile::TempDir;

use super::broker::Client;
use super::{Outcome, Program, free_port, start_server};

pub const DONE: Option<i32> = Some(0);
pub const FAILED: Option<i32> = Some(1);
pub const USAGE: Option<i32> = Some(2);

/// A name server and a broker in one process.
pub struct Server {
    pub home: TempDir,
    program: Program,
    is_stopped: bool,
    pub namesrv: String,
    pub broker: String,
}

impl Server {
    pub fn start() -> Server {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let (program, port, line) = start_server(home.path(), |port| {
            vec![
                "standalone".to_owned(),
                format!("--data={}", data.display()),
                "brokerName=broker-a".to_owned(),
                format!("--port={}", free_port()),
                format!("--broker-port={port}"),
            ]
        });
        let rest = line.strip_prefix("RocketMQ runs: name server ").unwrap();
        let namesrv = rest.split_once(',').unwrap().0.to_owned();
        Server { home, program, is_stopped: false, namesrv, broker: format!("127.0.0.1:{port}") }
    }

    /// With a topic.
    pub fn with_topic(queues: &str) -> Server {
        let server = Server::start();
        assert_eq!(server.client().create_topic("T", queues), (0, String::new()));
        server
    }

    /// Stops it; what is asked then finds nobody.
    pub fn stop(&mut self) {
        self.program.stop();
        self.is_stopped = true;
    }

    pub fn client(&self) -> Client {
        Client::connect(self.broker.parse().unwrap())
    }

    pub fn begin(&self, arguments: &[&str]) -> Program {
        let arguments = [&["admin"], arguments, &["-n", &self.namesrv]].concat();
        Program::start(self.home.path(), &arguments)
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.begin(arguments).finish()
    }

    /// A command that must go well: its lines.
    pub fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let outcome = self.run(arguments);
        assert_eq!((outcome.code, &outcome.err), (DONE, &Vec::new()), "{arguments:?} {outcome:?}");
        outcome.out
    }

    /// The same as JSON.
    pub fn values(&self, arguments: &[&str]) -> Vec<Value> {
        let lines = self.lines(&[arguments, &["--json"]].concat());
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn send(&self, body: &str, more: &[&str]) -> Value {
        let mut sent = self.values(&[&["sendMessage", "-t", "T", "-p", body], more].concat());
        sent.remove(0)
    }

    pub fn commit(&self, group: &str, topic: &str, queue_id: &str, offset: &str) {
        let fields =
            [("consumerGroup", group), ("topic", topic), ("queueId", queue_id), ("commitOffset", offset)];
        self.client().json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
    }

    pub fn committed(&self, group: &str, topic: &str, queue_id: &str) -> Option<i64> {
        let fields = [("consumerGroup", group), ("topic", topic), ("queueId", queue_id)];
        let answer = self.client().call(RequestCode::QueryConsumerOffset, &fields, "");
        answer.ext_field("offset").map(|offset| offset.parse().unwrap())
    }

    /// A consumer of the topic, whose group can be found.
    pub fn member(&self, client_id: &str, group: &str) -> Client {
        let mut member = self.client();
        // The broker would tell the name server a little later by itself.
        member.create_topic(&format!("%RETRY%{group}"), "1");
        member.heart_beat(client_id, group, &["T"]);
        assert_eq!(member.told_of(), group);
        member
    }

    pub fn group(&self, name: &str) -> Value {
        let table = self.client().json(RequestCode::GetAllSubscriptiongroupConfig, &[], &Value::Null);
        table["subscriptionGroupTable"][name].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By itself the program would only be killed.
        if !self.is_stopped {
            self.program.stop();
        }
    }
}
