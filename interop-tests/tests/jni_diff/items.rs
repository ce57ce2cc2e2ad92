//! The items that cross to Java and back, as `Oracle.java` describes them: numbers big-endian, a text or bytes with
//! their length before them, -1 for null.

use std::collections::BTreeMap;

/// Names and values in order, as both sides compare them.
pub type Map = BTreeMap<String, String>;

/// Builds one item.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    pub fn u8(mut self, value: u8) -> Writer {
        self.0.push(value);
        self
    }

    pub fn i32(mut self, value: i32) -> Writer {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn i64(mut self, value: i64) -> Writer {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn bytes(self, bytes: Option<&[u8]>) -> Writer {
        let mut written = self.i32(bytes.map_or(-1, |it| i32::try_from(it.len()).unwrap()));
        written.0.extend_from_slice(bytes.unwrap_or_default());
        written
    }

    pub fn text(self, text: &str) -> Writer {
        self.bytes(Some(text.as_bytes()))
    }

    pub fn maybe_text(self, text: Option<&str>) -> Writer {
        self.bytes(text.map(str::as_bytes))
    }

    pub fn map(self, map: Option<&Map>) -> Writer {
        let written = self.i32(map.map_or(-1, |it| i32::try_from(it.len()).unwrap()));
        map.into_iter().flatten().fold(written, |it, (name, value)| it.text(name).text(value))
    }

    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Takes one item apart.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().expect("Java wrote it whole");
        self.0 = rest;
        *head
    }

    pub fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.array())
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.array())
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.i32()).ok()?;
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(bytes)
    }

    pub fn maybe_text(&mut self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8(bytes.to_vec()).expect("Java writes UTF-8"))
    }

    pub fn text(&mut self) -> String {
        self.maybe_text().expect("a text, not null")
    }

    /// Without the names whose value is null, which Java's maps may hold and nobody sends.
    pub fn map(&mut self) -> Option<Map> {
        let count = self.i32();
        let pair = |rest: &mut Self| {
            let name = rest.text();
            rest.maybe_text().map(|value| (name, value))
        };
        (count >= 0).then(|| (0..count).filter_map(|_| pair(self)).collect())
    }
}
