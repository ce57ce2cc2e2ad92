//! haStatus, of 5.x: how replication is. Java: `HAStatusSubCommand` of 5.x.

use std::time::Duration;

use serde_json::json;

use super::text::{fixed, human_string2};
use super::{Failure, Session};
use crate::protocol::body::ha::{HaClientRuntimeInfo, HaConnectionRuntimeInfo, HaRuntimeInfo};

/// Seconds between two looks where -i is empty.
const INTERVAL_S: u64 = 3;
const BYTES_OF_KB: f64 = 1024.0;

/// haStatus
pub async fn status(session: &mut Session) -> Result<(), Failure> {
    let interval_s: Option<u64> = match session.value("i") {
        Some(text) if text.is_empty() => Some(INTERVAL_S),
        Some(_) => Some(session.number("i")?),
        None => None,
    };
    loop {
        let shown = show(session).await;
        let Some(interval_s) = interval_s else { return shown };
        match shown {
            Err(failure @ Failure::Usage(_)) => return Err(failure),
            Err(failure) => session.complain(&failure),
            Ok(()) => {}
        }
        tokio::time::sleep(Duration::from_secs(interval_s)).await;
    }
}

async fn show(session: &mut Session) -> Result<(), Failure> {
    let addrs = match (session.value("b"), session.value("c")) {
        (Some(broker), _) => vec![broker],
        (None, Some(cluster)) => session.masters(&cluster).await?,
        (None, None) => return Err(Failure::nowhere()),
    };
    let tools = session.tools();
    let mut failures = session.failures();
    for addr in addrs {
        match tools.calls.ha_status(&addr).await {
            Ok(info) => {
                let text =
                    if info.master { master(&addr, &info) } else { slave(&info.ha_client_runtime_info) };
                session.out.put(&text, || json!({"brokerAddr": addr, "haRuntimeInfo": info}));
            }
            Err(error) => failures.note(Err(error.into())),
        }
    }
    failures.result()
}

fn row(columns: [&str; 6]) -> String {
    let [addr, ack, diff, speed, status, from] = columns;
    format!("{addr:<32}  {ack:<16} {diff:>16} {speed:>16} {status:>16} {from:>16}\n")
}

fn speed(bytes: i64) -> String {
    fixed(bytes as f64 / BYTES_OF_KB, 2)
}

fn master(addr: &str, info: &HaRuntimeInfo) -> String {
    let mut text = format!(
        "\n#MasterAddr\t{addr}\n#MasterCommitLogMaxOffset\t{}\n#SlaveNum\t{}\n#InSyncSlaveNum\t{}\n",
        info.master_commit_log_max_offset,
        info.ha_connection_info.len(),
        info.in_sync_slave_nums
    );
    text += &row([
        "#SlaveAddr",
        "#SlaveAckOffset",
        "#Diff",
        "#TransferSpeed(KB/s)",
        "#Status",
        "#TransferFromWhere",
    ]);
    text + &info.ha_connection_info.iter().map(connection).collect::<String>()
}

fn connection(info: &HaConnectionRuntimeInfo) -> String {
    row([
        &info.addr,
        &info.slave_ack_offset.to_string(),
        &info.diff.to_string(),
        &speed(info.transferred_byte_in_second),
        if info.in_sync { "OK" } else { "Fall Behind" },
        &info.transfer_from_where.to_string(),
    ])
}

fn slave(info: &HaClientRuntimeInfo) -> String {
    format!(
        "\n#MasterAddr\t{}\n#CommitLogMaxOffset\t{}\n#TransferSpeed(KB/s)\t{}\n#LastReadTime\t{}\n#LastWriteTime\t{}\n\
         #MasterFlushOffset\t{}\n",
        info.master_addr.as_deref().unwrap_or("null"),
        info.max_offset,
        speed(info.transferred_byte_in_second),
        human_string2(info.last_read_timestamp),
        human_string2(info.last_write_timestamp),
        info.master_flush_offset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_as_java_prints_them() {
        let link = HaConnectionRuntimeInfo {
            addr: "127.0.0.1:5".to_owned(),
            diff: 3,
            in_sync: true,
            slave_ack_offset: 7,
            transfer_from_where: 10,
            transferred_byte_in_second: 1536,
        };
        let info = HaRuntimeInfo {
            ha_connection_info: vec![link],
            in_sync_slave_nums: 1,
            master: true,
            master_commit_log_max_offset: 10,
            ..HaRuntimeInfo::default()
        };
        let gap = |blanks: usize| " ".repeat(blanks);
        let expected = format!(
            "\n#MasterAddr\ta:1\n#MasterCommitLogMaxOffset\t10\n#SlaveNum\t1\n#InSyncSlaveNum\t1\n\
             #SlaveAddr{}#SlaveAckOffset {}#Diff #TransferSpeed(KB/s) {}#Status #TransferFromWhere\n\
             127.0.0.1:5{}7{}3{}1.50{}OK{}10\n",
            gap(24),
            gap(12),
            gap(9),
            gap(23),
            gap(31),
            gap(13),
            gap(15),
            gap(15)
        );
        assert_eq!(master("a:1", &info), expected);
        let link = HaClientRuntimeInfo { max_offset: 5, ..HaClientRuntimeInfo::default() };
        let text = slave(&link);
        assert!(
            text.starts_with("\n#MasterAddr\tnull\n#CommitLogMaxOffset\t5\n#TransferSpeed(KB/s)\t0.00\n")
        );
        assert!(text.ends_with("\n#MasterFlushOffset\t0\n"));
    }
}
