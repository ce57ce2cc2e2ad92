//! What is said on the wire: plain data, no I/O.

pub mod body;
pub mod code;
pub mod header;
pub mod message;
pub mod request_code;
pub mod response_code;
