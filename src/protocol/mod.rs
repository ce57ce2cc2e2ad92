//! What is said on the wire: plain data, no I/O.

pub mod message;
