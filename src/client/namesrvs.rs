//! The name servers that a client knows, asked in turn until one answers, and who the client itself is (Java:
//! `NettyRemotingClient.getAndCreateNameserverChannel`, `ClientConfig.buildMQClientId`).

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use super::{CallError, Calls};
use crate::protocol::body::route::TopicRouteData;
use crate::protocol::response_code::ResponseCode;

/// Name servers, all alike.
#[derive(Debug, Clone)]
pub struct Namesrvs {
    addrs: Vec<String>,
}

impl Namesrvs {
    /// Of `host:port;host:port`; none where that names no address.
    pub fn parse(text: &str) -> Option<Namesrvs> {
        let pieces = text.split([';', ',']).map(str::trim).filter(|piece| !piece.is_empty());
        let addrs: Vec<String> = pieces.map(str::to_owned).collect();
        (!addrs.is_empty()).then_some(Namesrvs { addrs })
    }

    /// Their addresses.
    pub fn addrs(&self) -> &[String] {
        &self.addrs
    }

    /// Asks one after the other until an answer comes; that one counts, whatever it says.
    pub async fn first_answer<T>(
        &self,
        ask: impl AsyncFn(&str) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut last = None;
        for addr in &self.addrs {
            match ask(addr).await {
                Err(error @ CallError::Invoke(_)) => last = Some(error),
                answer => return answer,
            }
        }
        Err(last.expect("there is at least one name server"))
    }

    /// Where a topic is; none where the name server does not know it.
    pub async fn route_info(&self, calls: &Calls, topic: &str) -> Result<Option<TopicRouteData>, CallError> {
        match self.first_answer(async |addr| calls.route_info(addr, topic).await).await {
            Ok(route) => Ok(Some(route)),
            Err(error) if error.code() == Some(ResponseCode::TopicNotExist.into()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The address of ours that name servers see.
    pub fn local_ip(&self) -> Ipv4Addr {
        let ip = self.addrs.iter().find_map(|addr| {
            // Connecting a datagram socket sends nothing; it only picks the interface.
            let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
            socket.connect(addr).ok()?;
            match socket.local_addr().ok()?.ip() {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            }
        });
        ip.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// `ip@process id`.
    pub fn client_id(&self) -> String {
        format!("{}@{}", self.local_ip(), std::process::id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split() {
        let check = |text: &str, expected: &[&str]| {
            let found = Namesrvs::parse(text).map(|servers| servers.addrs).unwrap_or_default();
            assert_eq!(found, expected);
        };
        check("a:1", &["a:1"]);
        check("a:1; b:2;", &["a:1", "b:2"]);
        check(" ;", &[]);
        check("", &[]);
    }
}
