//! What a process has cost, as `/proc` tells it: CPU time and memory. Linux only; elsewhere there is nothing
//! to read and the figures are left out.

use std::fs;

use serde::Serialize;

/// `/proc` counts CPU time in hundredths of a second for every user of it (`USER_HZ`).
const TICK_US: u64 = 10_000;

/// CPU time used since the process began, user and system, µs. Threads and reaped children included.
pub(super) fn cpu_us(pid: u32) -> Option<u64> {
    parse_cpu(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_cpu(stat: &str) -> Option<u64> {
    // The name stands in parentheses and may hold anything, parentheses included.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // Fields 14 and 15 of the line, counted from 1; the first behind the name is field 3.
    Some((ticks(11)? + ticks(12)?) * TICK_US)
}

/// Memory of a process, KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    /// Heap and stacks.
    pub rss_anon_kb: u64,
    /// Mapped files.
    pub rss_file_kb: u64,
    /// Most that was resident at any time.
    pub vm_hwm_kb: u64,
}

/// Memory that the process holds now.
pub(super) fn memory(pid: u32) -> Option<Memory> {
    Some(parse_memory(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?))
}

fn parse_memory(status: &str) -> Memory {
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Memory { rss_anon_kb: of("RssAnon"), rss_file_kb: of("RssFile"), vm_hwm_kb: of("VmHWM") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_user_and_system() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 8 20 0 9 0 1000";
        assert_eq!(parse_cpu(stat), Some(3_000_000));
        assert_eq!(parse_cpu("42 (a) S 1"), None);
        assert_eq!(parse_cpu(""), None);
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "Name:\tx\nVmHWM:\t  30 kB\nRssAnon:\t     10 kB\nRssFile:\t 20 kB\n";
        assert_eq!(parse_memory(status), Memory { rss_anon_kb: 10, rss_file_kb: 20, vm_hwm_kb: 30 });
        assert_eq!(parse_memory("x"), Memory::default());
    }
}
