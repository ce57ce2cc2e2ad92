//! Settings that may change while the broker runs: those that every request asks for as atomics, and behind
//! them all sections as they stand, for codes 25 and 26. Which keys may change is the sections' own to say.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::broker::BrokerConfig;

macro_rules! live {
    ($($(#[$doc:meta])* $field:ident: $atomic:ident as $type:ty;)*) => {
        /// The broker's settings as they stand now.
        pub struct Live {
            sections: Mutex<BrokerConfig>,
            $($field: $atomic,)*
        }

        impl Live {
            /// The settings at the start.
            pub fn new(broker: BrokerConfig) -> Live {
                Live { $($field: $atomic::new(broker.$field),)* sections: Mutex::new(broker) }
            }

            /// Takes changed settings.
            pub fn set(&self, broker: BrokerConfig) {
                $(self.$field.store(broker.$field, Relaxed);)*
                *self.sections() = broker;
            }

            $($(#[$doc])* pub fn $field(&self) -> $type {
                self.$field.load(Relaxed)
            })*
        }
    };
}

live! {
    /// What the whole broker allows, bits of `protocol::perm`.
    broker_permission: AtomicI32 as i32;
    /// Half messages are refused.
    reject_transaction_message: AtomicBool as bool;
    /// A pull that finds nothing is held as long as it asks for.
    long_polling_enable: AtomicBool as bool;
    /// How long it is held otherwise, ms.
    short_polling_time_mills: AtomicI64 as i64;
    /// Members of a group are told when others come or go.
    notify_consumer_ids_changed_enable: AtomicBool as bool;
    /// Consumers far behind are sent to a slave.
    slave_read_enable: AtomicBool as bool;
    /// Sends are refused before this time, ms since 1970.
    start_accept_send_request_time_stamp: AtomicI64 as i64;
    /// TRACE_ON in replies to sends.
    trace_on: AtomicBool as bool;
    /// SQL92 subscriptions are allowed.
    enable_property_filter: AtomicBool as bool;
    /// An auto-created topic is created on the other masters of its cluster, too.
    auto_create_topic_on_cluster: AtomicBool as bool;
    /// Registrations are compressed.
    compressed_register: AtomicBool as bool;
    /// Registers without asking first whether anything changed.
    force_register: AtomicBool as bool;
    /// Longest wait for a name server's answer to a registration, ms.
    register_broker_timeout_mills: AtomicI32 as i32;
}

impl Live {
    /// All settings of the broker's own section.
    pub fn broker(&self) -> BrokerConfig {
        self.sections().clone()
    }

    fn sections(&self) -> MutexGuard<'_, BrokerConfig> {
        self.sections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
