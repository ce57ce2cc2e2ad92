//! Differential tests: our code and the real 4.3.0 classes, in one process through JNI, over thousands of generated
//! inputs each. A case is the same on every run: its generator is seeded.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bodies;
mod commands;
mod filter;
mod headers;
mod items;
mod messages;
mod oracle;
mod random;
mod replies;
mod texts;
