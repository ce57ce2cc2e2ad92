//! Messages of which it is known what was acknowledged, and whether that is there.

use std::collections::HashMap;
use std::net::TcpStream;

use rocketmq::protocol::header::pull::{PullMessageRequestHeader, PullMessageResponseHeader};
use rocketmq::protocol::header::send::{SendMessageRequestHeaderV2, SendMessageResponseHeader};
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;

use super::{call, connect, read, write};

pub const TOPIC: &str = "T";
pub const QUEUES: i32 = 4;
pub const WINDOW: usize = 16;

/// Where each acknowledged message was said to be.
pub type Acknowledged = HashMap<usize, (i32, i64)>;

/// The body of a message.
pub fn body(number: usize) -> String {
    format!("{number}:{}", "x".repeat(1000))
}

fn send(number: usize) -> Command {
    let properties = format!("KEYS\u{1}k{number}\u{2}");
    let header = SendMessageRequestHeaderV2 {
        producer_group: "g",
        topic: TOPIC,
        default_topic: "TBW102",
        default_topic_queue_nums: QUEUES,
        queue_id: number as i32 % QUEUES,
        properties: Some(&properties),
        ..SendMessageRequestHeaderV2::default()
    };
    let request = Command::request(RequestCode::SendMessageV2, &header).with_body(body(number));
    Command { opaque: number as i32, ..request }
}

/// What became of a message that was not acknowledged.
pub struct Refused {
    pub code: i32,
    pub remark: String,
}

/// Sends a window of messages and waits for the answers; an error when the broker is gone.
pub fn send_window(
    stream: &mut TcpStream,
    next: &mut usize,
    acks: &mut Acknowledged,
) -> std::io::Result<Vec<Refused>> {
    let window: Vec<Command> = (*next..*next + WINDOW).map(send).collect();
    *next += WINDOW;
    write(stream, &window)?;
    let mut refused = Vec::new();
    for _ in 0..WINDOW {
        let answer = read(stream)?;
        if answer.code == 0 {
            let header: SendMessageResponseHeader<'_> = answer.header().unwrap();
            acks.insert(answer.opaque as usize, (header.queue_id, header.queue_offset));
        } else {
            refused.push(Refused { code: answer.code, remark: answer.remark.unwrap_or_default() });
        }
    }
    Ok(refused)
}

/// Reads everything; gives how many of the acknowledged are not there. What is there must be whole and at its place.
pub fn lost(port: u16, acks: &Acknowledged) -> usize {
    let mut stream = connect(port);
    let queues: Vec<Vec<(i64, usize)>> = (0..QUEUES).map(|queue_id| queue(&mut stream, queue_id)).collect();
    let is_there = |number: &usize, (queue_id, offset): &(i32, i64)| {
        let queue = &queues[*queue_id as usize];
        queue.binary_search_by_key(offset, |(offset, _)| *offset).is_ok_and(|at| queue[at].1 == *number)
    };
    let mut lost: Vec<_> = acks.iter().filter(|(number, place)| !is_there(number, place)).collect();
    lost.sort();
    if !lost.is_empty() {
        let ends: Vec<_> = queues.iter().map(|queue| queue.last()).collect();
        println!(
            "lost: {} from {:?} to {:?}; queues end with {ends:?}",
            lost.len(),
            lost.first(),
            lost.last()
        );
    }
    lost.len()
}

/// A queue's messages, by offset.
fn queue(stream: &mut TcpStream, queue_id: i32) -> Vec<(i64, usize)> {
    let mut found = Vec::new();
    let mut offset = 0;
    loop {
        let header = PullMessageRequestHeader {
            consumer_group: "reader",
            topic: TOPIC,
            queue_id,
            queue_offset: offset,
            max_msg_nums: 32,
            // The subscription comes with the request.
            sys_flag: 4,
            subscription: Some("*"),
            ..PullMessageRequestHeader::default()
        };
        let answer = call(stream, Command::request(RequestCode::PullMessage, &header));
        let next: PullMessageResponseHeader = answer.header().unwrap();
        match answer.code {
            // Nothing at or behind the offset.
            19 => return found,
            0 => {}
            20 | 21 => assert!(next.next_begin_offset > offset, "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
        offset = next.next_begin_offset;
        for message in messages(&answer.body) {
            let message = message.unwrap();
            assert!(message.is_body_intact());
            let text = String::from_utf8(message.body.to_vec()).unwrap();
            let number: usize = text.split(':').next().unwrap().parse().unwrap();
            assert_eq!(text, body(number));
            found.push((message.queue_offset, number));
        }
    }
}
