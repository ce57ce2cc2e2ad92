//! One request or response as the transport sees it (Java: `RemotingCommand`), and the response that a handler
//! makes. Not its bytes: those are `codec`'s.

use std::borrow::Cow;

use bytes::Bytes;
use compat::language::LanguageCode;
use serde::{Deserialize, Serialize};

use crate::strmap::{self, StrMap};

/// `MQVersion.CURRENT_VERSION` of 4.3.0: the ordinal of `V4_3_0`, sent in every header.
pub const VERSION_4_3_0: i32 = 273;
/// `flag` bit 0: a response.
pub const FLAG_RESPONSE: i32 = 1;
/// `flag` bit 1: nobody waits for an answer.
pub const FLAG_ONE_WAY: i32 = 2;

/// The two header forms (Java: `SerializeType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SerializeType {
    #[default]
    Json = 0,
    RocketMq = 1,
}

impl SerializeType {
    /// The form of a frame's type byte.
    pub fn of_byte(byte: u8) -> Option<SerializeType> {
        match byte {
            0 => Some(SerializeType::Json),
            1 => Some(SerializeType::RocketMq),
            _ => None,
        }
    }

    /// Java's name, as in `rocketmq.serialize.type`.
    pub fn name(self) -> &'static str {
        match self {
            SerializeType::Json => "JSON",
            SerializeType::RocketMq => "ROCKETMQ",
        }
    }

    /// The form of a Java name.
    pub fn of_name(name: &str) -> Option<SerializeType> {
        [SerializeType::Json, SerializeType::RocketMq].into_iter().find(|form| form.name() == name)
    }
}

/// A frame's content.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Command {
    pub code: i32,
    pub language: LanguageCode,
    pub version: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<String>,
    /// `None` where the key or block is missing; that and an empty map are different on the wire.
    pub ext: Option<StrMap>,
    /// Empty where there is none.
    pub body: Bytes,
    pub serialize_type: SerializeType,
}

impl Command {
    /// A request with a header struct's fields, or with `&()` for none. The connection gives it its opaque.
    pub fn request<H: Serialize + ?Sized>(code: impl Into<i32>, header: &H) -> Command {
        let ext = StrMap::of(header).expect("headers are flat structs");
        let ext = (!ext.is_empty()).then_some(ext);
        Command { code: code.into(), version: VERSION_4_3_0, ext, ..Command::default() }
    }

    /// The same with a body.
    pub fn with_body(self, body: impl Into<Bytes>) -> Command {
        Command { body: body.into(), ..self }
    }

    /// Whether this answers a request.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Whether the sender does not want an answer.
    pub fn is_one_way(&self) -> bool {
        self.flag & FLAG_ONE_WAY != 0
    }

    /// The header fields as a struct; without any `extFields`, of nothing but defaults.
    pub fn header<'de, H: Deserialize<'de>>(&'de self) -> Result<H, strmap::Error> {
        static NONE: std::sync::OnceLock<StrMap> = std::sync::OnceLock::new();
        self.ext.as_ref().unwrap_or_else(|| NONE.get_or_init(StrMap::new)).to()
    }

    /// One header field's text.
    pub fn ext_field(&self, name: &str) -> Option<&str> {
        self.ext.as_ref()?.get(name)
    }
}

/// A body, in one piece or as slices that are written without being copied together.
#[derive(Debug, Clone, Default)]
pub enum Body {
    #[default]
    None,
    Bytes(Bytes),
    Slices(Vec<Bytes>),
}

impl Body {
    /// Bytes in all.
    pub fn len(&self) -> usize {
        match self {
            Body::None => 0,
            Body::Bytes(bytes) => bytes.len(),
            Body::Slices(slices) => slices.iter().map(Bytes::len).sum(),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a handler answers; the connection adds opaque, flag, language and version.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub code: i32,
    pub remark: Option<Cow<'static, str>>,
    /// Java prints `"extFields":{}` for a header class without values and nothing without such a class.
    pub ext: Option<StrMap>,
    pub body: Body,
    /// Set where the whole answer of another peer is passed on: its own language, version and header form.
    pub relayed_from: Option<(LanguageCode, i32, SerializeType)>,
}

impl Response {
    /// Code 0 and nothing else.
    pub fn ok() -> Response {
        Response::default()
    }

    /// A code with its remark.
    pub fn of(code: impl Into<i32>, remark: impl Into<Cow<'static, str>>) -> Response {
        Response { code: code.into(), remark: Some(remark.into()), ..Response::default() }
    }

    /// Code 0 with a body.
    pub fn with_body(body: impl Into<Bytes>) -> Response {
        Response { body: Body::Bytes(body.into()), ..Response::default() }
    }

    /// The same with a header struct's fields.
    pub fn header<H: Serialize + ?Sized>(self, header: &H) -> Response {
        Response { ext: Some(StrMap::of(header).expect("headers are flat structs")), ..self }
    }

    /// A peer's answer, passed on as it came.
    pub fn relayed(answer: Command) -> Response {
        Response {
            code: answer.code,
            remark: answer.remark.map(Cow::Owned),
            ext: answer.ext,
            body: Body::Bytes(answer.body),
            relayed_from: Some((answer.language, answer.version, answer.serialize_type)),
        }
    }
}
