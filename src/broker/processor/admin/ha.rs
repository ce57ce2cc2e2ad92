//! How replication is (907). Java: `AdminBrokerProcessor.getBrokerHaStatus` of 5.x; 4.3.0 only logs it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::broker::Broker;
use crate::broker::processor::reply;
use crate::protocol::body::ha::{HaClientRuntimeInfo, HaConnectionRuntimeInfo, HaRuntimeInfo};
use crate::protocol::header::NoHeader;
use crate::remoting::{Fault, Request, Response};

/// Code 907.
pub fn get_broker_ha_status(broker: &Arc<Broker>, _request: Request<NoHeader>) -> Result<Response, Fault> {
    Ok(reply(&if broker.is_slave() { of_slave(broker) } else { of_master(broker) }))
}

fn of_slave(broker: &Broker) -> HaRuntimeInfo {
    let progress = &broker.following.progress;
    let link = HaClientRuntimeInfo {
        activated: progress.is_connected.load(Ordering::Relaxed),
        last_error: progress.ended(),
        last_read_timestamp: progress.read_ms.load(Ordering::Relaxed),
        last_write_timestamp: progress.wrote_ms.load(Ordering::Relaxed),
        master_addr: broker.following.ha_addr(),
        master_flush_offset: 0,
        max_offset: broker.store.max_commit_log_offset(),
        transferred_byte_in_second: progress.rate.per_second(broker.now_ms()),
    };
    HaRuntimeInfo { ha_client_runtime_info: link, ..HaRuntimeInfo::default() }
}

fn of_master(broker: &Broker) -> HaRuntimeInfo {
    let slaves = broker.store.replicas().slaves(broker.now_ms());
    // Behind the slaves' words: nobody is ahead of what he has acknowledged (#323).
    let end = broker.store.max_commit_log_offset();
    let fall_behind_max = broker.store.settings().ha_slave_fallbehind_max();
    let connections: Vec<HaConnectionRuntimeInfo> = slaves
        .into_iter()
        .map(|slave| {
            let diff = (end - slave.acked).max(0);
            HaConnectionRuntimeInfo {
                addr: slave.addr,
                diff,
                in_sync: diff < i64::from(fall_behind_max),
                slave_ack_offset: slave.acked,
                transfer_from_where: slave.sent,
                transferred_byte_in_second: slave.bytes_per_second,
            }
        })
        .collect();
    HaRuntimeInfo {
        in_sync_slave_nums: connections.iter().filter(|it| it.in_sync).count() as i32,
        ha_connection_info: connections,
        master: true,
        master_commit_log_max_offset: end,
        ha_client_runtime_info: HaClientRuntimeInfo::default(),
    }
}
