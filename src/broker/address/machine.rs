//! What the machine says of its network: interfaces with an IPv4 address, which of them lead to nobody but containers,
//! virtual machines or the other end of a tunnel, and which one carries the default route. It chooses nothing.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// Interfaces stand upon each other (a VLAN on a bond on a card), and not deeper than this.
const LAYERS_MAX: usize = 4;
/// Values of `type` in /sys/class/net (`ARPHRD_…`): PPP, none (TUN, WireGuard), and tunnels of IP over IP and of GRE.
const TUNNEL_TYPES: [&str; 7] = ["512", "65534", "768", "769", "776", "778", "823"];
/// Values of DEVTYPE in `uevent` there. These may look as an Ethernet does.
const TUNNEL_KINDS: [&str; 4] = ["vxlan", "geneve", "wireguard", "bareudp"];
/// How names begin, where the system tells no more: it is not Linux, or they are ends of pairs, dummies and the like.
const NAMES: [&str; 28] = [
    "cali",
    "cilium",
    "cni",
    "docker",
    "flannel",
    "gre",
    "ipsec",
    "kube",
    "lxc",
    "lxd",
    "nebula",
    "nerdctl",
    "nodelocaldns",
    "podman",
    "ppp",
    "tailscale",
    "tap",
    "tun",
    "utun",
    "vboxnet",
    "veth",
    "virbr",
    "vmnet",
    "vti",
    "vxlan",
    "weave",
    "wg",
    "zt",
];

/// An IPv4 address, and the interface that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub ip: Ipv4Addr,
    /// It is up, and whatever it is plugged into, too.
    pub is_up: bool,
    /// It leads to containers, virtual machines or through a tunnel.
    pub is_virtual: bool,
}

/// All of them, in the system's order.
pub fn interfaces() -> Vec<Interface> {
    let v4 = |interface: if_addrs::Interface| match interface.ip() {
        IpAddr::V4(ip) => Some(Interface {
            ip,
            is_up: interface.is_oper_up(),
            is_virtual: is_virtual(Path::new("/sys/class/net"), &interface.name),
            name: interface.name,
        }),
        IpAddr::V6(_) => None,
    };
    if_addrs::get_if_addrs().unwrap_or_default().into_iter().filter_map(v4).collect()
}

/// What it is tells more than what it is called: a bridge may be a hypervisor's way to its network.
fn is_virtual(all: &Path, name: &str) -> bool {
    let folder = all.join(name);
    if is_hardware(&folder) {
        return false;
    }
    is_tunnel(&folder)
        || !leads_to_hardware(&folder, LAYERS_MAX)
            && (folder.join("bridge").exists() || NAMES.iter().any(|start| name.starts_with(start)))
}

fn is_hardware(folder: &Path) -> bool {
    folder.join("device").exists()
}

fn is_tunnel(folder: &Path) -> bool {
    let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let kind = |line: &str| line.strip_prefix("DEVTYPE=").is_some_and(|kind| TUNNEL_KINDS.contains(&kind));
    folder.join("tun_flags").exists()
        || TUNNEL_TYPES.contains(&text("type").trim())
        || text("uevent").lines().any(kind)
}

/// Whether it stands upon a card: a bridge with one as its port, a bond, a VLAN.
fn leads_to_hardware(folder: &Path, layers: usize) -> bool {
    if is_hardware(folder) {
        return true;
    }
    if layers == 0 || is_tunnel(folder) {
        return false;
    }
    let Ok(files) = fs::read_dir(folder) else { return false };
    let is_below = |file: &fs::DirEntry| file.file_name().to_string_lossy().starts_with("lower_");
    files.flatten().filter(is_below).any(|file| leads_to_hardware(&file.path(), layers - 1))
}

/// The way that traffic takes for which there is no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRoute {
    pub interface: String,
    /// None where whoever is asked for is on the link itself.
    pub gateway: Option<Ipv4Addr>,
}

/// The default route, if there is one; an error where the system does not say. It is not what an address elsewhere is routed by:
/// a tunnel may take the two halves of all addresses, and leave the default route as it is.
pub fn default_route() -> std::io::Result<Option<DefaultRoute>> {
    Ok(parse_routes(&fs::read_to_string("/proc/net/route")?))
}

/// Of the lines of /proc/net/route: interface, destination, gateway, flags, two counts, metric, mask. Addresses are numbers as
/// they lie in memory.
fn parse_routes(text: &str) -> Option<DefaultRoute> {
    const UP: u32 = 1;
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, flags, _, _, metric, mask, ..] = fields[..] else {
            return None;
        };
        let hex = |text| u32::from_str_radix(text, 16).ok();
        let is_default = hex(destination)? == 0 && hex(mask)? == 0 && hex(flags)? & UP != 0;
        let gateway = Some(hex(gateway)?).filter(|it| *it != 0).map(|it| Ipv4Addr::from(it.to_ne_bytes()));
        let found = DefaultRoute { interface: interface.to_owned(), gateway };
        Some((metric.parse::<u32>().ok()?, found)).filter(|_| is_default)
    };
    // Of those with the same metric the first.
    text.lines().filter_map(route).min_by_key(|(metric, _)| *metric).map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_the_one_to_everywhere_with_the_lowest_metric() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT \n";
        let check = |lines: &[&str], expected: Option<(&str, Option<Ipv4Addr>)>| {
            let found = parse_routes(&(head.to_owned() + &lines.join("\n")));
            let expected = expected
                .map(|(interface, gateway)| DefaultRoute { interface: interface.to_owned(), gateway });
            assert_eq!(found, expected, "{lines:?}");
        };
        let gateway = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let line = |name: &str, to: [u8; 4], flags: &str, metric: u32| {
            format!(
                "{name}\t{}\t{}\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0",
                gateway(to),
                gateway([10, 8, 0, 1])
            )
        };
        let (tun, eth) = (line("tun0", [0; 4], "0003", 50), line("eth0", [0; 4], "0003", 5));
        let via = Some(Ipv4Addr::new(10, 8, 0, 1));
        check(&[&tun, &eth], Some(("eth0", via)));
        check(&[&tun], Some(("tun0", via)));
        // A rejecting route, and that of OpenVPN's upper half.
        check(&[&line("eth0", [0; 4], "0200", 0)], None);
        check(&[&eth.replace("\t00000000\t0\t0\t0", "\t00000080\t0\t0\t0")], None);
        check(&["wg0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0"], Some(("wg0", None)));
        check(&["eth0 00000000", ""], None);
    }

    #[test]
    fn what_an_interface_is_counts_before_its_name() {
        let all = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = all.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let check = |name: &str, expected: bool| assert_eq!(is_virtual(all.path(), name), expected, "{name}");
        put("eth0/device", "");
        put("tun-but-a-card/device", "");
        put("veth0/type", "1\n");
        put("eth9/type", "1\n");
        put("corp/tun_flags", "0x1002\n");
        put("office/type", "65534\n");
        put("overlay/uevent", "DEVTYPE=vxlan\nINTERFACE=overlay\n");
        put("overlay/lower_eth0/device", "");
        put("br0/bridge", "");
        put("br0/lower_eth0/device", "");
        put("br1/bridge", "");
        put("br1/lower_veth0/type", "1\n");
        put("br2/bridge", "");
        put("br2/lower_overlay/uevent", "DEVTYPE=vxlan\n");
        put("br2/lower_overlay/lower_eth0/device", "");
        put("br3/bridge", "");
        put("br3/lower_bond0/lower_eth0/device", "");
        for name in ["eth0", "tun-but-a-card", "eth9", "br0", "br3", "br-ex", "bond0", "enp3s0"] {
            check(name, false);
        }
        for name in
            ["veth0", "corp", "office", "overlay", "br1", "br2", "docker0", "tailscale0", "ztabcdefgh"]
        {
            check(name, true);
        }
    }
}
