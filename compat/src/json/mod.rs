//! The JSON dialect of fastjson 1.2.29 (Java: `RemotingSerializable`, `com.alibaba.fastjson.JSON`): what it
//! accepts, which is far more than JSON, and how it prints. Not a general JSON library: it serves the bodies
//! and files of RocketMQ.
//!
//! Printing differs from JSON in three ways: a struct's fields stand in the order of their names, what is null
//! is left out, and map keys that are not strings stand bare (`{0:"a"}`, `{{"queueId":0}:1}`). On the wire we
//! quote integer keys, which every known reader accepts, strict ones included ([`to_vec`]); files keep Java's
//! form ([`to_pretty_java`]).

mod parse;
mod read;
mod write;

pub use parse::parse;
pub use read::{from_slice, from_value};
pub use write::{java_double, java_float, needs_escape, to_pretty_java, to_vec, to_vec_java, write_escape};

/// Nested arrays and objects past which a text is refused: no peer's body is deeper than ten.
pub const DEPTH_MAX: usize = 128;

/// A parsed text. Object keys may be anything; their order is kept, repeated ones too.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    Array(Vec<Value>),
    Object(Vec<(Value, Value)>),
}

/// Why a text is not read or a value not printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is damaged.
    #[error("JSON is damaged at byte {at}: {what}")]
    Syntax { at: usize, what: &'static str },
    /// The text is sound and does not fit the type.
    #[error("{0}")]
    Data(String),
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Error {
        Error::Data(message.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Error {
        Error::Data(message.to_string())
    }
}

#[cfg(test)]
mod tests;
