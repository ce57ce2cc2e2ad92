//! Which of the machine's addresses clients are told (Java: `RemotingUtil.getLocalAddress`, which takes the
//! first one listed and so often a container bridge's), and whether what they are told can be connected to.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::config::host_port;

/// Longer than this no client waits for a connection, either.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An address that was chosen because the operator named none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub ip: Ipv4Addr,
    why: Why,
    /// Address and interface.
    others: Vec<(Ipv4Addr, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    DefaultRoute,
    /// There is no default route: the route to a name server.
    NameServer,
    /// Neither is there one to a name server: the first interface that is no bridge or tunnel.
    First,
    /// There are only bridges and tunnels.
    OnlyVirtual,
    /// There is no IPv4 address but those of loopback.
    Loopback,
}

impl Why {
    fn text(self) -> &'static str {
        match self {
            Why::DefaultRoute => "its interface carries the default route",
            Why::NameServer => "there is no default route, and name servers are reached from it",
            Why::First => {
                "there is no default route, and this is the first interface that is no bridge or tunnel"
            }
            Why::OnlyVirtual => "there is no default route and no interface but bridges and tunnels",
            Why::Loopback => {
                "this machine has no other IPv4 address, so clients elsewhere cannot connect. Messages carry an IPv4 \
                 address: give the machine one, or set brokerIP1 to a name that has one"
            }
        }
    }
}

impl Choice {
    /// Whether only this machine's own clients can connect.
    pub fn is_loopback(&self) -> bool {
        self.why == Why::Loopback
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "brokerIP1 is not set: clients are sent to {} ({}).", self.ip, self.why.text())?;
        if !self.others.is_empty() {
            let others: Vec<String> = self.others.iter().map(|(ip, name)| format!("{ip} ({name})")).collect();
            write!(f, " There are also {}.", others.join(", "))?;
        }
        f.write_str(" Set brokerIP1=ADDRESS or brokerIP1=iface:NAME for another one.")
    }
}

/// The address of the interface that carries the default route; without such a route, of the one that carries the
/// route to a name server; else that of another interface that is neither loopback nor a bridge or tunnel.
pub fn detect(namesrv_addr: &str) -> Choice {
    let interfaces = interfaces().into_iter().filter(|(ip, _)| !ip.is_loopback()).collect();
    // TEST-NET-3: routed nowhere in particular, hence by the default route.
    let default_route = source_of(SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 9)));
    // Names are not asked for: that may take long.
    let name_servers = namesrv_addr.split(';').filter_map(|addr| addr.trim().parse().ok());
    choose(default_route, name_servers.filter_map(source_of).next(), interfaces)
}

/// IPv4 addresses and the names of their interfaces.
fn interfaces() -> Vec<(Ipv4Addr, String)> {
    let v4 = |interface: if_addrs::Interface| match interface.ip() {
        IpAddr::V4(ip) => Some((ip, interface.name)),
        IpAddr::V6(_) => None,
    };
    if_addrs::get_if_addrs().unwrap_or_default().into_iter().filter_map(v4).collect()
}

/// What `brokerIP1` or `brokerIP2` says, where it says something: an address or a host's name, and with `iface:NAME` the
/// IPv4 address of an interface. That a name has an address is not asked.
pub fn resolve(setting: &str) -> Result<Cow<'_, str>, String> {
    if let Some(name) = setting.strip_prefix("iface:") {
        return of_interface(name.trim(), &interfaces()).map(|ip| Cow::Owned(ip.to_string()));
    }
    let problem = match setting.parse() {
        _ if setting.is_empty() => None,
        Ok(IpAddr::V6(_)) => Some("is no IPv4 address, which messages and 4.3.0's slaves need"),
        Ok(ip) => host_port::target_problem(ip),
        Err(_) => host_port::host_problem(setting),
    };
    problem.map_or(Ok(Cow::Borrowed(setting)), |problem| Err(problem.to_owned()))
}

/// Whether an interface has an address.
pub fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || interfaces().iter().any(|(own, _)| IpAddr::V4(*own) == ip)
}

fn of_interface(name: &str, interfaces: &[(Ipv4Addr, String)]) -> Result<Ipv4Addr, String> {
    let found = interfaces.iter().find(|(_, of)| of == name).map(|(ip, _)| *ip);
    found.ok_or_else(|| {
        let there_are: Vec<String> = interfaces.iter().map(|(ip, name)| format!("{name} ({ip})")).collect();
        format!("no interface {name} with an IPv4 address; there are {}", there_are.join(", "))
    })
}

/// Connecting a datagram socket sends nothing: it only asks the routing table for the source address.
fn source_of(anywhere: SocketAddr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(anywhere).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) if !ip.is_unspecified() && !ip.is_loopback() => Some(ip),
        _ => None,
    }
}

fn choose(
    default_route: Option<Ipv4Addr>,
    to_name_server: Option<Ipv4Addr>,
    interfaces: Vec<(Ipv4Addr, String)>,
) -> Choice {
    const VIRTUAL: [&str; 19] = [
        "docker", "br-", "veth", "virbr", "tun", "tap", "cni", "flannel", "podman", "lxc", "lxd", "cali",
        "weave", "wg", "vmnet", "vboxnet", "kube", "nerdctl", "zt",
    ];
    let is_real = |(ip, name): &&(Ipv4Addr, String)| {
        !ip.is_link_local() && !VIRTUAL.iter().any(|start| name.starts_with(start))
    };
    let first = || Some((interfaces.iter().find(is_real)?.0, Why::First));
    let any = || Some((interfaces.first()?.0, Why::OnlyVirtual));
    let (ip, why) = default_route
        .map(|ip| (ip, Why::DefaultRoute))
        .or(to_name_server.map(|ip| (ip, Why::NameServer)))
        .or_else(first)
        .or_else(any)
        .unwrap_or((Ipv4Addr::LOCALHOST, Why::Loopback));
    let others = interfaces.into_iter().filter(|(other, _)| *other != ip).collect();
    Choice { ip, why, others }
}

/// An address that others are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The key that sets it.
    pub key: &'static str,
    pub ip: String,
    pub port: u16,
    /// Who is sent there.
    pub whom: &'static str,
}

/// Connects once to each address that others are sent to, and says in the log what to do where that fails.
pub async fn look(told: Vec<Told>) {
    for Told { key, ip, port, whom } in told {
        if let Err(reason) = reach(&ip, port).await {
            tracing::warn!(
                addr = format!("{ip}:{port}"),
                reason,
                "{whom} are sent to this address, and this broker cannot connect to it itself: set {key} to an address of \
                 this machine that they reach, or open the port in its firewall. Behind an address translation that only \
                 others pass, this may be right"
            );
        }
    }
}

async fn reach(ip: &str, port: u16) -> Result<(), String> {
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((ip, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_are_passed_over() {
        let check = |default_route: Option<[u8; 4]>,
                     to_name_server: Option<[u8; 4]>,
                     interfaces: &[(&str, [u8; 4])],
                     expected: ([u8; 4], Why)| {
            let interfaces: Vec<_> =
                interfaces.iter().map(|(name, ip)| (Ipv4Addr::from(*ip), (*name).to_owned())).collect();
            let choice =
                choose(default_route.map(Into::into), to_name_server.map(Into::into), interfaces.clone());
            assert_eq!((choice.ip, choice.why), (Ipv4Addr::from(expected.0), expected.1));
            assert_eq!(choice.others.len(), interfaces.iter().filter(|(ip, _)| *ip != choice.ip).count());
        };
        let (bridge, real) = (("docker0", [172, 17, 0, 1]), ("eth0", [192, 168, 1, 5]));
        let other = ("eth1", [10, 0, 0, 2]);
        check(None, None, &[bridge, real], (real.1, Why::First));
        check(None, None, &[("eth2", [169, 254, 1, 1]), real], (real.1, Why::First));
        check(None, Some(other.1), &[bridge, real, other], (other.1, Why::NameServer));
        check(None, None, &[bridge], (bridge.1, Why::OnlyVirtual));
        check(None, None, &[], ([127, 0, 0, 1], Why::Loopback));
        check(Some(other.1), Some(real.1), &[bridge, real, other], (other.1, Why::DefaultRoute));
    }

    #[test]
    fn a_choice_says_how_to_choose_otherwise() {
        let interfaces = vec![
            (Ipv4Addr::new(172, 17, 0, 1), "docker0".to_owned()),
            (Ipv4Addr::new(10, 0, 0, 2), "eth0".to_owned()),
        ];
        let choice = choose(Some(Ipv4Addr::new(10, 0, 0, 2)), None, interfaces);
        assert_eq!(
            choice.to_string(),
            "brokerIP1 is not set: clients are sent to 10.0.0.2 (its interface carries the default route). There are \
             also 172.17.0.1 (docker0). Set brokerIP1=ADDRESS or brokerIP1=iface:NAME for another one."
        );
    }

    #[test]
    fn an_interface_stands_for_its_address() {
        let interfaces = [("lo", [127, 0, 0, 1]), ("eth0", [10, 0, 0, 2]), ("eth0", [10, 0, 0, 3])];
        let interfaces = interfaces.map(|(name, ip)| (Ipv4Addr::from(ip), name.to_owned()));
        assert_eq!(of_interface("eth0", &interfaces), Ok(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(
            of_interface("eth1", &interfaces[..2]),
            Err("no interface eth1 with an IPv4 address; there are lo (127.0.0.1), eth0 (10.0.0.2)"
                .to_owned())
        );
        assert_eq!(resolve("broker-a.example"), Ok("broker-a.example".into()));
        assert_eq!(resolve("iface:lo"), Ok("127.0.0.1".into()));
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_not_reached() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(reach("127.0.0.1", port).await, Ok(()));
        drop(listener);
        assert!(reach("127.0.0.1", port).await.unwrap_err().contains("refused"));
    }
}
