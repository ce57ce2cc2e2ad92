//! One name server and one broker, or two, each with or without a slave of the first, on free ports of loopback: stock
//! Java, ours, or one of each. Both kinds take the same settings and answer the same questions, so a test names the kind and is otherwise
//! the same. A broker can be stopped or killed and started again on its port and its data directory, as either kind.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, wait_for};
use crate::{java, process, rpc};

/// A Java broker takes two to three seconds alone on two cores.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// Ports are free when we look and may be taken when the server looks.
const ATTEMPTS: usize = 3;

/// Name of the broker and of its cluster in every test, and of the second broker where there is one.
pub const BROKER_NAME: &str = "broker-a";
pub const SECOND_BROKER_NAME: &str = "broker-b";
pub const CLUSTER_NAME: &str = "DefaultCluster";

/// Places in [`Cluster::brokers`] where there is a slave.
pub const MASTER: usize = 0;
pub const SLAVE: usize = 1;
const SLAVE_PROCESS_NAME: &str = "broker-a-s";

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Java,
    Ours,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Plan {
    pub namesrv: Side,
    pub broker: Side,
    /// Both of ours in one process (`rocketmq standalone`).
    pub standalone: bool,
    /// A second broker of the same kind, with a data directory of its own.
    pub two_brokers: bool,
    /// A slave of the broker, with a data directory of its own. It does not run until it is started by its place.
    pub slave: Option<Side>,
    /// Servers use ROCKETMQ headers instead of JSON.
    pub rocketmq_headers: bool,
    /// Data directory; a fresh one of the cluster's own where none is named.
    pub store: Option<PathBuf>,
    /// The broker asks for accounts, these; a Java one is of 4.4.0 then.
    pub accounts: Option<&'static str>,
    /// Further lines of the broker's configuration.
    pub broker_settings: Vec<(String, String)>,
}

impl Plan {
    /// Two processes.
    pub fn of(namesrv: Side, broker: Side) -> Plan {
        Plan {
            namesrv,
            broker,
            standalone: false,
            two_brokers: false,
            slave: None,
            rocketmq_headers: false,
            store: None,
            accounts: None,
            broker_settings: Vec::new(),
        }
    }

    /// Ours in one process.
    pub fn standalone() -> Plan {
        Plan { standalone: true, ..Plan::of(Side::Ours, Side::Ours) }
    }

    /// With a second broker in the cluster, [`SECOND_BROKER_NAME`].
    pub fn two_brokers(self) -> Plan {
        Plan { two_brokers: true, ..self }
    }

    /// With a slave, which learns from the name server whom to follow.
    pub fn with_slave(self, side: Side) -> Plan {
        Plan { slave: Some(side), ..self }
    }

    /// Servers use ROCKETMQ headers.
    pub fn with_rocketmq_headers(self) -> Plan {
        Plan { rocketmq_headers: true, ..self }
    }

    /// On this data directory.
    pub fn on_store(self, store: &Path) -> Plan {
        Plan { store: Some(store.to_owned()), ..self }
    }

    /// With a broker that asks for accounts; its name server registers it without.
    pub fn with_accounts(self, accounts: &'static str) -> Plan {
        Plan { accounts: Some(accounts), ..self }
    }

    /// With these lines in the broker's configuration.
    pub fn with_settings(mut self, settings: &[(&str, &str)]) -> Plan {
        self.broker_settings.extend(settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
        self
    }
}

/// A broker's place, which outlives its process.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Of the process.
    name: &'static str,
    /// What a master and its slave share.
    pub broker_name: &'static str,
    /// 0 is the master.
    pub id: i64,
    /// Whose process runs there, or will with the next start.
    pub side: Side,
    pub addr: SocketAddr,
    pub store: PathBuf,
}

/// A running name server with a broker that has registered, or two. Dropping it kills them all.
#[derive(Debug)]
pub struct Cluster {
    /// In the order in which they stop, the brokers first, so that they can unregister; each with its name.
    processes: Vec<(&'static str, Process)>,
    pub namesrv_addr: SocketAddr,
    /// Of the first broker.
    pub broker_addr: SocketAddr,
    /// Of the first broker.
    pub store: PathBuf,
    /// The broker, then its slave, then the second broker: [`MASTER`], [`SLAVE`] where there is one.
    pub brokers: Vec<Broker>,
    plan: Plan,
    home: TempDir,
}

impl Broker {
    fn at(name: &'static str, side: Side, store: PathBuf) -> Broker {
        // The VIP port lies two below, replication one above.
        let addr = (Ipv4Addr::LOCALHOST, free_port(2, 1)).into();
        Broker { name, broker_name: name, id: 0, side, addr, store }
    }

    fn slave_at(side: Side, store: PathBuf) -> Broker {
        Broker { broker_name: BROKER_NAME, id: 1, ..Broker::at(SLAVE_PROCESS_NAME, side, store) }
    }
}

impl Cluster {
    /// Starts both and waits until the broker has registered and both answer.
    pub fn start(plan: &Plan) -> Cluster {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match Cluster::try_start(plan) {
                Ok(cluster) => return cluster,
                Err(why) => last = why,
            }
        }
        panic!("{plan:?} did not start in {ATTEMPTS} attempts: {last}");
    }

    /// One attempt; says why it failed and what the servers printed.
    pub fn try_start(plan: &Plan) -> Result<Cluster, String> {
        let home = tempfile::tempdir().expect("a folder for the servers");
        let namesrv_port = free_port(0, 0);
        let store = plan.store.clone().unwrap_or_else(|| home.path().join("store"));
        let mut brokers = vec![Broker::at(BROKER_NAME, plan.broker, store.clone())];
        if let Some(side) = plan.slave {
            assert!(!plan.standalone, "a slave is a process of its own");
            brokers.push(Broker::slave_at(side, home.path().join("store-a-s")));
        }
        if plan.two_brokers {
            brokers.push(Broker::at(SECOND_BROKER_NAME, plan.broker, home.path().join("store-b")));
        }
        let mut cluster = Cluster {
            processes: Vec::new(),
            namesrv_addr: (Ipv4Addr::LOCALHOST, namesrv_port).into(),
            broker_addr: brokers[0].addr,
            store,
            brokers,
            plan: plan.clone(),
            home,
        };
        if plan.standalone {
            cluster.spawn_standalone();
        } else {
            cluster.spawn_namesrv();
            // Java's broker tries to register once at its start and then only 10 s later.
            cluster.await_namesrv()?;
            for broker in cluster.masters() {
                cluster.spawn_broker(&broker);
            }
        }
        for broker in cluster.masters() {
            cluster.await_broker(&broker)?;
        }
        Ok(cluster)
    }

    /// Without the slave.
    pub fn masters(&self) -> Vec<Broker> {
        self.brokers.iter().filter(|it| it.id == 0).cloned().collect()
    }

    /// Process id of the name server.
    pub fn namesrv_id(&self) -> u32 {
        self.process("namesrv").id()
    }

    /// Process id of the broker of this place.
    pub fn id_at(&self, at: usize) -> u32 {
        self.process(self.brokers[at].name).id()
    }

    fn process(&self, name: &str) -> &Process {
        &self.processes.iter().find(|(of, _)| *of == name).expect("a server that runs by itself").1
    }

    fn take(&mut self, at: usize) -> Process {
        let name = self.brokers[at].name;
        let at = self.processes.iter().position(|(of, _)| *of == name).expect("a broker that runs by itself");
        self.processes.remove(at).1
    }

    /// Kills the broker of this place as `kill -9` does; the others go on.
    pub fn kill_at(&mut self, at: usize) {
        self.take(at).kill();
    }

    /// Stops the broker of this place as an operator does.
    pub fn stop_at(&mut self, at: usize) {
        self.take(at).stop(STOP_LIMIT);
    }

    /// Holds the broker of this place, or lets it go on: its connections stand, and it does nothing.
    pub fn hold_at(&mut self, at: usize, is_held: bool) {
        self.process(self.brokers[at].name).hold(is_held);
    }

    /// Kills the first broker as `kill -9` does; the name server goes on.
    pub fn kill_broker(&mut self) {
        self.kill_at(0);
    }

    /// Starts the first broker again, on its port and its data directory, and waits until it answers.
    pub fn start_broker(&mut self) {
        self.start_at(0);
    }

    /// Starts the broker of this place, for the first time or again, on its port and its data directory, and waits until
    /// it has registered and answers.
    pub fn start_at(&mut self, at: usize) {
        let broker = self.brokers[at].clone();
        let mut last = String::new();
        // Somebody's outgoing connection may have its port for a moment.
        for _ in 0..ATTEMPTS {
            self.spawn_broker(&broker);
            match self.await_broker(&broker) {
                Ok(()) => return,
                Err(why) => last = why,
            }
            self.kill_at(at);
        }
        panic!("{} did not start in {ATTEMPTS} attempts: {last}", broker.name);
    }

    fn spawn_namesrv(&mut self) {
        let home = self.folder("namesrv");
        let conf = home.join("namesrv.properties");
        fs::write(&conf, format!("listenPort={}\n", self.namesrv_addr.port())).expect("the folder is ours");
        let mut command = match self.plan.namesrv {
            Side::Java => java::command("org.apache.rocketmq.namesrv.NamesrvStartup", &home),
            Side::Ours => ours("namesrv", &home),
        };
        command.arg("-c").arg(conf);
        self.spawn("namesrv", command, &home);
    }

    fn spawn_broker(&mut self, broker: &Broker) {
        let home = self.folder(broker.name);
        let conf = home.join("broker.conf");
        fs::write(&conf, self.broker_conf(broker)).expect("the folder is ours");
        let class = "org.apache.rocketmq.broker.BrokerStartup";
        let mut command = match (broker.side, self.plan.accounts) {
            (Side::Java, None) => java::command(class, &home),
            (Side::Java, Some(_)) => java::accounts_command("4.4.0", class, &home),
            (Side::Ours, _) => ours("broker", &home),
        };
        if let Some(accounts) = self.plan.accounts {
            let file = self.accounts_file(broker);
            fs::create_dir_all(home.join("conf")).expect("the folder is ours");
            fs::write(file, accounts).expect("the folder is ours");
            command.env("ROCKETMQ_HOME", &home);
        }
        command.arg("-c").arg(conf);
        self.spawn(broker.name, command, &home);
    }

    /// The file of a broker's accounts.
    pub fn accounts_file(&self, broker: &Broker) -> PathBuf {
        self.folder(broker.name).join("conf/plain_acl.yml")
    }

    fn spawn_standalone(&mut self) {
        let home = self.folder("standalone");
        let mut command = ours("standalone", &home);
        command
            .arg("--data")
            .arg(&self.store)
            .args(["--port", &self.namesrv_addr.port().to_string()])
            .args(["--broker-port", &self.broker_addr.port().to_string()])
            // The other kinds have this name, and what mqadmin prints of them is compared.
            .arg(format!("brokerName={BROKER_NAME}"));
        self.spawn("standalone", command, &home);
    }

    fn spawn(&mut self, name: &'static str, mut command: Command, home: &Path) {
        command.current_dir(home).env("HOME", home).env_remove("NAMESRV_ADDR");
        command.env("ROCKETMQ_SERIALIZE_TYPE", if self.plan.rocketmq_headers { "ROCKETMQ" } else { "JSON" });
        self.processes.insert(0, (name, Process::start(name, command, &home.join("printed"))));
    }

    fn broker_conf(&self, broker: &Broker) -> String {
        let Broker { broker_name, id, store, .. } = broker;
        let store = store.display();
        let mut conf = format!(
            "brokerClusterName={CLUSTER_NAME}\nbrokerName={broker_name}\nbrokerId={id}\nbrokerIP1=127.0.0.1\n\
             brokerIP2=127.0.0.1\nnamesrvAddr={}\nlistenPort={}\nstorePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n",
            self.namesrv_addr,
            broker.addr.port(),
        );
        if broker.side == Side::Java {
            // By default it turns away what waited for 200 ms, which a busy machine brings about.
            conf.push_str("waitTimeMillsInSendQueue=30000\n");
        }
        if self.plan.accounts.is_some() {
            conf.push_str("aclEnable=true\n");
        }
        for (key, value) in &self.plan.broker_settings {
            // The settings are those of masters.
            if broker.id == 0 || key != "brokerRole" {
                conf.push_str(&format!("{key}={value}\n"));
            }
        }
        if broker.id > 0 {
            conf.push_str("brokerRole=SLAVE\n");
        }
        conf
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.home.path().join(name);
        fs::create_dir_all(&folder).expect("the test's folder is ours");
        folder
    }

    fn await_namesrv(&mut self) -> Result<(), String> {
        let addr = self.namesrv_addr;
        self.wait_until("the name server to answer", || {
            rpc::ask(addr, rpc::GET_BROKER_CLUSTER_INFO, serde_json::json!({})).is_ok_and(|it| it.code == 0)
        })
    }

    fn await_broker(&mut self, broker: &Broker) -> Result<(), String> {
        let (namesrv, broker) = (self.namesrv_addr, broker.addr);
        let is_open = self.plan.accounts.is_none();
        self.wait_until("the broker to register and answer", || {
            let known = rpc::ask(namesrv, rpc::GET_BROKER_CLUSTER_INFO, serde_json::json!({}));
            let known = known.is_ok_and(|it| String::from_utf8_lossy(&it.body).contains(&broker.to_string()));
            let fields = serde_json::json!({"topic": "SELF_TEST_TOPIC", "queueId": "0"});
            known && rpc::ask(broker, rpc::GET_MAX_OFFSET, fields).is_ok_and(|it| !is_open || it.code == 0)
        })
    }

    /// Waits for an event of the cluster; an error when a server ends instead.
    fn wait_until(&mut self, what: &str, mut look: impl FnMut() -> bool) -> Result<(), String> {
        let processes = &mut self.processes;
        let found = wait_for(START_LIMIT, || {
            let ended = processes.iter_mut().find_map(|(_, it)| it.has_ended());
            if let Some(status) = ended {
                return Some(Err(format!("a server ended ({status}) while we waited for {what}")));
            }
            look().then_some(Ok(()))
        });
        found
            .unwrap_or_else(|| Err(format!("waited {START_LIMIT:?} for {what}")))
            .map_err(|why| format!("{why}\n{}", self.printed()))
    }

    /// What the servers have printed.
    pub fn printed(&self) -> String {
        self.processes.iter().map(|(_, it)| it.printed()).collect::<Vec<_>>().join("\n--\n")
    }

    /// Stops the servers as an operator does and hands back the data directory, which lives as long as the test
    /// named it, else as long as the returned folder.
    pub fn stop(mut self) -> (PathBuf, TempDir) {
        for (_, process) in self.processes.drain(..) {
            process.stop(STOP_LIMIT);
        }
        (self.store, self.home)
    }

    /// Kills both at once, as `kill -9` or the kernel does; the data directory stays where it was named.
    pub fn kill(mut self) {
        for (_, process) in self.processes.drain(..) {
            process.kill();
        }
    }
}

/// A command of our program.
pub fn ours(subcommand: &str, home: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg(subcommand).env("HOME", home).env_remove("ROCKETMQ_HOME");
    command
}

/// Our program: `ROCKETMQ_BIN`, else the one of this test's own build, which is built where that is due.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = std::env::var_os("ROCKETMQ_BIN") {
            return PathBuf::from(named);
        }
        let folder = crate::build_folder();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--package", "rocketmq", "--bin", "rocketmq"]);
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.arg("--target-dir").arg(folder.parent().expect("target holds the profile's folder"));
        cargo.current_dir(crate::root());
        process::run_well("cargo build", cargo, None, BUILD_LIMIT);
        folder.join("rocketmq")
    })
}

/// A port that is free, with so many neighbours below and above it free too.
pub fn free_port(below: i32, above: i32) -> u16 {
    free_ports(&[-below..=above])
}

/// A port that is free with all that are so far away from it. No two calls give the same. They stay free while nobody
/// listens there: no outgoing connection gets one of these (`ip_local_port_range` begins at 32768).
pub fn free_ports(away: &[RangeInclusive<i32>]) -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u32 = 19_000;
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Test programs that run at once begin at different places.
    let mut place = std::process::id().wrapping_mul(7919);
    loop {
        place = place.wrapping_add(11) % COUNT;
        let port = FIRST + u16::try_from(place).expect("below the count");
        let all = away.iter().cloned().flatten().map(|it| i32::from(port) + it);
        let all: Vec<u16> = all.map(|it| u16::try_from(it).expect("a port")).collect();
        let listeners: Result<Vec<_>, _> =
            all.iter().map(|it| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *it))).collect();
        if listeners.is_ok() && all.iter().all(|it| !given.contains(it)) {
            given.extend(all);
            return port;
        }
    }
}

/// Tests that start several JVMs take turns, two at a time: two cores, and limits that hold for one of them.
pub fn turn() -> Turn {
    turn_of(2)
}

/// The same with so many at a time, which is the same number throughout a test program.
pub fn turn_of(most: usize) -> Turn {
    while TAKEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, |it| (it < most).then_some(it + 1)).is_err()
    {
        thread::park_timeout(Duration::from_millis(100));
    }
    Turn(())
}

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Ends when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the turn"]
pub struct Turn(());

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::AcqRel);
    }
}
