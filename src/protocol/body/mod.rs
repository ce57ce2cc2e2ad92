//! What requests and replies carry as a JSON body (Java: `protocol.body`, `protocol.route`,
//! `protocol.heartbeat`, `admin`), by family. Fields that a sender leaves out take Java's field initialisers.
//! Printed and parsed by `compat::json`, which knows fastjson's dialect.

pub mod topic;
