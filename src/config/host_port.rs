//! Addresses as settings have them, `host:port`. Whether anybody answers there is not asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why nobody can be connected to at this address, if so.
pub fn problem(addr: &str) -> Option<&'static str> {
    let Some((host, port)) = addr.rsplit_once(':') else { return Some("has no port") };
    if addr.contains(',') {
        return Some("has a comma in it; semicolons separate addresses");
    }
    if addr.contains("//") {
        return Some("is a URL; host:port is needed");
    }
    match port.parse::<u16>() {
        Ok(1..) => host_problem(host),
        Ok(0) => Some("has port 0, on which nobody listens"),
        Err(_) => Some("has no port from 1 to 65535"),
    }
}

/// Why this is neither an IP address nor a host's name, if so.
pub fn host_problem(host: &str) -> Option<&'static str> {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if literal.parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    if host.is_empty() {
        return Some("has no host");
    }
    if host.contains(':') {
        return Some("has more than one port");
    }
    let is_odd = |char: char| !char.is_alphanumeric() && !matches!(char, '.' | '-' | '_');
    if host.contains(is_odd) {
        return Some("has characters in it that no host's name has");
    }
    let is_number = host.chars().all(|char| char.is_ascii_digit() || char == '.');
    (is_number && host.parse::<Ipv4Addr>().is_err()).then_some("is no IP address")
}

/// Why nobody can be sent to this address, if so.
pub fn target_problem(ip: IpAddr) -> Option<&'static str> {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    (ip.is_multicast() || is_broadcast).then_some("is the address of many, and nobody can connect to it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_be_connected_by_is_told() {
        let check = |addr: &str, expected: Option<&str>| {
            let found = problem(addr);
            assert_eq!(found.is_some(), expected.is_some(), "{addr}: {found:?}");
            assert!(found.unwrap_or("").contains(expected.unwrap_or("")), "{addr}: {found:?}");
        };
        for good in
            ["127.0.0.1:9876", "mq-1.example.org:9876", "my_host:1", "::1:9876", "[::1]:9876", "h\u{f6}st:1"]
        {
            check(good, None);
        }
        check("a", Some("has no port"));
        check("a:9876,b:9877", Some("semicolons"));
        check("http://127.0.0.1:9876", Some("URL"));
        check("127.0.0.1:9876:9877", Some("more than one port"));
        check("a b:9876", Some("characters"));
        check("127.0.0.1:0", Some("port 0"));
        check("127.0.0.1:70000", Some("no port from 1"));
        check("127.0.0.1:", Some("no port from 1"));
        check(":9876", Some("no host"));
        check("999.1.1.1:9876", Some("no IP address"));
        assert!(target_problem([224, 0, 0, 1].into()).is_some());
        assert!(target_problem([255, 255, 255, 255].into()).is_some());
        assert!(target_problem([10, 0, 0, 255].into()).is_none());
    }
}
