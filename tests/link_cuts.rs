//! A synchronous master and its slave, each on a host of its own, and the link between them cut and healed fifty times under
//! load, wholly or in one direction: whatever was answered with SEND_OK is on both, already while the link is cut, and
//! sends are answered well again without anybody's help. Hosts are network namespaces: `scripts/check-links` runs this.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::broker::Client;
use common::until;
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;

const ROUNDS: usize = 50;
const SENDERS: usize = 4;
const QUEUES: i32 = 4;
const TOPIC: &str = "LinkCuts";
/// Sends that go well after a link has been healed, before it is cut again.
const SENDS: usize = 200;

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let output = Process::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network namespace: it lives as long as its process.
struct Host(Ends);

impl Host {
    fn new() -> Host {
        let host = Host(Ends(Process::new("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap()));
        let of = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        until("a namespace of its own", || {
            of(host.pid()).is_some_and(|it| Some(it) != of(std::process::id()))
        });
        host.run("ip link set lo up");
        host
    }

    fn pid(&self) -> u32 {
        self.0.0.id()
    }

    fn run(&self, command: &str) {
        run(&format!("nsenter --net=/proc/{}/ns/net {command}", self.pid()));
    }

    /// Starts our program there and waits until it says that it is there.
    fn start(&self, home: &Path, arguments: &[String]) -> Ends {
        std::fs::create_dir_all(home).unwrap();
        let printed = std::fs::File::create(home.join("printed")).unwrap();
        let child = Process::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", self.pid()))
            .arg(env!("CARGO_BIN_EXE_rocketmq"))
            .args(arguments)
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(printed.try_clone().unwrap())
            .stderr(printed)
            .spawn()
            .unwrap();
        let child = Ends(child);
        until("the program to start", || {
            std::fs::read_to_string(home.join("printed")).unwrap().contains("boot success")
        });
        child
    }
}

/// A cable between two hosts.
fn connect(one: &Host, one_end: &str, one_addr: &str, other: &Host, other_end: &str, other_addr: &str) {
    run(&format!("ip link add name {one_end} type veth peer name {other_end}"));
    for (host, end, addr) in [(one, one_end, one_addr), (other, other_end, other_addr)] {
        run(&format!("ip link set {end} netns {}", host.pid()));
        host.run(&format!("ip addr add {addr}/24 dev {end}"));
        host.run(&format!("ip link set {end} up"));
    }
}

#[derive(Debug, Clone, Copy)]
enum Cut {
    Both,
    ToSlave,
    ToMaster,
}

/// The network, and the test's own host in it.
struct Net {
    master: Host,
    slave: Host,
}

impl Net {
    /// The test reaches both by links that stay: 10.77.1.2 is the master, 10.77.2.2 the slave, for it and for each other.
    fn new() -> Net {
        let net = Net { master: Host::new(), slave: Host::new() };
        run("ip link set lo up");
        for (host, number, name) in [(&net.master, 1, "m"), (&net.slave, 2, "s")] {
            run(&format!("ip link add name test-{name} type veth peer name {name}-test"));
            run(&format!("ip link set {name}-test netns {}", host.pid()));
            run(&format!("ip addr add 10.77.{number}.1/24 dev test-{name}"));
            run(&format!("ip link set test-{name} up"));
            host.run(&format!("ip addr add 10.77.{number}.2/24 dev {name}-test"));
            host.run(&format!("ip link set {name}-test up"));
            host.run(&format!("ip route add default via 10.77.{number}.1"));
        }
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        connect(&net.master, "to-s", "10.77.3.1", &net.slave, "to-m", "10.77.3.2");
        net
    }

    fn cut(&self, cut: Cut) {
        // A queue without any room.
        match cut {
            Cut::Both => self.master.run("ip link set to-s down"),
            Cut::ToSlave => self.master.run("tc qdisc add dev to-s root pfifo limit 0"),
            Cut::ToMaster => self.slave.run("tc qdisc add dev to-m root pfifo limit 0"),
        }
    }

    fn heal(&self, cut: Cut) {
        match cut {
            Cut::Both => self.master.run("ip link set to-s up"),
            Cut::ToSlave => self.master.run("tc qdisc del dev to-s root"),
            Cut::ToMaster => self.slave.run("tc qdisc del dev to-m root"),
        }
    }
}

/// A message that was answered with SEND_OK: queue, offset, body.
type Acknowledged = (i32, i64, String);

#[derive(Default)]
struct Load {
    acknowledged: Mutex<Vec<Acknowledged>>,
    went_well: AtomicUsize,
    /// By no slave, or none in time.
    not_replicated: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn send(&self, addr: SocketAddr, sender: usize) {
        let mut client = Client::connect(addr);
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let body = format!("{sender} {number}");
            let queue = (number % QUEUES).to_string();
            let fields = [
                ("a", "p"),
                ("b", TOPIC),
                ("c", "TBW102"),
                ("d", "4"),
                ("e", queue.as_str()),
                ("f", "0"),
                ("g", "1"),
                ("h", "0"),
                ("i", "KEYS\u{1}k\u{2}"),
            ];
            let answer = client.call(RequestCode::SendMessageV2, &fields, body.as_str());
            match answer.code {
                0 => {
                    let offset = answer.ext_field("queueOffset").unwrap().parse().unwrap();
                    self.acknowledged.lock().unwrap().push((number % QUEUES, offset, body));
                    self.went_well.fetch_add(1, Ordering::Relaxed);
                }
                // SLAVE_NOT_AVAILABLE, FLUSH_SLAVE_TIMEOUT.
                11 | 12 => {
                    self.not_replicated.fetch_add(1, Ordering::Relaxed);
                }
                code => panic!("code {code}: {:?}", answer.remark),
            }
        }
    }

    fn await_sends(&self, what: &str, of: &AtomicUsize, count: usize) {
        let before = of.load(Ordering::Relaxed);
        until(what, || of.load(Ordering::Relaxed) >= before + count);
    }
}

/// What a broker gives out, read on and on.
struct Reader {
    addr: SocketAddr,
    next: [i64; QUEUES as usize],
    bodies: HashMap<(i32, i64), String>,
}

impl Reader {
    fn new(addr: SocketAddr) -> Reader {
        Reader { addr, next: [0; QUEUES as usize], bodies: HashMap::new() }
    }

    fn read_on(&mut self) {
        let mut client = Client::connect(self.addr);
        for queue in 0..QUEUES {
            let next = &mut self.next[queue as usize];
            loop {
                let (queue_id, from) = (queue.to_string(), next.to_string());
                let fields = [
                    ("consumerGroup", "g"),
                    ("topic", TOPIC),
                    ("queueId", queue_id.as_str()),
                    ("queueOffset", from.as_str()),
                    ("maxMsgNums", "32"),
                    ("sysFlag", "4"),
                    ("commitOffset", "0"),
                    ("suspendTimeoutMillis", "0"),
                    ("subscription", "*"),
                    ("subVersion", "1"),
                ];
                let answer = client.call(RequestCode::PullMessage, &fields, "");
                if answer.code != 0 {
                    break;
                }
                for message in messages(&answer.body) {
                    let message = message.unwrap();
                    let body = String::from_utf8(message.body.to_vec()).unwrap();
                    *next = message.queue_offset + 1;
                    self.bodies.insert((queue, message.queue_offset), body);
                }
            }
        }
    }

    /// Those of the acknowledged messages that are not there.
    fn lacks(&mut self, acknowledged: &[Acknowledged]) -> Vec<Acknowledged> {
        self.read_on();
        let is_there =
            |(queue, offset, body): &&Acknowledged| self.bodies.get(&(*queue, *offset)) == Some(body);
        acknowledged.iter().filter(|it| !is_there(it)).cloned().collect()
    }
}

fn broker(name: &str, folder: &Path, more: &[&str]) -> Vec<String> {
    let store = folder.join(name).join("store");
    let mut arguments = vec!["broker".to_owned()];
    arguments.extend(
        ["brokerName=a", "listenPort=10911", "haSendHeartbeatInterval=200", "haHousekeepingInterval=1500"]
            .map(str::to_owned),
    );
    arguments.push(format!("storePathRootDir={}", store.display()));
    arguments.push(format!("storePathCommitLog={}", store.join("commitlog").display()));
    arguments.extend(more.iter().map(|it| (*it).to_owned()));
    arguments
}

#[test]
#[ignore = "needs root and network namespaces: scripts/check-links"]
fn what_was_acknowledged_is_on_both_whatever_is_cut() {
    let rounds = std::env::var("ROUNDS").map_or(ROUNDS, |it| it.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let net = Net::new();
    let own = Host(Ends(Process::new("sleep").arg("infinity").spawn().unwrap()));
    let home = |name: &str| folder.path().join(name);
    let _name_server = own.start(&home("namesrv"), &["namesrv".to_owned()]);
    let master = [
        "namesrvAddr=10.77.1.1:9876",
        "brokerIP1=10.77.1.2",
        "brokerIP2=10.77.3.1",
        "brokerRole=SYNC_MASTER",
        "syncFlushTimeout=1000",
        "haAllowedAddrs=10.77.3.2",
    ];
    let _master = net.master.start(&home("master"), &broker("master", folder.path(), &master));
    let (master, slave): (SocketAddr, SocketAddr) =
        ("10.77.1.2:10911".parse().unwrap(), "10.77.2.2:10911".parse().unwrap());
    assert_eq!(Client::connect(master).create_topic(TOPIC, &QUEUES.to_string()).0, 0);
    let settings = ["namesrvAddr=10.77.2.1:9876", "brokerIP1=10.77.2.2", "brokerRole=SLAVE", "brokerId=1"];
    let _slave = net.slave.start(&home("slave"), &broker("slave", folder.path(), &settings));

    let load = Arc::new(Load::default());
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let load = Arc::clone(&load);
            std::thread::spawn(move || load.send(master, sender))
        })
        .collect();
    let mut on_slave = Reader::new(slave);
    let mut healed_ms = Vec::new();
    for round in 0..rounds {
        load.await_sends("sends to go well", &load.went_well, SENDS);
        let cut = [Cut::Both, Cut::ToSlave, Cut::ToMaster][round % 3];
        net.cut(cut);
        // One for each connection was on its way.
        load.await_sends("sends to be told of it", &load.not_replicated, 2 * SENDERS);
        // While nothing can come after.
        let acknowledged = load.acknowledged.lock().unwrap().clone();
        let lacks = on_slave.lacks(&acknowledged);
        assert!(lacks.is_empty(), "round {round}, {cut:?}: the slave lacks {lacks:?}");
        net.heal(cut);
        let since = Instant::now();
        load.await_sends("sends to go well again", &load.went_well, 1);
        healed_ms.push(since.elapsed().as_millis());
    }
    load.is_over.store(true, Ordering::Relaxed);
    senders.into_iter().for_each(|it| it.join().unwrap());
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    for addr in [master, slave] {
        let lacks = Reader::new(addr).lacks(&acknowledged);
        assert!(lacks.is_empty(), "{addr} lacks {lacks:?}");
    }
    healed_ms.sort_unstable();
    println!(
        "{rounds} cuts: {} acknowledged, all of them on both; {} without the slave; well again after {} ms (median), {} ms (most)",
        acknowledged.len(),
        load.not_replicated.load(Ordering::Relaxed),
        healed_ms[healed_ms.len() / 2],
        healed_ms[healed_ms.len() - 1],
    );
}
