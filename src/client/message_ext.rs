//! message_ext.
