//! Which of the machine's addresses clients are told (Java: `RemotingUtil.getLocalAddress`, which takes the
//! first one listed and so often a container bridge's).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// The address of the interface that carries the default route; without such a route, that of another
/// interface that is neither loopback nor a bridge or tunnel; and what else there was.
pub fn detect() -> (Ipv4Addr, Vec<String>) {
    let interfaces: Vec<(String, Ipv4Addr)> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_loopback())
        .filter_map(|interface| match interface.ip() {
            IpAddr::V4(ip) => Some((interface.name, ip)),
            IpAddr::V6(_) => None,
        })
        .collect();
    choose(default_route(), &interfaces)
}

/// Connecting a datagram socket sends nothing: it only asks the routing table for the source address.
fn default_route() -> Option<Ipv4Addr> {
    // TEST-NET-3: routed nowhere in particular, hence by the default route.
    let anywhere = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(anywhere).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) if !ip.is_unspecified() && !ip.is_loopback() => Some(ip),
        _ => None,
    }
}

fn choose(default_route: Option<Ipv4Addr>, interfaces: &[(String, Ipv4Addr)]) -> (Ipv4Addr, Vec<String>) {
    const VIRTUAL: [&str; 8] = ["docker", "br-", "veth", "virbr", "tun", "tap", "cni", "flannel"];
    let is_real = |(name, _): &&(String, Ipv4Addr)| !VIRTUAL.iter().any(|start| name.starts_with(start));
    let any = || interfaces.iter().find(is_real).or(interfaces.first()).map(|(_, ip)| *ip);
    let chosen = default_route.or_else(any).unwrap_or(Ipv4Addr::LOCALHOST);
    let others = interfaces.iter().filter(|(_, ip)| *ip != chosen).map(|(name, ip)| format!("{ip} ({name})"));
    (chosen, others.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_are_passed_over() {
        let check = |default_route: Option<[u8; 4]>, interfaces: &[(&str, [u8; 4])], expected: [u8; 4]| {
            let interfaces: Vec<_> =
                interfaces.iter().map(|(name, ip)| ((*name).to_owned(), Ipv4Addr::from(*ip))).collect();
            let (chosen, others) = choose(default_route.map(Ipv4Addr::from), &interfaces);
            assert_eq!(chosen, Ipv4Addr::from(expected));
            assert_eq!(others.len(), interfaces.iter().filter(|(_, ip)| *ip != chosen).count());
        };
        let (bridge, real) = (("docker0", [172, 17, 0, 1]), ("eth0", [192, 168, 1, 5]));
        check(None, &[bridge, real], real.1);
        check(None, &[bridge], bridge.1);
        check(None, &[], [127, 0, 0, 1]);
        check(Some([10, 0, 0, 2]), &[bridge, real, ("eth1", [10, 0, 0, 2])], [10, 0, 0, 2]);
    }
}
