//! Settings that may change while the broker runs (Java: `Configuration`): those that every request asks for
//! as atomics, and behind them all sections as they stand, for codes 25 and 26. Which keys may change is the
//! sections' own to say.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::broker::BrokerConfig;
use crate::config::file::FileError;
use crate::config::remoting::{NettyClientConfig, NettyServerConfig};
use crate::config::store::MessageStoreConfig;
use crate::config::{self, Entry, Problem, ProblemKind};
use crate::protocol::body::topic::DataVersion;
use crate::remoting::SerializeType;
use crate::remoting::tls::TlsSettings;
use crate::store::Progress;

/// What a broker is started with.
#[derive(Debug, Clone, Default)]
pub struct Configs {
    pub broker: BrokerConfig,
    pub server: NettyServerConfig,
    pub client: NettyClientConfig,
    pub store: MessageStoreConfig,
    /// The operator's file (`-c`), to which changes at run time are written.
    pub file: Option<PathBuf>,
    /// Where to listen; every address by default, as Java.
    pub bind_ip: Option<IpAddr>,
    /// The header form of what we send (Java: `rocketmq.serialize.type`).
    pub serialize_type: SerializeType,
    /// The properties `tls.*`.
    pub tls: TlsSettings,
    /// Hears how far a recovery of the store is.
    pub progress: Progress,
    /// Hears what an operator should know at once.
    pub doubts: Doubts,
    /// Where `httpPort` is taken, one of the next ports will do.
    pub http_or_next: bool,
}

/// Told of what is odd about a start that has gone well. The log has it, too; a console shows it at once.
#[derive(Clone)]
pub struct Doubts(pub Arc<dyn Fn(&str) + Send + Sync>);

impl Doubts {
    pub(super) fn tell(&self, what: &str) {
        (self.0)(what);
    }
}

impl Default for Doubts {
    fn default() -> Doubts {
        Doubts(Arc::new(|_| ()))
    }
}

impl fmt::Debug for Doubts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doubts")
    }
}

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Among them one that may not change while the broker runs.
    #[error("{0}")]
    Fixed(Box<Problem>),
    /// Among them one that does not fit, or that nobody knows.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

struct Sections {
    configs: Configs,
    version: DataVersion,
}

macro_rules! live {
    ($($(#[$doc:meta])* $field:ident: $atomic:ident as $type:ty;)*) => {
        /// The settings as they stand now.
        pub struct Live {
            sections: Mutex<Sections>,
            $($field: $atomic,)*
        }

        impl Live {
            /// The settings at the start.
            pub fn new(configs: Configs, now_ms: i64) -> Live {
                Live {
                    $($field: $atomic::new(configs.broker.$field),)*
                    sections: Mutex::new(Sections { configs, version: DataVersion::new(now_ms) }),
                }
            }

            fn publish(&self, broker: &BrokerConfig) {
                $(self.$field.store(broker.$field, Relaxed);)*
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
    /// A send to an unknown topic creates it.
    auto_create_topic_enable: AtomicBool as bool;
    /// An unknown consumer group is created.
    auto_create_subscription_group: AtomicBool as bool;
    /// Half messages are refused.
    reject_transaction_message: AtomicBool as bool;
    /// Half messages younger than this are left alone, ms.
    transaction_time_out: AtomicI64 as i64;
    /// Times that a producer is asked what becomes of a half message.
    transaction_check_max: AtomicI32 as i32;
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
    /// Groups too far behind lose `consumeEnable`.
    disable_consume_if_consumer_read_slowly: AtomicBool as bool;
    /// How far that is, bytes.
    consumer_fallbehind_threshold: AtomicI64 as i64;
    /// SQL92 filters are evaluated when a message is stored.
    enable_calc_filter_bit_map: AtomicBool as bool;
    /// SQL92 filters also apply to retried messages.
    filter_support_retry: AtomicBool as bool;
    /// Filters of absent consumers are dropped after this time, ms.
    filter_data_clean_time_span: AtomicI64 as i64;
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
    /// All settings as they stand.
    pub fn configs(&self) -> Configs {
        self.sections().configs.clone()
    }

    /// Every key and value, and their version (code 26).
    pub fn dump(&self) -> (String, DataVersion) {
        let sections = self.sections();
        let Configs { broker, server, client, store, .. } = &sections.configs;
        (config::dump(&[broker, server, client, store]), sections.version)
    }

    /// Changes settings, all or none, here and in the operator's file; gives the keys that changed. Blocks.
    pub fn update(&self, entries: &[Entry], now_ms: i64) -> Result<Vec<String>, UpdateError> {
        let mut sections = self.sections();
        let mut next = sections.configs.clone();
        let Configs { broker, server, client, store, .. } = &mut next;
        let changed = config::update(&mut [broker, server, client, store], entries).map_err(refusal)?;
        if changed.is_empty() {
            return Ok(changed);
        }
        if let Some(path) = &next.file {
            config::file::change_settings(path, &changed, entries)?;
        }
        self.publish(&next.broker);
        sections.configs = next;
        sections.version.next_version(now_ms);
        Ok(changed)
    }

    fn sections(&self) -> MutexGuard<'_, Sections> {
        self.sections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The problem that the caller is told of: what must not be changed before what is only mistyped.
fn refusal(mut problems: Vec<Problem>) -> UpdateError {
    match problems.iter().position(|problem| problem.kind == ProblemKind::Fixed) {
        Some(at) => UpdateError::Fixed(Box::new(problems.swap_remove(at))),
        None => UpdateError::Refused(Box::new(problems.swap_remove(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn live(file: Option<PathBuf>) -> Live {
        Live::new(Configs { file, ..Configs::default() }, 0)
    }

    fn entries(settings: &[(&str, &str)]) -> Vec<Entry> {
        settings.iter().map(|(key, value)| Entry::new(key, value, Origin::Request)).collect()
    }

    #[test]
    fn changes_go_to_the_file_and_count_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broker.conf");
        std::fs::write(&file, "# mine\nbrokerName=a\nbrokerPermission=6\n").unwrap();
        let live = live(Some(file.clone()));
        let changed = live.update(&entries(&[("brokerPermission", "4"), ("traceOn", "true")]), 5).unwrap();
        assert_eq!(changed, ["brokerPermission"]);
        assert_eq!(live.broker_permission(), 4);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\nbrokerName=a\nbrokerPermission=4\n");
        let (text, version) = live.dump();
        assert!(text.contains("\nbrokerPermission=4\n"), "{text}");
        assert_eq!(version, DataVersion { counter: 1, timestamp: 5 });
    }

    #[test]
    fn paths_and_addresses_never_change() {
        let live = live(None);
        let check = |settings: &[(&str, &str)], fixed: bool, names: &str| {
            let error = live.update(&entries(settings), 5).unwrap_err();
            assert_eq!(matches!(error, UpdateError::Fixed(_)), fixed, "{error}");
            assert!(error.to_string().contains(names), "{error}");
        };
        check(&[("storePathRootDir", "/tmp/x")], true, "storePathRootDir");
        check(&[("flushDiskType", "SYNC_FLUSH")], true, "flushDiskType");
        check(&[("traceOn", "false"), ("rocketmqHome", "/tmp/x")], true, "rocketmqHome");
        check(&[("nonsense", "1"), ("namesrvAddr", "1.2.3.4:5")], true, "namesrvAddr");
        check(&[("brokerPermission", "x")], false, "brokerPermission");
        check(&[("nonsense", "1")], false, "nonsense");
        assert!(live.trace_on());
        assert_eq!(live.dump().1.counter, 0);
    }
}
