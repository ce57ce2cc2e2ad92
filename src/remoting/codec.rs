//! Frames to commands and back (Java: `NettyDecoder`, `NettyEncoder`, `RemotingCommand.decode`). Pure: no
//! socket, no allocation that a length on the wire could size before its bytes are there.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | length of all that follows |
//! | 4 | 1 | header form: 0 JSON, 1 ROCKETMQ |
//! | 5 | 3 | header length |
//! | 8 | n | header |
//! | 8 + n | rest | body |

use bytes::{BufMut, Bytes, BytesMut};
use compat::language::LanguageCode;

use super::command::{Command, FLAG_RESPONSE, Response, SerializeType, VERSION_4_3_0};
use super::{binary_header, json_header};

/// `com.rocketmq.remoting.frameMaxLength`: the largest frame, its length word included.
pub const FRAME_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Extension fields of a header; stock clients send fewer than 40.
pub(super) const FIELDS_MAX: usize = 4096;
/// Length word, header form and header length.
const PREFIX_BYTES: usize = 8;

/// Why a peer's bytes are no frame. All of them end the connection, as in Java.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More than `FIELDS_MAX`.
    #[error("the header has more than {FIELDS_MAX} extension fields")]
    TooManyFields,
    #[error("frame of {length} bytes is over the limit of {max} (com.rocketmq.remoting.frameMaxLength)")]
    TooLarge { length: u64, max: usize },
    #[error("frame length {0} leaves no room for a header length")]
    TooShort(u32),
    #[error("header length {header} is over the frame's {frame} bytes")]
    HeaderLength { header: usize, frame: usize },
    #[error("header form {0} is unknown: 0 is JSON, 1 is ROCKETMQ")]
    SerializeType(u8),
    #[error("header is damaged: {0}")]
    Header(String),
}

/// The whole length of the first frame in `bytes`, as soon as its length word is there.
pub fn frame_length(bytes: &[u8], max: usize) -> Result<Option<usize>, DecodeError> {
    let Some(word) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*word);
    let whole = u64::from(length) + 4;
    if whole > max as u64 {
        return Err(DecodeError::TooLarge { length: whole, max });
    }
    if length < 4 {
        return Err(DecodeError::TooShort(length));
    }
    Ok(Some(length as usize + 4))
}

/// The command of one whole frame.
pub fn decode(frame: &Bytes) -> Result<Command, DecodeError> {
    let Some(prefix) = frame.first_chunk::<PREFIX_BYTES>() else {
        return Err(DecodeError::TooShort(frame.len().try_into().unwrap_or(u32::MAX)));
    };
    let mark = u32::from_be_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
    let header_length = (mark & 0x00FF_FFFF) as usize;
    let form = SerializeType::of_byte(prefix[4]).ok_or(DecodeError::SerializeType(prefix[4]))?;
    let body_at = PREFIX_BYTES + header_length;
    let Some(header) = frame.get(PREFIX_BYTES..body_at) else {
        return Err(DecodeError::HeaderLength { header: header_length, frame: frame.len() });
    };
    let mut command = match form {
        SerializeType::Json => json_header::decode(header)?,
        SerializeType::RocketMq => binary_header::decode(header)?,
    };
    command.serialize_type = form;
    if body_at < frame.len() {
        command.body = frame.slice(body_at..);
    }
    Ok(command)
}

/// Appends a command's whole frame, in its own header form.
pub fn encode(command: &Command, out: &mut BytesMut) {
    encode_as(command, command.serialize_type, out);
}

/// Appends a command's whole frame in a given header form.
pub fn encode_as(command: &Command, form: SerializeType, out: &mut BytesMut) {
    let head = Head {
        code: command.code,
        language: command.language,
        version: command.version,
        opaque: command.opaque,
        flag: command.flag,
        remark: command.remark.as_deref(),
        ext: command.ext.as_ref(),
    };
    encode_head(form, &head, command.body.len(), out);
    out.extend_from_slice(&command.body);
}

/// Appends a response's frame up to where its body begins; the caller sends the body behind it.
pub fn encode_response_head(response: &Response, opaque: i32, form: SerializeType, out: &mut BytesMut) {
    let (language, version, form) =
        response.relayed_from.unwrap_or((LanguageCode::Java, VERSION_4_3_0, form));
    let head = Head {
        code: response.code,
        language,
        version,
        opaque,
        flag: FLAG_RESPONSE,
        remark: response.remark.as_deref(),
        ext: response.ext.as_ref(),
    };
    encode_head(form, &head, response.body.len(), out);
}

/// A header's fields, borrowed from a command or a response.
pub(super) struct Head<'a> {
    pub code: i32,
    pub language: LanguageCode,
    pub version: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<&'a str>,
    pub ext: Option<&'a crate::strmap::StrMap>,
}

fn encode_head(form: SerializeType, head: &Head<'_>, body_length: usize, out: &mut BytesMut) {
    let start = out.len();
    out.put_bytes(0, PREFIX_BYTES);
    match form {
        SerializeType::Json => json_header::encode(head, out),
        SerializeType::RocketMq => binary_header::encode(head, out),
    }
    let header_length = out.len() - start - PREFIX_BYTES;
    // Both stay far below 24 and 32 bits: headers are built here from bounded parts.
    let length = (4 + header_length + body_length) as u32;
    let mark = (form as u32) << 24 | (header_length as u32 & 0x00FF_FFFF);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&mark.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(command: &Command) -> Command {
        let mut out = BytesMut::new();
        encode(command, &mut out);
        let frame = out.freeze();
        assert_eq!(frame_length(&frame, FRAME_MAX_BYTES), Ok(Some(frame.len())));
        decode(&frame).unwrap()
    }

    #[test]
    fn cluster_info_request_is_as_java_writes_it() {
        let command = Command { code: 106, version: VERSION_4_3_0, ..Command::default() };
        let mut out = BytesMut::new();
        encode(&command, &mut out);
        let text =
            br#"{"code":106,"flag":0,"language":"JAVA","opaque":0,"serializeTypeCurrentRPC":"JSON","version":273}"#;
        assert_eq!(out[..8], [0, 0, 0, 0x65, 0, 0, 0, 0x61]);
        assert_eq!(&out[8..], text);
        let command = Command { serialize_type: SerializeType::RocketMq, ..command };
        let mut out = BytesMut::new();
        encode(&command, &mut out);
        assert_eq!(out[8..], [0, 0x6a, 0, 1, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn both_forms_keep_everything() {
        for form in [SerializeType::Json, SerializeType::RocketMq] {
            let ext = [("a", "x\u{1}y\u{2}"), ("b", "\"\\/\u{7f}ü𝄞\n"), ("c", "")].into_iter().collect();
            let command = Command {
                code: 310,
                language: LanguageCode::Go,
                version: 373,
                opaque: i32::MIN,
                flag: 2,
                remark: Some("not \"so\" good\n\u{0}".into()),
                ext: Some(ext),
                body: Bytes::from_static(b"body"),
                serialize_type: form,
            };
            assert_eq!(round_trip(&command), command);
        }
    }

    #[test]
    fn damaged_frames_are_refused() {
        fn check(bytes: &'static [u8], expected: DecodeError) {
            let frame = Bytes::from_static(bytes);
            let error = match frame_length(&frame, 1024) {
                Ok(_) => decode(&frame).unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error, expected);
        }
        check(&[0, 0, 0, 3, 0, 0, 0], DecodeError::TooShort(3));
        check(&[255, 255, 255, 255], DecodeError::TooLarge { length: 0x1_0000_0003, max: 1024 });
        check(&[0, 0, 0, 5, 0, 0, 0, 9, 1], DecodeError::HeaderLength { header: 9, frame: 9 });
        check(&[0, 0, 0, 5, 2, 0, 0, 1, 1], DecodeError::SerializeType(2));
        assert_eq!(frame_length(&[0, 0, 0], 1024), Ok(None));
    }
}
