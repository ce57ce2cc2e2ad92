//! config store.
