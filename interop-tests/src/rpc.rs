//! The smallest client that can ask a server whether it is up: blocking, JSON headers, one request a connection.
//! It shares no code with what is tested.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// For a connection and for each read: a server on loopback that takes longer is not up.
const LIMIT: Duration = Duration::from_secs(3);
/// More than any answer asked for here.
const MOST_BYTES: usize = 1 << 20;

/// GET_ROUTEINTO_BY_TOPIC: any name server answers it.
pub const GET_ROUTEINTO_BY_TOPIC: i32 = 105;
/// UPDATE_AND_CREATE_TOPIC.
pub const UPDATE_AND_CREATE_TOPIC: i32 = 17;
/// GET_BROKER_CLUSTER_INFO.
pub const GET_BROKER_CLUSTER_INFO: i32 = 106;
/// GET_BROKER_RUNTIME_INFO.
pub const GET_BROKER_RUNTIME_INFO: i32 = 28;
/// GET_MAX_OFFSET: any broker answers it.
pub const GET_MAX_OFFSET: i32 = 30;

/// QUERY_CONSUMER_OFFSET and UPDATE_CONSUMER_OFFSET.
pub const QUERY_CONSUMER_OFFSET: i32 = 14;
pub const UPDATE_CONSUMER_OFFSET: i32 = 15;
/// GET_CONSUMER_LIST_BY_GROUP.
pub const GET_CONSUMER_LIST_BY_GROUP: i32 = 38;
/// What a slave asks its master for: GET_ALL_TOPIC_CONFIG, GET_ALL_CONSUMER_OFFSET, GET_ALL_DELAY_OFFSET and
/// GET_ALL_SUBSCRIPTIONGROUP_CONFIG.
pub const GET_ALL_TOPIC_CONFIG: i32 = 21;
pub const GET_ALL_CONSUMER_OFFSET: i32 = 43;
pub const GET_ALL_DELAY_OFFSET: i32 = 45;
pub const GET_ALL_SUBSCRIPTIONGROUP_CONFIG: i32 = 201;

/// Flag of a request that wants no answer.
const ONE_WAY: i32 = 2;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i64,
    /// Of a JSON header only.
    pub remark: Option<String>,
    /// Of a JSON header only.
    pub ext_fields: Value,
    pub body: Vec<u8>,
    /// Whether the answer has a ROCKETMQ header.
    pub is_binary: bool,
}

/// Asks and waits for the answer.
pub fn ask(addr: SocketAddr, code: i32, ext_fields: Value) -> io::Result<Answer> {
    let mut socket = send(addr, code, 0, ext_fields)?;
    let length = read_length(&mut socket)?;
    let mut answer = vec![0; length];
    socket.read_exact(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a frame"))
}

/// Sends a request that nobody answers.
pub fn tell(addr: SocketAddr, code: i32, ext_fields: Value) -> io::Result<()> {
    send(addr, code, ONE_WAY, ext_fields).map(drop)
}

fn send(addr: SocketAddr, code: i32, flag: i32, ext_fields: Value) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect_timeout(&addr, LIMIT)?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.write_all(&frame(code, flag, ext_fields, b""))?;
    Ok(socket)
}

/// The bytes of a request.
pub fn frame(code: i32, flag: i32, ext_fields: Value, body: &[u8]) -> Vec<u8> {
    let header = serde_json::json!({
        "code": code, "extFields": ext_fields, "flag": flag, "language": "JAVA", "opaque": 1,
        "serializeTypeCurrentRPC": "JSON", "version": 273,
    });
    frame_of(&header.to_string(), body)
}

/// A frame with this text as its header.
pub fn frame_of(header: &str, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&(4 + header.len() as u32 + body.len() as u32).to_be_bytes());
    frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
    frame.extend_from_slice(header.as_bytes());
    frame.extend_from_slice(body);
    frame
}

fn read_length(socket: &mut TcpStream) -> io::Result<usize> {
    let mut word = [0; 4];
    socket.read_exact(&mut word)?;
    let length = u32::from_be_bytes(word) as usize;
    if (4..=MOST_BYTES).contains(&length) {
        Ok(length)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "not a frame length"))
    }
}

/// An answer in either header form, which is the server's own choice; without the length of its frame.
pub fn parse(answer: &[u8]) -> Option<Answer> {
    let (word, rest) = answer.split_first_chunk::<4>()?;
    let header_length = usize::from(word[1]) << 16 | usize::from(word[2]) << 8 | usize::from(word[3]);
    let (header, body) = rest.split_at_checked(header_length)?;
    let (code, remark, ext_fields) = match word[0] {
        0 => {
            let mut header = serde_json::from_slice::<Value>(header).ok()?;
            let remark = header["remark"].as_str().map(str::to_owned);
            (header.get("code")?.as_i64()?, remark, header["extFields"].take())
        }
        1 => (i64::from(i16::from_be_bytes(*header.first_chunk()?)), None, Value::Null),
        _ => return None,
    };
    Some(Answer { code, remark, ext_fields, body: body.to_vec(), is_binary: word[0] == 1 })
}
