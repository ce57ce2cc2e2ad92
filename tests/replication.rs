//! Master and slave of ours: the log and the tables follow, a synchronous master waits, who is no slave does no harm, and
//! logs that have gone apart are not mixed. Java's masters and slaves are in `interop-tests`.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq::broker::Configs;
use rocketmq::config::store::BrokerRole;
use rocketmq::protocol::body::ha::HaRuntimeInfo;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::Value;

use self::common::broker::{Client, Fixture, NameServer};
use self::common::until;

const WAIT: Duration = Duration::from_secs(30);

fn master_of(role: BrokerRole) -> impl Fn(&mut Configs) + 'static {
    move |configs: &mut Configs| configs.store.broker_role = role
}

/// A slave of a broker on that address.
fn slave_of(ha: SocketAddr) -> impl Fn(&mut Configs) + 'static {
    move |configs: &mut Configs| {
        configs.store.broker_role = BrokerRole::Slave;
        configs.broker.broker_id = 1;
        configs.store.ha_master_address = ha.to_string();
        configs.store.ha_send_heartbeat_interval = 500;
    }
}

fn end(fixture: &Fixture) -> i64 {
    fixture.running().broker().store.max_commit_log_offset()
}

fn follows(slave: &Fixture, master: &Fixture) {
    until("the slave has the master's log", || end(slave) == end(master));
    let bytes = |fixture: &Fixture| {
        let store = &fixture.running().broker().store;
        let mut bytes = Vec::new();
        let from = store.min_commit_log_offset().max(0);
        while let Some(data) = store.log_data(from + bytes.len() as i64, usize::MAX) {
            bytes.extend_from_slice(&data);
        }
        (from, bytes)
    };
    assert!(bytes(slave) == bytes(master), "both logs are the same");
}

fn send(client: &mut Client, properties: &str, body: &str) -> Command {
    let fields = [
        ("a", "p"),
        ("b", "T"),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", properties),
    ];
    client.call(RequestCode::SendMessageV2, &fields, body)
}

fn slaves(master: &Fixture) -> usize {
    master.running().broker().store.replicas().count()
}

#[test]
fn a_slave_follows_serves_pulls_and_takes_nothing() {
    let master = Fixture::new();
    let ha = master.running().ha_addr();
    for number in 0..100 {
        master.put("T", number % 4, &"x".repeat(number as usize * 30));
    }
    let mut slave = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(ha));
    follows(&slave, &master);
    for number in 0..100 {
        master.put("T", number % 4, "while it runs");
    }
    follows(&slave, &master);
    // Away for a while.
    slave.stop();
    master.put("T", 0, "while it is away");
    slave.start();
    follows(&slave, &master);
    until("queues follow the log", || slave.running().broker().store.max_offset("T", 0) == 51);
    let mut client = slave.connect();
    let answer = send(&mut client, "", "x");
    assert_eq!(answer.code, 14, "{:?}", answer.remark);
    slave
        .running()
        .broker()
        .topics
        .update(rocketmq::protocol::body::topic::TopicConfig::new("T", 4, 4, 6))
        .unwrap();
    let fields = [
        ("consumerGroup", "g"),
        ("topic", "T"),
        ("queueId", "0"),
        ("queueOffset", "50"),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "*"),
        ("subVersion", "1"),
    ];
    let answer = client.call(RequestCode::PullMessage, &fields, "");
    assert_eq!(answer.code, 0);
    let message = rocketmq::protocol::message::messages(&answer.body).next().unwrap().unwrap();
    assert_eq!(message.body, b"while it is away");
}

/// As Java counts: the delivery of a delayed message as well as the wait for it, and at a slave what it got.
#[test]
fn everything_that_comes_into_the_log_is_counted() {
    let master = Fixture::with(master_of(BrokerRole::AsyncMaster));
    let slave = Fixture::with(slave_of(master.running().ha_addr()));
    let mut client = master.connect();
    client.create_topic("T", "1");
    assert_eq!(send(&mut client, "", "plain").code, 0);
    assert_eq!(send(&mut client, "DELAY\u{1}1\u{2}", "delayed").code, 0);
    let counted = |fixture: &Fixture| {
        let mut client = fixture.connect();
        let info = client.json(RequestCode::GetBrokerRuntimeInfo, &[], &Value::Null);
        let number = |key: &str| info["table"][key].as_str().unwrap().parse::<i64>().unwrap();
        (number("putMessageTimesTotal"), number("putMessageSizeTotal"))
    };
    until("the delivery", || counted(&master).0 == 3);
    until("the slave's counts", || counted(&slave) == counted(&master));
    assert_eq!(counted(&master).1, end(&master));
}

#[test]
fn several_slaves_and_one_behind_another() {
    let master = Fixture::new();
    let ha = master.running().ha_addr();
    let first = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(ha));
    let second = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(ha));
    let third = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(first.running().ha_addr()));
    for number in 0..300 {
        master.put("T", 0, &number.to_string());
    }
    for slave in [&first, &second, &third] {
        follows(slave, &master);
    }
    assert_eq!((slaves(&master), slaves(&first)), (2, 1));
}

#[test]
fn a_synchronous_master_waits_for_a_slave_or_says_that_there_is_none() {
    let master = Fixture::with(master_of(BrokerRole::SyncMaster));
    let mut client = master.connect();
    client.create_topic("T", "1");
    assert_eq!(send(&mut client, "", "alone").code, 11);
    assert_eq!(send(&mut client, "WAIT\u{1}false\u{2}", "does not wait").code, 0);
    let mut slave = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(master.running().ha_addr()));
    follows(&slave, &master);
    for _ in 0..50 {
        let answer = send(&mut client, "", "both have it");
        assert_eq!(answer.code, 0);
        // Stored means: there, too, when the sender hears of it.
        assert_eq!(end(&slave), end(&master));
    }
    slave.stop();
    until("the slave is gone", || slaves(&master) == 0);
    assert_eq!(send(&mut client, "", "alone again").code, 11);
    slave.start();
    follows(&slave, &master);
    assert_eq!(send(&mut client, "", "both again").code, 0);
}

/// #1155, #3015: eight bytes of noise on the port made a synchronous master answer for a slave that was none.
#[test]
fn issues_1155_3015_noise_is_no_slave() {
    let master = Fixture::with(|configs| {
        configs.store.broker_role = BrokerRole::SyncMaster;
        configs.store.sync_flush_timeout = 300;
    });
    let mut client = master.connect();
    client.create_topic("T", "1");
    send(&mut client, "", "first");
    let end = end(&master);
    let connect = || {
        let stream = TcpStream::connect(master.running().ha_addr()).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream
    };
    // More than there is, negative, garbage.
    for noise in [end + 1, i64::MAX, -1, i64::MIN, 0x4745_5420_2f20_4854] {
        let mut stream = connect();
        stream.write_all(&noise.to_be_bytes()).unwrap();
        assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0, "{noise}: closed without a word");
    }
    // One that begins well, and then acknowledges what it was never sent.
    let mut stream = connect();
    stream.write_all(&end.to_be_bytes()).unwrap();
    until("it counts as connected", || slaves(&master) == 1);
    stream.write_all(&(end + 1_000_000).to_be_bytes()).unwrap();
    until("it is thrown out", || slaves(&master) == 0);
    assert_eq!(send(&mut client, "", "alone").code, 11);
    // One that never acknowledges.
    let mut stream = connect();
    stream.write_all(&end.to_be_bytes()).unwrap();
    until("it counts as connected", || slaves(&master) == 1);
    assert_eq!(send(&mut client, "", "not acknowledged").code, 12);
}

#[test]
fn only_listed_addresses_follow() {
    let master = Fixture::with(|configs| configs.broker.ha_allowed_addrs = "10.1.2.3, 10.1.2.4".to_owned());
    let mut stream = TcpStream::connect(master.running().ha_addr()).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.write_all(&0_i64.to_be_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0);
    let listed = Fixture::with(|configs| configs.broker.ha_allowed_addrs = "10.1.2.3;127.0.0.1".to_owned());
    listed.put("T", 0, "x");
    let slave = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(listed.running().ha_addr()));
    follows(&slave, &listed);
}

/// Nobody who may not follow has a slave's place, not even for the time in which he may hang up.
#[test]
fn strangers_take_no_slaves_place() {
    let master = Fixture::with(|configs| configs.broker.ha_allowed_addrs = "127.0.0.1".to_owned());
    master.put("T", 0, "x");
    let addr = master.running().ha_addr();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..5 {
        // Twice as many as there are places, all held.
        let strangers: Vec<_> = (66..106_u8).flat_map(|last| [last; 3]).collect();
        let strangers: Vec<_> = runtime.block_on(async {
            let mut held = Vec::new();
            for last in strangers {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(([127, 0, 0, last], 0).into()).unwrap();
                held.push(socket.connect(addr).await.unwrap());
            }
            held
        });
        let mut slave = TcpStream::connect(addr).unwrap();
        slave.set_read_timeout(Some(WAIT)).unwrap();
        slave.write_all(&0_i64.to_be_bytes()).unwrap();
        assert!(slave.read(&mut [0; 64]).unwrap() > 0);
        drop(strangers);
    }
    let held: Vec<_> = (0..100).map(|_| TcpStream::connect(addr).unwrap()).collect();
    let closed = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0; 1]), Ok(0))
    };
    until("all but some of an address to be closed", || held.iter().filter(|it| closed(it)).count() >= 84);
}

fn registered_slave(configs: &mut Configs) {
    configs.store.broker_role = BrokerRole::Slave;
    configs.broker.broker_id = 1;
}

#[test]
fn tables_follow_and_offsets_that_were_committed_at_the_slave_are_kept() {
    let name_server = NameServer::new();
    let mut master = Fixture::registered_with(&name_server.addr());
    let mut client = master.connect();
    assert_eq!(client.create_topic("T", "3").0, 0);
    client.heart_beat("a", "g", &["T"]);
    client.told_of();
    let commit = |client: &mut Client, offset: &str| {
        let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", "1"), ("commitOffset", offset)];
        client.json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
    };
    commit(&mut client, "3");
    (0..10).for_each(|number| assert!(master.put("T", 1, &number.to_string()) >= 0));
    let slave = Fixture::on(tempfile::tempdir().unwrap(), &name_server.addr(), registered_slave);
    follows(&slave, &master);
    let at_slave = || slave.running().broker();
    until("topics follow", || at_slave().topics.get("T").is_some_and(|topic| topic.write_queue_nums == 3));
    until("groups follow", || at_slave().groups.get("g").is_some());
    until("offsets follow", || at_slave().offsets.query("g", "T", 1) == Some(3));
    // #1094: the master goes, its consumers commit at the slave, and the master comes back.
    master.stop();
    let mut consumer = slave.connect();
    commit(&mut consumer, "7");
    master.start();
    until("the master is told", || master.running().broker().offsets.query("g", "T", 1) == Some(7));
    assert_eq!(at_slave().offsets.query("g", "T", 1), Some(7));
}

/// A master that the test speaks for.
struct FakeMaster(TcpListener);

impl FakeMaster {
    /// The next connection, and what the slave wants.
    fn accept(&self) -> (TcpStream, i64) {
        let (mut stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let mut wish = [0; 8];
        stream.read_exact(&mut wish).unwrap();
        (stream, i64::from_be_bytes(wish))
    }
}

fn frame(offset: i64, bytes: &[u8]) -> Vec<u8> {
    [&offset.to_be_bytes()[..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// The other side hangs up; what it says before does not matter.
fn is_closed(mut stream: TcpStream) -> bool {
    match std::io::copy(&mut stream, &mut std::io::sink()) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// #3388, and what has no number: a slave whose log is not the beginning of its master's is not filled up with bytes
/// that do not belong behind it, however long either log is.
#[test]
fn issue_3388_logs_that_have_gone_apart_are_not_mixed() {
    let other = Fixture::new();
    (0..100).for_each(|number| assert!(other.put("T", 0, &format!("of another {number:03}")) >= 0));
    let (before, log) =
        (end(&other), other.running().broker().store.log_data(0, usize::MAX).unwrap().to_vec());
    other.put("T", 0, "one more");
    let more = other.running().broker().store.log_data(before, usize::MAX).unwrap().to_vec();
    drop(other);
    // The same without the last one.
    let master = FakeMaster(TcpListener::bind("127.0.0.1:0").unwrap());
    let slave = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(master.0.local_addr().unwrap()));
    let (mut stream, wish) = master.accept();
    assert_eq!(wish, 0);
    stream.write_all(&frame(0, &log)).unwrap();
    until("it has the first part", || end(&slave) == before);
    drop(stream);

    let (mut stream, wish) = master.accept();
    assert_eq!(wish, 1, "its last bytes once more; 0 would be the wish of an empty log");
    let mut changed = log[1..].to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    stream.write_all(&frame(1, &changed)).unwrap();
    stream.write_all(&frame(before, &more)).unwrap();
    assert!(is_closed(stream));

    // Shorter than the slave's.
    let (mut stream, _) = master.accept();
    stream.write_all(&frame(1, &log[1..500])).unwrap();
    stream.write_all(&[frame(500, b""), frame(500, b"")].concat()).unwrap();
    assert!(is_closed(stream));

    // From somewhere else than was asked for, and a frame without end.
    let (mut stream, _) = master.accept();
    stream.write_all(&frame(before, &more)).unwrap();
    assert!(is_closed(stream));
    let (mut stream, _) = master.accept();
    stream.write_all(&[&1_i64.to_be_bytes()[..], &u32::MAX.to_be_bytes()].concat()).unwrap();
    assert!(is_closed(stream));
    assert_eq!(end(&slave), before, "nothing of all that was taken");

    // The right one, cut anywhere; then it says how far it is.
    let (mut stream, _) = master.accept();
    for (index, piece) in log[1..].chunks(777).enumerate() {
        stream.write_all(&frame(1 + index as i64 * 777, piece)).unwrap();
    }
    stream.write_all(&frame(before, &more)).unwrap();
    let mut ack = [0; 8];
    until("it acknowledges", || {
        stream.read_exact(&mut ack).unwrap();
        i64::from_be_bytes(ack) == before + more.len() as i64
    });
    assert_eq!(end(&slave), before + more.len() as i64);
}

/// A master that has lost something, or was emptied: the slave is not cut, and not mixed with what the master gets later.
#[test]
fn a_slave_ahead_of_its_master_is_refused() {
    let mut master = Fixture::new();
    (0..100).for_each(|number| assert!(master.put("T", 0, &number.to_string()) >= 0));
    let mut slave = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(master.running().ha_addr()));
    follows(&slave, &master);
    let before = end(&slave);
    slave.stop();
    master.stop();
    let emptied = Fixture::new();
    let ha = emptied.running().ha_addr();
    let folder = std::mem::replace(&mut slave.folder, tempfile::tempdir().unwrap());
    let slave = Fixture::on(folder, "", slave_of(ha));
    let store = &emptied.running().broker().store;
    // Every attempt of the slave's is one that the master sees come and go.
    for _ in 0..2 {
        (0..200).for_each(|number| assert!(emptied.put("T", 0, &format!("grows {number}")) >= 0));
        until("it tries", || store.replicas().count() == 1);
        until("it gives up", || store.replicas().count() == 0);
    }
    assert!(end(&emptied) > before);
    assert_eq!(end(&slave), before);
}

fn ha_status(broker: &Fixture) -> HaRuntimeInfo {
    let status = broker.connect().json(RequestCode::GetBrokerHaStatus, &[], &Value::Null);
    serde_json::from_value(status).unwrap()
}

#[test]
fn an_empty_slave_gets_the_last_file_unless_it_is_to_have_all() {
    const FILE_BYTES: i64 = 1 << 20;
    let name_server = NameServer::new();
    let master = Fixture::registered_with(&name_server.addr());
    for number in 0..300 {
        master.put("T", number % 4, &"x".repeat(10_000));
    }
    let master_end = end(&master);
    assert!(master_end > 2 * FILE_BYTES);
    let check = |is_last_only: bool, expected: i64| {
        let settings = move |configs: &mut Configs| {
            registered_slave(configs);
            configs.store.sync_from_last_file = is_last_only;
        };
        let slave = Fixture::on(tempfile::tempdir().unwrap(), &name_server.addr(), settings);
        until("the slave has the master's log", || end(&slave) == master_end);
        let store = |broker: &Fixture| Arc::clone(&broker.running().broker().store);
        assert_eq!(store(&slave).min_commit_log_offset(), expected);
        let mut at = expected;
        while let Some(data) = store(&slave).log_data(at, usize::MAX) {
            assert!(*data == store(&master).log_data(at, usize::MAX).unwrap()[..data.len()], "from {at} on");
            at += data.len() as i64;
        }
        assert_eq!(at, master_end);
        until("queues follow the log", || store(&slave).max_offset("T", 3) == 75);
        assert_eq!(store(&slave).min_offset("T", 3) == 0, expected == 0);
    };
    check(true, master_end - master_end % FILE_BYTES);
    check(false, 0);
}

/// #323: what operators see of a link, and never a negative distance.
#[test]
fn issue_323_both_sides_say_how_far_the_slave_is() {
    let master = Fixture::new();
    assert_eq!(
        ha_status(&master),
        HaRuntimeInfo { master: true, master_commit_log_max_offset: 0, ..HaRuntimeInfo::default() }
    );
    let ha = master.running().ha_addr();
    let slave = Fixture::on(tempfile::tempdir().unwrap(), "", slave_of(ha));
    (0..100).for_each(|number| assert!(master.put("T", 0, &number.to_string()) >= 0));
    follows(&slave, &master);
    let end = end(&master);
    until("the slave has said so", || ha_status(&master).ha_connection_info[0].slave_ack_offset == end);
    let status = ha_status(&master);
    let link = &status.ha_connection_info[0];
    assert_eq!((status.in_sync_slave_nums, status.master_commit_log_max_offset), (1, end));
    assert_eq!((link.diff, link.in_sync, link.transfer_from_where), (0, true, end));
    assert_eq!(link.addr.parse::<SocketAddr>().unwrap().ip(), Ipv4Addr::LOCALHOST);
    let status = ha_status(&slave);
    let link = status.ha_client_runtime_info;
    assert_eq!((status.master, link.activated, link.max_offset), (false, true, end));
    assert_eq!(link.master_addr, Some(ha.to_string()));
    assert!(link.last_read_timestamp > 0 && link.last_write_timestamp > 0);
    // A link that says what it has, and then nothing: it falls behind.
    let mut silent = TcpStream::connect(ha).unwrap();
    silent.write_all(&end.to_be_bytes()).unwrap();
    until("two links", || ha_status(&master).ha_connection_info.len() == 2);
    master.put("T", 0, "more");
    let silent = silent.local_addr().unwrap().to_string();
    until("it is behind", || {
        ha_status(&master).ha_connection_info.iter().any(|it| it.addr == silent && it.diff > 0)
    });
    drop(master);
    until("the slave says why it is alone", || {
        let link = ha_status(&slave).ha_client_runtime_info;
        !link.activated && !link.last_error.is_empty()
    });
}

/// #1082, #1118: a link on which nothing happened was cut again and again.
#[test]
fn issues_1082_1118_an_idle_link_stays() {
    const HOUSEKEEPING_MS: i32 = 900;
    let settings = |configs: &mut Configs| {
        configs.store.ha_send_heartbeat_interval = 100;
        configs.store.ha_housekeeping_interval = HOUSEKEEPING_MS;
    };
    let master = Fixture::with(settings);
    let of = slave_of(master.running().ha_addr());
    let slave = Fixture::on(tempfile::tempdir().unwrap(), "", move |configs| {
        of(configs);
        settings(configs);
    });
    let links =
        || -> Vec<String> { ha_status(&master).ha_connection_info.into_iter().map(|it| it.addr).collect() };
    until("the slave follows", || links().len() == 1);
    let (at_first, since) = (links(), Instant::now());
    until("three times the limit to pass", || {
        assert_eq!(links(), at_first);
        since.elapsed() > Duration::from_millis(3 * HOUSEKEEPING_MS as u64)
    });
    let last = ha_status(&slave).ha_client_runtime_info.last_read_timestamp;
    until("it is still spoken to", || ha_status(&slave).ha_client_runtime_info.last_read_timestamp > last);
}

/// 14969aa389: while senders waited for a slow slave, nobody else was served.
#[test]
fn issue_14969aa389_a_slow_slave_holds_up_nobody_else() {
    let master = Fixture::with(|configs| {
        configs.store.broker_role = BrokerRole::SyncMaster;
        configs.store.sync_flush_timeout = 60_000;
    });
    let mut client = master.connect();
    client.create_topic("T", "1");
    let mut slow = TcpStream::connect(master.running().ha_addr()).unwrap();
    slow.write_all(&0_i64.to_be_bytes()).unwrap();
    until("it follows", || slaves(&master) == 1);
    let mut waiting = master.connect();
    let waiting = std::thread::spawn(move || send(&mut waiting, "", "waits").code);
    until("it is stored", || end(&master) > 0);
    for number in 0..100 {
        assert_eq!(send(&mut client, "WAIT\u{1}false\u{2}", &number.to_string()).code, 0);
    }
    let fields = [("topic", "T"), ("queueId", "0")];
    assert_eq!(client.call(RequestCode::GetMaxOffset, &fields, "").code, 0);
    assert!(!waiting.is_finished());
    // All that it gets, it has.
    let mut got = vec![0; 1 << 20];
    let mut so_far = 0;
    until("it is sent everything", || {
        so_far += slow.read(&mut got).unwrap();
        so_far as i64 > end(&master)
    });
    slow.write_all(&end(&master).to_be_bytes()).unwrap();
    assert_eq!(waiting.join().unwrap(), 0);
}

/// #1440: a slave that became the master sent its consumers back to the beginning.
#[test]
fn issue_1440_roles_swapped_and_nothing_is_consumed_again() {
    let name_server = NameServer::new();
    let mut master = Fixture::registered_with(&name_server.addr());
    let mut client = master.connect();
    client.create_topic("T", "1");
    client.heart_beat("a", "g", &["T"]);
    client.told_of();
    (0..10).for_each(|number| assert!(master.put("T", 0, &number.to_string()) >= 0));
    let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", "0"), ("commitOffset", "10")];
    client.json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
    let slave = tempfile::tempdir().unwrap();
    let mut slave = Fixture::on(slave, &name_server.addr(), registered_slave);
    let committed = |broker: &Fixture| broker.running().broker().offsets.query("g", "T", 0);
    until("offsets follow", || committed(&slave) == Some(10));
    follows(&slave, &master);
    slave.stop();
    master.stop();
    // Each on the other's folder.
    let (ours, theirs) = (master.folder.path().to_owned(), slave.folder.path().to_owned());
    let swap = |of: &mut Fixture, settings: fn(&mut Configs)| {
        let folder = std::mem::replace(&mut of.folder, tempfile::tempdir().unwrap());
        Fixture::on(folder, &name_server.addr(), settings)
    };
    let new_master = swap(&mut slave, |configs| configs.store.broker_role = BrokerRole::AsyncMaster);
    assert_eq!(committed(&new_master), Some(10));
    new_master.put("T", 0, "more");
    let new_slave = swap(&mut master, registered_slave);
    assert_eq!((new_master.folder.path(), new_slave.folder.path()), (&*theirs, &*ours));
    follows(&new_slave, &new_master);
    let store = |broker: &Fixture| Arc::clone(&broker.running().broker().store);
    until("queues follow", || store(&new_slave).max_offset("T", 0) == 11);
    assert_eq!((committed(&new_master), committed(&new_slave)), (Some(10), Some(10)));
}

/// alibaba/RocketMQ #359, #406, apache #7264: the slave of a topic that was deleted and made again gave out old messages.
#[test]
fn issues_359_406_7264_a_topic_made_again_is_new_at_the_slave() {
    let name_server = NameServer::new();
    let master = Fixture::registered_with(&name_server.addr());
    let mut client = master.connect();
    client.create_topic("T", "1");
    (0..10).for_each(|number| assert!(master.put("T", 0, &format!("old {number}")) >= 0));
    let mut slave = Fixture::on(tempfile::tempdir().unwrap(), &name_server.addr(), registered_slave);
    follows(&slave, &master);
    until("queues follow", || slave.running().broker().store.max_offset("T", 0) == 10);
    // It does not hear of it.
    slave.stop();
    client.json(RequestCode::DeleteTopicInBroker, &[("topic", "T")], &Value::Null);
    client.create_topic("T", "1");
    (0..3).for_each(|number| assert!(master.put("T", 0, &format!("new {number}")) >= 0));
    slave.start();
    follows(&slave, &master);
    let store = || Arc::clone(&slave.running().broker().store);
    until("the queue is the new one", || store().max_offset("T", 0) == 3);
    until("topics follow", || slave.running().broker().topics.get("T").is_some());
    let mut reader = slave.connect();
    let pulled = |offset: &str, reader: &mut Client| {
        let fields = [
            ("consumerGroup", "g"),
            ("topic", "T"),
            ("queueId", "0"),
            ("queueOffset", offset),
            ("maxMsgNums", "32"),
            ("sysFlag", "4"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "0"),
            ("subscription", "*"),
            ("subVersion", "1"),
        ];
        let answer = reader.call(RequestCode::PullMessage, &fields, "");
        let messages = rocketmq::protocol::message::messages(&answer.body);
        messages.map(|it| String::from_utf8(it.unwrap().body.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(pulled("0", &mut reader), ["new 0", "new 1", "new 2"]);
}
