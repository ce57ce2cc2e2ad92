//! Java's behaviour as pure functions; each module names the Java class whose ways it keeps. No I/O, nothing of
//! the server's: what is here exists only because Java does it so.

pub mod hash;
pub mod id;
pub mod json;
pub mod language;
pub mod number;
pub mod properties;
