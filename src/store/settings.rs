//! Settings of the store that may change while it runs, as numbers that are read without a lock. Which keys these are is
//! `config::store`'s to say; all others stand in the configuration of the start.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::config::store::MessageStoreConfig;

macro_rules! settings {
    ($($field:ident: $atomic:ident as $type:ty;)*) => {
        /// The settings as they are now.
        pub struct Settings {
            delete_when: Mutex<String>,
            $($field: $atomic,)*
        }

        impl Settings {
            /// As configured at the start.
            pub fn new(config: &MessageStoreConfig) -> Settings {
                Settings {
                    delete_when: Mutex::new(config.delete_when.clone()),
                    $($field: $atomic::new(config.$field),)*
                }
            }

            /// As they are from now on.
            pub fn set(&self, config: &MessageStoreConfig) {
                self.delete_when.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&config.delete_when);
                $(self.$field.store(config.$field, Relaxed);)*
            }

            $(pub fn $field(&self) -> $type {
                self.$field.load(Relaxed)
            })*
        }
    };
}

settings! {
    flush_interval_commit_log: AtomicI32 as i32;
    flush_commit_log_timed: AtomicBool as bool;
    flush_commit_log_least_pages: AtomicI32 as i32;
    flush_commit_log_thorough_interval: AtomicI32 as i32;
    flush_interval_consume_queue: AtomicI32 as i32;
    flush_consume_queue_least_pages: AtomicI32 as i32;
    flush_consume_queue_thorough_interval: AtomicI32 as i32;
    max_transfer_bytes_on_message_in_memory: AtomicI32 as i32;
    max_transfer_count_on_message_in_memory: AtomicI32 as i32;
    max_transfer_bytes_on_message_in_disk: AtomicI32 as i32;
    max_transfer_count_on_message_in_disk: AtomicI32 as i32;
    access_message_in_memory_max_ratio: AtomicI32 as i32;
    max_message_size: AtomicI32 as i32;
    sync_flush_timeout: AtomicI32 as i32;
    os_page_cache_busy_time_out_mills: AtomicI64 as i64;
    offset_check_in_slave: AtomicBool as bool;
    file_reserved_time: AtomicI32 as i32;
    disk_max_used_space_ratio: AtomicI32 as i32;
    disk_space_warning_level_ratio: AtomicI32 as i32;
    disk_space_clean_forcibly_ratio: AtomicI32 as i32;
    clean_file_forcibly_enable: AtomicBool as bool;
    delete_commit_log_files_interval: AtomicI32 as i32;
    delete_consume_queue_files_interval: AtomicI32 as i32;
    ha_slave_fallbehind_max: AtomicI32 as i32;
    default_query_max_num: AtomicI32 as i32;
    max_msgs_num_batch: AtomicI32 as i32;
}

impl Settings {
    /// Hours of the day in which old files are deleted, as in `04;16`.
    pub fn delete_when(&self) -> String {
        self.delete_when.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
