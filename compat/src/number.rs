//! Numbers as Java reads them from text (`Integer.parseInt`, `Long.parseLong`, `Double.parseDouble`). Not read as
//! numbers here, though by Java: digits of other scripts than ASCII's.

/// `Integer.parseInt`.
pub fn parse_int(text: &str) -> Option<i32> {
    text.parse().ok()
}

/// `Long.parseLong`.
pub fn parse_long(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// `Double.parseDouble`: blanks around it, `NaN`, `Infinity`, hexadecimal floats, and a type suffix.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match magnitude {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let digits = magnitude.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(magnitude);
            match magnitude.get(..2) {
                Some("0x" | "0X") => hexadecimal(magnitude)?,
                _ if is_decimal(digits) => digits.parse().ok()?,
                _ => return None,
            }
        }
    };
    Some(if negative { -value } else { value })
}

/// Digits with at most one point among them, and an exponent if any; what Rust reads beyond that Java does not.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_exponent = exponent.is_none_or(|text| is_digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    has_exponent && is_digits(&mantissa.replacen('.', "", 1))
}

/// `0x1.8p3`: the exponent is of two and must be there; a suffix may follow.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text[2..].split_once(['p', 'P'])?;
    let exponent = exponent.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(exponent);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)) {
        return None;
    }
    // Beyond this everything is zero or infinite.
    let exponent = match exponent.parse::<i64>() {
        Ok(exponent) => exponent.clamp(-1_000_000_000, 1_000_000_000),
        Err(_) if exponent.starts_with('-') => -1_000_000_000,
        Err(_) => 1_000_000_000,
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // The first 60 bits, with the last one standing for all that follow; `scale` is the power of two behind them.
    let (mut bits, mut scale) = (0_u64, exponent - 4 * i64::try_from(fraction.len()).ok()?);
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 56 == 0 {
            bits = bits << 4 | digit;
        } else {
            bits |= u64::from(digit != 0);
            scale += 4;
        }
    }
    Some(scaled(bits, scale))
}

/// `bits` times a power of two, rounded once, to even.
fn scaled(bits: u64, scale: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    // Numbers below the smallest normal one have their last bit at 2^-1074.
    let top = 63 - i64::from(bits.leading_zeros()) + scale;
    if top > 1023 {
        return f64::INFINITY;
    }
    let last = (top - 52).max(-1074);
    let dropped = last - scale;
    let rounded = if dropped <= 0 {
        bits << -dropped
    } else if dropped > 63 {
        0
    } else {
        let (kept, rest, half) = (bits >> dropped, bits & ((1 << dropped) - 1), 1 << (dropped - 1));
        kept + u64::from(rest > half || rest == half && kept & 1 == 1)
    };
    // Exact: at most 54 bits, of which the last is zero where there are 54.
    let power = |exponent: i64| 2_f64.powi(i32::try_from(exponent).unwrap_or(0));
    let half = last / 2;
    rounded as f64 * power(half) * power(last - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_as_java_reads_them() {
        let check = |text: &str, expected: Option<i32>| assert_eq!(parse_int(text), expected, "{text:?}");
        check("5", Some(5));
        check("+5", Some(5));
        check("-0", Some(0));
        check("007", Some(7));
        check("-2147483648", Some(i32::MIN));
        for text in ["", "+", "-", " 5", "5 ", "2147483648", "5L", "5.0", "0x5", "+-5"] {
            check(text, None);
        }
        assert_eq!(parse_long("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_long("9223372036854775808"), None);
    }

    #[test]
    fn doubles_as_java_reads_them() {
        let check = |text: &str, expected: f64| {
            assert_eq!(parse_double(text).map(f64::to_bits), Some(expected.to_bits()), "{text:?}");
        };
        check("5", 5.0);
        check(" \t5.f\n", 5.0);
        check("-.5e+2D", -50.0);
        check("1e400", f64::INFINITY);
        check("-Infinity", f64::NEG_INFINITY);
        check("-0", -0.0);
        check("0x1.8p3", 12.0);
        check("-0X.8P1f", -1.0);
        check("0x1p-1074", f64::from_bits(1));
        check("0x1p-1075", 0.0);
        check("0x1.8p-1075", f64::from_bits(1));
        check("0x1p1024", f64::INFINITY);
        check("0x1.fffffffffffffp1023", f64::MAX);
        check("0x1.fffffffffffff8p0", 2.0);
        check("0x1.00000000000008p0", 1.0);
        check("0x1.000000000000080000000001p0", 1.0 + f64::EPSILON);
        check("0x10p99999999999999999999", f64::INFINITY);
        assert!(parse_double("NaN").unwrap().is_nan());
        for text in [
            "", ".", "e5", "1e", "1e+", "inf", "nan", "infinity", "1_0", "0x1", "0xp1", "0x1p", "1.2.3",
            "5ff", "--5", "é",
        ] {
            assert_eq!(parse_double(text), None, "{text:?}");
        }
    }
}
