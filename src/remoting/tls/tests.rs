//! What settings and files make of TLS, and handshakes without a socket.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
