//! The lists of `adminAllowedAddrs` and `haAllowedAddrs`: single addresses and networks, IPv4 and IPv6. What those may do
//! is for others to say. Java has no such thing.

use std::fmt;
use std::net::IpAddr;

/// A list of addresses and networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedAddrs(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    addr: IpAddr,
    prefix: u8,
}

impl AllowedAddrs {
    /// Reads `10.0.0.0/8, 127.0.0.1`: separated by commas or semicolons, host names not among them. The error says what is
    /// wrong with which.
    pub fn parse(text: &str) -> Result<AllowedAddrs, String> {
        let listed = text.split([',', ';']).map(str::trim).filter(|it| !it.is_empty());
        listed.map(Network::parse).collect::<Result<_, _>>().map(AllowedAddrs)
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is listed, or in a network that is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(ip))
    }
}

impl Network {
    fn parse(text: &str) -> Result<Network, String> {
        let (addr, prefix) = text.split_once('/').map_or((text, None), |(addr, it)| (addr, Some(it)));
        let addr: IpAddr = addr.trim().parse().map_err(|_| format!("{text} is no IP address or network"))?;
        let most = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(prefix) => prefix
                .trim()
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| format!("{text} has no prefix of 0 to {most} bits"))?,
        };
        Ok(Network { addr, prefix })
    }

    fn contains(&self, ip: IpAddr) -> bool {
        let differs = |ours: u128, theirs: u128, bits: u32| {
            let bits = bits - u32::from(self.prefix);
            (ours ^ theirs).checked_shr(bits).unwrap_or(0) != 0
        };
        match (self.addr, ip) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                !differs(u32::from(ours).into(), u32::from(theirs).into(), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => !differs(ours.into(), theirs.into(), 128),
            _ => false,
        }
    }
}

impl fmt::Display for AllowedAddrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Network { addr, prefix }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{addr}/{prefix}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_told_apart() {
        let check = |list: &str, ip: &str, expected: bool| {
            let list = AllowedAddrs::parse(list).unwrap();
            assert_eq!(list.contains(ip.parse().unwrap()), expected, "{list} {ip}");
        };
        check("", "127.0.0.1", false);
        check(" 127.0.0.1 , 10.1.2.3;", "10.1.2.3", true);
        check("127.0.0.1,10.1.2.3", "10.1.2.4", false);
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("10.1.2.3/8", "10.9.9.9", true);
        check("192.168.1.128/25", "192.168.1.127", false);
        check("192.168.1.128/25", "192.168.1.128", true);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "2001:db8::1", true);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        check("::1", "::1", true);
        // As a socket of both kinds shows it.
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
    }

    #[test]
    fn what_is_no_address_is_named() {
        let check = |list: &str, expected: &str| {
            assert_eq!(AllowedAddrs::parse(list).unwrap_err(), expected);
        };
        check("127.0.0.1,localhost", "localhost is no IP address or network");
        check("10.0.0.0/33", "10.0.0.0/33 has no prefix of 0 to 32 bits");
        check("10.0.0.0/", "10.0.0.0/ has no prefix of 0 to 32 bits");
        check("::1/129", "::1/129 has no prefix of 0 to 128 bits");
        check("10.0.0.1:9876", "10.0.0.1:9876 is no IP address or network");
    }
}
