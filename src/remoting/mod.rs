//! remoting.
