//! Delay levels (Java: `ScheduleMessageService.parseDelayLevel`): which there are and how long each waits.

/// Waiting times by level, the first level being 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayLevels {
    waits_ms: Vec<i64>,
}

/// What a message of an unknown level waits, as in Java.
const UNKNOWN_LEVEL_MS: i64 = 1000;

impl DelayLevels {
    /// Reads `messageDelayLevel`: numbers with `s`, `m`, `h` or `d`, each one blank apart.
    pub fn parse(text: &str) -> Result<DelayLevels, String> {
        let wait = |level: &str| {
            let unit_ms = match level.chars().last()? {
                's' => 1000,
                'm' => 60_000,
                'h' => 3_600_000,
                'd' => 86_400_000,
                _ => return None,
            };
            level[..level.len() - 1].parse::<i64>().ok()?.checked_mul(unit_ms).filter(|wait| *wait >= 0)
        };
        let waits = text.split(' ').map(|level| {
            wait(level).ok_or_else(|| {
                format!("messageDelayLevel: `{level}` is not a number with s, m, h or d, as in `1s 5s 1m 2h`")
            })
        });
        Ok(DelayLevels { waits_ms: waits.collect::<Result<_, _>>()? })
    }

    /// The highest level.
    pub fn max(&self) -> i32 {
        i32::try_from(self.waits_ms.len()).unwrap_or(i32::MAX)
    }

    /// When a message of a level that was stored at a time is due.
    pub fn due_ms(&self, level: i32, store_timestamp_ms: i64) -> i64 {
        let index = usize::try_from(level).ok().and_then(|level| level.checked_sub(1));
        let wait = index.and_then(|index| self.waits_ms.get(index)).copied().unwrap_or(UNKNOWN_LEVEL_MS);
        store_timestamp_ms.saturating_add(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_wait_as_they_say() {
        let levels = DelayLevels::parse("1s 5m 2h 1d").unwrap();
        assert_eq!(levels.max(), 4);
        let waits: Vec<_> = (0..6).map(|level| levels.due_ms(level, 10)).collect();
        assert_eq!(waits, [1010, 1010, 300_010, 7_200_010, 86_400_010, 1010]);
        for wrong in ["", "1", "s", "1s  5s", "1x", "-1s", "99999999999999999d", "1ü"] {
            assert!(DelayLevels::parse(wrong).is_err(), "{wrong}");
        }
    }
}
