//! One broker after the other: whether clients reach it where routes send them, who answers there, its other ports, its
//! clock, its disks; and slaves against their masters.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Area, Check, Known, Unreached, connect};
use crate::client::Calls;
use crate::protocol::body::route::MASTER_ID;
use crate::protocol::perm::is_writeable;
use crate::protocol::version;

/// Clocks further apart than this are told of: brokers say their time in seconds.
const CLOCK_APART_MS: i64 = 5_000;
/// A slave further behind is told of.
const BEHIND_BYTES: i64 = 16 << 20;
/// Java's `diskMaxUsedSpaceRatio` and disk warning level.
const DISK_CLEAN: f64 = 75.0;
const DISK_FULL: f64 = 90.0;

const TO_THEMSELVES: &str = "this is a loopback address, and the name server is elsewhere: clients on other machines are sent to themselves";
const SET_IP: &str = "set brokerIP1 in its file to an address that clients reach, and start it again";

/// A broker as name servers tell of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub name: String,
    pub id: i64,
    pub addr: String,
    has_slaves: bool,
    has_master: bool,
    /// Some name server is on another machine.
    is_told_elsewhere: bool,
}

impl Found {
    fn subject(&self) -> String {
        match self.id {
            MASTER_ID => format!("{} {}", self.name, self.addr),
            id => format!("{} (slave {id}) {}", self.name, self.addr),
        }
    }
}

/// Every broker that any name server knows, once.
pub fn all(known: &[Known]) -> Vec<Found> {
    let is_told_elsewhere = known.iter().any(|known| !is_loopback(&known.namesrv));
    let mut all = BTreeSet::new();
    for (name, data) in known.iter().flat_map(|known| &known.info.broker_addr_table) {
        for (id, addr) in &data.broker_addrs {
            let has_slaves = data.broker_addrs.keys().any(|id| *id != MASTER_ID);
            let has_master = data.broker_addrs.contains_key(&MASTER_ID);
            let (name, addr) = (name.clone(), addr.clone());
            all.insert(Found { name, id: *id, addr, has_slaves, has_master, is_told_elsewhere });
        }
    }
    all.into_iter().collect()
}

/// A broker that was looked at.
pub struct Looked {
    pub found: Found,
    pub checks: Vec<Check>,
    /// Figures (28), where it tells any.
    runtime: BTreeMap<String, String>,
    /// Settings (26), where it tells them.
    pub config: BTreeMap<String, String>,
    /// It runs on this machine.
    pub is_here: bool,
}

impl Looked {
    /// What the whole broker allows, bits of `perm`; none where it does not tell.
    pub fn permission(&self) -> Option<i32> {
        self.config.get("brokerPermission")?.parse().ok()
    }

    /// It takes no messages for any topic.
    pub fn is_closed(&self) -> bool {
        self.permission().is_some_and(|perm| !is_writeable(perm))
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.runtime.get(key)?.parse().ok()
    }

    /// Whether no message was ever stored: some folders come with the first.
    pub fn is_empty(&self) -> bool {
        self.number("commitLogMaxOffset") == Some(0)
    }
}

pub async fn look(calls: &Calls, found: &Found) -> Looked {
    let mut looked = Looked {
        found: found.clone(),
        checks: Vec::new(),
        runtime: BTreeMap::new(),
        config: BTreeMap::new(),
        is_here: is_here(&found.addr),
    };
    let subject = found.subject();
    if !found.has_master {
        looked.checks.push(Check::problem(
            Area::Broker,
            &subject,
            "its master is not registered: it can be read from, and nothing can be sent",
            format!(
                "start the master of {}, the broker of this name with brokerRole ASYNC_MASTER or SYNC_MASTER",
                found.name
            ),
        ));
    }
    let sends_to_themselves = found.is_told_elsewhere && is_loopback(&found.addr);
    if let Err(Unreached { reason, advice }) = connect(&found.addr).await {
        let (text, advice) = match sends_to_themselves {
            true => (format!("{TO_THEMSELVES}; from here: {reason}"), SET_IP.to_owned()),
            false => (
                format!(
                    "clients are sent to this address, and it cannot be connected to from here: {reason}"
                ),
                format!("{advice}. If it is not where its machine is: {SET_IP}"),
            ),
        };
        looked.checks.push(Check::problem(Area::Broker, &subject, text, advice));
        return looked;
    }
    ask(calls, &subject, &mut looked).await;
    if sends_to_themselves {
        looked.checks.push(Check::warning(Area::Broker, &subject, TO_THEMSELVES, SET_IP));
    }
    ports(&subject, &mut looked).await;
    disks(&subject, &mut looked);
    looked
}

/// Who answers there, and what time it is.
async fn ask(calls: &Calls, subject: &str, looked: &mut Looked) {
    let addr = &looked.found.addr;
    let began = (Instant::now(), Timestamp::now().as_millisecond());
    let runtime = match calls.broker_runtime_info(addr).await {
        Ok(runtime) => runtime.table,
        Err(error) if error.code().is_some() => {
            let text = format!("answers, and does not tell about itself: {error}");
            let advice = "where accounts are asked for (aclEnable): write accessKey and secretKey of one into conf/tools.yml \
                          under ROCKETMQ_HOME here, or add this machine's address to globalWhiteRemoteAddresses in the \
                          broker's plain_acl.yml. Its clock, disks, folders and settings were not looked at";
            looked.checks.push(Check::warning(Area::Broker, subject, text, advice));
            return;
        }
        Err(error) => {
            let text = format!("something listens there, and does not answer as a broker does: {error}");
            let advice = "look which program has this port, whether the broker hangs (its broker.log), and whether both sides \
                          use TLS or neither";
            looked.checks.push(Check::problem(Area::Broker, subject, text, advice));
            return;
        }
    };
    let took = began.0.elapsed();
    looked.runtime = runtime;
    looked.config = calls.broker_config(addr).await.unwrap_or_default();
    let version = looked.runtime.get("brokerVersionDesc").cloned();
    let version = version.unwrap_or_else(|| version::version_desc(version::CURRENT).into_owned());
    let text = format!("answers in {} ms, {version}", took.as_millis());
    looked.checks.push(Check::ok(Area::Broker, subject, text));
    looked.checks.extend(identity(subject, looked));
    looked.checks.extend(clock(subject, looked, began.1, took));
}

/// Whether it is the broker that is registered there.
fn identity(subject: &str, looked: &Looked) -> Option<Check> {
    let answers = looked.config.get("brokerName")?;
    let name = &looked.found.name;
    (answers != name).then(|| {
        Check::problem(
            Area::Broker,
            subject,
            format!("broker {answers} answers at the address that {name} has registered"),
            format!("set brokerIP1 of {name} to an address of its own machine, and start it again"),
        )
    })
}

/// A broker's clock against ours: it tells when it was started, and for how long it has run.
fn clock(subject: &str, looked: &Looked, asked_ms: i64, took: Duration) -> Option<Check> {
    let boot_ms = looked.number("bootTimestamp")?;
    let ran_ms = parse_runtime(looked.runtime.get("runtime")?)?;
    let theirs_ms = boot_ms.saturating_add(ran_ms);
    // It has looked at its clock while the request was on its way, and its seconds are whole ones.
    let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    let (earliest_ms, latest_ms) = (asked_ms - 1000, asked_ms.saturating_add(took_ms));
    let apart_ms = match theirs_ms {
        theirs if theirs < earliest_ms => theirs - earliest_ms,
        theirs if theirs > latest_ms => theirs - latest_ms,
        _ => 0,
    };
    if apart_ms.abs() < CLOCK_APART_MS {
        return Some(Check::ok(Area::Clock, subject, "goes as this machine's does"));
    }
    let direction = if apart_ms < 0 { "behind" } else { "ahead of" };
    let text = format!("is {} s {direction} this machine's clock", apart_ms.abs() / 1000);
    let advice = "run a time service (chrony, systemd-timesyncd) on both: store times, delayed messages and deletion go by \
                  the broker's clock, searches by time by the client's";
    Some(Check::warning(Area::Clock, subject, text, advice))
}

/// `[ 1 days, 2 hours, 3 minutes, 4 seconds ]` in milliseconds.
fn parse_runtime(text: &str) -> Option<i64> {
    let mut ms = 0_i64;
    for part in text.trim_matches(['[', ']', ' ']).split(',') {
        let (number, unit) = part.trim().split_once(' ')?;
        let unit_ms = match unit.trim() {
            "days" => 86_400_000,
            "hours" => 3_600_000,
            "minutes" => 60_000,
            "seconds" => 1000,
            _ => return None,
        };
        ms = ms.checked_add(number.parse::<i64>().ok()?.checked_mul(unit_ms)?)?;
    }
    Some(ms)
}

/// The VIP port of every broker, and the replication port of masters.
async fn ports(subject: &str, looked: &mut Looked) {
    let Some((host, port)) = split(&looked.found.addr) else { return };
    let (host, is_master) = (host.to_owned(), looked.found.id == MASTER_ID);
    if let Some(vip_port) = port.checked_sub(2).filter(|port| *port > 0) {
        let addr = format!("{host}:{vip_port}");
        let check = match connect(&addr).await {
            Ok(()) => Check::ok(Area::Vip, subject, format!("{addr} can be connected to")),
            Err(Unreached { reason, .. }) => {
                let text = format!("{addr} cannot be connected to: {reason}; clients of 4.3.0 send over it");
                let advice = format!(
                    "open {vip_port} (listenPort - 2) in the firewall, or let clients start with \
                     -Dcom.rocketmq.sendMessageWithVIPChannel=false"
                );
                match is_master {
                    true => Check::problem(Area::Vip, subject, text, advice),
                    false => Check::warning(Area::Vip, subject, text, advice),
                }
            }
        };
        looked.checks.push(check);
    }
    if let Some(ha_port) = port.checked_add(1).filter(|_| is_master) {
        let host = looked.config.get("brokerIP2").filter(|ip| !ip.is_empty()).cloned().unwrap_or(host);
        let addr = format!("{host}:{ha_port}");
        let check = match connect(&addr).await {
            Ok(()) => Check::ok(Area::Replication, subject, format!("{addr} can be connected to")),
            Err(Unreached { reason, .. }) => {
                let text =
                    format!("slaves are sent to {addr}, which cannot be connected to from here: {reason}");
                let advice = format!(
                    "open {ha_port} (listenPort + 1) for the slaves' machines, and set brokerIP2 to an address that they reach"
                );
                match looked.found.has_slaves {
                    true => Check::problem(Area::Replication, subject, text, advice),
                    false => Check::warning(Area::Replication, subject, text, advice),
                }
            }
        };
        looked.checks.push(check);
    }
}

fn disks(subject: &str, looked: &mut Looked) {
    let limit = |key: &str, default: f64| {
        looked.config.get(key).and_then(|text| text.parse::<f64>().ok()).unwrap_or(default)
    };
    let (clean, full) =
        (limit("diskMaxUsedSpaceRatio", DISK_CLEAN), limit("diskSpaceWarningLevelRatio", DISK_FULL));
    let disks = [("commitLogDiskRatio", "of the commit log"), ("consumeQueueDiskRatio", "of the queues")];
    for (key, what) in disks {
        let Some(ratio) = looked.runtime.get(key).and_then(|text| text.parse::<f64>().ok()) else { continue };
        let used = ratio * 100.0;
        looked.checks.push(match looked.is_empty() && used < 0.0 {
            true => Check::ok(Area::Disk, subject, format!("the folder {what} comes with the first message")),
            false => disk(subject, what, used, clean, full),
        });
    }
}

fn disk(subject: &str, what: &str, used: f64, clean: f64, full: f64) -> Check {
    if used < 0.0 {
        let text = format!("the disk {what} cannot be looked at by the broker");
        return Check::warning(
            Area::Disk,
            subject,
            text,
            "see that its folder exists and that its user may read it",
        );
    }
    if used > full {
        let text = format!(
            "the disk {what} is {used:.0} % full, beyond {full:.0} %: messages are refused with code 14"
        );
        let advice = "make space on it, add some, lower fileReservedTime, or raise diskSpaceWarningLevelRatio; it takes \
                      messages again by itself";
        return Check::problem(Area::Disk, subject, text, advice);
    }
    if used > clean {
        let text = format!(
            "the disk {what} is {used:.0} % full, beyond {clean:.0} %: old files are deleted at any hour"
        );
        let advice = format!(
            "beyond {full:.0} % messages are refused: make space, add some, or lower fileReservedTime"
        );
        return Check::warning(Area::Disk, subject, text, advice);
    }
    Check::ok(Area::Disk, subject, format!("the disk {what} is {used:.0} % full"))
}

/// What shows only when all of them are looked at: masters that take nothing, slaves against their masters.
pub fn together(brokers: &[Looked]) -> Vec<Check> {
    [closed(brokers), behind(brokers)].concat()
}

/// Masters that take nothing: a warning where others do.
fn closed(brokers: &[Looked]) -> Vec<Check> {
    let masters = || brokers.iter().filter(|it| it.found.id == MASTER_ID);
    let is_alone = masters().all(Looked::is_closed);
    let check = |it: &Looked| {
        let (subject, perm) = (it.found.subject(), it.permission().unwrap_or_default());
        let text = format!("brokerPermission={perm}: all sends to it are refused, whatever a topic allows");
        let advice = allow(&it.found.addr);
        match is_alone {
            true => Check::problem(Area::Broker, &subject, text, advice),
            false => Check::warning(Area::Broker, &subject, text, advice),
        }
    };
    masters().filter(|it| it.is_closed()).map(check).collect()
}

/// How to let a broker take and give messages again.
pub fn allow(addr: &str) -> String {
    format!("`mqadmin updateBrokerConfig -b {addr} -k brokerPermission -v 6` allows all")
}

/// Slaves against their masters.
fn behind(brokers: &[Looked]) -> Vec<Check> {
    let end = |looked: &Looked| looked.number("commitLogMaxOffset");
    let master_of = |slave: &Looked| {
        let is_master = |it: &&Looked| it.found.id == MASTER_ID && it.found.name == slave.found.name;
        brokers.iter().find(is_master).and_then(end)
    };
    let check = |slave: &Looked| {
        let behind = master_of(slave)?.saturating_sub(end(slave)?);
        let subject = slave.found.subject();
        if behind.abs() <= BEHIND_BYTES {
            return Some(Check::ok(Area::Replication, &subject, "has what its master has, or nearly"));
        }
        let text = match behind > 0 {
            true => format!("is {} MiB behind its master", behind >> 20),
            false => format!("has {} MiB more than its master", -behind >> 20),
        };
        let advice = "see store.log of both for the link between them; `mqadmin haStatus` shows how it goes. One that has \
                      more has another log: see that both belong together";
        Some(Check::warning(Area::Replication, &subject, text, advice))
    };
    brokers.iter().filter(|it| it.found.id != MASTER_ID).filter_map(check).collect()
}

fn split(addr: &str) -> Option<(&str, u16)> {
    let (host, port) = addr.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

fn is_loopback(addr: &str) -> bool {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether an address is this machine's: only then can a socket have it.
fn is_here(addr: &str) -> bool {
    let Ok(addrs) = addr.to_socket_addrs() else { return false };
    addrs.into_iter().any(|addr| UdpSocket::bind(SocketAddr::new(addr.ip(), 0)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn times_since_a_start_are_read() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse_runtime(text), expected, "{text}");
        check("[ 0 days, 0 hours, 0 minutes, 7 seconds ]", Some(7000));
        check("[ 1 days, 2 hours, 3 minutes, 4 seconds ]", Some(93_784_000));
        check("", None);
        check("[ 9999999999999999 days ]", None);
        check("a while", None);
    }

    #[test]
    fn clocks_are_compared_within_what_can_be_known() {
        let looked = |boot_ms: i64| {
            let table = [("bootTimestamp", boot_ms.to_string()), ("runtime", "[ 10 seconds ]".to_owned())];
            Looked {
                found: Found {
                    name: "a".to_owned(),
                    id: 0,
                    addr: "h:1".to_owned(),
                    has_slaves: false,
                    has_master: true,
                    is_told_elsewhere: false,
                },
                checks: Vec::new(),
                runtime: table.map(|(key, value)| (key.to_owned(), value)).into(),
                config: BTreeMap::new(),
                is_here: false,
            }
        };
        let check = |boot_ms: i64, expected: &str| {
            let found = clock("a", &looked(boot_ms), 1_000_000, Duration::from_millis(500)).unwrap();
            assert_eq!(found.text, expected);
        };
        check(990_000, "goes as this machine's does");
        check(985_500, "goes as this machine's does");
        check(984_000, "is 5 s behind this machine's clock");
        check(1_050_500, "is 60 s ahead of this machine's clock");
    }

    #[tokio::test]
    async fn a_loopback_address_is_named_though_nobody_answers_there() {
        // It has the port and does not listen: nobody else can have it meanwhile.
        let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        held.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let addr = held.local_addr().unwrap().as_socket().unwrap().to_string();
        let check = async |is_told_elsewhere: bool, text: &str, advice: &str| {
            let (name, addr) = ("a".to_owned(), addr.clone());
            let found = Found { name, id: 0, addr, has_slaves: false, has_master: true, is_told_elsewhere };
            let looked = look(&Calls::standalone(Duration::from_secs(3)), &found).await;
            let [check] = &looked.checks[..] else { panic!("{:?}", looked.checks) };
            assert_eq!(check.status, Status::Problem);
            assert!(check.text.starts_with(text) && check.advice.starts_with(advice), "{check:?}");
        };
        check(true, "this is a loopback address, and the name server is elsewhere", "set brokerIP1").await;
        check(false, "clients are sent to this address, and it cannot be connected to", "start it").await;
    }

    #[test]
    fn a_full_disk_is_a_problem_and_a_fuller_one_a_warning() {
        let check = |used: f64, expected: Status| {
            assert_eq!(disk("a", "", used, 75.0, 90.0).status, expected, "{used}")
        };
        check(10.0, Status::Ok);
        check(75.0, Status::Ok);
        check(76.0, Status::Warning);
        check(91.0, Status::Problem);
        check(-100.0, Status::Warning);
    }

    #[test]
    fn loopback_is_known_by_its_addresses() {
        let check = |addr: &str, expected: bool| assert_eq!(is_loopback(addr), expected, "{addr}");
        check("127.0.0.1:9876", true);
        check("localhost:9876", true);
        check("[::1]:9876", true);
        check("10.0.0.1:9876", false);
        check("broker-a:10911", false);
        assert!(is_here("127.0.0.1:1") && !is_here("203.0.113.1:1") && !is_here("nonsense"));
    }
}
