//! What this process costs, as `/proc` tells it, under the names that all Prometheus clients have. Where there is no `/proc`
//! nothing is told.

use std::fs;

use serde::Serialize;

use super::metrics::Exposition;

/// `/proc` counts CPU time in hundredths of a second for every user of it (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// This process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    pub resident_bytes: u64,
    /// Without mapped files.
    pub anonymous_bytes: u64,
    pub virtual_bytes: u64,
    pub threads: u64,
    pub open_fds: u64,
    pub max_fds: u64,
    pub cpu_seconds: f64,
}

impl Process {
    /// Now.
    pub fn look() -> Process {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut process = of_status(&read("/proc/self/status"));
        process.cpu_seconds = cpu_seconds(&read("/proc/self/stat")).unwrap_or(0.0);
        process.open_fds = open_fds();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        process.max_fds = limit.current.unwrap_or(u64::MAX);
        process
    }

    /// As metrics.
    pub fn metrics(&self, to: &mut Exposition) {
        to.gauge(
            "process_resident_memory_bytes",
            "Memory in use, mapped files included",
            self.resident_bytes,
        );
        to.gauge(
            "process_anonymous_memory_bytes",
            "Memory in use without mapped files: heap and stacks",
            self.anonymous_bytes,
        );
        to.gauge("process_virtual_memory_bytes", "Address space, mapped files included", self.virtual_bytes);
        to.gauge("process_threads", "Threads", self.threads);
        to.gauge("process_open_fds", "Open file descriptors", self.open_fds);
        to.gauge("process_max_fds", "File descriptors that may be open", self.max_fds);
        to.counter("process_cpu_seconds_total", "CPU time, user and system", self.cpu_seconds);
    }
}

fn open_fds() -> u64 {
    // Kernels from 6.2 on say it as the folder's length; a queue has a file, and there may be many to count.
    let told = fs::metadata("/proc/self/fd").map_or(0, |meta| meta.len());
    if told > 0 { told } else { fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64) }
}

fn of_status(status: &str) -> Process {
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    Process {
        resident_bytes: number("VmRSS") * 1024,
        anonymous_bytes: number("RssAnon") * 1024,
        virtual_bytes: number("VmSize") * 1024,
        threads: number("Threads"),
        ..Process::default()
    }
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name stands in parentheses and may hold anything, parentheses included.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // Fields 14 and 15 of the line, counted from 1; the first behind the name is field 3.
    Some((ticks(11)? + ticks(12)?) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_name_and_place() {
        let status = "Name:\tx\nVmSize:\t 40 kB\nVmRSS:\t  30 kB\nRssAnon:\t     10 kB\nThreads:\t5\n";
        let expected = Process {
            resident_bytes: 30 << 10,
            anonymous_bytes: 10 << 10,
            virtual_bytes: 40 << 10,
            threads: 5,
            ..Process::default()
        };
        assert_eq!(of_status(status), expected);
        assert_eq!(of_status("x"), Process::default());
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 8 20 0 9 0 1000";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("42 (a) S 1"), None);
    }
}
