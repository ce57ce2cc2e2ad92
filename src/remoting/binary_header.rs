//! The ROCKETMQ header form (Java: `RocketMQSerializable`).
//!
//! | bytes | field |
//! |---|---|
//! | 2 | code |
//! | 1 | language |
//! | 2 | version |
//! | 4 | opaque |
//! | 4 | flag |
//! | 4 + n | remark |
//! | 4 + n | ext fields: 2 + n name, 4 + n value, repeated |

use bytes::{BufMut, BytesMut};
use compat::language::LanguageCode;

use super::codec::{DecodeError, FIELDS_MAX, Head};
use super::command::Command;
use crate::strmap::StrMap;

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], DecodeError> {
    let (taken, left) = rest
        .split_at_checked(count)
        .ok_or_else(|| DecodeError::Header(format!("{count} bytes announced, {} there", rest.len())))?;
    *rest = left;
    Ok(taken)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    Ok(*take(rest, N)?.first_chunk::<N>().expect("take gave as many as asked"))
}

fn take_i32(rest: &mut &[u8]) -> Result<i32, DecodeError> {
    take_array(rest).map(i32::from_be_bytes)
}

/// A length of 32 bits; Java treats one that is not above zero as "none".
fn take_length(rest: &mut &[u8]) -> Result<usize, DecodeError> {
    Ok(usize::try_from(take_i32(rest)?).unwrap_or(0))
}

fn utf8(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    // Java's `new String(bytes, UTF-8)` replaces what it cannot read.
    String::from_utf8_lossy(bytes)
}

/// A command without body.
pub(super) fn decode(header: &[u8]) -> Result<Command, DecodeError> {
    let mut rest = header;
    let code = i16::from_be_bytes(take_array(&mut rest)?).into();
    let [language] = take_array(&mut rest)?;
    let version = i16::from_be_bytes(take_array(&mut rest)?).into();
    let opaque = take_i32(&mut rest)?;
    let flag = take_i32(&mut rest)?;
    let remark_length = take_length(&mut rest)?;
    let remark = take(&mut rest, remark_length)?;
    let ext_length = take_length(&mut rest)?;
    let ext = take(&mut rest, ext_length)?;
    Ok(Command {
        code,
        language: LanguageCode::of_code(language),
        version,
        opaque,
        flag,
        remark: (!remark.is_empty()).then(|| utf8(remark).into_owned()),
        ext: if ext.is_empty() { None } else { Some(decode_ext(ext)?) },
        ..Command::default()
    })
}

fn decode_ext(mut rest: &[u8]) -> Result<StrMap, DecodeError> {
    let mut map = StrMap::with_capacity(16, rest.len());
    while !rest.is_empty() {
        let name_length = u16::from_be_bytes(take_array(&mut rest)?).into();
        let name = take(&mut rest, name_length)?;
        let value_length = take_length(&mut rest)?;
        let value = take(&mut rest, value_length)?;
        if map.len() >= FIELDS_MAX {
            return Err(DecodeError::TooManyFields);
        }
        map.push(&utf8(name), &utf8(value));
    }
    Ok(map)
}

/// Appends a header.
pub(super) fn encode(head: &Head<'_>, out: &mut BytesMut) {
    // Codes and versions are 16 bits in this form; ours are small, a relayed peer's came in 16 or are cut as
    // Java cuts them.
    out.put_i16(head.code as i16);
    out.put_u8(head.language as u8);
    out.put_i16(head.version as i16);
    out.put_i32(head.opaque);
    out.put_i32(head.flag);
    let remark = head.remark.unwrap_or("");
    out.put_u32(remark.len() as u32);
    out.put_slice(remark.as_bytes());
    let length_at = out.len();
    out.put_u32(0);
    for (name, value) in head.ext.iter().flat_map(|ext| ext.iter()) {
        out.put_u16(name.len() as u16);
        out.put_slice(name.as_bytes());
        out.put_u32(value.len() as u32);
        out.put_slice(value.as_bytes());
    }
    let length = (out.len() - length_at - 4) as u32;
    out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoting::SerializeType;

    #[test]
    fn fields_are_bounded() {
        let decode = |fields: usize| {
            let ext: StrMap = (0..fields).map(|_| ("n", "v")).collect();
            let mut out = BytesMut::new();
            let command = Command { ext: Some(ext), ..Command::default() };
            crate::remoting::codec::encode_as(&command, SerializeType::RocketMq, &mut out);
            // Behind the frame's length and the header's.
            super::decode(&out[8..])
        };
        assert_eq!(decode(FIELDS_MAX).unwrap().ext.unwrap().len(), FIELDS_MAX);
        assert!(matches!(decode(FIELDS_MAX + 1), Err(DecodeError::TooManyFields)));
    }
}
