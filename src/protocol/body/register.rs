//! What a broker registers with (code 103).

use std::io::{self, BufReader, Read, Take, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::body::topic::{TopicConfig, TopicConfigSerializeWrapper};

/// Topics of one registration. No broker of 4.3.0 has as many: each queue of theirs is a folder with a file.
pub const TOPICS_MAX: usize = 100_000;
/// Longest compressed registration once inflated.
pub const MAX_INFLATED_BYTES: usize = 64 * 1024 * 1024;
/// Longest piece of a compressed registration: a topic, or the list of filter servers.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// Java: `RegisterBrokerBody`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterBrokerBody {
    /// Filter servers of the broker.
    pub filter_server_list: Vec<String>,
    /// Its topics.
    pub topic_config_serialize_wrapper: TopicConfigSerializeWrapper,
}

/// What can be wrong with a compressed registration.
#[derive(Debug, thiserror::Error)]
pub enum RegisterBodyError {
    /// Not a zlib stream, or cut short.
    #[error("the body is no zlib stream: {0}")]
    Inflate(#[from] std::io::Error),
    /// More than [`MAX_INFLATED_BYTES`].
    #[error("the body has more than {MAX_INFLATED_BYTES} bytes once inflated")]
    TooLong,
    /// More than [`TOPICS_MAX`].
    #[error("the body has {0} topics or more, {TOPICS_MAX} are allowed")]
    TooManyTopics(usize),
    /// A length reaches past the end or is negative.
    #[error("End of compressed data has reached")]
    Truncated,
    /// A length is more than any topic's.
    #[error("the body has a piece of {0} bytes, {PIECE_BYTES_MAX} are allowed")]
    LongPiece(usize),
    /// A piece of JSON is none.
    #[error("the {0} is no JSON: {1}")]
    Json(&'static str, String),
    /// A topic is not five words.
    #[error("the topic `{0}` is malformed")]
    Topic(String),
}

impl RegisterBrokerBody {
    /// A zlib stream of the data version, the topics as text and the filter servers, each after its length:
    /// goes with the header's `compressed=true`. Java: `encode(true)`.
    pub fn encode_compressed(&self) -> Vec<u8> {
        let wrapper = &self.topic_config_serialize_wrapper;
        let mut plain = Vec::with_capacity(64 * (wrapper.topic_config_table.len() + 2));
        put_piece(&mut plain, &to_json(&wrapper.data_version));
        put_length(&mut plain, wrapper.topic_config_table.len());
        for config in wrapper.topic_config_table.values() {
            put_piece(&mut plain, config.encode().as_bytes());
        }
        put_piece(&mut plain, &to_json(&self.filter_server_list));
        let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
        out.write_all(&plain).and_then(|()| out.finish()).expect("a vector takes every write")
    }

    /// What [`RegisterBrokerBody::encode_compressed`] or a Java broker wrote. Java: `decode(data, true)`. Nothing is inflated
    /// that is not looked at, and the look ends at the first piece that is wrong.
    pub fn decode_compressed(data: &[u8]) -> Result<RegisterBrokerBody, RegisterBodyError> {
        let plain = ZlibDecoder::new(data).take(MAX_INFLATED_BYTES as u64);
        let mut pieces = Pieces { plain: BufReader::new(plain), piece: Vec::new() };
        let mut body = RegisterBrokerBody::default();
        let wrapper = &mut body.topic_config_serialize_wrapper;
        wrapper.data_version = of_json("data version", pieces.next()?)?;
        let topics = pieces.length()?;
        if topics > TOPICS_MAX {
            return Err(RegisterBodyError::TooManyTopics(topics));
        }
        for _ in 0..topics {
            let text = String::from_utf8_lossy(pieces.next()?);
            let config = TopicConfig::decode(&text);
            let config = config.ok_or_else(|| RegisterBodyError::Topic(text.into_owned()))?;
            wrapper.topic_config_table.insert(config.topic_name.clone(), config);
        }
        body.filter_server_list = of_json("list of filter servers", pieces.next()?)?;
        Ok(body)
    }

    /// What a broker of 3.0.11 on sends without compression. Topics are counted before any of them is read.
    pub fn decode_json(data: &[u8]) -> Result<RegisterBrokerBody, RegisterBodyError> {
        check_topics(data)?;
        of_json("body", data)
    }

    /// What older brokers send: the topics only.
    pub fn decode_topics(data: &[u8]) -> Result<RegisterBrokerBody, RegisterBodyError> {
        check_topics(data)?;
        let topic_config_serialize_wrapper = of_json("body", data)?;
        Ok(RegisterBrokerBody { topic_config_serialize_wrapper, ..RegisterBrokerBody::default() })
    }
}

/// Each topic is an object, and no name that can be used has a brace.
fn check_topics(json: &[u8]) -> Result<(), RegisterBodyError> {
    /// The body, the wrapper, its version and its table.
    const OTHERS: usize = 4;
    let topics = json.iter().filter(|byte| **byte == b'{').count().saturating_sub(OTHERS);
    if topics > TOPICS_MAX { Err(RegisterBodyError::TooManyTopics(topics)) } else { Ok(()) }
}

/// The pieces of a compressed registration, as they are inflated.
struct Pieces<R> {
    plain: BufReader<Take<R>>,
    piece: Vec<u8>,
}

impl<R: Read> Pieces<R> {
    fn fill(&mut self, into: &mut [u8]) -> Result<(), RegisterBodyError> {
        self.plain.read_exact(into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof if self.plain.get_ref().limit() == 0 => RegisterBodyError::TooLong,
            io::ErrorKind::UnexpectedEof => RegisterBodyError::Truncated,
            _ => RegisterBodyError::Inflate(error),
        })
    }

    fn length(&mut self) -> Result<usize, RegisterBodyError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        usize::try_from(i32::from_be_bytes(length)).map_err(|_| RegisterBodyError::Truncated)
    }

    fn next(&mut self) -> Result<&[u8], RegisterBodyError> {
        let length = self.length()?;
        if length > PIECE_BYTES_MAX {
            return Err(RegisterBodyError::LongPiece(length));
        }
        let mut piece = std::mem::take(&mut self.piece);
        piece.resize(length, 0);
        self.fill(&mut piece)?;
        self.piece = piece;
        Ok(&self.piece)
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a registration is far below 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
}

fn put_piece(out: &mut Vec<u8>, piece: &[u8]) {
    put_length(out, piece.len());
    out.extend_from_slice(piece);
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    compat::json::to_vec(value).expect("numbers and strings are JSON")
}

fn of_json<T: DeserializeOwned>(what: &'static str, text: &[u8]) -> Result<T, RegisterBodyError> {
    compat::json::from_slice(text).map_err(|error| RegisterBodyError::Json(what, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::topic::DataVersion;

    fn body() -> RegisterBrokerBody {
        let mut body = RegisterBrokerBody::default();
        let wrapper = &mut body.topic_config_serialize_wrapper;
        wrapper.data_version = DataVersion { counter: 2, timestamp: 1_795_391_897_067 };
        for topic in ["A", "B"] {
            wrapper.topic_config_table.insert(topic.to_owned(), TopicConfig::new(topic, 4, 8, 6));
        }
        body.filter_server_list = vec!["127.0.0.1:1".to_owned()];
        body
    }

    fn deflate(plain: &[u8]) -> Vec<u8> {
        let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    fn inflate(data: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        ZlibDecoder::new(data).read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn the_compressed_form_is_javas() {
        let data = body().encode_compressed();
        let plain = inflate(&data);
        let mut expected = b"\0\0\0\x27{\"counter\":2,\"timestamp\":1795391897067}\0\0\0\x02".to_vec();
        expected.extend_from_slice(b"\0\0\0\x12A 4 8 6 SINGLE_TAG\0\0\0\x12B 4 8 6 SINGLE_TAG");
        expected.extend_from_slice(b"\0\0\0\x0f[\"127.0.0.1:1\"]");
        assert_eq!(String::from_utf8_lossy(&plain), String::from_utf8_lossy(&expected));
        assert_eq!(RegisterBrokerBody::decode_compressed(&data).unwrap(), body());
    }

    #[test]
    fn what_java_compressed_is_read() {
        let java = "78da63606050af564ace2fcd2b492d52b232d2512ac9cc4d2d2e49cc2d50b23234b73435b634b4b034373033\
                    af65606060026221470513050b053385604f3f771fd7f810477790a8133651fe68254323733d032034b43254\
                    8a05009fcc1818";
        let digits: Vec<u32> = java.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
        let data: Vec<u8> = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
        assert_eq!(RegisterBrokerBody::decode_compressed(&data).unwrap(), body());
    }

    #[test]
    fn damaged_forms_are_errors() {
        let plain = inflate(&body().encode_compressed());
        for length in 0..plain.len() {
            let cut = deflate(&plain[..length]);
            assert!(RegisterBrokerBody::decode_compressed(&cut).is_err(), "{length}");
        }
        let data = body().encode_compressed();
        assert!(RegisterBrokerBody::decode_compressed(&data[..data.len() - 8]).is_err());
        assert!(RegisterBrokerBody::decode_compressed(b"").is_err());
        let mut negative = plain.clone();
        negative[..4].copy_from_slice(&(-1i32).to_be_bytes());
        assert!(RegisterBrokerBody::decode_compressed(&deflate(&negative)).is_err());
    }

    /// A registration of `count` topics, of which as many are there as `texts` has.
    fn of_topics<'a>(count: usize, texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut plain = Vec::new();
        put_piece(&mut plain, b"{}");
        put_length(&mut plain, count);
        texts.for_each(|text| put_piece(&mut plain, text));
        put_piece(&mut plain, b"[]");
        deflate(&plain)
    }

    #[test]
    fn bombs_are_refused() {
        let topic: &[u8] = b"T 1 1 6 SINGLE_TAG";
        let usual = of_topics(TOPICS_MAX, std::iter::repeat_n(topic, TOPICS_MAX));
        assert!(RegisterBrokerBody::decode_compressed(&usual).is_ok());
        let check = |data: &[u8], expected: &str| {
            let error = RegisterBrokerBody::decode_compressed(data).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&of_topics(TOPICS_MAX + 1, std::iter::empty()), "has 100001 topics or more");
        // Nothing behind the count is looked at.
        check(&of_topics(5_000_000, std::iter::repeat_n(topic, TOPICS_MAX)), "has 5000000 topics or more");
        let long = [topic, &[b' '; 200_000]].concat();
        check(&of_topics(1000, std::iter::repeat_n(&*long, 1000)), "67108864 bytes once inflated");
        check(&of_topics(1, [&*vec![b'a'; PIECE_BYTES_MAX + 1]].into_iter()), "a piece of 262145 bytes");
        let json = |topics: usize| {
            let topics: Vec<String> = (0..topics).map(|it| format!("\"{it}\":{{}}")).collect();
            let table = topics.join(",");
            format!(
                "{{\"topicConfigSerializeWrapper\":{{\"topicConfigTable\":{{{table}}},\"dataVersion\":{{}}}}}}"
            )
        };
        assert!(RegisterBrokerBody::decode_json(json(TOPICS_MAX).as_bytes()).is_ok());
        let error = RegisterBrokerBody::decode_json(json(TOPICS_MAX + 1).as_bytes()).unwrap_err();
        assert!(matches!(error, RegisterBodyError::TooManyTopics(_)), "{error}");
    }
}
