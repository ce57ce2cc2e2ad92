//! What is said on the wire: plain data, no I/O.

pub mod body;
pub mod code;
pub mod faq;
pub mod header;
pub(crate) mod java_enum;
pub mod message;
pub mod perm;
pub mod request_code;
pub mod response_code;
pub mod sys_flag;
pub mod topic;
pub mod version;
