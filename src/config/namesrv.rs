//! config namesrv.
