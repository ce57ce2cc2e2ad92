//! Which address clients are sent to where `brokerIP1` is not set, on machines with bridges, several interfaces, no
//! default route, no IPv4; and what the broker says of an address that it cannot connect to. Machines are network
//! namespaces: where those are not permitted, a test says so and looks at nothing.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command as Process, Stdio};

use common::until;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// /sys tells of the network that it was mounted in.
const OWN_SYS: &str = "mount -t sysfs sysfs /sys";

/// How a namespace is made: as a user of its own, or as root.
fn unshare() -> Option<&'static str> {
    let works = |option: &&str| {
        let mut probe = Process::new("unshare");
        let script = format!("{OWN_SYS} && ip link add name a type veth peer name b");
        probe.args([*option, "sh", "-c", &script]);
        probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success())
    };
    let found = ["-rnm", "-nm"].into_iter().find(|option| works(option));
    if found.is_none() {
        eprintln!(
            "SKIPPED: no network namespaces here (`unshare -rnm sh -c '{OWN_SYS} && ip link add … type veth'` fails): \
             nothing was tested"
        );
    }
    found
}

/// A broker on a machine whose network a script sets up.
struct Machine {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    home: TempDir,
}

impl Machine {
    fn new(network: &str, arguments: &str) -> Option<Machine> {
        let option = unshare()?;
        let home = tempfile::tempdir().unwrap();
        let program = env!("CARGO_BIN_EXE_rocketmq");
        let script = format!(
            "set -e\n{OWN_SYS}\nip link set lo up\n{network}\nexec {program} broker brokerName=b {arguments}"
        );
        let mut child = Process::new("unshare")
            .args([option, "sh", "-c", &script])
            .env("HOME", home.path())
            .env_remove("NAMESRV_ADDR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(home.path().join("err")).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Machine { child, out, home })
    }

    fn line(&mut self) -> String {
        self.out.next().expect("the broker does not start").unwrap()
    }

    /// What it has said on standard error.
    fn err(&self) -> String {
        std::fs::read_to_string(self.home.path().join("err")).unwrap()
    }

    fn log(&self) -> String {
        let log = Path::new("logs/rocketmqlogs/broker.log");
        std::fs::read_to_string(self.home.path().join(log)).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// An interface with an address.
fn interface(name: &str, addr: &str) -> String {
    format!(
        "ip link add name {name} type veth peer name {name}p\nip addr add {addr} dev {name}\n\
         ip link set {name} up\nip link set {name}p up\n"
    )
}

/// A bridge with one port, as of a container.
fn bridge(name: &str, addr: &str) -> String {
    format!(
        "ip link add name {name} type bridge\nip addr add {addr} dev {name}\nip link set {name} up\n\
         ip link add name {name}c type veth peer name {name}p\nip link set {name}p up\n\
         ip link set {name}c master {name}\nip link set {name}c up\n"
    )
}

fn docker0() -> String {
    bridge("docker0", "172.17.0.1/16")
}

fn check(network: &str, arguments: &str, addr: &str, text: &str) {
    let Some(mut machine) = Machine::new(network, arguments) else { return };
    let boot = format!("The broker[b, {addr}:10911] boot success. serializeType=JSON");
    let line = machine.line();
    assert!(line.starts_with(&boot), "{line}");
    let expected = format!(
        "brokerIP1 is not set: clients are sent to {addr} ({text} Set brokerIP1=ADDRESS or brokerIP1=iface:NAME for another \
         one."
    );
    assert_eq!(machine.line(), expected);
    until("the choice to be logged", || machine.log().contains(&expected));
}

#[test]
fn the_default_route_decides() {
    let network = docker0() + &interface("eth0", "10.1.0.2/24") + &interface("eth1", "10.2.0.2/24");
    check(
        &format!("{network}ip route add default via 10.2.0.1"),
        "",
        "10.2.0.2",
        "its interface carries the default route). There are also 172.17.0.1 (docker0), 10.1.0.2 (eth0).",
    );
}

#[test]
fn a_container_bridge_is_passed_over() {
    check(
        &(docker0() + &interface("eth0", "10.1.0.2/24")),
        "",
        "10.1.0.2",
        "there is no default route, and this is the first interface that is no bridge or tunnel). There are also \
         172.17.0.1 (docker0).",
    );
}

#[test]
fn a_tunnel_that_takes_all_traffic_is_passed_over() {
    // OpenVPN's def1: two halves of all addresses, and the default route stays. What the interface is counts, not its name.
    check(
        &(bridge("office", "10.8.0.2/24")
            + &interface("eth0", "10.1.0.2/24")
            + "ip route add default via 10.1.0.1\nip route add 0.0.0.0/1 via 10.8.0.1\n\
               ip route add 128.0.0.0/1 via 10.8.0.1"),
        "",
        "10.1.0.2",
        "its interface carries the default route). There are also 10.8.0.2 (office).",
    );
}

#[test]
fn a_tunnel_with_the_default_route_is_passed_over() {
    check(
        &(interface("wg0", "10.8.0.2/24")
            + &interface("eth0", "10.1.0.2/24")
            + "ip route add default dev wg0"),
        "",
        "10.1.0.2",
        "the default route is that of wg0, a bridge or tunnel, and this is the first interface that is no bridge or \
         tunnel). There are also 10.8.0.2 (wg0).",
    );
}

#[test]
fn a_bridge_with_the_default_route_and_nothing_beside_it_is_taken() {
    check(
        &(docker0() + &bridge("br0", "10.1.0.2/24") + "ip route add default via 10.1.0.1"),
        "",
        "10.1.0.2",
        "its interface carries the default route). There are also 172.17.0.1 (docker0).",
    );
}

#[test]
fn a_name_server_in_a_container_does_not_decide() {
    check(
        &(docker0() + &interface("eth0", "10.1.0.2/24")),
        "namesrvAddr='172.17.0.2:9876' registerBrokerTimeoutMills=100 connectTimeoutMillis=100",
        "10.1.0.2",
        "there is no default route, and this is the first interface that is no bridge or tunnel). There are also \
         172.17.0.1 (docker0).",
    );
}

#[test]
fn an_interface_that_is_down_is_passed_over() {
    check(
        &(interface("eth0", "10.1.0.2/24") + "ip link set eth0 down\n" + &interface("eth1", "10.2.0.2/24")),
        "",
        "10.2.0.2",
        "there is no default route, and this is the first interface that is no bridge or tunnel). There are also 10.1.0.2 \
         (eth0, down).",
    );
}

#[test]
fn without_a_default_route_the_name_server_decides() {
    check(
        &(interface("eth0", "10.1.0.2/24") + &interface("eth1", "10.2.0.2/24")),
        "namesrvAddr='10.2.0.9:9876' registerBrokerTimeoutMills=100 connectTimeoutMillis=100",
        "10.2.0.2",
        "there is no default route, and name servers are reached from it). There are also 10.1.0.2 (eth0).",
    );
}

#[test]
fn only_a_bridge_is_better_than_nothing() {
    check(
        &docker0(),
        "",
        "172.17.0.1",
        "there is no default route and no interface is up but bridges and tunnels).",
    );
}

#[test]
fn a_machine_without_ipv4_is_told_so() {
    check(
        "ip link add name eth0 type veth peer name eth0p\nip -6 addr add 2001:db8::2/64 dev eth0 nodad\n\
         ip link set eth0 up\nip link set eth0p up\nip -6 route add default via 2001:db8::1 dev eth0",
        "",
        "127.0.0.1",
        "this machine has no other IPv4 address, so clients elsewhere cannot connect. Messages carry an IPv4 address: \
         give the machine one, or set brokerIP1 to a name that has one).",
    );
}

#[test]
fn an_address_that_is_given_is_taken() {
    let arguments = "brokerIP1=10.1.0.2";
    let Some(mut machine) = Machine::new(&interface("eth0", "10.1.0.2/24"), arguments) else { return };
    assert_eq!(machine.line(), "The broker[b, 10.1.0.2:10911] boot success. serializeType=JSON");
    kill_process(Pid::from_child(&machine.child), Signal::TERM).unwrap();
    assert!(machine.out.next().is_none(), "more is said than is asked");
}

#[test]
fn an_interface_stands_for_its_address() {
    let network = interface("eth0", "10.1.0.2/24") + &interface("eth1", "10.2.0.2/24");
    let arguments =
        "-n 10.1.0.9:9876 brokerIP1=iface:eth1 brokerIP2=iface:eth0 registerBrokerTimeoutMills=100";
    let Some(mut machine) = Machine::new(&network, arguments) else { return };
    assert!(machine.line().starts_with("The broker[b, 10.2.0.2:10911] boot success."));
    let Some(mut machine) = Machine::new(&network, "brokerIP1=iface:eth7") else { return };
    assert!(machine.out.next().is_none(), "it starts");
    until("the end", || machine.child.try_wait().unwrap().is_some());
}

#[test]
fn an_address_that_cannot_be_connected_to_is_warned_of() {
    // Of another machine, and no route leads there: that is known at once.
    let arguments = "-n 10.1.0.2:9876 brokerIP1=192.0.2.1";
    let Some(mut machine) = Machine::new(&interface("eth0", "10.1.0.2/24"), arguments) else { return };
    machine.line();
    for (whom, port, key) in [
        ("clients", 10_911, "brokerIP1"),
        ("clients that send over the VIP port", 10_909, "brokerIP1"),
        ("slaves", 10_912, "brokerIP2"),
    ] {
        let text = format!(
            "{whom} are sent to this address, and this broker cannot connect to it itself: set {key} to an address of \
             this machine that they reach"
        );
        let is_told = |line: &str| line.contains(&text) && line.contains(&format!("192.0.2.1:{port}"));
        until("the warning", || machine.log().lines().any(is_told));
    }
    // And at the console, once for all.
    let expected = "WARNING: clients and slaves are sent to 192.0.2.1:10911, 192.0.2.1:10909, 192.0.2.1:10912, and this \
                    broker cannot connect there itself (Network is unreachable (os error 101)): see brokerIP1, brokerIP2 \
                    and the firewall; behind an address translation this may be right\n";
    until("the line", || machine.err().ends_with(expected));
    assert_eq!(machine.err().matches("clients and slaves are sent to").count(), 1, "{}", machine.err());
}

#[test]
fn an_address_that_can_be_connected_to_is_not() {
    let arguments = "-n 10.1.0.2:9876 brokerIP1=10.1.0.2 brokerIP2=192.0.2.1";
    let Some(mut machine) = Machine::new(&interface("eth0", "10.1.0.2/24"), arguments) else { return };
    machine.line();
    // The last one that is looked at.
    until("the warning", || machine.log().contains("192.0.2.1:10912"));
    assert_eq!(machine.log().matches("cannot connect to it itself").count(), 1, "{}", machine.log());
}
