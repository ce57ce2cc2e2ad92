//! `bench compare`: medians of several rounds of the same work on two servers, side by side. Reads lines of
//! `{"side":…,"work":…,"result":…}`, whose results are what the other commands print as JSON; it measures
//! nothing itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Error;

#[derive(Debug, clap::Args)]
pub(super) struct CompareArgs {
    /// File of results, one JSON object a line
    file: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A figure that is compared: where it stands in a result, its name, and what is better.
struct Figure {
    path: &'static [&'static str],
    name: &'static str,
    better: Better,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
    /// Says something of the measurement, not of what is measured.
    Neither,
}

/// The side that stores nothing: no server to be better than.
const CEILING: &str = "echo";

const fn figure(path: &'static [&'static str], name: &'static str, better: Better) -> Figure {
    Figure { path, name, better }
}

const FIGURES: &[Figure] = &[
    figure(&["messages_per_s"], "messages/s", Better::More),
    figure(&["server_cpu_us_per_message"], "server cpu us/message", Better::Less),
    figure(&["client_cpu_us_per_message"], "client cpu us/message", Better::Neither),
    figure(&["latency_us", "p50"], "latency p50 us", Better::Less),
    figure(&["latency_us", "p99"], "latency p99 us", Better::Less),
    figure(&["latency_us", "p99.9"], "latency p99.9 us", Better::Less),
    figure(&["end_to_end_us", "p50"], "end to end p50 us", Better::Less),
    figure(&["end_to_end_us", "p99"], "end to end p99 us", Better::Less),
    figure(&["end_to_end_us", "p99.9"], "end to end p99.9 us", Better::Less),
    figure(&["ack_us", "p50"], "ack p50 us", Better::Less),
    figure(&["ack_us", "p99"], "ack p99 us", Better::Less),
    figure(&["first_answer_ms"], "first answer ms", Better::Less),
    figure(&["server_memory", "rss_anon_kb"], "anonymous memory KiB", Better::Less),
    figure(&["server_memory", "rss_file_kb"], "mapped files KiB", Better::Less),
    figure(&["errors"], "refused", Better::Less),
];

impl Figure {
    fn of(&self, result: &Value) -> Option<f64> {
        // Memory while under load says how much was sent before: it counts at rest only.
        if self.path[0] == "server_memory" && result.get("messages").is_some() {
            return None;
        }
        let value = self.path.iter().try_fold(result, |value, key| value.get(key))?;
        match value {
            // Errors are counts by code.
            Value::Object(counts) => Some(counts.values().filter_map(Value::as_u64).sum::<u64>() as f64),
            value => value.as_f64(),
        }
    }
}

/// A work's figure on one side after another, in the order of the sides.
struct Row {
    work: String,
    name: &'static str,
    medians: Vec<Option<f64>>,
    /// How many times better the second server is than the first.
    factor: Option<f64>,
}

/// Prints the table or the JSON.
pub(super) fn run(args: &CompareArgs) -> Result<bool, Error> {
    let text =
        std::fs::read_to_string(&args.file).map_err(Error::io(format!("read {}", args.file.display())))?;
    let (sides, rows) = compare(&text)?;
    if args.json {
        println!("{}", as_json(&sides, &rows));
        return Ok(true);
    }
    let line = |cells: &[String]| {
        let mut cells = cells.iter();
        let (work, name) = (cells.next().map_or("", |cell| cell), cells.next().map_or("", |cell| cell));
        let rest: String = cells.map(|cell| format!(" {cell:>12}")).collect();
        println!("{work:<18} {name:<22}{rest}");
    };
    let heading =
        ["work", "figure"].into_iter().chain(sides.iter().map(String::as_str)).chain(["times better"]);
    line(&heading.map(str::to_owned).collect::<Vec<_>>());
    let mut before = "";
    for row in &rows {
        let work = if row.work == before { "" } else { &row.work };
        before = &row.work;
        let mut cells = vec![work.to_owned(), row.name.to_owned()];
        cells.extend(row.medians.iter().map(|median| median.map_or("-".to_owned(), number)));
        cells.push(row.factor.map_or("-".to_owned(), |factor| format!("{factor:.2}")));
        line(&cells);
    }
    Ok(true)
}

fn number(value: f64) -> String {
    if value.abs() < 100.0 && value.fract() != 0.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn compare(text: &str) -> Result<(Vec<String>, Vec<Row>), Error> {
    let mut sides: Vec<String> = Vec::new();
    let mut works: Vec<String> = Vec::new();
    let mut results: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |what: &str| Error::Usage(format!("line {}: {what}", index + 1));
        let mut object: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| bad(&error.to_string()))?;
        let mut text_of = |key: &str| match object.remove(key) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(bad(&format!("{key} is missing"))),
        };
        let (side, work) = (text_of("side")?, text_of("work")?);
        for (list, name) in [(&mut sides, &side), (&mut works, &work)] {
            if !list.contains(name) {
                list.push(name.clone());
            }
        }
        let result = object.remove("result").ok_or_else(|| bad("result is missing"))?;
        results.entry((work, side)).or_default().push(result);
    }
    let mut rows = Vec::new();
    for work in &works {
        for figure in FIGURES {
            let medians: Vec<Option<f64>> = sides
                .iter()
                .map(|side| {
                    let results = results.get(&(work.clone(), side.clone()))?;
                    median(results.iter().filter_map(|result| figure.of(result)).collect())
                })
                .collect();
            if medians.iter().any(Option::is_some) {
                let servers = sides.iter().zip(&medians).filter(|(side, _)| *side != CEILING);
                let servers: Vec<Option<f64>> = servers.map(|(_, median)| *median).collect();
                let factor = factor(&servers, figure.better);
                rows.push(Row { work: work.clone(), name: figure.name, medians, factor });
            }
        }
    }
    Ok((sides, rows))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

fn factor(medians: &[Option<f64>], better: Better) -> Option<f64> {
    let (first, second) = (medians.first().copied()??, medians.get(1).copied()??);
    let (over, under) = match better {
        Better::More => (second, first),
        Better::Less => (first, second),
        Better::Neither => return None,
    };
    (under != 0.0).then(|| over / under)
}

fn as_json(sides: &[String], rows: &[Row]) -> Value {
    let rows = rows.iter().map(|row| {
        let medians: Map<String, Value> =
            sides.iter().cloned().zip(row.medians.iter().map(|median| json!(median))).collect();
        json!({ "work": row.work, "figure": row.name, "medians": medians, "times_better": row.factor })
    });
    json!(rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_factors_point_the_same_way() {
        let line = |side: &str, rate: f64, p50: f64| {
            let result =
                json!({ "messages_per_s": rate, "latency_us": { "p50": p50 }, "errors": { "2": 3, "1": 1 } });
            json!({ "side": side, "work": "send", "round": 1, "result": result }).to_string() + "\n"
        };
        let mut text = String::new();
        for (rate, p50) in [(50.0, 10.0), (10.0, 30.0), (40.0, 20.0)] {
            text += &line("java", rate, p50);
        }
        text += &line("ours", 160.0, 5.0);
        text += &line("ours", 80.0, 5.0);
        let (sides, rows) = compare(&text).unwrap();
        assert_eq!(sides, ["java", "ours"]);
        let found: Vec<_> = rows.iter().map(|row| (row.name, row.medians.clone(), row.factor)).collect();
        let expected = [
            ("messages/s", vec![Some(40.0), Some(120.0)], Some(3.0)),
            ("latency p50 us", vec![Some(20.0), Some(5.0)], Some(4.0)),
            ("refused", vec![Some(4.0), Some(4.0)], Some(1.0)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_side_may_lack_a_work() {
        let text = r#"{"side":"java","work":"a","result":{"messages_per_s":1,"errors":{}}}
            {"side":"echo","work":"a","result":{"messages_per_s":2}}
            {"side":"ours","work":"b","result":{"messages_per_s":2}}"#;
        let (_, rows) = compare(text).unwrap();
        assert!(rows.iter().all(|row| row.factor.is_none()));
        assert_eq!(rows[1].medians[0].map(number).as_deref(), Some("0"));
        assert!(compare("{}").is_err());
        assert!(compare("x").is_err());
    }
}
