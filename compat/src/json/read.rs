//! [`Value`] to Rust types, with fastjson's coercions (`TypeUtils.cast`, `JavaBeanDeserializer`): texts that
//! hold numbers are numbers, numbers are texts, a null leaves a field at its default and is passed over in a map
//! or list, names are matched loosely, unknown ones are passed over, of repeated ones the last counts.

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::{Error, Value, parse};

/// Reads a text into a type.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    from_value(parse(text)?)
}

/// Reads a parsed text into a type.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Reader(value))
}

struct Reader(Value);

impl Reader {
    fn bad<T>(&self, expected: &str) -> Result<T, Error> {
        let found = match &self.0 {
            Value::Null => "null".to_owned(),
            Value::Bool(bool) => bool.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Double(number) => number.to_string(),
            Value::String(text) => format!("the text `{}`", text.chars().take(80).collect::<String>()),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        Err(Error::Data(format!("{found} is not {expected}")))
    }

    /// A whole number, out of whatever fastjson takes for one.
    fn integer(&self) -> Result<i64, Error> {
        match &self.0 {
            Value::Int(number) => Ok(*number),
            // Java's cast: the fraction goes, what is out of range sticks to the limit, as `as` does.
            Value::Double(number) => Ok(*number as i64),
            Value::Bool(bool) => Ok((*bool).into()),
            Value::String(text) if is_null_text(text) => Ok(0),
            Value::String(text) => {
                let digits: String = text.chars().filter(|char| *char != ',').collect();
                digits.parse().or_else(|_| self.bad("a whole number"))
            }
            _ => self.bad("a whole number"),
        }
    }

    fn double(&self) -> Result<f64, Error> {
        match &self.0 {
            Value::Int(number) => Ok(*number as f64),
            Value::Double(number) => Ok(*number),
            Value::String(text) if is_null_text(text) => Ok(0.0),
            Value::String(text) => text.replace(',', "").parse().or_else(|_| self.bad("a number")),
            _ => self.bad("a number"),
        }
    }

    fn boolean(&self) -> Result<bool, Error> {
        match &self.0 {
            Value::Bool(bool) => Ok(*bool),
            Value::Int(number) => Ok(*number == 1),
            Value::Double(number) => Ok(*number as i64 == 1),
            Value::String(text) if is_null_text(text) => Ok(false),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "y" | "t" => Ok(true),
                "false" | "0" | "n" | "f" => Ok(false),
                _ => self.bad("true or false"),
            },
            _ => self.bad("true or false"),
        }
    }

    fn text(self) -> Result<String, Error> {
        match self.0 {
            Value::String(text) => Ok(text),
            Value::Bool(bool) => Ok(bool.to_string()),
            Value::Int(number) => Ok(number.to_string()),
            Value::Double(number) => Ok(super::java_double(number)),
            Value::Null => self.bad("a text"),
            // fastjson keeps the JSON of what stands in a text's place.
            nested @ (Value::Array(_) | Value::Object(_)) => {
                super::to_vec_java(&nested).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            }
        }
    }
}

/// Texts that fastjson casts to null where a number or boolean is due.
fn is_null_text(text: &str) -> bool {
    matches!(text, "" | "null" | "NULL")
}

macro_rules! read_integer {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match <$type>::try_from(self.integer()?) {
                Ok(number) => visitor.$visit(number),
                Err(_) => self.bad(concat!("a number of type ", stringify!($type))),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(bool),
            Value::Int(number) => visitor.visit_i64(number),
            Value::Double(number) => visitor.visit_f64(number),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields)),
        }
    }

    read_integer! {
        deserialize_i8 visit_i8 i8; deserialize_i16 visit_i16 i16; deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64; deserialize_u8 visit_u8 u8; deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32; deserialize_u64 visit_u64 u64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f32(self.double()? as f32)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.double()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(mut items) => {
                items.retain(|item| *item != Value::Null);
                visitor.visit_seq(Items(items.into_iter()))
            }
            _ => self.bad("an array"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(mut fields) => {
                fields.retain(|(_, value)| *value != Value::Null);
                visitor.visit_map(Fields::new(fields))
            }
            _ => self.bad("an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(fields) => visitor.visit_map(Fields::new(known_fields(fields, names))),
            _ => self.bad("an object"),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name = match &self.0 {
            Value::String(text) => variants.iter().find(|variant| **variant == text.as_str()),
            Value::Int(ordinal) => usize::try_from(*ordinal).ok().and_then(|ordinal| variants.get(ordinal)),
            _ => None,
        };
        match name {
            Some(name) => visitor.visit_enum((*name).into_deserializer()),
            None => self.bad(&format!("one of {}", variants.join(", "))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

/// A struct's fields under its own names, each once; nulls are left out, so that defaults stand.
fn known_fields(fields: Vec<(Value, Value)>, names: &'static [&'static str]) -> Vec<(Value, Value)> {
    let mut values: Vec<Option<Value>> = names.iter().map(|_| None).collect();
    for (key, value) in fields {
        if let Value::String(key) = key
            && value != Value::Null
            && let Some(index) = match_name(&key, names)
        {
            values[index] = Some(value);
        }
    }
    let named = names.iter().zip(values);
    named.filter_map(|(name, value)| Some((Value::String((*name).to_owned()), value?))).collect()
}

/// fastjson's `smartMatch`: the name itself, else in another case, else without `_` and `-`, else without `is`.
fn match_name(key: &str, names: &[&str]) -> Option<usize> {
    let find = |key: &str| names.iter().position(|name| name.eq_ignore_ascii_case(key));
    names.iter().position(|name| *name == key).or_else(|| find(key)).or_else(|| {
        let bare: String = key.chars().filter(|char| !matches!(char, '_' | '-')).collect();
        let found = if bare == key { None } else { find(&bare) };
        found.or_else(|| find(key.strip_prefix("is")?))
    })
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> de::SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|value| seed.deserialize(Reader(value))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Fields {
    rest: std::vec::IntoIter<(Value, Value)>,
    key: String,
    value: Value,
}

impl Fields {
    fn new(fields: Vec<(Value, Value)>) -> Fields {
        Fields { rest: fields.into_iter(), key: String::new(), value: Value::Null }
    }
}

impl<'de> de::MapAccess<'de> for Fields {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = value;
        if let Value::String(name) = &key {
            self.key.clone_from(name);
        }
        seed.deserialize(Reader(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = std::mem::replace(&mut self.value, Value::Null);
        seed.deserialize(Reader(value)).map_err(|error| match error {
            Error::Data(what) => Error::Data(format!("{}: {what}", self.key)),
            other => other,
        })
    }
}
