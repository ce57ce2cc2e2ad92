//! How many connections each address has, for ports that give one address a part of their places only. Not for the ports of
//! clients: those know their connections anyway (`remoting::server`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places that are taken, by address.
#[derive(Debug, Default)]
pub struct Seats(Mutex<HashMap<IpAddr, usize>>);

/// A connection's place, given back when this is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    ip: IpAddr,
}

impl Seats {
    /// A place for a connection of an address, unless it has `most` already.
    pub fn take(self: &Arc<Seats>, ip: IpAddr, most: usize) -> Option<Seat> {
        let ip = ip.to_canonical();
        let mut by_addr = self.by_addr();
        let taken = by_addr.entry(ip).or_default();
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(Seat { seats: Arc::clone(self), ip })
    }

    fn by_addr(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut by_addr = self.seats.by_addr();
        if let Some(taken) = by_addr.get_mut(&self.ip) {
            *taken -= 1;
            if *taken == 0 {
                by_addr.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_given_back() {
        let seats = Arc::new(Seats::default());
        let [one, mapped, other] = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let first = seats.take(one, 2);
        let second = seats.take(mapped, 2);
        assert!(first.is_some() && second.is_some());
        assert!(seats.take(one, 2).is_none() && seats.take(other, 2).is_some());
        drop(first);
        assert!(seats.take(one, 2).is_some());
        drop(second);
        assert!(seats.by_addr().is_empty());
    }
}
