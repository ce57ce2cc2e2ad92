//! Apache RocketMQ 4.3.0 name server and broker, in Rust.
