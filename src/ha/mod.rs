//! Replication of the commit log (Java: `HAService`, `HAConnection`): a master sends the bytes of its log to every slave
//! that connects, a slave appends them and says how far it is. What brokers tell each other beside that, topics, groups
//! and offsets, is the broker's.
//!
//! Plain TCP, all numbers big-endian:
//!
//! | direction | bytes | content |
//! |---|---|---|
//! | slave to master | 8 | log offset up to which the slave has everything: its wish at first, then its acknowledgement; also its heartbeat |
//! | master to slave | 12 + n | log offset 8, n 4, n bytes of the log from there; n = 0 is a heartbeat |
//!
//! Frames never cross the end of a log file and are cut anywhere else.

mod master;
mod slave;

use std::time::Duration;

use crate::config::store::MessageStoreConfig;

pub use master::{Master, Peers};
pub use slave::{Progress, Slave, Target};

/// Of the sockets, as in Java.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_BYTES: usize = 12;

/// How both sides behave; Java's keys.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// `haSendHeartbeatInterval`: with nothing to say something is said after this time.
    pub heartbeat: Duration,
    /// `haHousekeepingInterval`: who hears nothing for so long hangs up.
    pub housekeeping: Duration,
    /// `haTransferBatchSize`: bytes of a frame.
    pub batch_bytes: usize,
}

impl Timing {
    /// As configured.
    pub fn of(config: &MessageStoreConfig) -> Timing {
        let millis = |number: i32, default: u64| {
            Duration::from_millis(u64::try_from(number).ok().filter(|millis| *millis > 0).unwrap_or(default))
        };
        Timing {
            heartbeat: millis(config.ha_send_heartbeat_interval, 5000),
            housekeeping: millis(config.ha_housekeeping_interval, 20_000),
            batch_bytes: usize::try_from(config.ha_transfer_batch_size)
                .ok()
                .filter(|it| *it > 0)
                .unwrap_or(32_768),
        }
    }
}
