//! What tools ask and tell, beyond what clients do. Java: `DefaultMQAdminExt`.

mod brokers;
mod groups;
pub mod messages;
mod namesrv;
pub mod tools;
mod topics;
