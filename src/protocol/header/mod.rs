//! The fields that requests and replies carry beside their body (Java: every `*RequestHeader` and
//! `*ResponseHeader`), by family. They are flat, and (de)serialised by `strmap`.
//!
//! A field has no default only where the request means nothing without it. Java's own `@CFNotNull` is not
//! enforced there: a missing field fails only once it is used, and clients of other versions and languages
//! send fewer fields than 4.3.0.

pub mod admin;
pub mod client;
pub mod offset;
pub mod pull;
pub mod query;
pub mod route;
pub mod send;
pub mod topic;
pub mod transaction;

/// The header of a request or reply that has none: any extension fields are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NoHeader {}
