//! Java's behaviour as pure functions; each names its Java class.
pub mod json {
    #[derive(Clone)]
    pub enum Value {
        Null,
        Bool(bool),
        Int(i64),
        Double(f64),
        String(String),
        Array(Vec<Value>),
        Object(Vec<(Value, Value)>),
    }
    impl serde::Serialize for Value {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.serialize_unit()
        }
    }
    #[derive(Debug, thiserror::Error)]
    #[error("x")]
    pub struct Error;
    pub fn parse(_: &[u8]) -> Result<Value, Error> {
        Err(Error)
    }
    pub fn to_vec<T: serde::Serialize>(_: &T) -> Result<Vec<u8>, Error> {
        Err(Error)
    }
    pub fn needs_escape(c: char) -> bool {
        c < ' ' || c == '"' || c == '\\' || ('\u{7f}'..='\u{9f}').contains(&c)
    }
    pub fn write_escape(c: char, o: &mut impl std::fmt::Write) -> std::fmt::Result {
        match c {
            '"' => o.write_str("\\\""),
            '\\' => o.write_str("\\\\"),
            '\n' => o.write_str("\\n"),
            _ => write!(o, "\\u{:04X}", c as u32),
        }
    }
}
