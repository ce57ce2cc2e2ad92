//! A port that cannot be listened on, in words that say what to do. Servers fail to start with it; it opens nothing itself.

use std::fmt;
use std::io::{self, ErrorKind};

/// Why a port is not listened on.
#[derive(Debug)]
pub struct BindError {
    /// The port's name, as an operator knows it.
    pub what: &'static str,
    pub port: u16,
    /// What to set for another port.
    pub key: &'static str,
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { what, port, key, error } = self;
        let cause = match error.kind() {
            ErrorKind::AddrInUse => "Another program has it",
            ErrorKind::PermissionDenied => "It needs privileges",
            ErrorKind::AddrNotAvailable => "This machine does not have the address",
            _ => "Another program has it, or it needs privileges",
        };
        write!(
            f,
            "{what} {port} cannot be listened on: {error}. {cause}: see `ss -ltnp`, or set another {key}"
        )
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
