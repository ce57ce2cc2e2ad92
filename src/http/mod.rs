//! A port to watch a server by: metrics for Prometheus, two answers for health checks, and a page (Java 4.3.0 has none; the
//! metrics' names are those of `rocketmq-exporter` where it has one). HTTP/1.1, GET and HEAD only. It knows nothing of what
//! is watched: brokers and name servers fill in [`Watched`].

mod answer;
pub mod histogram;
pub mod metrics;
pub mod overview;
pub mod process;
mod request;
mod server;

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::BoxFuture;

pub use self::server::{Limits, Server};

use self::metrics::Exposition;
use self::overview::{Overview, View};

/// What is watched. All of it only reads.
pub trait Watched: Send + Sync + 'static {
    /// Why requests should go elsewhere for now, if they should.
    fn trouble(&self) -> Option<String>;

    /// Adds all figures. May block for some milliseconds.
    fn metrics(&self, to: &mut Exposition);

    /// Asks others for what the overview tells of them. To be short.
    fn look_around(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// What the page shows. May block for some milliseconds.
    fn overview(&self, view: &View) -> Overview;
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub ip: IpAddr,
    pub port: u16,
    /// Where that port is taken, one of the next ones will do.
    pub or_next: bool,
}

/// Ports that are tried where one is taken.
const PORTS_TRIED: u16 = 100;

impl Place {
    /// By the settings `httpBindAddr` and `httpPort`; none where that is 0. They have been checked.
    pub fn of(bind_addr: &str, port: i32, or_next: bool) -> Option<Place> {
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        Some(Place { ip: bind_addr.trim().parse().ok()?, port, or_next })
    }

    fn bind(self) -> io::Result<std::net::TcpListener> {
        let tried = if self.or_next { PORTS_TRIED } else { 1 };
        let ports = (0..tried).filter_map(|more| self.port.checked_add(more));
        let mut failed = io::Error::from(io::ErrorKind::AddrInUse);
        for port in ports {
            match server::bind(SocketAddr::new(self.ip, port)) {
                Ok(listener) => return Ok(listener),
                Err(error) => failed = error,
            }
            if failed.kind() != io::ErrorKind::AddrInUse {
                break;
            }
        }
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over_where_that_is_wanted() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        let place = Place { ip: addr.ip(), port: addr.port(), or_next: false };
        assert_eq!(place.bind().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let next = Place { or_next: true, ..place }.bind().unwrap();
        assert!(next.local_addr().unwrap().port() > addr.port());
    }

    #[test]
    fn places_come_from_settings() {
        let check = |addr: &str, port: i32, expected: Option<&str>| {
            let place = Place::of(addr, port, false).map(|place| format!("{}:{}", place.ip, place.port));
            assert_eq!(place.as_deref(), expected);
        };
        check("127.0.0.1", 8089, Some("127.0.0.1:8089"));
        check("127.0.0.1", 0, None);
        check("x", 8089, None);
    }
}
