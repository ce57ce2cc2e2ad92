//! What tools ask and tell, beyond what clients do. Java: `DefaultMQAdminExt`.

mod groups;
pub mod messages;
pub mod tools;
mod topics;
