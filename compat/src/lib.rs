//! Java's behaviour as pure functions; each names its Java class.
