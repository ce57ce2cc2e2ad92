//! clusterList: every broker with what it is doing. Java: `ClusterListSubCommand`.

use std::time::Duration;

use serde_json::json;

use super::text::{fixed, now_ms};
use super::{Failure, Failures, Session};
use crate::client::admin::tools::Tools;
use crate::protocol::body::route::{ClusterInfo, KVTable};

const MS_OF_HOUR: f64 = 3_600_000.0;

/// A broker as the name server knows it.
#[derive(Debug, Clone, Copy)]
struct Broker<'a> {
    cluster: &'a str,
    name: &'a str,
    id: i64,
    addr: &'a str,
}

fn brokers(info: &ClusterInfo) -> Vec<Broker<'_>> {
    let mut brokers = Vec::new();
    for (cluster, names) in &info.cluster_addr_table {
        for (name, data) in names.iter().filter_map(|name| info.broker_addr_table.get_key_value(name)) {
            let addrs = data.broker_addrs.iter();
            brokers.extend(addrs.map(|(id, addr)| Broker { cluster, name, id: *id, addr }));
        }
    }
    brokers
}

/// clusterList
pub async fn list(session: &mut Session) -> Result<(), Failure> {
    let interval_s: Option<u64> = if session.has("i") { Some(session.number("i")?) } else { None };
    let has_more = session.has("m");
    loop {
        let listed = list_once(session, has_more).await;
        let Some(interval_s) = interval_s else { return listed };
        // One time that nobody answers does not end it.
        if let Err(failure) = listed {
            session.complain(&failure);
        }
        tokio::time::sleep(Duration::from_secs(interval_s)).await;
    }
}

async fn list_once(session: &mut Session, has_more: bool) -> Result<(), Failure> {
    let tools = session.tools();
    let info = tools.cluster_info().await?;
    session.out.text(&if has_more { more_header() } else { base_header() });
    let mut failures = session.failures();
    for broker in brokers(&info) {
        let table = figures(&tools, broker.addr, &mut failures).await;
        let is_there = table.is_some();
        let table = table.unwrap_or_default();
        let text = if has_more {
            more_row(&broker, &table)
        } else if is_there {
            base_row(&broker, &table, now_ms())
        } else {
            row_of_silent(&broker)
        };
        session.out.put(&text, || {
            json!({
                "cluster": broker.cluster,
                "brokerName": broker.name,
                "brokerId": broker.id,
                "addr": broker.addr,
                "runtime": is_there.then_some(&table.table),
            })
        });
    }
    failures.result()
}

async fn figures(tools: &Tools, addr: &str, failures: &mut Failures) -> Option<KVTable> {
    match tools.calls.broker_runtime_info(addr).await {
        Ok(table) => Some(table),
        Err(error) => {
            failures.note(Err(error.into()));
            None
        }
    }
}

fn text_of<'a>(table: &'a KVTable, key: &str) -> &'a str {
    table.table.get(key).map_or("null", String::as_str)
}

/// The first of a figure's three times.
fn first_of(table: &KVTable, key: &str) -> f64 {
    let first = table.table.get(key).and_then(|value| value.split(' ').next());
    first.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

fn base_line(columns: [&str; 10]) -> String {
    let [cluster, name, id, addr, version, incoming, outgoing, wait, hour, space] = columns;
    format!(
        "{cluster:<16}  {name:<22}  {id:<4}  {addr:<22} {version:<16} {incoming:>19} {outgoing:>19} {wait:>10} {hour:>5} \
         {space:>6}\n"
    )
}

fn base_header() -> String {
    base_line([
        "#Cluster Name",
        "#Broker Name",
        "#BID",
        "#Addr",
        "#Version",
        "#InTPS(LOAD)",
        "#OutTPS(LOAD)",
        "#PCWait(ms)",
        "#Hour",
        "#SPACE",
    ])
}

fn base_row(broker: &Broker<'_>, table: &KVTable, now_ms: i64) -> String {
    let load = |tps: &str, size: &str, wait: &str| {
        let tps = fixed(first_of(table, tps), 2);
        format!("{tps:>9}({},{}ms)", text_of(table, size), text_of(table, wait))
    };
    let number = |key: &str| table.table.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let earliest = number("earliestMessageTimeStamp").and_then(|text| text.parse::<i64>().ok());
    let hours = earliest.map_or(0.0, |earliest| now_ms.saturating_sub(earliest) as f64 / MS_OF_HOUR);
    let space: f64 = number("commitLogDiskRatio").and_then(|text| text.parse().ok()).unwrap_or(0.0);
    base_line([
        broker.cluster,
        broker.name,
        &broker.id.to_string(),
        broker.addr,
        text_of(table, "brokerVersionDesc"),
        &load("putTps", "sendThreadPoolQueueSize", "sendThreadPoolQueueHeadWaitTimeMills"),
        &load("getTransferedTps", "pullThreadPoolQueueSize", "pullThreadPoolQueueHeadWaitTimeMills"),
        text_of(table, "pageCacheLockTimeMills"),
        &fixed(hours, 2),
        &fixed(space, 4),
    ])
}

/// What Java shows of a broker that does not answer.
fn row_of_silent(broker: &Broker<'_>) -> String {
    let load = format!("{:>9}(,ms)", "0.00");
    let id = broker.id.to_string();
    base_line([broker.cluster, broker.name, &id, broker.addr, "", &load, &load, "", "0.00", "0.0000"])
}

fn more_line(columns: [&str; 6]) -> String {
    let [cluster, name, in_before, out_before, in_today, out_today] = columns;
    format!("{cluster:<16}  {name:<32} {in_before:>14} {out_before:>14} {in_today:>14} {out_today:>14}\n")
}

fn more_header() -> String {
    more_line([
        "#Cluster Name",
        "#Broker Name",
        "#InTotalYest",
        "#OutTotalYest",
        "#InTotalToday",
        "#OutTotalToday",
    ])
}

/// Java: all four are 0 where one of the figures is missing.
fn totals(table: &KVTable) -> Option<[i64; 4]> {
    let figure = |key: &str| table.table.get(key).and_then(|text| text.parse::<i64>().ok());
    let between = |from: &str, to: &str| Some(figure(to)?.wrapping_sub(figure(from)?));
    Some([
        between("msgPutTotalYesterdayMorning", "msgPutTotalTodayMorning")?,
        between("msgGetTotalYesterdayMorning", "msgGetTotalTodayMorning")?,
        between("msgPutTotalTodayMorning", "msgPutTotalTodayNow")?,
        between("msgGetTotalTodayMorning", "msgGetTotalTodayNow")?,
    ])
}

fn more_row(broker: &Broker<'_>, table: &KVTable) -> String {
    let [in_before, out_before, in_today, out_today] =
        totals(table).unwrap_or_default().map(|it| it.to_string());
    more_line([broker.cluster, broker.name, &in_before, &out_before, &in_today, &out_today])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: Broker<'_> =
        Broker { cluster: "DefaultCluster", name: "broker-a", id: 0, addr: "127.0.0.1:10911" };

    fn table(entries: &[(&str, &str)]) -> KVTable {
        KVTable { table: entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() }
    }

    #[test]
    fn rows_stand_as_java_prints_them() {
        let figures = table(&[
            ("putTps", "29.996 0.0 0.0"),
            ("getTransferedTps", "0.0  "),
            ("sendThreadPoolQueueSize", "1"),
            ("sendThreadPoolQueueHeadWaitTimeMills", "2"),
            ("pullThreadPoolQueueSize", "3"),
            ("pullThreadPoolQueueHeadWaitTimeMills", "4"),
            ("pageCacheLockTimeMills", "5"),
            ("earliestMessageTimeStamp", "1000"),
            ("commitLogDiskRatio", "0.06284"),
            ("brokerVersionDesc", "V4_3_0"),
        ]);
        let gap = |blanks: usize| " ".repeat(blanks);
        let expected = format!(
            "DefaultCluster    broker-a{}0     127.0.0.1:10911        V4_3_0{}30.00(1,2ms){}0.00(3,4ms){}5  1.50 0.0628\n",
            gap(16),
            gap(18),
            gap(9),
            gap(10)
        );
        assert_eq!(base_row(&BROKER, &figures, 1000 + 5_400_000), expected);
        // Java's `#PCWait(ms)` is one wider than its column.
        assert_eq!(base_header().len(), expected.len() + 1);
        assert_eq!(row_of_silent(&BROKER).len(), expected.len());
    }

    #[test]
    fn days_are_told_apart() {
        let names = ["Put", "Get"].map(|what| {
            ["YesterdayMorning", "TodayMorning", "TodayNow"].map(|when| format!("msg{what}Total{when}"))
        });
        let values = [["1", "3", "10"], ["2", "6", "20"]];
        let mut figures = KVTable::default();
        for (name, value) in names.iter().flatten().zip(values.iter().flatten()) {
            figures.table.insert(name.clone(), (*value).to_owned());
        }
        assert_eq!(totals(&figures), Some([2, 4, 7, 14]));
        figures.table.remove("msgPutTotalTodayNow");
        assert_eq!(totals(&figures), None);
        assert!(more_row(&BROKER, &figures).ends_with("             0              0              0\n"));
        assert_eq!(more_header().len(), more_row(&BROKER, &figures).len());
    }

    #[test]
    fn a_figures_first_time_counts() {
        let check = |value: &str, expected: f64| {
            assert!((first_of(&table(&[("putTps", value)]), "putTps") - expected).abs() < 1e-9, "{value}");
        };
        check("1.5 2.5 3.5", 1.5);
        check("0.0  ", 0.0);
        check("", 0.0);
        check("x", 0.0);
    }
}
