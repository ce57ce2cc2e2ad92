//! The transport (Java: `org.apache.rocketmq.remoting`): frames, the two header serializations, connections,
//! servers, clients and the table that leads a code to its handler. It knows no request code's meaning.
//!
//! Bytes come in through [`connection`], which cuts frames ([`codec`]), and hands each [`command::Command`] to a
//! [`Service`]; servers use a [`router::Router`] as their service.

pub mod account;
pub mod binary_header;
mod bind_error;
mod buffers;
pub mod client;
pub mod codec;
pub mod command;
pub mod connection;
pub mod json_header;
pub mod peer;
pub mod router;
pub mod server;
pub mod tls;
pub mod waiting;

pub use bind_error::BindError;
pub use command::{Body, Command, Response, SerializeType};
pub use peer::{InvokeError, Peer};
pub use router::{Answer, Fault, Request, Router, Service, Waiting};

/// `RemotingSysResponseCode.SUCCESS`.
pub const SUCCESS: i32 = 0;
/// `RemotingSysResponseCode.SYSTEM_ERROR`.
pub const SYSTEM_ERROR: i32 = 1;
/// `RemotingSysResponseCode.SYSTEM_BUSY`.
pub const SYSTEM_BUSY: i32 = 2;
/// `ResponseCode.NO_PERMISSION`: who asks may not.
pub const NO_PERMISSION: i32 = 16;
/// `RemotingSysResponseCode.REQUEST_CODE_NOT_SUPPORTED`.
pub const REQUEST_CODE_NOT_SUPPORTED: i32 = 3;
