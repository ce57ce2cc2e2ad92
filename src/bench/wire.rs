//! Frames at the least cost: requests encoded once and patched, replies read no further than code, opaque and
//! length. The load generator shares its machine with the server it measures, so it must cost next to nothing.
//! Not a codec: the templates come from `remoting::codec`, and what is not on the hot path uses that.

use bytes::BytesMut;

use crate::remoting::codec::{FRAME_MAX_BYTES, encode_as};
use crate::remoting::{Command, SerializeType};

/// Opaques start here, so that each has ten digits and can be patched in place.
pub const OPAQUE_BASE: u32 = 1_000_000_000;
/// What stands in a template where an opaque goes.
const OPAQUE_MARK: i32 = 1_987_654_321;
/// What stands in a template where the current time in milliseconds goes.
pub const TIME_MARK: i64 = 1_234_567_890_123;
/// What stands in a template where a message's number goes, in sixteen hexadecimal digits.
pub const NUMBER_MARK: &str = "ZXNUMBERNUMBERXZ";
/// What stands in a template where a queue offset goes; nineteen digits, read with leading zeros by all.
pub const OFFSET_MARK: i64 = 8_888_888_888_888_888_888;

/// A request frame with places to fill in.
#[derive(Debug, Clone)]
pub struct Template {
    frame: Vec<u8>,
    opaque: Opaque,
    times: Vec<usize>,
    numbers: Vec<usize>,
    offsets: Vec<usize>,
    time_ms: i64,
}

#[derive(Debug, Clone, Copy)]
enum Opaque {
    /// Ten decimal digits from here on.
    Json(usize),
    /// Four bytes from here on.
    Binary(usize),
}

impl Template {
    /// A template of a command that holds marks, and whose opaque is not given yet.
    pub fn new(mut command: Command, form: SerializeType) -> Template {
        command.opaque = OPAQUE_MARK;
        let mut bytes = BytesMut::new();
        encode_as(&command, form, &mut bytes);
        let frame = bytes.to_vec();
        let opaque = match form {
            SerializeType::Json => {
                let at = find(&frame, format!("\"opaque\":{OPAQUE_MARK}").as_bytes(), 0);
                Opaque::Json(at.expect("a JSON header has its opaque") + "\"opaque\":".len())
            }
            // Frame length, header length, code, language, version, opaque.
            SerializeType::RocketMq => Opaque::Binary(4 + 4 + 2 + 1 + 2),
        };
        let times = find_all(&frame, TIME_MARK.to_string().as_bytes());
        let numbers = find_all(&frame, NUMBER_MARK.as_bytes());
        let offsets = find_all(&frame, OFFSET_MARK.to_string().as_bytes());
        Template { frame, opaque, times, numbers, offsets, time_ms: 0 }
    }

    /// Writes the current time where it goes; repeated times cost nothing.
    pub fn set_time(&mut self, now_ms: i64) {
        if now_ms != self.time_ms {
            self.time_ms = now_ms;
            for at in &self.times {
                decimal(&mut self.frame[*at..*at + 13], now_ms.unsigned_abs());
            }
        }
    }

    /// Writes a queue offset where it goes.
    pub fn set_offset(&mut self, offset: i64) {
        for at in &self.offsets {
            decimal(&mut self.frame[*at..*at + 19], offset.unsigned_abs());
        }
    }

    /// Appends the frame with this opaque. Numbers of messages count up from `first`, `marks` of them to each
    /// message.
    pub fn append(&mut self, out: &mut Vec<u8>, opaque: u32, first: u64, marks: usize) {
        match self.opaque {
            Opaque::Json(at) => decimal(&mut self.frame[at..at + 10], opaque.into()),
            Opaque::Binary(at) => self.frame[at..at + 4].copy_from_slice(&opaque.to_be_bytes()),
        }
        for (index, at) in self.numbers.iter().enumerate() {
            let number = first + (index / marks.max(1)) as u64;
            hexadecimal(&mut self.frame[*at..*at + 16], number);
        }
        out.extend_from_slice(&self.frame);
    }

    /// How often a message's number stands in the frame.
    pub fn number_marks(&self) -> usize {
        self.numbers.len()
    }
}

fn decimal(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn hexadecimal(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789ABCDEF"[(number & 15) as usize];
        number >>= 4;
    }
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let tail = haystack.get(from..)?;
    tail.windows(needle.len()).position(|window| window == needle).map(|at| from + at)
}

fn find_all(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = find(haystack, needle, from) {
        found.push(at);
        from = at + needle.len();
    }
    found
}

/// A reply as far as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    pub code: i32,
    pub opaque: u32,
    form: SerializeType,
    header: &'a [u8],
    pub body: &'a [u8],
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the other side sent what is no frame: {0}")]
pub struct NoFrame(&'static str);

/// Cuts replies off a connection's bytes. It remembers where the last JSON header had its code and opaque:
/// a server's headers are all alike, so a look at two places does for nearly every one.
#[derive(Debug, Clone, Default)]
pub struct Scanner {
    code_from_start: usize,
    opaque_from_end: usize,
}

impl Scanner {
    /// The first frame and its length, or none where it is not whole yet.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(Reply<'a>, usize)>, NoFrame> {
        let Some(head) = bytes.first_chunk::<8>() else { return Ok(None) };
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let header_length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
        if length > FRAME_MAX_BYTES || header_length + 4 > length {
            return Err(NoFrame("lengths do not fit"));
        }
        let Some(frame) = bytes.get(8..4 + length) else { return Ok(None) };
        let (header, body) = frame.split_at(header_length);
        let form = SerializeType::of_byte(head[4]).ok_or(NoFrame("unknown header form"))?;
        let (code, opaque) = match form {
            SerializeType::Json => self.json(header)?,
            SerializeType::RocketMq => binary(header)?,
        };
        // Java's opaque is signed; ours are all positive, and others match none of ours.
        Ok(Some((Reply { code, opaque: opaque as u32, form, header, body }, 4 + length)))
    }

    fn json(&mut self, header: &[u8]) -> Result<(i32, i32), NoFrame> {
        const CODE: &[u8] = b"\"code\":";
        const OPAQUE: &[u8] = b"\"opaque\":";
        let quick = |at: usize, name: &[u8]| {
            let tail = header.get(at..)?.strip_prefix(name)?;
            // Within a string a quote would stand behind a backslash, so this is a key; that it is not a key
            // of a nested object shows by its value, which is a string there.
            number(tail)
        };
        let code = match quick(self.code_from_start, CODE) {
            Some(code) => code,
            None => {
                let at = top_level(header, b"code").ok_or(NoFrame("a header without code"))?;
                self.code_from_start = at.saturating_sub(CODE.len());
                number(&header[at..]).ok_or(NoFrame("a code that is no number"))?
            }
        };
        let opaque = match header.len().checked_sub(self.opaque_from_end).and_then(|at| quick(at, OPAQUE)) {
            Some(opaque) => opaque,
            None => {
                let at = top_level(header, b"opaque").ok_or(NoFrame("a header without opaque"))?;
                self.opaque_from_end = header.len() - at.saturating_sub(OPAQUE.len());
                number(&header[at..]).ok_or(NoFrame("an opaque that is no number"))?
            }
        };
        Ok((code, opaque))
    }
}

impl Reply<'_> {
    /// A header field that is a number.
    pub fn ext_number(&self, name: &str) -> Option<i64> {
        match self.form {
            SerializeType::Json => {
                let key = format!("\"{name}\":");
                let at = find(self.header, key.as_bytes(), 0)? + key.len();
                let tail = &self.header[at..];
                wide_number(tail.strip_prefix(b"\"").unwrap_or(tail))
            }
            SerializeType::RocketMq => {
                let remark_length = u32::from_be_bytes(*self.header.get(13..)?.first_chunk()?) as usize;
                let mut rest = self.header.get(17 + remark_length + 4..)?;
                loop {
                    let (key, tail) = take(rest, 2)?;
                    let (value, tail) = take(tail, 4)?;
                    if key == name.as_bytes() {
                        return wide_number(value);
                    }
                    rest = tail;
                }
            }
        }
    }

    /// The header, for error texts.
    pub fn header_text(&self) -> String {
        String::from_utf8_lossy(self.header).into_owned()
    }
}

/// A piece behind its length, which has `width` bytes.
fn take(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, tail) = bytes.split_at_checked(width)?;
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    tail.split_at_checked(length)
}

fn binary(header: &[u8]) -> Result<(i32, i32), NoFrame> {
    let fixed: &[u8; 9] = header.first_chunk().ok_or(NoFrame("a binary header too short"))?;
    let code = i16::from_be_bytes([fixed[0], fixed[1]]);
    Ok((code.into(), i32::from_be_bytes([fixed[5], fixed[6], fixed[7], fixed[8]])))
}

fn number(text: &[u8]) -> Option<i32> {
    i32::try_from(wide_number(text)?).ok()
}

fn wide_number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut value = 0i64;
    let mut any = false;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        any = true;
    }
    any.then_some(if negative { -value } else { value })
}

/// Where the value of an outermost key begins.
fn top_level(json: &[u8], key: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    while at < json.len() {
        match json[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let start = at + 1;
                at = start;
                while *json.get(at)? != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                let mut after = at + 1;
                let skip_blanks = |mut at: usize| {
                    while json.get(at).is_some_and(u8::is_ascii_whitespace) {
                        at += 1;
                    }
                    at
                };
                after = skip_blanks(after);
                if depth == 1 && &json[start..at] == key && json.get(after) == Some(&b':') {
                    return Some(skip_blanks(after + 1));
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoting::codec;
    use crate::strmap::StrMap;

    fn frame(header: &str, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&u32::try_from(4 + header.len() + body.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&u32::try_from(header.len()).unwrap().to_be_bytes());
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn replies_are_read_whatever_the_order_of_keys() {
        let mut scanner = Scanner::default();
        let mut check = |header: &str, code: i32, opaque: u32| {
            let bytes = frame(header, b"xyz");
            let (reply, length) = scanner.next(&bytes).unwrap().unwrap();
            assert_eq!(
                (reply.code, reply.opaque, reply.body, length),
                (code, opaque, &b"xyz"[..], bytes.len())
            );
            for cut in 0..bytes.len() {
                assert_eq!(scanner.next(&bytes[..cut]), Ok(None));
            }
        };
        let java = r#"{"code":0,"extFields":{"queueId":"1"},"flag":1,"opaque":1000000007,"version":273}"#;
        check(java, 0, 1_000_000_007);
        check(&java.replace("1000000007", "1000000008"), 0, 1_000_000_008);
        check(r#"{"opaque":5,"flag":1,"code":22}"#, 22, 5);
        check(
            r#"{"remark":"\"code\":9,\"opaque\":3","extFields":{"code":"7"}, "opaque" : 6, "code": -1}"#,
            -1,
            6,
        );
        check(java, 0, 1_000_000_007);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let mut scanner = Scanner::default();
        assert!(scanner.next(b"HTTP/1.1 400 Bad Request\r\n").is_err());
        assert!(scanner.next(&frame(r#"{"flag":1}"#, b"")).is_err());
        assert!(scanner.next(&frame(r#"{"opaque":1,"code":"#, b"")).is_err());
        assert!(scanner.next(&frame(r#"{"opa\"#, b"")).is_err());
        assert!(scanner.next(&[0, 0, 0, 6, 1, 0, 0, 2, 0, 0]).is_err());
    }

    #[test]
    fn templates_come_back_with_what_was_filled_in() {
        for form in [SerializeType::Json, SerializeType::RocketMq] {
            let mut ext = StrMap::new();
            ext.push_display("g", TIME_MARK);
            ext.push_display("queueOffset", OFFSET_MARK);
            ext.push("i", &format!("UNIQ_KEY\u{1}{NUMBER_MARK}\u{2}"));
            let command = Command { code: 310, ext: Some(ext), ..Command::default() };
            let mut template = Template::new(command.with_body(NUMBER_MARK.as_bytes()), form);
            assert_eq!(template.number_marks(), 2);
            template.set_time(1_700_000_000_001);
            template.set_offset(42);
            let mut out = Vec::new();
            template.append(&mut out, OPAQUE_BASE + 3, 0xAB, 2);
            let (reply, _) = Scanner::default().next(&out).unwrap().unwrap();
            assert_eq!((reply.code, reply.opaque), (310, OPAQUE_BASE + 3));
            assert_eq!(reply.ext_number("queueOffset"), Some(42));
            assert_eq!(reply.ext_number("g"), Some(1_700_000_000_001));
            assert_eq!(reply.ext_number("none"), None);
            let command = codec::decode(&out.into()).unwrap();
            assert_eq!(command.opaque, 1_000_000_003);
            assert_eq!(command.ext_field("i"), Some("UNIQ_KEY\u{1}00000000000000AB\u{2}"));
            assert_eq!(&command.body[..], b"00000000000000AB");
        }
    }
}
