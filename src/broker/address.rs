//! Which of the machine's addresses clients are told (Java: `RemotingUtil.getLocalAddress`, which takes the
//! first one listed and so often a container bridge's), and whether what they are told can be connected to.

mod machine;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::TcpStream;

use self::machine::{DefaultRoute, Interface};

/// Longer than this no client waits for a connection, either.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An address that was chosen because the operator named none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub ip: Ipv4Addr,
    why: String,
    others: Vec<Interface>,
}

impl Choice {
    /// Whether only this machine's own clients can connect.
    pub fn is_loopback(&self) -> bool {
        self.ip.is_loopback()
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "brokerIP1 is not set: clients are sent to {} ({}).", self.ip, self.why)?;
        if !self.others.is_empty() {
            let other = |Interface { ip, name, is_up, .. }: &Interface| match is_up {
                true => format!("{ip} ({name})"),
                false => format!("{ip} ({name}, down)"),
            };
            let others: Vec<String> = self.others.iter().map(other).collect();
            write!(f, " There are also {}.", others.join(", "))?;
        }
        f.write_str(" Set brokerIP1=ADDRESS or brokerIP1=iface:NAME for another one.")
    }
}

/// The address of the interface that carries the default route, unless that is a bridge or a tunnel and there is another; else
/// of the one that carries the route to a name server, under the same condition; else of the first that is neither.
pub fn detect(namesrv_addr: &str) -> Choice {
    let interfaces: Vec<_> = machine::interfaces().into_iter().filter(|it| !it.ip.is_loopback()).collect();
    // Names are not asked for: that may take long.
    let name_servers = namesrv_addr.split(';').filter_map(|addr| addr.trim().parse().ok());
    let to_name_server = name_servers.filter_map(source_of).next();
    let default = match machine::default_route() {
        Ok(found) => {
            found.map(|route| Route { source: source_by(&route, &interfaces), interface: route.interface })
        }
        // It is not Linux. TEST-NET-3 is routed nowhere in particular, hence by the default route.
        Err(_) => source_of(SocketAddr::from((ELSEWHERE, PORT))).and_then(|ip| {
            let interface = interfaces.iter().find(|it| it.ip == ip)?.name.clone();
            Some(Route { interface, source: Some(ip) })
        }),
    };
    choose(default, to_name_server, interfaces)
}

const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Which one does not matter.
const PORT: u16 = 9;

/// The default route.
struct Route {
    interface: String,
    /// Which of the interface's addresses the system gives to what goes there, if it says so.
    source: Option<Ipv4Addr>,
}

/// An interface may have several addresses: the one that its own traffic goes out with.
fn source_by(route: &DefaultRoute, interfaces: &[Interface]) -> Option<Ipv4Addr> {
    let is_of_it = |ip: &Ipv4Addr| interfaces.iter().any(|it| it.ip == *ip && it.name == route.interface);
    let source = |to: Ipv4Addr| source_of(SocketAddr::from((to, PORT))).filter(is_of_it);
    // What goes elsewhere may go by a tunnel that leaves the default route alone; what goes to the gateway does not.
    source(ELSEWHERE).or_else(|| source(route.gateway?))
}

/// What `brokerIP1` or `brokerIP2` says: an address or a host's name, and with `iface:NAME` the IPv4 address of an interface.
pub fn resolve(setting: &str) -> Result<Cow<'_, str>, String> {
    match setting.strip_prefix("iface:") {
        Some(name) => of_interface(name.trim(), &machine::interfaces()).map(|ip| Cow::Owned(ip.to_string())),
        None => Ok(Cow::Borrowed(setting)),
    }
}

fn of_interface(name: &str, interfaces: &[Interface]) -> Result<Ipv4Addr, String> {
    let found = interfaces.iter().find(|it| it.name == name).map(|it| it.ip);
    found.ok_or_else(|| {
        let there_are: Vec<String> = interfaces.iter().map(|it| format!("{} ({})", it.name, it.ip)).collect();
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

fn choose(default: Option<Route>, to_name_server: Option<Ipv4Addr>, interfaces: Vec<Interface>) -> Choice {
    // What others reach more likely, as far as there is any such; what is left over only goes where there is nothing else.
    let mut pool: Vec<&Interface> = interfaces.iter().collect();
    let conditions: [fn(&Interface) -> bool; 3] =
        [|it| it.is_up, |it| !it.ip.is_link_local(), |it| !it.is_virtual];
    for holds in conditions {
        if pool.iter().any(|it| holds(it)) {
            pool.retain(|it| holds(it));
        }
    }
    let by_default_route = default.as_ref().and_then(|route| {
        let mut of_it = pool.iter().filter(|it| it.name == route.interface);
        of_it.clone().find(|it| Some(it.ip) == route.source).or_else(|| of_it.next())
    });
    let by_name_server = || pool.iter().find(|it| Some(it.ip) == to_name_server);
    let no_default_route = || match &default {
        None => "there is no default route".to_owned(),
        Some(route) => format!("the default route is that of {}, a bridge or tunnel", route.interface),
    };
    let (ip, mut why, is_up) = if let Some(it) = by_default_route {
        (it.ip, "its interface carries the default route".to_owned(), it.is_up)
    } else if let Some(it) = by_name_server() {
        (it.ip, no_default_route() + ", and name servers are reached from it", it.is_up)
    } else if let Some(it) = pool.first() {
        let why = match it.is_virtual {
            true => " and no interface is up but bridges and tunnels",
            false => ", and this is the first interface that is no bridge or tunnel",
        };
        (it.ip, no_default_route() + why, it.is_up)
    } else {
        let why = "this machine has no other IPv4 address, so clients elsewhere cannot connect. Messages carry an IPv4 \
                   address: give the machine one, or set brokerIP1 to a name that has one";
        (Ipv4Addr::LOCALHOST, why.to_owned(), true)
    };
    if !is_up {
        why.push_str("; no interface is up");
    }
    let others = interfaces.iter().filter(|other| other.ip != ip).cloned().collect();
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

/// Connects once to each address that others are sent to, and says in the log what to do where that fails; gives the same in
/// one line for all.
pub async fn look(told: Vec<Told>) -> Option<String> {
    let (mut addrs, mut keys, mut reasons) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for Told { key, ip, port, whom } in told {
        if let Err(reason) = reach(&ip, port).await {
            addrs.push(format!("{ip}:{port}"));
            keys.insert(key);
            reasons.insert(reason.clone());
            tracing::warn!(
                addr = format!("{ip}:{port}"),
                reason,
                "{whom} are sent to this address, and this broker cannot connect to it itself: set {key} to an address of \
                 this machine that they reach, or open the port in its firewall. Behind an address translation that only \
                 others pass, this may be right"
            );
        }
    }
    (!addrs.is_empty()).then(|| {
        format!(
            "clients and slaves are sent to {}, and this broker cannot connect there itself ({}): see {} and the firewall; \
             behind an address translation this may be right",
            addrs.join(", "),
            Vec::from_iter(reasons).join("; "),
            Vec::from_iter(keys).join(", ")
        )
    })
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

    const REAL: [&str; 3] = ["eth0", "eth1", "br0"];

    fn interface(name: &str, ip: [u8; 4]) -> Interface {
        let is_virtual = !REAL.contains(&name);
        Interface { name: name.to_owned(), ip: ip.into(), is_up: true, is_virtual }
    }

    fn default_by(name: &str, source: Option<[u8; 4]>) -> Option<Route> {
        Some(Route { interface: name.to_owned(), source: source.map(Into::into) })
    }

    #[test]
    fn bridges_tunnels_and_what_is_down_are_passed_over() {
        let check = |default: Option<Route>,
                     to_name_server: Option<[u8; 4]>,
                     interfaces: &[&Interface],
                     expected: [u8; 4],
                     why: &str| {
            let interfaces: Vec<Interface> = interfaces.iter().map(|it| (*it).clone()).collect();
            let choice = choose(default, to_name_server.map(Into::into), interfaces.clone());
            assert_eq!((choice.ip, choice.why.as_str()), (Ipv4Addr::from(expected), why));
            assert_eq!(choice.others.len(), interfaces.iter().filter(|it| it.ip != choice.ip).count());
        };
        let (bridge, tunnel) = (interface("docker0", [172, 17, 0, 1]), interface("tun0", [10, 8, 0, 2]));
        let (real, other) = (interface("eth0", [192, 168, 1, 5]), interface("eth1", [10, 0, 0, 2]));
        let (real_ip, other_ip) = ([192, 168, 1, 5], [10, 0, 0, 2]);
        let second = interface("eth0", [192, 168, 1, 6]);
        let first = "there is no default route, and this is the first interface that is no bridge or tunnel";
        let by_name_server = "there is no default route, and name servers are reached from it";
        let by_default = "its interface carries the default route";
        check(None, None, &[&bridge, &real], real_ip, first);
        check(None, None, &[&interface("eth0", [169, 254, 1, 1]), &other], other_ip, first);
        check(None, Some(other_ip), &[&bridge, &real, &other], other_ip, by_name_server);
        check(None, Some([172, 17, 0, 1]), &[&bridge, &real], real_ip, first);
        check(default_by("eth1", None), Some(real_ip), &[&bridge, &real, &other], other_ip, by_default);
        // The one that the system would take, where it says so.
        check(default_by("eth0", None), None, &[&real, &second], real_ip, by_default);
        check(
            default_by("eth0", Some([192, 168, 1, 6])),
            None,
            &[&real, &second],
            [192, 168, 1, 6],
            by_default,
        );
        // A tunnel's route counts where there is nothing else.
        let over_tunnel = "the default route is that of tun0, a bridge or tunnel";
        check(
            default_by("tun0", Some([10, 8, 0, 2])),
            None,
            &[&tunnel, &bridge, &real],
            real_ip,
            &format!("{over_tunnel}, and this is the first interface that is no bridge or tunnel"),
        );
        check(
            default_by("tun0", None),
            Some(other_ip),
            &[&tunnel, &real, &other],
            other_ip,
            &format!("{over_tunnel}, and name servers are reached from it"),
        );
        check(default_by("tun0", None), None, &[&bridge, &tunnel], [10, 8, 0, 2], by_default);
        let only = "there is no default route and no interface is up but bridges and tunnels";
        check(None, None, &[&bridge], [172, 17, 0, 1], only);
        check(
            None,
            None,
            &[],
            [127, 0, 0, 1],
            "this machine has no other IPv4 address, so clients elsewhere cannot connect. Messages carry an IPv4 address: \
             give the machine one, or set brokerIP1 to a name that has one",
        );
        let down = Interface { is_up: false, ..real };
        check(None, None, &[&down, &other], other_ip, first);
        check(None, None, &[&down, &bridge], [172, 17, 0, 1], only);
        check(None, None, &[&down], real_ip, &format!("{first}; no interface is up"));
    }

    #[test]
    fn a_choice_says_how_to_choose_otherwise() {
        let down = Interface { is_up: false, ..interface("eth1", [10, 0, 1, 2]) };
        let interfaces = vec![interface("docker0", [172, 17, 0, 1]), interface("eth0", [10, 0, 0, 2]), down];
        let choice = choose(default_by("eth0", None), None, interfaces);
        assert_eq!(
            choice.to_string(),
            "brokerIP1 is not set: clients are sent to 10.0.0.2 (its interface carries the default route). There are \
             also 172.17.0.1 (docker0), 10.0.1.2 (eth1, down). Set brokerIP1=ADDRESS or brokerIP1=iface:NAME for another \
             one."
        );
    }

    #[test]
    fn an_interface_stands_for_its_address() {
        let interfaces = [("lo", [127, 0, 0, 1]), ("eth0", [10, 0, 0, 2]), ("eth0", [10, 0, 0, 3])];
        let interfaces = interfaces.map(|(name, ip)| interface(name, ip));
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
