//! Administration (Java: `AdminBrokerProcessor`), by family.

pub mod config;
pub mod consumer;
pub mod group;
pub mod ha;
pub mod lock;
pub mod offset;
pub mod progress;
pub mod queue;
pub mod stats;
pub mod topic;
