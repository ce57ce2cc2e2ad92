//! What requests and replies carry as a JSON body (Java: `protocol.body`, `protocol.route`,
//! `protocol.heartbeat`, `admin`), by family. Fields that a sender leaves out take Java's field initialisers.
//! Printed and parsed by `compat::json`, which knows fastjson's dialect: it sorts the fields, prints integer
//! and object keys as Java does and is lenient where Java's reader is.

pub mod admin;
pub mod client;
pub mod group;
pub mod ha;
pub mod heartbeat;
pub mod offset;
pub mod queue;
pub mod register;
pub mod route;
pub mod stats;
pub mod topic;

#[cfg(test)]
mod tests;
