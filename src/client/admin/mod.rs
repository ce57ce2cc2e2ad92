//! Calls that only tools make.
mod groups;
pub mod messages;
pub mod tools;
