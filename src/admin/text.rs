//! Texts as Java prints them: times in the system's zone, numbers with a fixed number of decimals, names cut to a column
//! (Java: `UtilAll`, `Formatter`), and times as operators type them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The time.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// `yyyy-MM-dd HH:mm:ss,SSS`. Java: `UtilAll.timeMillisToHumanString2`.
pub fn human_string2(millis: i64) -> String {
    format_time(millis, "%Y-%m-%d %H:%M:%S,%3f", TimeZone::system())
}

/// `yyyyMMddHHmmssSSS`. Java: `UtilAll.timeMillisToHumanString`.
pub fn human_string(millis: i64) -> String {
    format_time(millis, "%Y%m%d%H%M%S%3f", TimeZone::system())
}

/// `yyyy-MM-dd HH:mm:ss`. Java: `UtilAll.YYYY_MM_DD_HH_MM_SS`.
pub fn date_time(millis: i64) -> String {
    format_time(millis, "%Y-%m-%d %H:%M:%S", TimeZone::system())
}

fn format_time(millis: i64, pattern: &str, zone: TimeZone) -> String {
    // A time that no calendar has is some peer's nonsense: shown as the epoch.
    let time = Timestamp::from_millisecond(millis).unwrap_or_default();
    time.to_zoned(zone).strftime(pattern).to_string()
}

/// Milliseconds, or `yyyy-MM-dd#HH:mm:ss:SSS` in the system's zone; none where it is neither. Java:
/// `PrintMessageSubCommand.timestampFormat`.
pub fn parse_time(text: &str) -> Option<i64> {
    parse_time_in(text, TimeZone::system())
}

fn parse_time_in(text: &str, zone: TimeZone) -> Option<i64> {
    if let Some(millis) = compat::number::parse_long(text) {
        return Some(millis);
    }
    let (date, time) = text.split_once('#')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second, milli] = numbers(time, ':')?;
    let nanos = milli.checked_mul(1_000_000)?;
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(i8::try_from);
    let date_time = DateTime::new(
        year.try_into().ok()?,
        month.ok()?,
        day.ok()?,
        hour.ok()?,
        minute.ok()?,
        second.ok()?,
        nanos,
    );
    let zoned: Zoned = date_time.ok()?.to_zoned(zone).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i32; N]> {
    let digits = |piece: &str| piece.parse().ok().filter(|_| piece.bytes().all(|it| it.is_ascii_digit()));
    let numbers: Vec<i32> = text.split(separator).map(digits).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// So many decimals, the last one rounded up from the digits that Java shows of a number. Java: `%.2f`.
pub fn fixed(number: f64, decimals: usize) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // As many digits as tell the number from its neighbours; no exponent.
    let shown = number.abs().to_string();
    let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(decimals)).collect();
    digits.resize(whole.len() + decimals, b'0');
    if fraction.as_bytes().get(decimals).is_some_and(|next| *next >= b'5') {
        let mut at = digits.len();
        loop {
            if at == 0 {
                digits.insert(0, b'1');
                break;
            }
            at -= 1;
            if digits[at] == b'9' {
                digits[at] = b'0';
            } else {
                digits[at] += 1;
                break;
            }
        }
    }
    let point = digits.len() - decimals;
    let mut text: String = digits.into_iter().map(char::from).collect();
    if decimals > 0 {
        text.insert(point, '.');
    }
    if number.is_sign_negative() { format!("-{text}") } else { text }
}

/// What fits into a column. Java: `UtilAll.frontStringAtLeast`.
pub fn front(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_javas_forms() {
        let check = |pattern: &str, expected: &str| {
            assert_eq!(format_time(1_795_391_897_067, pattern, TimeZone::UTC), expected);
        };
        check("%Y-%m-%d %H:%M:%S,%3f", "2026-11-22 23:58:17,067");
        check("%Y%m%d%H%M%S%3f", "20261122235817067");
        check("%Y-%m-%d %H:%M:%S", "2026-11-22 23:58:17");
    }

    #[test]
    fn times_are_read_in_both_forms() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(parse_time_in(text, TimeZone::UTC), expected, "{text}");
        };
        check("1795391897067", Some(1_795_391_897_067));
        check("-1", Some(-1));
        check("2026-11-22#23:58:17:067", Some(1_795_391_897_067));
        check("1970-1-1#0:0:0:1", Some(1));
        for wrong in [
            "",
            "now",
            "2026-11-22",
            "2026-11-22 23:58:17:067",
            "2026-13-22#23:58:17:067",
            "2026-11-22#23:58:17",
            "2026-11-22#23:58:+7:067",
            "2026-11-22#23:58:17:9999999999",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn decimals_round_as_java() {
        let check = |number: f64, decimals: usize, expected: &str| {
            assert_eq!(fixed(number, decimals), expected, "{number}");
        };
        check(0.0, 2, "0.00");
        check(0.125, 2, "0.13");
        check(0.375, 2, "0.38");
        check(1.005, 2, "1.01");
        check(9.999, 2, "10.00");
        check(-2.5, 0, "-3");
        check(123.4, 2, "123.40");
        check(1e20, 2, "100000000000000000000.00");
        check(1e-7, 2, "0.00");
        check(f64::NAN, 2, "NaN");
        check(f64::NEG_INFINITY, 2, "-Infinity");
    }

    #[test]
    fn names_are_cut() {
        assert_eq!(front("abc", 2), "ab");
        assert_eq!(front("äb", 2), "äb");
        assert_eq!(front("", 2), "");
    }
}
