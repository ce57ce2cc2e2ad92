//! statsAll: what comes in and goes out of each topic. Java: `StatsAllSubCommand`.

use serde_json::json;

use super::text::{fixed, front};
use super::{Failure, Session};
use crate::client::admin::tools::Tools;
use crate::protocol::body::route::TopicRouteData;
use crate::protocol::body::stats::BrokerStatsData;
use crate::protocol::topic::{dlq_group, retry_group};

const NAME_WIDTH: usize = 32;
/// Java: `BrokerStatsManager`.
const TOPIC_PUT_NUMS: &str = "TOPIC_PUT_NUMS";
const GROUP_GET_NUMS: &str = "GROUP_GET_NUMS";

/// Messages a second, and of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Rate {
    tps: f64,
    of_day: i64,
}

fn row(columns: [&str; 7]) -> String {
    let [topic, group, accumulation, in_tps, out_tps, in_day, out_day] = columns;
    format!(
        "{topic:<32}  {group:<32} {accumulation:>12} {in_tps:>11} {out_tps:>11} {in_day:>14} {out_day:>14}\n"
    )
}

/// statsAll
pub async fn all(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    let topics = tools.topic_list().await?;
    session.out.text(&row([
        "#Topic",
        "#Consumer Group",
        "#Accumulation",
        "#InTPS",
        "#OutTPS",
        "#InMsg24Hour",
        "#OutMsg24Hour",
    ]));
    let is_active_only = session.has("a");
    let selected = session.value("t").filter(|topic| !topic.is_empty());
    let is_wanted = |topic: &&String| {
        retry_group(topic).is_none()
            && dlq_group(topic).is_none()
            && selected.as_ref().is_none_or(|selected| selected == *topic)
    };
    let topics: Vec<&String> = topics.iter().filter(is_wanted).collect();
    let mut failures = session.failures();
    for (done, topic) in topics.iter().enumerate() {
        session.progress("topics", done as i64, topics.len() as i64);
        failures.note(of_topic(session, &tools, topic, is_active_only).await);
    }
    session.progress("topics", 1, 1);
    failures.result()
}

async fn of_topic(
    session: &mut Session,
    tools: &Tools,
    topic: &str,
    is_active_only: bool,
) -> Result<(), Failure> {
    let route = tools.route(topic).await?;
    let groups = tools.topic_consume_by_who(topic).await?;
    let incoming = rate(tools, &route, TOPIC_PUT_NUMS, topic).await;
    let shown = front(topic, NAME_WIDTH);
    let (in_tps, in_day) = (fixed(incoming.tps, 2), incoming.of_day.to_string());
    if groups.is_empty() && (!is_active_only || incoming.of_day > 0) {
        session.out.put(&row([shown, "", "0", &in_tps, "", &in_day, "NO_CONSUMER"]), || {
            json!({"topic": topic, "consumerGroup": null, "inTPS": incoming.tps, "inMsg24Hour": incoming.of_day})
        });
    }
    for group in groups {
        let outgoing = rate(tools, &route, GROUP_GET_NUMS, &format!("{topic}@{group}")).await;
        let stats = tools.consume_stats(&group, Some(topic)).await;
        let accumulation = stats.map_or(0, |stats| stats.compute_total_diff().max(0));
        if is_active_only && incoming.of_day <= 0 && outgoing.of_day <= 0 {
            continue;
        }
        let text = row([
            shown,
            front(&group, NAME_WIDTH),
            &accumulation.to_string(),
            &in_tps,
            &fixed(outgoing.tps, 2),
            &in_day,
            &outgoing.of_day.to_string(),
        ]);
        session.out.put(&text, || {
            json!({
                "topic": topic,
                "consumerGroup": group,
                "accumulation": accumulation,
                "inTPS": incoming.tps,
                "outTPS": outgoing.tps,
                "inMsg24Hour": incoming.of_day,
                "outMsg24Hour": outgoing.of_day,
            })
        });
    }
    Ok(())
}

/// Of all masters; one without that statistic has seen no such message.
async fn rate(tools: &Tools, route: &TopicRouteData, stats_name: &str, stats_key: &str) -> Rate {
    let mut rate = Rate::default();
    for master in route.broker_datas.iter().filter_map(|broker| broker.master_addr()) {
        match tools.calls.broker_stats(master, stats_name, stats_key).await {
            Ok(stats) => {
                rate.tps += stats.stats_minute.tps;
                rate.of_day += of_day(&stats);
            }
            Err(error) => tracing::debug!(%error, "no statistic"),
        }
    }
    rate
}

/// The longest time that has a sum. Java: `compute24HourSum`.
fn of_day(stats: &BrokerStatsData) -> i64 {
    let sums = [&stats.stats_day, &stats.stats_hour, &stats.stats_minute].map(|item| item.sum);
    sums.into_iter().find(|sum| *sum != 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::stats::BrokerStatsItem;

    #[test]
    fn the_longest_time_with_a_sum_counts() {
        let check = |sums: [i64; 3], expected: i64| {
            let [day, hour, minute] = sums.map(|sum| BrokerStatsItem { sum, ..BrokerStatsItem::default() });
            let stats = BrokerStatsData { stats_day: day, stats_hour: hour, stats_minute: minute };
            assert_eq!(of_day(&stats), expected);
        };
        check([3, 2, 1], 3);
        check([0, 2, 1], 2);
        check([0, 0, 1], 1);
        check([0, 0, 0], 0);
    }

    #[test]
    fn rows_stand_as_java_prints_them() {
        // Widths 32, 32, 12, 11, 11, 14 and 14, two blanks behind the first and one behind the others.
        let gap = |blanks: usize| " ".repeat(blanks);
        let expected = format!("T{}0{}0.00{}0{}NO_CONSUMER\n", gap(77), gap(8), gap(26), gap(4));
        assert_eq!(row(["T", "", "0", "0.00", "", "0", "NO_CONSUMER"]), expected);
    }
}
