//! Flat maps of strings.
