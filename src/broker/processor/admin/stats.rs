//! The broker's state in figures (28). Java: `AdminBrokerProcessor.prepareRuntimeInfo`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::processor::reply;
use crate::protocol::body::route::KVTable;
use crate::protocol::header::NoHeader;
use crate::protocol::message::MessageRef;
use crate::protocol::topic::SCHEDULE_TOPIC;
use crate::protocol::version;
use crate::remoting::router::Pool;
use crate::remoting::{Fault, Request, Response};

/// Code 28.
pub fn get_broker_runtime_info(broker: &Arc<Broker>, _request: Request<NoHeader>) -> Result<Response, Fault> {
    let mut table = BTreeMap::new();
    let mut put = |key: &str, value: String| {
        table.insert(key.to_owned(), value);
    };
    put("brokerVersionDesc", version::version_desc(version::CURRENT).into_owned());
    put("brokerVersion", version::CURRENT.to_string());
    put("bootTimestamp", broker.boot_ms.to_string());
    put("runtime", format_runtime(broker.now_ms() - broker.boot_ms));
    put("startAcceptSendRequestTimeStamp", broker.live.start_accept_send_request_time_stamp().to_string());
    for (key, value) in broker.stats.runtime_info() {
        put(key, value);
    }
    pools(broker, &mut put);
    store(broker, &mut put);
    Ok(reply(&KVTable { table }))
}

fn pools(broker: &Broker, put: &mut impl FnMut(&str, String)) {
    // Sends have no queue: their connections' tasks handle them.
    put("sendThreadPoolQueueSize", "0".to_owned());
    put("sendThreadPoolQueueCapacity", broker.config.send_thread_pool_queue_capacity.to_string());
    put("sendThreadPoolQueueHeadWaitTimeMills", "0".to_owned());
    let mut pool = |name: &str, pool: &Pool, capacity: i32| {
        let waiting = pool.waiting();
        put(&format!("{name}ThreadPoolQueueSize"), waiting.count.to_string());
        put(&format!("{name}ThreadPoolQueueCapacity"), capacity.to_string());
        let head_ms = waiting.longest.as_millis();
        put(&format!("{name}ThreadPoolQueueHeadWaitTimeMills"), head_ms.to_string());
    };
    let (pools, config) = (&broker.pools, &broker.config);
    pool("pull", &pools.pull, config.pull_thread_pool_queue_capacity);
    pool("query", &pools.query, config.query_thread_pool_queue_capacity);
}

fn store(broker: &Broker, put: &mut impl FnMut(&str, String)) {
    let store = &broker.store;
    put("dispatchMaxBuffer", "0".to_owned());
    put("commitLogMinOffset", store.min_commit_log_offset().to_string());
    put("commitLogMaxOffset", store.max_commit_log_offset().to_string());
    put("dispatchBehindBytes", store.dispatch_behind_bytes().to_string());
    // No transient pool: Java prints the largest number then.
    put("remainTransientStoreBufferNumbs", i32::MAX.to_string());
    let to_flush = (store.max_commit_log_offset() - store.flushed_offset()).max(0).cast_unsigned();
    put("remainHowManyDataToFlush", human_size(to_flush));
    put("pageCacheLockTimeMills", store.append_locked_ms().to_string());
    for (level, offset) in broker.schedule.snapshot().offset_table {
        let max = store.max_offset(SCHEDULE_TOPIC, level - 1);
        put(&format!("scheduleMessageOffset_{level}"), format!("{offset},{max}"));
    }
    put("earliestMessageTimeStamp", earliest_message(broker).to_string());
    let root = Path::new(&broker.store_config.store_path_root_dir);
    let status = store.status();
    put("commitLogDiskRatio", compat::json::java_double(status.commit_log_ratio));
    put("consumeQueueDiskRatio", compat::json::java_double(status.consume_queue_ratio));
    if let Some((total, free)) = disk_space(root) {
        put("commitLogDirCapacity", format!("Total : {}, Free : {}.", human_size(total), human_size(free)));
    }
}

/// Store time of the log's first message; -1 where there is none.
fn earliest_message(broker: &Broker) -> i64 {
    let record = broker.store.message_at(broker.store.min_commit_log_offset());
    let time =
        record.and_then(|record| MessageRef::take(&mut &*record).ok().map(|message| message.store_timestamp));
    time.unwrap_or(-1)
}

/// Bytes in all, and bytes free.
fn disk_space(folder: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some((stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bfree.saturating_mul(stat.f_frsize)))
}

/// Java: `MessageStoreConfig`'s `UtilAll.humanReadableByteCount(bytes, false)`.
fn human_size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = (bytes as f64).log(1024.0).floor().clamp(1.0, 6.0);
    let unit = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][exponent as usize - 1];
    format!("{:.1} {unit}B", bytes as f64 / 1024f64.powf(exponent))
}

/// Java: `StoreStatsService.getFormatRuntime`.
fn format_runtime(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_as_java_does() {
        let check = |bytes: u64, expected: &str| assert_eq!(human_size(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(1536, "1.5 KiB");
        check(252 << 30, "252.0 GiB");
    }

    #[test]
    fn the_time_since_the_start_is_printed_as_java_does() {
        let check = |millis: i64, expected: &str| assert_eq!(format_runtime(millis), expected);
        check(0, "[ 0 days, 0 hours, 0 minutes, 0 seconds ]");
        check(93_784_999, "[ 1 days, 2 hours, 3 minutes, 4 seconds ]");
    }
}
