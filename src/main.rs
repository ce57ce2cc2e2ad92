//! The `rocketmq` program.
fn main() {}
