//! The body of a batch send (Java: `MessageDecoder.encodeMessage`, `MessageBatch`), repeated per message:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | size of the item: 22 + body + properties |
//! | 4 | 4 | 0, no magic |
//! | 8 | 4 | 0, no CRC |
//! | 12 | 4 | flag |
//! | 16 | 4 + n | body |
//! | 20 + n | 2 + p | properties string |

use super::MAX_PROPERTIES_BYTES;
use super::ext::{DecodeError, EncodeError, Reader};

/// One message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchItem<'a> {
    /// The user's own flag.
    pub flag: i32,
    pub body: &'a [u8],
    /// Properties string.
    pub properties: &'a [u8],
}

/// Appends a message to a batch.
pub fn put_batch_item(out: &mut Vec<u8>, item: BatchItem<'_>) -> Result<(), EncodeError> {
    let BatchItem { flag, body, properties } = item;
    if properties.len() > MAX_PROPERTIES_BYTES {
        return Err(EncodeError::Properties(properties.len()));
    }
    let too_long = || EncodeError::Body(body.len());
    let size = i32::try_from(22 + body.len() + properties.len()).map_err(|_| too_long())?;
    let body_length = i32::try_from(body.len()).map_err(|_| too_long())?;
    for word in [size, 0, 0, flag, body_length] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(body);
    let properties_length = u16::try_from(properties.len()).expect("checked above");
    out.extend_from_slice(&properties_length.to_be_bytes());
    out.extend_from_slice(properties);
    Ok(())
}

/// The messages of a batch, up to the first that is malformed. Walks by the lengths of bodies and properties,
/// as Java's broker: the other words are not looked at.
pub fn batch_items(batch: &[u8]) -> impl Iterator<Item = Result<BatchItem<'_>, DecodeError>> {
    let mut rest = Reader(batch);
    std::iter::from_fn(move || {
        if rest.0.is_empty() {
            return None;
        }
        let item = batch_item(&mut rest);
        if item.is_err() {
            rest = Reader(&[]);
        }
        Some(item)
    })
}

fn batch_item<'a>(rest: &mut Reader<'a>) -> Result<BatchItem<'a>, DecodeError> {
    rest.take(12)?;
    let flag = rest.i32()?;
    let body_length = rest.i32()?;
    let body = rest.take_signed(body_length)?;
    let properties_length = rest.i16()?;
    let properties = rest.take_signed(properties_length.into())?;
    Ok(BatchItem { flag, body, properties })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Vec<u8> {
        let mut out = Vec::new();
        put_batch_item(&mut out, BatchItem { flag: 7, body: b"ab", properties: b"k\x01v\x02" }).unwrap();
        put_batch_item(&mut out, BatchItem { flag: 0, body: b"c", properties: b"" }).unwrap();
        out
    }

    #[test]
    fn items_stand_as_java_lays_them_out() {
        let expected = b"\0\0\0\x1c\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x02ab\0\x04k\x01v\x02\
                         \0\0\0\x17\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01c\0\0";
        assert_eq!(batch(), expected);
        let batch = batch();
        let items: Vec<_> = batch_items(&batch).map(Result::unwrap).collect();
        assert_eq!((items[0].flag, items[0].properties, items[1].body), (7, &b"k\x01v\x02"[..], &b"c"[..]));
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn cut_batches_end_in_an_error() {
        let batch = batch();
        for length in 1..batch.len() {
            let items: Vec<_> = batch_items(&batch[..length]).collect();
            // Whole is only what ends behind the first message.
            assert_eq!(items.last().unwrap().is_ok(), length == 28, "{length}");
        }
        let mut negative = batch.clone();
        negative[16] = 0xff;
        assert_eq!(
            batch_items(&negative).collect::<Vec<_>>(),
            [Err(DecodeError::Length(i32::from_be_bytes([0xff, 0, 0, 2])))]
        );
        let long = vec![0; MAX_PROPERTIES_BYTES + 1];
        let item = BatchItem { flag: 0, body: b"", properties: &long };
        assert_eq!(put_batch_item(&mut Vec::new(), item), Err(EncodeError::Properties(32768)));
    }
}
