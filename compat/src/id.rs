//! The two message ids (Java: `MessageDecoder.createMessageId`, `MessageClientIDSetter`): 16 bytes as 32
//! upper-case hexadecimal digits. Reading takes lower case, and the longer IPv6 form of later versions.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

/// `MessageDecoder.createMessageId`: where a message is stored, and at what commit-log offset.
pub fn offset_message_id(store_host: SocketAddrV4, commit_log_offset: i64) -> String {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&store_host.ip().octets());
    bytes[4..8].copy_from_slice(&u32::from(store_host.port()).to_be_bytes());
    bytes[8..].copy_from_slice(&commit_log_offset.to_be_bytes());
    to_hex(&bytes)
}

/// What an offset message id says; `None` where it is none.
pub fn parse_offset_message_id(id: &str) -> Option<(SocketAddr, i64)> {
    let bytes = from_hex(id)?;
    let (host, rest) = bytes.split_at_checked(bytes.len().checked_sub(12)?)?;
    let ip = match host.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(host).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(host).ok()?),
        _ => return None,
    };
    let port = u32::from_be_bytes(*rest.first_chunk()?);
    let offset = i64::from_be_bytes(*rest.last_chunk()?);
    Some((SocketAddr::new(ip, u16::try_from(port).ok()?), offset))
}

/// The parts of a client's unique id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniqueId {
    pub ip: Ipv4Addr,
    /// The lower half of the process id.
    pub pid: u16,
    /// Hash of the class loader; any number tells two clients in one process apart.
    pub loader_hash: u32,
    /// Milliseconds since the start of the month.
    pub since_month_ms: u32,
    pub counter: u16,
}

impl UniqueId {
    /// The id as text.
    pub fn encode(&self) -> String {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.ip.octets());
        bytes[4..6].copy_from_slice(&self.pid.to_be_bytes());
        bytes[6..10].copy_from_slice(&self.loader_hash.to_be_bytes());
        bytes[10..14].copy_from_slice(&self.since_month_ms.to_be_bytes());
        bytes[14..].copy_from_slice(&self.counter.to_be_bytes());
        to_hex(&bytes)
    }

    /// The parts of an id; `None` where it is none.
    pub fn decode(id: &str) -> Option<UniqueId> {
        let bytes: [u8; 16] = from_hex(id)?.try_into().ok()?;
        Some(UniqueId {
            ip: Ipv4Addr::from(*bytes[..4].first_chunk()?),
            pid: u16::from_be_bytes(*bytes[4..6].first_chunk()?),
            loader_hash: u32::from_be_bytes(*bytes[6..10].first_chunk()?),
            since_month_ms: u32::from_be_bytes(*bytes[10..14].first_chunk()?),
            counter: u16::from_be_bytes(*bytes[14..].first_chunk()?),
        })
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// An IPv6 offset message id, as brokers from 4.5 on make them; for tests and for tools that print them.
pub fn offset_message_id_v6(ip: Ipv6Addr, port: u16, commit_log_offset: i64) -> String {
    let mut text = to_hex(&ip.octets());
    write!(text, "{port:08X}{commit_log_offset:016X}").expect("a string takes any text");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_ids_are_as_java_writes_them() {
        let host = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 1), 10911);
        let id = offset_message_id(host, 0x1234);
        assert_eq!(id, "7F00000100002A9F0000000000001234");
        assert_eq!(parse_offset_message_id(&id), Some((host.into(), 0x1234)));
        assert_eq!(parse_offset_message_id(&id.to_lowercase()), Some((host.into(), 0x1234)));
        let v6 = offset_message_id_v6(Ipv6Addr::LOCALHOST, 10911, -1);
        assert_eq!(parse_offset_message_id(&v6), Some(((Ipv6Addr::LOCALHOST, 10911).into(), -1)));
        for wrong in
            ["", "7F", "7F00000100002A9F000000000000123", "7F000001FFFFFFFF0000000000001234", "zz", "ü1"]
        {
            assert_eq!(parse_offset_message_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unique_ids_keep_their_parts() {
        let text = "C000020212B15FFD2B277149B5DC0000";
        let id = UniqueId::decode(text).unwrap();
        assert_eq!((id.ip, id.pid, id.counter), (Ipv4Addr::new(192, 0, 2, 2), 0x12B1, 0));
        assert_eq!(id.encode(), text);
        assert_eq!(UniqueId::decode("C0"), None);
    }
}
