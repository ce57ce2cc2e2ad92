//! config broker.
