//! Raw bytes against a server of ours: frames cut anywhere, one-way requests, requests of the server to its
//! client, limits. No request code of RocketMQ's is needed for that.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rocketmq::remoting::client::{Client, ClientOptions};
use rocketmq::remoting::codec;
use rocketmq::remoting::connection::Limits;
use rocketmq::remoting::router::NoService;
use rocketmq::remoting::server::{Bound, Server, ServerOptions};
use rocketmq::remoting::{Answer, Command, Fault, Request, Response, Router};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    text: String,
}

const UPPER: i32 = 1;
const LATER: i32 = 2;
const ASK_BACK: i32 = 3;
const PANIC: i32 = 4;
const BIG: i32 = 5;

struct State;

fn upper(_: &Arc<State>, request: Request<Text>) -> Result<Response, Fault> {
    let text = request.header.text.to_uppercase();
    Ok(Response::with_body(request.command.body).header(&Text { text }))
}

fn later(_: &Arc<State>, request: Request<Text>) -> Answer {
    Answer::later(async move {
        tokio::task::yield_now().await;
        Ok(Response::ok().header(&request.header))
    })
}

async fn ask_back(_: Arc<State>, request: Request<Text>) -> Result<Response, Fault> {
    let question = Command::request(77, &request.header);
    let answer = request.peer.invoke(question, Duration::from_secs(10)).await;
    answer.map(Response::relayed).map_err(|error| Fault::new(1, error.to_string()))
}

fn big(_: &Arc<State>, _: Request<()>) -> Response {
    Response::with_body(Bytes::from(vec![7; 1 << 20]))
}

fn start(options: ServerOptions) -> (tokio::runtime::Runtime, Server) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let router = Router::new(Arc::new(State))
        .on(UPPER, upper)
        .on(LATER, later)
        .on_async(ASK_BACK, ask_back)
        .on(PANIC, |_, _: Request<()>| -> Response { panic!("as asked") })
        .on(BIG, big);
    let _entered = runtime.enter();
    let bound = Bound::at(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let server = bound.serve(Arc::new(router), options).unwrap();
    (runtime, server)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn frame(command: &Command) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec::encode(command, &mut out);
    out.to_vec()
}

fn request(code: i32, opaque: i32, text: &str) -> Command {
    Command { opaque, ..Command::request(code, &Text { text: text.to_owned() }) }
}

fn read_command(stream: &mut TcpStream) -> Command {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut whole = length.to_vec();
    whole.resize(4 + u32::from_be_bytes(length) as usize, 0);
    stream.read_exact(&mut whole[4..]).unwrap();
    codec::decode(&whole.into()).unwrap()
}

/// Whether the server closed; a reset is as good as an end, as it comes where our bytes were not all read.
fn ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn frames_cut_at_any_place_are_answered_in_order() {
    let (_runtime, server) = start(ServerOptions::default());
    let mut stream = connect(&server);
    let mut bytes = Vec::new();
    for opaque in 0..20 {
        bytes.extend(frame(&request(UPPER, opaque, "abc").with_body(vec![b'x'; opaque as usize])));
    }
    for piece in bytes.chunks(7) {
        stream.write_all(piece).unwrap();
    }
    for opaque in 0..20 {
        let answer = read_command(&mut stream);
        assert_eq!((answer.code, answer.opaque, answer.flag), (0, opaque, 1));
        assert_eq!(answer.ext_field("text"), Some("ABC"));
        assert_eq!(answer.body.len(), opaque as usize);
    }
}

#[test]
fn large_frames_pass_both_ways() {
    let (_runtime, server) = start(ServerOptions::default());
    let mut stream = connect(&server);
    let body: Vec<u8> = (0..3 << 20).map(|index| index as u8).collect();
    stream.write_all(&frame(&request(UPPER, 1, "a").with_body(body.clone()))).unwrap();
    let answer = read_command(&mut stream);
    assert!(answer.body == body);
}

#[test]
fn one_way_requests_are_not_answered_and_unknown_ones_are_refused() {
    let (_runtime, server) = start(ServerOptions::default());
    let mut stream = connect(&server);
    let one_way = Command { flag: 2, ..request(UPPER, 1, "a") };
    stream.write_all(&frame(&one_way)).unwrap();
    stream.write_all(&frame(&Command { flag: 2, ..request(LATER, 2, "a") })).unwrap();
    stream.write_all(&frame(&request(999, 3, "a"))).unwrap();
    let answer = read_command(&mut stream);
    assert_eq!((answer.code, answer.opaque), (3, 3));
    assert_eq!(answer.remark.as_deref(), Some(" request type 999 not supported"));
}

#[test]
fn a_failing_handler_costs_its_own_request_only() {
    let (_runtime, server) = start(ServerOptions::default());
    let mut stream = connect(&server);
    stream.write_all(&frame(&Command { opaque: 1, ..Command::request(PANIC, &()) })).unwrap();
    stream.write_all(&frame(&Command { opaque: 2, ..Command::request(UPPER, &()) })).unwrap();
    stream.write_all(&frame(&request(LATER, 3, "x"))).unwrap();
    assert_eq!(read_command(&mut stream).code, 1);
    let missing = read_command(&mut stream);
    assert_eq!(missing.remark.as_deref(), Some("request header: field `text` is missing"));
    assert_eq!(read_command(&mut stream).opaque, 3);
}

#[test]
fn damaged_bytes_close_the_connection_and_no_other() {
    let (_runtime, server) = start(ServerOptions::default());
    let mut other = connect(&server);
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0, 0], &[0, 0, 0, 4, 9, 0, 0, 0], &[0, 0, 0, 1]]
    {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        assert!(ended(&mut stream));
    }
    other.write_all(&frame(&request(UPPER, 1, "still here"))).unwrap();
    assert_eq!(read_command(&mut other).ext_field("text"), Some("STILL HERE"));
}

#[test]
fn unfinished_frames_share_one_budget() {
    let (_runtime, server) = start(ServerOptions { read_budget_bytes: 4 << 20, ..ServerOptions::default() });
    let mut greedy: Vec<TcpStream> = (0..4).map(|_| connect(&server)).collect();
    let unfinished = frame(&request(UPPER, 1, "a").with_body(vec![0; 8 << 20]));
    let mut closed = 0;
    for stream in &mut greedy {
        // The server closes in the middle: the write or a later read finds out.
        let written = stream.write_all(&unfinished[..6 << 20]);
        closed += usize::from(written.is_err() || ended(stream));
    }
    assert_eq!(closed, 4, "each is over the budget alone");
    let mut stream = connect(&server);
    stream.write_all(&frame(&request(UPPER, 1, "a"))).unwrap();
    assert_eq!(read_command(&mut stream).code, 0);
}

#[test]
fn a_peer_that_takes_no_replies_is_not_read_from() {
    let limits = Limits { unsent_max_bytes: 1 << 20, ..Limits::default() };
    let (_runtime, server) = start(ServerOptions { limits, ..ServerOptions::default() });
    let mut stream = connect(&server);
    let count: i32 = 64;
    for opaque in 0..count {
        stream.write_all(&frame(&Command { opaque, ..Command::request(BIG, &()) })).unwrap();
    }
    for opaque in 0..count {
        let answer = read_command(&mut stream);
        assert_eq!((answer.opaque, answer.body.len()), (opaque, 1 << 20));
    }
}

#[test]
fn silence_ends_a_connection() {
    let limits = Limits { idle: Duration::from_millis(20), ..Limits::default() };
    let (_runtime, server) = start(ServerOptions { limits, ..ServerOptions::default() });
    let mut stream = connect(&server);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn our_client_calls_is_called_back_and_connects_again() {
    struct Back;
    impl rocketmq::remoting::Service for Back {
        fn call(&self, _: &Arc<rocketmq::remoting::Peer>, command: Command) -> Answer {
            assert_eq!(command.code, 77);
            Response::of(5, "from the client").into()
        }
    }
    let (runtime, server) = start(ServerOptions::default());
    let client = Client::new(ClientOptions::default(), Arc::new(Back));
    let addr = server.addr().to_string();
    runtime.block_on(async {
        let timeout = Duration::from_secs(10);
        let answer = client.invoke(&addr, request(ASK_BACK, 0, "x"), timeout).await.unwrap();
        assert_eq!((answer.code, answer.remark.as_deref()), (5, Some("from the client")));
        client.peer(&addr).await.unwrap().close();
        let answer = loop {
            // The call may still meet the connection that is being closed.
            if let Ok(answer) = client.invoke(&addr, request(UPPER, 0, "x"), timeout).await {
                break answer;
            }
        };
        assert_eq!(answer.ext_field("text"), Some("X"));
        server.stop().await;
        let refused = Client::new(ClientOptions::default(), Arc::new(NoService));
        assert!(refused.invoke(&addr, request(UPPER, 0, "x"), timeout).await.is_err());
    });
}
