//! Rust types to text, as fastjson's `SerializeWriter` and `JSONSerializer` print.

use std::fmt::{self, Write as _};

use serde::ser::{self, Impossible, Serialize};

use super::{Error, Value};

/// Compact, integer keys quoted: bodies on the wire.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    write(value, Style { pretty: false, quote_integer_keys: true })
}

/// Compact, as Java prints it.
pub fn to_vec_java<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    write(value, Style { pretty: false, quote_integer_keys: false })
}

/// With tabs and line ends, as Java prints its config files (`SerializerFeature.PrettyFormat`).
pub fn to_pretty_java<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    write(value, Style { pretty: true, quote_integer_keys: false })
}

fn write<T: Serialize + ?Sized>(value: &T, style: Style) -> Result<Vec<u8>, Error> {
    let mut out = String::with_capacity(256);
    value.serialize(Writer { out: &mut out, style, depth: 0 })?;
    Ok(out.into_bytes())
}

#[derive(Clone, Copy)]
struct Style {
    pretty: bool,
    quote_integer_keys: bool,
}

/// Whether fastjson writes a character as an escape.
pub fn needs_escape(char: char) -> bool {
    matches!(char, '"' | '\\' | '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// Writes the escape of a character that needs one.
pub fn write_escape(char: char, out: &mut impl fmt::Write) -> fmt::Result {
    match char {
        '"' => out.write_str("\\\""),
        '\\' => out.write_str("\\\\"),
        '\u{8}' => out.write_str("\\b"),
        '\t' => out.write_str("\\t"),
        '\n' => out.write_str("\\n"),
        '\u{c}' => out.write_str("\\f"),
        '\r' => out.write_str("\\r"),
        _ => write!(out, "\\u{:04X}", u32::from(char)),
    }
}

fn write_string(text: &str, out: &mut String) -> fmt::Result {
    out.push('"');
    let mut plain_from = 0;
    for (at, char) in text.char_indices().filter(|(_, char)| needs_escape(*char)) {
        out.push_str(&text[plain_from..at]);
        write_escape(char, out)?;
        plain_from = at + char.len_utf8();
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
    Ok(())
}

/// `Double.toString`: shortest digits, at least one behind the point, `E` form outside 10^-3 to 10^7. (JDK 17
/// prints a digit too many for a few values; every reader parses both to the same number.)
pub fn java_double(number: f64) -> String {
    java_floating(number, number.abs(), format!("{number:e}"), format!("{number}"))
}

/// `Float.toString`.
pub fn java_float(number: f32) -> String {
    java_floating(f64::from(number), f64::from(number.abs()), format!("{number:e}"), format!("{number}"))
}

fn java_floating(number: f64, size: f64, scientific: String, plain: String) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        return format!("{digits}{point}E{exponent}");
    }
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

struct Writer<'o> {
    out: &'o mut String,
    style: Style,
    depth: usize,
}

impl Writer<'_> {
    /// What goes before a key or field: a line of its own in the pretty form.
    fn line(&mut self, depth: usize) {
        if self.style.pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n('\t', depth));
        }
    }

    fn inner(&mut self) -> Writer<'_> {
        Writer { out: self.out, style: self.style, depth: self.depth + 1 }
    }
}

macro_rules! write_number {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, number: $type) -> Result<bool, Error> {
            write!(self.out, "{number}").map_err(ser::Error::custom)?;
            Ok(true)
        }
    )*};
}

/// Serializing answers whether there was a value: `false` for what is null and left out of objects.
impl<'o> ser::Serializer for Writer<'o> {
    type Ok = bool;
    type Error = Error;
    type SerializeSeq = Array<'o>;
    type SerializeTuple = Array<'o>;
    type SerializeTupleStruct = Array<'o>;
    type SerializeTupleVariant = Impossible<bool, Error>;
    type SerializeMap = Map<'o>;
    type SerializeStruct = Struct<'o>;
    type SerializeStructVariant = Impossible<bool, Error>;

    write_number! {
        serialize_bool bool; serialize_i8 i8; serialize_i16 i16; serialize_i32 i32; serialize_i64 i64;
        serialize_u8 u8; serialize_u16 u16; serialize_u32 u32; serialize_u64 u64;
    }

    fn serialize_f32(self, number: f32) -> Result<bool, Error> {
        self.out.push_str(&if number.is_finite() { java_float(number) } else { "null".to_owned() });
        Ok(true)
    }

    fn serialize_f64(self, number: f64) -> Result<bool, Error> {
        self.out.push_str(&if number.is_finite() { java_double(number) } else { "null".to_owned() });
        Ok(true)
    }

    fn serialize_char(self, char: char) -> Result<bool, Error> {
        self.serialize_str(char.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<bool, Error> {
        write_string(text, self.out).map_err(ser::Error::custom)?;
        Ok(true)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<bool, Error> {
        Err(ser::Error::custom("bytes have no place in these bodies"))
    }

    fn serialize_none(self) -> Result<bool, Error> {
        self.out.push_str("null");
        Ok(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<bool, Error> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<bool, Error> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<bool, Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<bool, Error> {
        Err(ser::Error::custom("Java's enums carry nothing"))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'o>, Error> {
        self.out.push('[');
        Ok(Array { writer: self, is_first: true })
    }

    fn serialize_tuple(self, length: usize) -> Result<Array<'o>, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Array<'o>, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(ser::Error::custom("Java's enums carry nothing"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map<'o>, Error> {
        self.out.push('{');
        let entry_at = self.out.len();
        Ok(Map { writer: self, is_first: true, entry_at })
    }

    fn serialize_struct(self, _: &'static str, fields: usize) -> Result<Struct<'o>, Error> {
        Ok(Struct { writer: self, fields: Vec::with_capacity(fields) })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(ser::Error::custom("Java's enums carry nothing"))
    }
}

struct Array<'o> {
    writer: Writer<'o>,
    is_first: bool,
}

impl Array<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_first) {
            self.writer.out.push(',');
        }
        let depth = self.writer.depth + 1;
        self.writer.line(depth);
        value.serialize(self.writer.inner())?;
        Ok(())
    }

    fn close(mut self) -> Result<bool, Error> {
        if !self.is_first {
            let depth = self.writer.depth;
            self.writer.line(depth);
        }
        self.writer.out.push(']');
        Ok(true)
    }
}

impl ser::SerializeSeq for Array<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<bool, Error> {
        self.close()
    }
}

impl ser::SerializeTuple for Array<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<bool, Error> {
        self.close()
    }
}

impl ser::SerializeTupleStruct for Array<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<bool, Error> {
        self.close()
    }
}

/// A map's entries in its own order.
struct Map<'o> {
    writer: Writer<'o>,
    is_first: bool,
    /// Where the entry being written began, to take it back when its value is null.
    entry_at: usize,
}

impl ser::SerializeMap for Map<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.entry_at = self.writer.out.len();
        if !self.is_first {
            self.writer.out.push(',');
        }
        let key_at = self.writer.out.len();
        key.serialize(Writer {
            out: self.writer.out,
            style: Style { pretty: false, ..self.writer.style },
            depth: 0,
        })?;
        let first = self.writer.out.as_bytes().get(key_at).copied().unwrap_or(b'"');
        if first == b'"' {
            // fastjson begins a line before text keys only.
            let key = self.writer.out.split_off(key_at);
            let depth = self.writer.depth + 1;
            self.writer.line(depth);
            self.writer.out.push_str(&key);
        } else if self.writer.style.quote_integer_keys && first != b'{' && first != b'[' {
            self.writer.out.insert(key_at, '"');
            self.writer.out.push('"');
        }
        self.writer.out.push(':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if value.serialize(self.writer.inner())? {
            self.is_first = false;
        } else {
            self.writer.out.truncate(self.entry_at);
        }
        Ok(())
    }

    fn end(mut self) -> Result<bool, Error> {
        if !self.is_first {
            let depth = self.writer.depth;
            self.writer.line(depth);
        }
        self.writer.out.push('}');
        Ok(true)
    }
}

/// A struct's fields, printed apart and put in the order of their names at the end.
struct Struct<'o> {
    writer: Writer<'o>,
    fields: Vec<(&'static str, String)>,
}

impl ser::SerializeStruct for Struct<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let mut out = String::new();
        let writer = Writer { out: &mut out, style: self.writer.style, depth: self.writer.depth + 1 };
        if value.serialize(writer)? {
            self.fields.push((name, out));
        }
        Ok(())
    }

    fn end(mut self) -> Result<bool, Error> {
        self.fields.sort_unstable_by_key(|(name, _)| *name);
        let depth = self.writer.depth;
        self.writer.out.push('{');
        for (index, (name, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                self.writer.out.push(',');
            }
            self.writer.line(depth + 1);
            write_string(name, self.writer.out).map_err(ser::Error::custom)?;
            self.writer.out.push(':');
            self.writer.out.push_str(value);
        }
        if !self.fields.is_empty() {
            self.writer.line(depth);
        }
        self.writer.out.push('}');
        Ok(true)
    }
}

impl Serialize for Value {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Bool(bool) => serializer.serialize_bool(*bool),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Double(number) => serializer.serialize_f64(*number),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items),
            Value::Object(fields) => serializer.collect_map(fields.iter().map(|(key, value)| (key, value))),
        }
    }
}
