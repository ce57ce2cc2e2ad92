//! The JSON header form (Java: `RemotingSerializable` over fastjson). Two readers: a strict one that walks the
//! text once and copies each value to its place, for what every known client sends, and behind it fastjson's
//! whole leniency (`compat::json`) for whatever the first one does not take.

use bytes::{BufMut, BytesMut};
use compat::json::{self, Value};
use compat::language::LanguageCode;

use super::codec::{DecodeError, FIELDS_MAX, Head};
use super::command::Command;
use crate::strmap::StrMap;

/// Longest header for the lenient reader, which makes a value of everything before it looks at it.
const LENIENT_BYTES_MAX: usize = 1024 * 1024;

/// A command without body.
pub(super) fn decode(header: &[u8]) -> Result<Command, DecodeError> {
    let Ok(text) = std::str::from_utf8(header) else { return decode_lenient(header) };
    let mut scanner = Scanner { text, at: 0, fields: 0 };
    match scanner.command() {
        Some(command) => Ok(command),
        None if scanner.fields > FIELDS_MAX => Err(DecodeError::TooManyFields),
        None => decode_lenient(header),
    }
}

/// Reads plain JSON; `None` wherever it is anything but plain.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Extension fields so far.
    fields: usize,
}

impl<'a> Scanner<'a> {
    fn command(&mut self) -> Option<Command> {
        let mut command = Command::default();
        self.expect(b'{')?;
        if !self.next_is(b'}') {
            loop {
                let name = self.plain_string()?;
                self.expect(b':')?;
                self.field(name, &mut command)?;
                if !self.next_is(b',') {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        self.blanks();
        (self.at == self.text.len()).then_some(command)
    }

    fn field(&mut self, name: &str, command: &mut Command) -> Option<()> {
        match name {
            "code" => command.code = self.integer()?,
            "flag" => command.flag = self.integer()?,
            "opaque" => command.opaque = self.integer()?,
            "version" => command.version = self.integer()?,
            "language" => {
                command.language = LanguageCode::of_name(self.plain_string()?);
            }
            "remark" => {
                let mut remark = String::new();
                self.string(&mut remark)?;
                command.remark = Some(remark);
            }
            "extFields" => command.ext = Some(self.ext_fields()?),
            // The frame's type byte says it again, and that counts.
            "serializeTypeCurrentRPC" => {
                self.plain_string()?;
            }
            _ => return None,
        }
        Some(())
    }

    fn ext_fields(&mut self) -> Option<StrMap> {
        let mut map = StrMap::with_capacity(16, self.text.len() - self.at);
        self.expect(b'{')?;
        if self.next_is(b'}') {
            return Some(map);
        }
        loop {
            self.fields += 1;
            if self.fields > FIELDS_MAX {
                return None;
            }
            let start = map.arena().len();
            self.string(map.arena())?;
            self.expect(b':')?;
            let middle = map.arena().len();
            if self.peek() == Some(b'"') {
                self.string(map.arena())?;
            } else {
                // Clients in other languages send numbers and booleans bare.
                map.arena().push_str(self.plain_token()?);
            }
            map.push_span(start, middle);
            if !self.next_is(b',') {
                self.expect(b'}')?;
                return Some(map);
            }
        }
    }

    fn blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.text.as_bytes().get(self.at).copied()
    }

    fn next_is(&mut self, byte: u8) -> bool {
        // Programs write no blanks.
        if self.text.as_bytes().get(self.at) == Some(&byte) {
            self.at += 1;
            return true;
        }
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.next_is(byte).then_some(())
    }

    /// A whole number or `true` or `false`, as text. `null` is not taken here: such an entry is left out.
    fn plain_token(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
        let token = &rest[..length];
        self.at += length;
        (matches!(token, "true" | "false") || token.parse::<i64>().is_ok()).then_some(token)
    }

    fn integer(&mut self) -> Option<i32> {
        self.blanks();
        self.plain_token()?.parse().ok()
    }

    /// A string without escapes.
    fn plain_string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\'))?;
        self.at += length + 1;
        (rest.as_bytes()[length] == b'"').then(|| &rest[..length])
    }

    /// Appends a string's content. Raw control characters pass, as fastjson lets them.
    fn string(&mut self, out: &mut String) -> Option<()> {
        self.expect(b'"')?;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            out.push_str(&self.text[self.at..self.at + length]);
            self.at += length + 1;
            if rest[length] == b'"' {
                return Some(());
            }
            self.escape(out)?;
        }
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let byte = *self.text.as_bytes().get(self.at)?;
        self.at += 1;
        out.push(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b't' => '\t',
            b'n' => '\n',
            b'f' => '\u{c}',
            b'r' => '\r',
            // The separators of properties, a few in every message.
            b'u' if self.text.as_bytes()[self.at..].starts_with(b"000") => {
                let digit = char::from(*self.text.as_bytes().get(self.at + 3)?).to_digit(16)?;
                self.at += 4;
                char::from_u32(digit)?
            }
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                // Half of a surrogate pair is no char: the lenient reader joins pairs.
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        });
        Some(())
    }
}

fn decode_lenient(header: &[u8]) -> Result<Command, DecodeError> {
    let damaged = |what: String| DecodeError::Header(what);
    if header.len() > LENIENT_BYTES_MAX {
        return Err(damaged(format!("{} bytes that are no plain JSON", header.len())));
    }
    let value = json::parse(header).map_err(|error| damaged(error.to_string()))?;
    let Value::Object(fields) = value else { return Err(damaged("not a JSON object".to_owned())) };
    let mut command = Command::default();
    for (name, value) in fields {
        let Value::String(name) = name else { continue };
        let integer = || scalar_text(&value).map(|text| text.trim().parse::<i32>());
        let number = |slot: &mut i32| match integer() {
            Some(Ok(number)) => {
                *slot = number;
                Ok(())
            }
            // Null leaves a primitive as it was.
            None => Ok(()),
            Some(Err(_)) => Err(damaged(format!("`{name}` is not a number"))),
        };
        match name.as_str() {
            "code" => number(&mut command.code)?,
            "flag" => number(&mut command.flag)?,
            "opaque" => number(&mut command.opaque)?,
            "version" => number(&mut command.version)?,
            "language" => {
                command.language = match scalar_text(&value) {
                    Some(text) => match text.parse::<u8>() {
                        Ok(ordinal) => LanguageCode::of_code(ordinal),
                        Err(_) => LanguageCode::of_name(&text),
                    },
                    None => LanguageCode::Java,
                }
            }
            "remark" => command.remark = scalar_text(&value),
            "extFields" => command.ext = ext_of_value(&value)?,
            _ => {}
        }
    }
    Ok(command)
}

fn ext_of_value(value: &Value) -> Result<Option<StrMap>, DecodeError> {
    match value {
        Value::Null => Ok(None),
        Value::Object(fields) if fields.len() > FIELDS_MAX => Err(DecodeError::TooManyFields),
        Value::Object(fields) => {
            let mut map = StrMap::new();
            for (name, value) in fields {
                if let (Some(name), Some(value)) = (scalar_text(name), scalar_text(value)) {
                    map.push(&name, &value);
                }
            }
            Ok(Some(map))
        }
        _ => Err(DecodeError::Header("`extFields` is not an object".to_owned())),
    }
}

/// A scalar as Java's `String` field would hold it; `None` for null. Objects in the place of a text keep their
/// JSON, as fastjson keeps it.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Int(number) => Some(number.to_string()),
        other => json::to_vec(other).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Appends a header, its keys in fastjson's order.
pub(super) fn encode(head: &Head<'_>, out: &mut BytesMut) {
    out.put_slice(b"{\"code\":");
    put_number(out, head.code);
    if let Some(ext) = head.ext {
        out.put_slice(b",\"extFields\":{");
        for (index, (name, value)) in ext.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            put_string(out, name);
            out.put_u8(b':');
            put_string(out, value);
        }
        out.put_u8(b'}');
    }
    out.put_slice(b",\"flag\":");
    put_number(out, head.flag);
    out.put_slice(b",\"language\":\"");
    out.put_slice(head.language.name().as_bytes());
    out.put_slice(b"\",\"opaque\":");
    put_number(out, head.opaque);
    if let Some(remark) = head.remark {
        out.put_slice(b",\"remark\":");
        put_string(out, remark);
    }
    out.put_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    put_number(out, head.version);
    out.put_u8(b'}');
}

fn put_number(out: &mut BytesMut, number: i32) {
    out.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_u8(b'"');
    // Nearly every text is plain, and a look at its bytes tells.
    if text.bytes().all(|byte| matches!(byte, 0x20..0x7f) && !matches!(byte, b'"' | b'\\')) {
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
        return;
    }
    let mut plain_from = 0;
    for (at, char) in text.char_indices() {
        if !json::needs_escape(char) {
            continue;
        }
        out.put_slice(&text.as_bytes()[plain_from..at]);
        json::write_escape(char, out).expect("a buffer grows as needed");
        plain_from = at + char.len_utf8();
    }
    out.put_slice(&text.as_bytes()[plain_from..]);
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_and_lenient_reader_agree() {
        let texts = [
            r#"{"code":310,"extFields":{"a":"g","i":"K\u0001v\u0002"},"flag":0,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":273}"#,
            r#" { "opaque" : -1 , "code":0, "extFields":{} , "language":"GO","remark":"a\"b" } "#,
            r#"{"code":11,"extFields":{"queueId":3,"ok":true},"language":"NEW"}"#,
            "{}",
        ];
        for text in texts {
            let strict = Scanner { text, at: 0, fields: 0 }.command().expect(text);
            assert_eq!(strict, decode_lenient(text.as_bytes()).unwrap(), "{text}");
        }
    }

    #[test]
    fn odd_headers_are_read_as_fastjson_reads_them() {
        fn check(text: &str, expected: impl FnOnce(&Command) -> bool) {
            let command = decode(text.as_bytes()).expect(text);
            assert!(expected(&command), "{text} gave {command:?}");
        }
        check("{code:17,'extFields':{a:1.5,b:null}}", |c| c.code == 17 && c.ext_field("b").is_none());
        check(r#"{"code":"12","remark":null,"extFields":null}"#, |c| c.code == 12 && c.ext.is_none());
        check(r#"{"language":9,"unknown":[1,{"x":2}]}"#, |c| c.language == LanguageCode::Go);
        check(r#"{"remark":"\ud834\udd1e"}"#, |c| c.remark.as_deref() == Some("𝄞"));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        for text in
            ["", "[", "{\"code\":x}", "{\"code\":1", "{\"a\":\"\\", "{\"a\":\"\\u12", "nonsense", "{}x"]
        {
            let _ = decode(text.as_bytes());
        }
        assert!(decode(b"{\"code\":\"x\"}").is_err());
        assert!(decode(&[b'['; 100_000]).is_err());
    }

    #[test]
    fn fields_are_bounded() {
        let header = |quote: &str, fields: usize| {
            let fields: Vec<String> = (0..fields).map(|number| format!("{quote}{number}{quote}:1")).collect();
            format!("{{\"code\":1,\"extFields\":{{{}}}}}", fields.join(","))
        };
        for quote in ["\"", "'"] {
            assert!(decode(header(quote, FIELDS_MAX).as_bytes()).is_ok());
            let error = decode(header(quote, FIELDS_MAX + 1).as_bytes()).unwrap_err();
            assert!(matches!(error, DecodeError::TooManyFields), "{error}");
        }
        let error = decode(header("'", 200_000).as_bytes()).unwrap_err();
        assert!(matches!(error, DecodeError::Header(_)), "{error}");
    }
}
