//! Configuration: one struct per Java config class; a field is Java's key in snake_case.

pub mod broker;
pub mod namesrv;
pub mod remoting;
pub mod store;
