//! What would go wrong with a broker's settings, told before anything is started: what a start refuses, and what it
//! takes though it is probably not meant. What can be said of each key by itself is `config`'s.

mod files;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

pub use self::files::file_problems;
use super::Configs;
use super::address::{is_local, resolve};
use super::running::{StartError, acl, store_host};
use crate::config::ProblemKind::{self, BadValue, Doubtful};
use crate::config::broker::BrokerConfig;
use crate::config::store::{BrokerRole, MessageStoreConfig};
use crate::config::{host_port, paths};
use crate::protocol::topic;
use crate::store;

/// What there is to say, by key. Reads the accounts' file and asks for a host's address, as the start does; opens no
/// port and writes nothing.
pub fn problems(configs: &Configs) -> Vec<(&'static str, ProblemKind)> {
    let mut problems: Vec<_> =
        store::problems(&configs.store).into_iter().map(|(key, reason)| (key, BadValue(reason))).collect();
    let BrokerConfig { broker_ip1, broker_ip2, .. } = &configs.broker;
    if !broker_ip1.is_empty()
        && let Err(reason) = resolve(broker_ip1).and_then(|ip| host(&ip))
    {
        problems.push(("brokerIP1", BadValue(reason)));
    }
    if let Err(reason) = resolve(broker_ip2) {
        problems.push(("brokerIP2", BadValue(reason)));
    }
    if let Err(error) = acl(&configs.broker) {
        problems.push(("aclEnable", BadValue(error.to_string())));
    }
    problems.extend(http_port(configs));
    problems.extend(
        doubts(configs)
            .into_iter()
            .chain(address_doubts(&configs.broker))
            .map(|(key, reason)| (key, Doubtful(reason))),
    );
    problems
}

fn host(ip: &str) -> Result<(), String> {
    store_host(ip, 0).map(drop).map_err(|error| match error {
        StartError::Config { reason, .. } => reason,
        error => error.to_string(),
    })
}

fn http_port(configs: &Configs) -> Option<(&'static str, ProblemKind)> {
    let (http, port) = (configs.broker.http_port, configs.server.listen_port);
    if !(1..=65_534).contains(&port) {
        return None;
    }
    let own = [
        (port, "listenPort"),
        (port - 2, "the VIP port, listenPort - 2"),
        (port + 1, "the replication port, listenPort + 1"),
    ];
    let taken = own.into_iter().find(|(own, _)| http != 0 && *own == http)?.1;
    Some(("httpPort", BadValue(format!("is {taken}, too"))))
}

/// What starts, and does not do what its author thinks.
pub(super) fn doubts(configs: &Configs) -> Vec<(&'static str, String)> {
    let Configs { broker, store, .. } = configs;
    let mut doubts = Vec::new();
    let mut doubt = |key, reason: &str| doubts.push((key, reason.to_owned()));
    if broker.broker_id != 0 && store.broker_role != BrokerRole::Slave {
        doubt("brokerId", "a master has 0, and 0 counts; brokerRole=SLAVE makes it a slave");
    }
    let names = [
        ("brokerName", &broker.broker_name, broker.broker_name.clone()),
        ("brokerClusterName", &broker.broker_cluster_name, topic::reply_topic(&broker.broker_cluster_name)),
    ];
    for (key, name, longest) in names {
        if [name, &longest].iter().any(|topic| topic::check_own(topic).is_err()) {
            let reason = "no topic of this name is made: one has letters, digits and ._|%-, and 127 bytes at most; \
                          tools, and clients of a later version, may not take the name, either";
            doubt(key, reason);
        }
    }
    if let Ok(ip) = broker.broker_ip1.parse::<IpAddr>() {
        if ip.is_unspecified() {
            doubt("brokerIP1", "clients are sent to this address, and cannot connect to it");
        } else if ip.is_loopback() && has_remote_name_server(&broker.namesrv_addr) {
            doubt(
                "brokerIP1",
                "the name server is elsewhere: clients on other machines are sent to themselves",
            );
        }
    }
    let paths = [
        ("storePathRootDir", &store.store_path_root_dir),
        ("storePathCommitLog", &store.store_path_commit_log),
    ];
    for (key, path) in paths {
        if let Some(reason) = paths::doubt(path) {
            doubt(key, &reason);
        }
    }
    // A relative one is in the installation's folder.
    if broker.acl_enable
        && broker.plain_acl_file.starts_with(['~', '$'])
        && let Some(reason) = paths::doubt(&broker.plain_acl_file)
    {
        doubt("plainAclFile", &reason);
    }
    let defaults = MessageStoreConfig::default();
    if store.store_path_root_dir != defaults.store_path_root_dir
        && store.store_path_commit_log == defaults.store_path_commit_log
    {
        doubt(
            "storePathCommitLog",
            "storePathRootDir is elsewhere, and the commit log does not go there with it",
        );
    }
    let is_hour = |hour: &str| hour.trim().parse::<i8>().is_ok_and(|hour| (0..24).contains(&hour));
    if !store.delete_when.split(';').all(is_hour) {
        doubt("deleteWhen", "are not hours from 0 to 23, separated by semicolons: others never come");
    }
    if store.broker_role == BrokerRole::Slave
        && !store.ha_master_address.is_empty()
        && host_port::problem(store.ha_master_address.trim()).is_some()
    {
        doubt("haMasterAddress", "is not host:port, the port being the master's listenPort + 1");
    }
    if store.broker_role == BrokerRole::Slave
        && store.ha_master_address.is_empty()
        && broker.namesrv_addr.is_empty()
    {
        doubt(
            "brokerRole",
            "neither namesrvAddr nor haMasterAddress says where the master is: nothing is copied",
        );
    }
    doubts
}

/// Addresses that others may not be able to use. May ask for a host's address.
fn address_doubts(broker: &BrokerConfig) -> Vec<(&'static str, String)> {
    let mut doubts = Vec::new();
    let mut doubt = |key, reason: &str| doubts.push((key, reason.to_owned()));
    for (key, setting) in [("brokerIP1", &broker.broker_ip1), ("brokerIP2", &broker.broker_ip2)] {
        let Ok(host) = resolve(setting) else { continue };
        match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() || is_local(ip) => {}
            Ok(_) => doubt(
                key,
                "no interface of this machine has this address: right only where others are led here from it",
            ),
            // Without one for `brokerIP1` there is no start.
            Err(_) if key == "brokerIP2" && !host.is_empty() && (&*host, 0).to_socket_addrs().is_err() => {
                doubt(key, "this machine finds no address of that name, and slaves are sent there");
            }
            Err(_) => {}
        }
    }
    doubts
}

/// Whether any name server is given by an address of another machine.
fn has_remote_name_server(addrs: &str) -> bool {
    addrs
        .split(';')
        .filter_map(|addr| addr.trim().parse::<SocketAddr>().ok())
        .any(|addr| !addr.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_together_is_told() {
        type Change = fn(&mut Configs);
        let check = |change: Change, expected: &[(&str, bool)]| {
            let mut configs = Configs::default();
            configs.server.listen_port = 10_911;
            change(&mut configs);
            let found = problems(&configs);
            let found: Vec<_> = found.iter().map(|(key, kind)| (*key, kind.is_error())).collect();
            assert_eq!(found, expected);
        };
        check(|_| {}, &[]);
        check(|it| it.store.message_delay_level = "1s 5x".to_owned(), &[("messageDelayLevel", true)]);
        check(|it| it.store.maped_file_size_commit_log = 100, &[("mapedFileSizeCommitLog", true)]);
        check(|it| it.store.max_index_num = 1, &[("maxIndexNum", true)]);
        check(|it| it.broker.broker_ip1 = "10.0.0.1 # x".to_owned(), &[("brokerIP1", true)]);
        check(|it| it.broker.broker_ip1 = "::1".to_owned(), &[("brokerIP1", true)]);
        check(|it| it.broker.broker_ip1 = "iface:none0".to_owned(), &[("brokerIP1", true)]);
        check(|it| it.broker.broker_ip2 = "iface:none0".to_owned(), &[("brokerIP2", true)]);
        check(|it| it.broker.broker_ip2 = "iface:lo".to_owned(), &[]);
        for ip in ["999.1.1.1", "127.0.0.1:1", "::1", "224.0.0.1", "255.255.255.255"] {
            for key in ["brokerIP1", "brokerIP2"] {
                let mut configs = Configs::default();
                match key {
                    "brokerIP1" => configs.broker.broker_ip1 = ip.to_owned(),
                    _ => configs.broker.broker_ip2 = ip.to_owned(),
                }
                let found = problems(&configs);
                assert!(found.iter().any(|(it, kind)| *it == key && kind.is_error()), "{ip}: {found:?}");
            }
        }
        check(|it| it.broker.broker_ip1 = "192.0.2.1".to_owned(), &[("brokerIP1", false)]);
        check(|it| it.broker.broker_ip2 = "192.0.2.1".to_owned(), &[("brokerIP2", false)]);
        check(|it| it.broker.broker_ip2 = "nowhere.invalid".to_owned(), &[("brokerIP2", false)]);
        check(|it| it.broker.broker_name = "a.example.org".to_owned(), &[]);
        check(|it| it.broker.broker_name = "a/../b".to_owned(), &[("brokerName", false)]);
        check(|it| it.broker.broker_cluster_name = "x y".to_owned(), &[("brokerClusterName", false)]);
        check(|it| it.broker.broker_cluster_name = "x".repeat(300), &[("brokerClusterName", false)]);
        check(|it| it.broker.broker_ip1 = "0.0.0.0".to_owned(), &[("brokerIP1", false)]);
        check(|it| it.broker.http_port = 10_909, &[("httpPort", true)]);
        let negative: Change = |it| (it.broker.http_port, it.server.listen_port) = (-3, -1);
        check(negative, &[]);
        let home: Change = |it| {
            it.store.store_path_root_dir = "~/store".to_owned();
            it.store.store_path_commit_log = "log".to_owned();
        };
        check(home, &[("storePathRootDir", false), ("storePathCommitLog", false)]);
        check(|it| it.broker.broker_id = 1, &[("brokerId", false)]);
        check(|it| it.store.delete_when = "04;24".to_owned(), &[("deleteWhen", false)]);
        check(|it| it.store.store_path_root_dir = "/data".to_owned(), &[("storePathCommitLog", false)]);
        let loopback: Change = |it| {
            it.broker.broker_ip1 = "127.0.0.1".to_owned();
            it.broker.namesrv_addr = "10.0.0.1:9876".to_owned();
        };
        check(loopback, &[("brokerIP1", false)]);
        let slave: Change = |it| {
            it.store.broker_role = BrokerRole::Slave;
            it.broker.broker_id = 1;
        };
        check(slave, &[("brokerRole", false)]);
        let accounts: Change = |it| {
            it.broker.acl_enable = true;
            it.broker.plain_acl_file = "/nowhere/plain_acl.yml".to_owned();
        };
        check(accounts, &[("aclEnable", true)]);
    }
}
