//! What came out: counts and latencies while a measurement runs, and the table or JSON at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::procfs::{self, Memory};

/// Longest latency told apart, µs: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;

/// Latencies, µs, with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX_US, 3).expect("the bounds are valid")
}

/// Notes a latency.
pub(super) fn record(histogram: &mut Histogram<u64>, latency: Duration, times: u64) {
    let us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_MAX_US).max(1);
    histogram.saturating_record_n(us, times);
}

/// Percentiles, µs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Percentiles {
    p50: u64,
    p90: u64,
    p99: u64,
    #[serde(rename = "p99.9")]
    p99_9: u64,
    max: u64,
}

impl Percentiles {
    pub fn of(histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: histogram.max() }
    }

    fn line(&self) -> String {
        let ms = |us: u64| format!("{:.3}", us as f64 / 1000.0);
        format!(
            "p50 {}  p90 {}  p99 {}  p99.9 {}  max {} ms",
            ms(self.p50),
            ms(self.p90),
            ms(self.p99),
            ms(self.p99_9),
            ms(self.max)
        )
    }
}

/// CPU time of the server and of ourselves between two moments.
pub(super) struct CpuMeter {
    server_pid: Option<u32>,
    server_us: Option<u64>,
    client_us: Option<u64>,
}

/// What was used between them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CpuUsed {
    server_us: Option<u64>,
    client_us: Option<u64>,
}

impl CpuMeter {
    pub fn start(server_pid: Option<u32>) -> CpuMeter {
        CpuMeter {
            server_pid,
            server_us: server_pid.and_then(procfs::cpu_us),
            client_us: procfs::cpu_us(std::process::id()),
        }
    }

    pub fn stop(&self) -> CpuUsed {
        let since =
            |pid: Option<u32>, before: Option<u64>| Some(procfs::cpu_us(pid?)?.saturating_sub(before?));
        CpuUsed {
            server_us: since(self.server_pid, self.server_us),
            client_us: since(Some(std::process::id()), self.client_us),
        }
    }
}

/// Counts that a running measurement shows, shared by its connections.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub messages: AtomicU64,
    pub errors: AtomicU64,
}

impl Live {
    /// Shows the counts at a terminal until the guard goes.
    pub fn show(self: &Arc<Live>, what: &'static str) -> Shown {
        let live = Arc::clone(self);
        let counts = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let messages = live.messages.load(Ordering::Relaxed);
            let errors = live.errors.load(Ordering::Relaxed);
            let seconds = state.elapsed().as_secs_f64();
            let rate = messages as f64 / seconds.max(0.001);
            // What cannot be shown is not missed: the figures come at the end.
            write!(out, "{what}: {seconds:.0} s, {messages} messages, {rate:.0}/s, {errors} errors").ok();
        };
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {counts}") {
            bar.set_style(style.with_key("counts", counts));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Shown(bar)
    }
}

/// The progress line, taken off when this is dropped.
pub(super) struct Shown(ProgressBar);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A result: lines for people, one object for programs.
pub(super) struct Report {
    title: String,
    lines: Vec<(&'static str, String)>,
    object: Map<String, Value>,
}

impl Report {
    pub fn new(title: &str, parameters: Value) -> Report {
        let mut object = Map::new();
        object.insert("bench".to_owned(), json!(title));
        object.insert("parameters".to_owned(), parameters);
        Report { title: title.to_owned(), lines: Vec::new(), object }
    }

    /// A figure under its own name.
    pub fn put(&mut self, name: &'static str, text: impl Into<String>, key: &str, value: Value) {
        self.lines.push((name, text.into()));
        self.object.insert(key.to_owned(), value);
    }

    /// Messages and bytes over a time.
    pub fn throughput(&mut self, messages: u64, bytes: u64, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let rate = messages as f64 / seconds;
        let mb = bytes as f64 / seconds / 1e6;
        self.put("messages", format!("{messages} in {seconds:.3} s"), "messages", json!(messages));
        self.put("throughput", format!("{rate:.0} messages/s  {mb:.2} MB/s"), "messages_per_s", json!(rate));
        self.object.insert("mb_per_s".to_owned(), json!(mb));
        self.object.insert("seconds".to_owned(), json!(seconds));
    }

    pub fn latency(&mut self, name: &'static str, key: &str, histogram: &Histogram<u64>) {
        if histogram.is_empty() {
            return;
        }
        let percentiles = Percentiles::of(histogram);
        self.put(name, percentiles.line(), key, json!(percentiles));
    }

    pub fn errors(&mut self, errors: &BTreeMap<i32, u64>) {
        let text = errors.iter().map(|(code, count)| format!("{count} x code {code}")).collect::<Vec<_>>();
        let text = if text.is_empty() { "none".to_owned() } else { text.join(", ") };
        self.put("errors", text, "errors", json!(errors));
    }

    pub fn cpu(&mut self, used: CpuUsed, messages: u64, elapsed: Duration, pid: Option<u32>) {
        let mut put = |name, key: &str, us: Option<u64>| {
            let Some(us) = us else { return };
            let each = us as f64 / messages.max(1) as f64;
            let cores = us as f64 / 1e6 / elapsed.as_secs_f64().max(1e-9);
            self.put(name, format!("{each:.2} us a message, {cores:.2} cores"), key, json!(each));
        };
        put("server cpu", "server_cpu_us_per_message", used.server_us);
        put("client cpu", "client_cpu_us_per_message", used.client_us);
        if let Some(memory) = pid.and_then(procfs::memory) {
            let Memory { rss_anon_kb, rss_file_kb, vm_hwm_kb } = memory;
            let mb = |kb: u64| kb as f64 / 1024.0;
            let text = format!(
                "anonymous {:.1} MiB, files {:.1} MiB, peak {:.1} MiB",
                mb(rss_anon_kb),
                mb(rss_file_kb),
                mb(vm_hwm_kb)
            );
            self.put("server memory", text, "server_memory", json!(memory));
        }
    }

    pub fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", Value::Object(self.object.clone()));
            return;
        }
        println!("{}", self.title);
        for (name, text) in &self.lines {
            println!("  {name:<14} {text}");
        }
    }
}
