//! Addresses as `plain_acl.yml` writes them (Java: `RemoteAddressStrategyFactory`): `10.1.2.3`, `10.1.2.3,10.1.2.4`,
//! `10.1.2.{3,4}`, `10.1.2.*`, `10.1.1-9.*`, `*`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

type Octets = [RangeInclusive<u8>; 4];

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    is_all: bool,
    v4: Vec<Octets>,
    v6: Vec<IpAddr>,
}

impl Addresses {
    /// Adds what a text names; an empty one names nobody.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim();
        let wrong =
            || format!("{text} is no address: 10.1.2.3, 10.1.2.{{3,4}}, 10.1.2.*, 10.1.2.3-9 and * are");
        match text {
            "" => return Ok(()),
            "*" => self.is_all = true,
            _ => {
                if let Some((head, rest)) = text.split_once('{') {
                    let numbers = rest.strip_suffix('}').ok_or_else(wrong)?;
                    for number in numbers.split(',') {
                        let octets = octets(&format!("{head}{}", number.trim()));
                        self.v4.push(octets.ok_or_else(wrong)?);
                    }
                    return Ok(());
                }
                for one in text.split(',').map(str::trim) {
                    match (octets(one), one.parse()) {
                        (Some(octets), _) => self.v4.push(octets),
                        (None, Ok(ip @ IpAddr::V6(_))) => self.v6.push(ip),
                        _ => return Err(wrong()),
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether this is one of them.
    pub fn contain(&self, ip: IpAddr) -> bool {
        self.is_all
            || match ip {
                IpAddr::V4(ip) => self.v4.iter().any(|octets| {
                    octets.iter().zip(ip.octets()).all(|(range, octet)| range.contains(&octet))
                }),
                IpAddr::V6(_) => self.v6.contains(&ip),
            }
    }
}

/// The first two are numbers; `10.1.*` stands for `10.1.*.*`.
fn octets(text: &str) -> Option<Octets> {
    let pieces: Vec<&str> = text.split('.').map(str::trim).collect();
    let is_short = pieces.len() == 3 && pieces[2] == "*";
    if pieces.len() != 4 && !is_short {
        return None;
    }
    let range = |index: usize| -> Option<RangeInclusive<u8>> {
        let piece = *pieces.get(index).unwrap_or(&"*");
        if piece == "*" {
            return (index >= 2).then_some(0..=255);
        }
        let (from, to) = piece.split_once('-').unwrap_or((piece, piece));
        let range = from.trim().parse().ok()?..=to.trim().parse().ok()?;
        (!range.is_empty() && (index >= 2 || from == to)).then_some(range)
    };
    Some([range(0)?, range(1)?, range(2)?, range(3)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_javas() {
        let check = |text: &str, within: &[&str], without: &[&str]| {
            let mut addresses = Addresses::default();
            addresses.add(text).unwrap();
            within.iter().for_each(|ip| assert!(addresses.contain(ip.parse().unwrap()), "{text}: {ip}"));
            without.iter().for_each(|ip| assert!(!addresses.contain(ip.parse().unwrap()), "{text}: {ip}"));
        };
        check("", &[], &["0.0.0.0", "::1"]);
        check("*", &["1.2.3.4", "::1"], &[]);
        check("10.1.2.3", &["10.1.2.3"], &["10.1.2.4", "::1"]);
        check("10.1.2.3,10.1.2.4", &["10.1.2.3", "10.1.2.4"], &["10.1.2.5"]);
        check("10.1.2.{3,4}", &["10.1.2.3", "10.1.2.4"], &["10.1.2.5"]);
        check("10.1.2.*", &["10.1.2.0", "10.1.2.255"], &["10.1.3.0"]);
        check("10.1.*.*", &["10.1.2.0"], &["10.2.0.0"]);
        check("10.1.*", &["10.1.2.0"], &["10.2.0.0"]);
        check("10.1.2.3-9", &["10.1.2.3", "10.1.2.9"], &["10.1.2.2", "10.1.2.10"]);
        check("10.1.2-4.*", &["10.1.2.3", "10.1.4.9"], &["10.1.5.2"]);
        check("::1", &["::1"], &["::2", "0.0.0.1"]);
        for wrong in
            ["10.1.2", "10.1.2.256", "10.1.2.9-3", "a", "10.1.2.{3", "*.1.2.3", "10.1.2.3,x", "1-2.3.4.5"]
        {
            assert!(Addresses::default().add(wrong).is_err(), "{wrong}");
        }
    }
}
