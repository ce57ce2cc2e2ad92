//! Prometheus' text format, version 0.0.4: families of samples, each with its type and what it is.

use std::fmt::Write as _;

use super::histogram::{BOUNDS_US, Histogram};

/// The most bytes of one answer: what is beyond is left out, and counted.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// Labels and their values, written once for all samples that have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(String);

impl Labels {
    /// Names are ours; values may be anything.
    pub fn of(labels: &[(&str, &str)]) -> Labels {
        Labels::default().and(labels)
    }

    /// These and more.
    #[must_use]
    pub fn and(&self, labels: &[(&str, &str)]) -> Labels {
        let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut text = String::with_capacity(self.0.len() + bytes);
        text.push_str(&self.0);
        for (name, value) in labels {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
            text.push_str("=\"");
            escape(value, &mut text);
            text.push('"');
        }
        Labels(text)
    }
}

fn escape(value: &str, to: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => to.push_str("\\\\"),
            '"' => to.push_str("\\\""),
            '\n' => to.push_str("\\n"),
            c => to.push(c),
        }
    }
}

/// A sample's value.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    Int(i64),
    Float(f64),
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::from(value as u64)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Int(value.into())
    }
}

/// All metrics of a server.
pub struct Exposition {
    text: String,
    common: Labels,
    left_out: u64,
    max_bytes: usize,
}

impl Default for Exposition {
    fn default() -> Exposition {
        Exposition::of_at_most(MAX_BYTES)
    }
}

impl Exposition {
    fn of_at_most(max_bytes: usize) -> Exposition {
        Exposition { text: String::new(), common: Labels::default(), left_out: 0, max_bytes }
    }

    /// Says whose metrics those without labels of their own are.
    pub fn set_common(&mut self, labels: Labels) {
        self.common = labels;
    }

    /// Samples that have been left out elsewhere.
    pub fn left_out(&mut self, samples: u64) {
        self.left_out += samples;
    }

    /// Something that may fall: one figure.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Into<Value>) {
        let common = self.common.clone();
        self.gauges(name, help, [(&common, value)]);
    }

    /// Something that only grows: one figure.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Into<Value>) {
        let common = self.common.clone();
        self.counters(name, help, [(&common, value)]);
    }

    /// Something that may fall, by labels.
    pub fn gauges<'a, V: Into<Value>>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (&'a Labels, V)>,
    ) {
        self.family(name, help, "gauge", samples);
    }

    /// Something that only grows, by labels.
    pub fn counters<'a, V: Into<Value>>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (&'a Labels, V)>,
    ) {
        self.family(name, help, "counter", samples);
    }

    /// Times, in seconds.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        let times = histogram.times();
        self.head(name, help, "histogram");
        let (mut count, series) = (0, format!("{name}_bucket"));
        let common = self.common.clone();
        for (class, of_class) in times.classes.iter().enumerate() {
            count += of_class;
            let bound = BOUNDS_US.get(class).map(|bound| (*bound as f64 / 1e6).to_string());
            let labels = common.and(&[("le", bound.as_deref().unwrap_or("+Inf"))]);
            self.sample(&series, &labels, count.into());
        }
        self.sample(&format!("{name}_sum"), &common, times.sum_seconds.into());
        self.sample(&format!("{name}_count"), &common, count.into());
    }

    fn family<'a, V: Into<Value>>(
        &mut self,
        name: &str,
        help: &str,
        kind: &str,
        samples: impl IntoIterator<Item = (&'a Labels, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_some() {
            self.head(name, help, kind);
        }
        for (labels, value) in samples {
            self.sample(name, labels, value.into());
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let written = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        written.expect("a string takes everything");
    }

    fn sample(&mut self, name: &str, labels: &Labels, value: Value) {
        if self.text.len() + name.len() + labels.0.len() > self.max_bytes {
            self.left_out += 1;
            return;
        }
        self.text.push_str(name);
        if !labels.0.is_empty() {
            self.text.push('{');
            self.text.push_str(&labels.0);
            self.text.push('}');
        }
        self.text.push(' ');
        match value {
            Value::Int(value) => self.text.push_str(itoa::Buffer::new().format(value)),
            Value::Float(value) if value.is_finite() => {
                write!(self.text, "{value}").expect("a string takes everything");
            }
            Value::Float(value) if value.is_nan() => self.text.push_str("NaN"),
            Value::Float(value) => self.text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" }),
        }
        self.text.push('\n');
    }

    /// The text, with how much is not in it.
    pub fn finish(mut self) -> String {
        self.max_bytes = usize::MAX;
        let left_out = self.left_out;
        self.gauge(
            "rocketmq_metrics_left_out",
            "Topics, and pairs of topic and group, or samples, that are not shown because there are too many",
            left_out,
        );
        self.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn samples_are_written_as_prometheus_reads_them() {
        let mut metrics = Exposition::default();
        let labels = Labels::of(&[("topic", "a\\b\"c\nd"), ("group", "%RETRY%é")]);
        metrics.gauges("x", "What it is", [(&labels, 1.5), (&Labels::default(), f64::INFINITY)]);
        metrics.counters("none", "Nobody sees this", std::iter::empty::<(&Labels, u64)>());
        metrics.counter("y_total", "More", u64::MAX);
        assert_eq!(
            metrics.finish().split("# HELP rocketmq_metrics").next().unwrap(),
            "# HELP x What it is\n# TYPE x gauge\nx{topic=\"a\\\\b\\\"c\\nd\",group=\"%RETRY%é\"} 1.5\nx +Inf\n\
             # HELP y_total More\n# TYPE y_total counter\ny_total 18446744073709552000\n"
        );
    }

    #[test]
    fn histograms_add_up() {
        let histogram = Histogram::default();
        for micros in [1, 7, 7, 20_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let mut metrics = Exposition::default();
        metrics.set_common(Labels::of(&[("b", "c")]));
        metrics.histogram("t_seconds", "Times", &histogram);
        let text = metrics.finish();
        for line in [
            "t_seconds_bucket{b=\"c\",le=\"0.000005\"} 1",
            "t_seconds_bucket{b=\"c\",le=\"0.00001\"} 3",
            "t_seconds_bucket{b=\"c\",le=\"10\"} 3",
            "t_seconds_bucket{b=\"c\",le=\"+Inf\"} 4",
            "t_seconds_sum{b=\"c\"} 20.000015",
            "t_seconds_count{b=\"c\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted() {
        let mut metrics = Exposition::of_at_most(200);
        let labels = Labels::of(&[("a", "b")]);
        metrics.gauges("x", "Many", (0..100).map(|number| (&labels, number)));
        let text = metrics.finish();
        assert!(text.len() < 500, "{text}");
        let shown = text.lines().filter(|line| line.starts_with("x{")).count();
        assert!(
            shown > 3 && text.ends_with(&format!("rocketmq_metrics_left_out {}\n", 100 - shown)),
            "{text}"
        );
    }
}
