//! Flat maps of strings, and serde to and from them: what request headers (`extFields`) and properties files
//! have in common. Java fills its header and config objects by reflection over such maps
//! (`RemotingCommand.decodeCommandCustomHeader`, `MixAll.properties2Object`); here a header or config struct
//! is only its fields. Not a general serde format: no nesting, no sequences.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde::ser::{self, Impossible, Serialize, SerializeStruct};

/// Names and values in order of arrival, kept in one string: two allocations however many entries.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StrMap {
    arena: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    name: (u32, u32),
    value: (u32, u32),
}

/// What does not fit between a map of strings and a struct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field without default has no entry.
    #[error("field `{0}` is missing")]
    Missing(String),
    /// A value's text is not of the field's type.
    #[error("field `{name}` has value `{value}`, which is not {expected}")]
    Value { name: String, value: String, expected: &'static str },
    /// A value's text is none of an enum's names.
    #[error("field `{name}` has value `{value}`, which is none of {names}")]
    Name { name: String, value: String, names: String },
    /// Anything else serde complains of.
    #[error("{0}")]
    Other(String),
}

impl StrMap {
    /// An empty map.
    pub fn new() -> StrMap {
        StrMap::default()
    }

    /// An empty map with room for `entries` entries of `bytes` bytes in all.
    pub fn with_capacity(entries: usize, bytes: usize) -> StrMap {
        StrMap { arena: String::with_capacity(bytes), entries: Vec::with_capacity(entries) }
    }

    /// A struct's fields as text; `None` fields are left out.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<StrMap, Error> {
        let mut map = StrMap::with_capacity(8, 128);
        value.serialize(StructWriter { map: &mut map })?;
        Ok(map)
    }

    /// The struct that the entries describe; unknown names are ignored, of several equal names the last wins.
    pub fn to<'de, T: de::Deserialize<'de>>(&'de self) -> Result<T, Error> {
        let reader = Reader { map: self, next: 0, keep: None };
        match T::deserialize(MapReader(reader)) {
            // Serde refuses repeated names; Java's map keeps the last. Rare, so found out only here.
            Err(Error::Other(_) | Error::Name { .. }) => {
                let last: HashMap<&str, usize> =
                    self.iter().enumerate().map(|(index, (name, _))| (name, index)).collect();
                T::deserialize(MapReader(Reader { map: self, next: 0, keep: Some(last) }))
            }
            result => result,
        }
    }

    /// Appends an entry; an earlier one of that name stays but is hidden.
    pub fn push(&mut self, name: &str, value: &str) {
        let start = self.arena.len();
        self.arena.push_str(name);
        let middle = self.arena.len();
        self.arena.push_str(value);
        self.push_span(start, middle);
    }

    /// Appends an entry with a value that can be printed.
    pub fn push_display(&mut self, name: &str, value: impl fmt::Display) {
        let start = self.arena.len();
        self.arena.push_str(name);
        let middle = self.arena.len();
        write!(self.arena, "{value}").expect("a string takes any text");
        self.push_span(start, middle);
    }

    /// Removes every entry of that name.
    pub fn remove(&mut self, name: &str) {
        let arena = &self.arena;
        self.entries.retain(|entry| text(arena, entry.name) != name);
    }

    /// Puts a value in the place of any earlier one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.push(name, value);
    }

    /// The value of a name; of several the last.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.entries.iter().rev().find(|entry| text(&self.arena, entry.name) == name)?;
        Some(text(&self.arena, found.value))
    }

    /// All entries in order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (text(&self.arena, entry.name), text(&self.arena, entry.value)))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The text behind the entries, for a decoder that writes a name, marks `len()`, writes a value and then
    /// calls [`StrMap::push_span`].
    pub(crate) fn arena(&mut self) -> &mut String {
        &mut self.arena
    }

    /// Makes an entry of the arena's text: a name from `start` to `middle`, a value from there to the end.
    pub(crate) fn push_span(&mut self, start: usize, middle: usize) {
        let end = self.arena.len();
        // A frame is at most 16 MiB, a config file far less: 32 bits hold every position.
        let at = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        self.entries.push(Entry { name: (at(start), at(middle)), value: (at(middle), at(end)) });
    }
}

fn text(arena: &str, (start, end): (u32, u32)) -> &str {
    arena.get(start as usize..end as usize).unwrap_or("")
}

impl fmt::Debug for StrMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for StrMap {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> StrMap {
        let mut map = StrMap::new();
        for (name, value) in pairs {
            map.push(name, value);
        }
        map
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::Other(message.to_string())
    }

    fn missing_field(field: &'static str) -> Error {
        Error::Missing(field.to_owned())
    }
}

impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::Other(message.to_string())
    }
}

struct Reader<'de> {
    map: &'de StrMap,
    next: usize,
    /// Where names repeat: the entry that counts for each.
    keep: Option<HashMap<&'de str, usize>>,
}

struct MapReader<'de>(Reader<'de>);

impl<'de> de::Deserializer<'de> for MapReader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.0)
    }

    /// `()` stands for "no fields of interest".
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> de::MapAccess<'de> for Reader<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        while let Some(entry) = self.map.entries.get(self.next) {
            let name = text(&self.map.arena, entry.name);
            if self.keep.as_ref().is_some_and(|keep| keep.get(name) != Some(&self.next)) {
                self.next += 1;
                continue;
            }
            return seed.deserialize(de::value::BorrowedStrDeserializer::new(name)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.map.entries.get(self.next) else {
            return Err(Error::Other("a value without a name".to_owned()));
        };
        self.next += 1;
        let value =
            ValueReader { name: text(&self.map.arena, entry.name), text: text(&self.map.arena, entry.value) };
        seed.deserialize(value)
    }
}

#[derive(Clone, Copy)]
struct ValueReader<'de> {
    name: &'de str,
    text: &'de str,
}

impl ValueReader<'_> {
    fn bad(&self, expected: &'static str) -> Error {
        Error::Value { name: self.name.to_owned(), value: self.text.to_owned(), expected }
    }
}

macro_rules! parse_as {
    ($($method:ident $visit:ident $type:ty, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.text.parse::<$type>().map_err(|_| self.bad($expected))?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for ValueReader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text)
    }

    parse_as! {
        deserialize_i32 visit_i32 i32, "a whole number of 32 bits";
        deserialize_i64 visit_i64 i64, "a whole number of 64 bits";
        deserialize_u32 visit_u32 u32, "a whole number from 0 to 4294967295";
        deserialize_u64 visit_u64 u64, "a whole number of at least 0";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    /// Java's `Boolean.parseBoolean`: "true" in any case, all else is false.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.text.eq_ignore_ascii_case("true"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !variants.contains(&self.text) {
            return Err(Error::Name {
                name: self.name.to_owned(),
                value: self.text.to_owned(),
                names: variants.join(", "),
            });
        }
        visitor.visit_enum(self.text.into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier
    }
}

struct StructWriter<'m> {
    map: &'m mut StrMap,
}

/// A scalar's text goes to the end of the arena; `false` comes back for a value that is left out.
struct ScalarWriter<'m> {
    arena: &'m mut String,
}

impl SerializeStruct for StructWriter<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let start = self.map.arena.len();
        self.map.arena.push_str(name);
        let middle = self.map.arena.len();
        if value.serialize(ScalarWriter { arena: &mut self.map.arena })? {
            self.map.push_span(start, middle);
        } else {
            self.map.arena.truncate(start);
        }
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

fn not_flat<T>() -> Result<T, Error> {
    Err(Error::Other("only flat structs of text, numbers and booleans can be a map of strings".to_owned()))
}

macro_rules! write_display {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<bool, Error> {
            write!(self.arena, "{value}").expect("a string takes any text");
            Ok(true)
        }
    )*};
}

macro_rules! write_integer {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<bool, Error> {
            self.arena.push_str(itoa::Buffer::new().format(value));
            Ok(true)
        }
    )*};
}

impl ser::Serializer for ScalarWriter<'_> {
    type Ok = bool;
    type Error = Error;
    type SerializeSeq = Impossible<bool, Error>;
    type SerializeTuple = Impossible<bool, Error>;
    type SerializeTupleStruct = Impossible<bool, Error>;
    type SerializeTupleVariant = Impossible<bool, Error>;
    type SerializeMap = Impossible<bool, Error>;
    type SerializeStruct = Impossible<bool, Error>;
    type SerializeStructVariant = Impossible<bool, Error>;

    write_display! { serialize_bool bool; serialize_f32 f32; serialize_f64 f64; serialize_char char; }

    write_integer! {
        serialize_i8 i8; serialize_i16 i16; serialize_i32 i32; serialize_i64 i64;
        serialize_u8 u8; serialize_u16 u16; serialize_u32 u32; serialize_u64 u64;
    }

    fn serialize_str(self, text: &str) -> Result<bool, Error> {
        self.arena.push_str(text);
        Ok(true)
    }

    fn serialize_none(self) -> Result<bool, Error> {
        Ok(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, Error> {
        value.serialize(self)
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

    fn serialize_bytes(self, _: &[u8]) -> Result<bool, Error> {
        not_flat()
    }

    fn serialize_unit(self) -> Result<bool, Error> {
        Ok(false)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<bool, Error> {
        Ok(false)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<bool, Error> {
        not_flat()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        not_flat()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        not_flat()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        not_flat()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        not_flat()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        not_flat()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        not_flat()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        not_flat()
    }
}

macro_rules! refuse_scalar {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, _: $type) -> Result<(), Error> {
            not_flat()
        }
    )*};
}

impl<'m> ser::Serializer for StructWriter<'m> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = StructWriter<'m>;
    type SerializeStructVariant = Impossible<(), Error>;

    refuse_scalar! {
        serialize_bool bool; serialize_i8 i8; serialize_i16 i16; serialize_i32 i32; serialize_i64 i64;
        serialize_u8 u8; serialize_u16 u16; serialize_u32 u32; serialize_u64 u64;
        serialize_f32 f32; serialize_f64 f64; serialize_char char; serialize_str &str; serialize_bytes &[u8];
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<StructWriter<'m>, Error> {
        Ok(self)
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    /// No header: no entries.
    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Error> {
        not_flat()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        not_flat()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        not_flat()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        not_flat()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        not_flat()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        not_flat()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        not_flat()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        not_flat()
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        #[serde(rename = "SINGLE_TAG")]
        SingleTag,
        #[serde(rename = "MULTI_TAG")]
        MultiTag,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Header {
        topic: String,
        queue_id: i32,
        offset: i64,
        #[serde(default)]
        batch: bool,
        properties: Option<String>,
        kind: Option<Kind>,
    }

    fn check(pairs: &[(&str, &str)], expected: Result<Header, &str>) {
        let map: StrMap = pairs.iter().copied().collect();
        assert_eq!(map.to::<Header>().map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    fn header() -> Header {
        Header { topic: "T".into(), queue_id: 3, offset: -1, batch: false, properties: None, kind: None }
    }

    #[test]
    fn reads_flat_structs() {
        check(&[("topic", "T"), ("queueId", "3"), ("offset", "-1")], Ok(header()));
        check(
            &[
                ("x", "y"),
                ("topic", "T"),
                ("queueId", "+3"),
                ("offset", "-1"),
                ("batch", "TRUE"),
                ("kind", "MULTI_TAG"),
            ],
            Ok(Header { batch: true, kind: Some(Kind::MultiTag), ..header() }),
        );
        check(&[("topic", "U"), ("queueId", "3"), ("offset", "-1"), ("topic", "T")], Ok(header()));
    }

    #[test]
    fn errors_name_the_field() {
        check(&[("topic", "T"), ("offset", "1")], Err("field `queueId` is missing"));
        check(
            &[("topic", "T"), ("queueId", "x"), ("offset", "1")],
            Err("field `queueId` has value `x`, which is not a whole number of 32 bits"),
        );
        check(
            &[("topic", "T"), ("queueId", "1"), ("offset", "1"), ("kind", "TAG")],
            Err("field `kind` has value `TAG`, which is none of SINGLE_TAG, MULTI_TAG"),
        );
    }

    #[test]
    fn writes_what_it_reads() {
        let full =
            Header { properties: Some("a\u{1}b\u{2}".into()), kind: Some(Kind::SingleTag), ..header() };
        for header in [header(), full] {
            let map = StrMap::of(&header).unwrap();
            assert_eq!(map.to::<Header>().unwrap(), header);
        }
        let map = StrMap::of(&header()).unwrap();
        let entries: Vec<_> = map.iter().collect();
        assert_eq!(entries, [("topic", "T"), ("queueId", "3"), ("offset", "-1"), ("batch", "false")]);
        assert!(StrMap::of(&()).unwrap().is_empty());
        map.to::<()>().unwrap();
        assert!(StrMap::of(&3).is_err());
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let mut map: StrMap = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(map.get("a"), Some("3"));
        map.set("a", "4");
        assert_eq!(map.iter().collect::<Vec<_>>(), [("b", "2"), ("a", "4")]);
        assert_eq!(map.get("c"), None);
    }
}
