//! config remoting.
