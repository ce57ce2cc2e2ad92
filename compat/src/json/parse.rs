//! Text to [`Value`], as leniently as fastjson's `DefaultJSONParser` and `JSONScanner`.

use super::{DEPTH_MAX, Error, Value};

/// Reads a text. A blank one is null. Bytes that are no UTF-8 become replacement characters, as in Java; a byte
/// order mark is passed over.
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    let text = String::from_utf8_lossy(text);
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut parser = Parser { text: text.as_bytes(), at, depth: 0 };
    parser.blanks()?;
    if parser.at == parser.text.len() {
        return Ok(Value::Null);
    }
    let value = parser.value()?;
    parser.blanks()?;
    if parser.at < parser.text.len() {
        return parser.fail("text behind the value");
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$'
}

impl Parser<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::Syntax { at: self.at, what })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Blanks and comments.
    fn blanks(&mut self) -> Result<(), Error> {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0C | 0x08 => self.at += 1,
                b'/' => self.comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Error> {
        let rest = &self.text[self.at..];
        let length = match rest.get(1) {
            Some(b'/') => rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1),
            Some(b'*') => match rest[2..].windows(2).position(|pair| pair == b"*/") {
                Some(end) => end + 4,
                None => return self.fail("comment without end"),
            },
            _ => return self.fail("a lone slash"),
        };
        self.at += length;
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Error> {
        self.blanks()?;
        let Some(byte) = self.peek() else { return self.fail("text ends where a value is due") };
        match byte {
            b'{' => self.nested(Parser::object),
            b'[' => self.nested(Parser::array),
            b'"' | b'\'' => self.string().map(Value::String),
            b'-' | b'+' | b'.' | b'0'..=b'9' => self.number(),
            _ if is_name_start(byte) => self.word(),
            _ => self.fail("no value begins with this"),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        if self.depth == DEPTH_MAX {
            return self.fail("nested too deeply");
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Result<Value, Error> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blanks()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                None => return self.fail("array without end"),
                Some(_) => {
                    items.push(self.value()?);
                    self.blanks()?;
                    if !matches!(self.peek(), Some(b',' | b']')) {
                        return self.fail("neither comma nor end behind an array's item");
                    }
                }
            }
        }
    }

    fn object(&mut self) -> Result<Value, Error> {
        self.at += 1;
        let mut fields = Vec::new();
        loop {
            self.blanks()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(fields));
                }
                None => return self.fail("object without end"),
                Some(_) => {
                    let key = self.key()?;
                    self.blanks()?;
                    if !self.next_is(b':') {
                        return self.fail("no colon behind a key");
                    }
                    fields.push((key, self.value()?));
                    self.blanks()?;
                    if !matches!(self.peek(), Some(b',' | b'}')) {
                        return self.fail("neither comma nor end behind an object's value");
                    }
                }
            }
        }
    }

    fn key(&mut self) -> Result<Value, Error> {
        match self.peek() {
            Some(byte) if is_name_start(byte) => Ok(Value::String(self.name().to_owned())),
            _ => self.value(),
        }
    }

    fn name(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| is_name_start(**byte) || byte.is_ascii_digit()).count();
        self.at += length;
        std::str::from_utf8(&rest[..length]).unwrap_or("")
    }

    fn word(&mut self) -> Result<Value, Error> {
        let start = self.at;
        match self.name() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" | "NULL" | "undefined" => Ok(Value::Null),
            "Set" | "TreeSet" => {
                self.blanks()?;
                if self.peek() == Some(b'[') {
                    self.nested(Parser::array)
                } else {
                    self.fail("a set without [")
                }
            }
            "new" => self.date(),
            _ => {
                self.at = start;
                self.fail("unknown word")
            }
        }
    }

    /// `new Date(1)`, behind `new`.
    fn date(&mut self) -> Result<Value, Error> {
        self.blanks()?;
        if self.name() != "Date" {
            return self.fail("new of something else than Date");
        }
        self.blanks()?;
        if !self.next_is(b'(') {
            return self.fail("Date without (");
        }
        self.blanks()?;
        let value = self.number()?;
        self.blanks()?;
        if self.next_is(b')') { Ok(value) } else { self.fail("Date without )") }
    }

    fn number(&mut self) -> Result<Value, Error> {
        let rest = &self.text[self.at..];
        let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
        let mut length = sign;
        let mut is_whole = true;
        while let Some(byte) = rest.get(length) {
            match byte {
                b'0'..=b'9' => {}
                b'.' => is_whole = false,
                b'e' | b'E' if length > sign => is_whole = false,
                b'-' | b'+' if matches!(rest[length - 1], b'e' | b'E') && length > sign => {}
                _ => break,
            }
            length += 1;
        }
        let digits = std::str::from_utf8(&rest[..length]).unwrap_or("");
        let value = if is_whole { digits.parse().ok().map(Value::Int) } else { None };
        let value = value.or_else(|| digits.parse().ok().map(Value::Double));
        let Some(mut value) = value else { return self.fail("not a number") };
        self.at += length;
        match self.peek() {
            Some(b'L' | b'S' | b'B') => self.at += 1,
            Some(b'F' | b'D') => {
                self.at += 1;
                if let Value::Int(whole) = value {
                    value = Value::Double(whole as f64);
                }
            }
            _ => {}
        }
        Ok(value)
    }

    /// A string in either kind of quotes; raw control characters pass.
    fn string(&mut self) -> Result<String, Error> {
        let quote = self.text[self.at];
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = rest.iter().position(|byte| *byte == quote || *byte == b'\\') else {
                self.at = self.text.len();
                return self.fail("string without end");
            };
            out.extend_from_slice(&rest[..length]);
            self.at += length + 1;
            if rest[length] == quote {
                // Whole characters were copied between bytes that are characters themselves.
                return Ok(String::from_utf8(out).unwrap_or_default());
            }
            let char = self.escape()?;
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let Some(byte) = self.peek() else { return self.fail("string without end") };
        self.at += 1;
        Ok(match byte {
            b'"' | b'\'' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b't' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' | b'F' => '\u{c}',
            b'r' => '\r',
            b'0'..=b'7' => char::from(byte - b'0'),
            b'x' => char::from(self.hex(2)? as u8),
            b'u' => self.utf16()?,
            _ => {
                self.at -= 1;
                return self.fail("unknown escape");
            }
        })
    }

    fn hex(&mut self, count: usize) -> Result<u16, Error> {
        let digits =
            self.text.get(self.at..self.at + count).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            return self.fail("not hexadecimal");
        };
        self.at += count;
        Ok(code)
    }

    /// A `\u` escape, or two that are one character. A lone half becomes a replacement character, as Java
    /// writes it out as UTF-8.
    fn utf16(&mut self) -> Result<char, Error> {
        let first = self.hex(4)?;
        let second = if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hex(4)?;
            if (0xDC00..0xE000).contains(&second) {
                Some(second)
            } else {
                self.at = before;
                None
            }
        } else {
            None
        };
        let units = [Some(first), second].into_iter().flatten();
        Ok(char::decode_utf16(units).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}
