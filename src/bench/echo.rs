//! `bench echo-server`: answers every frame at once with the same short reply, read and written as the load
//! generator does it. It stores nothing: what it reaches is the ceiling for any broker on this machine.

use std::io::Write;

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

use super::drive::DriveError;
use super::wire::{Scanner, Template};
use super::{Error, runtime};
use crate::protocol::header::send::SendMessageResponseHeader;
use crate::remoting::command::FLAG_RESPONSE;
use crate::remoting::{Command, SUCCESS, SerializeType};

#[derive(Debug, clap::Args)]
pub(super) struct EchoArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Serves until the process is ended.
pub(super) fn run(args: &EchoArgs) -> Result<bool, Error> {
    runtime()?.block_on(serve(args))
}

async fn serve(args: &EchoArgs) -> Result<bool, Error> {
    let listener = TcpListener::bind((args.host.as_str(), args.port)).await.map_err(Error::io("listen"))?;
    let addr = listener.local_addr().map_err(Error::io("listen"))?;
    println!("listening on {addr} pid {}", std::process::id());
    std::io::stdout().flush().map_err(Error::io("print"))?;
    loop {
        let (stream, remote) = listener.accept().await.map_err(Error::io("accept"))?;
        tokio::spawn(async move {
            match echo(stream, reply(SUCCESS)).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%remote, %error, "connection ended"),
            }
        });
    }
}

/// A reply to a send, as long as a real one.
pub(super) fn reply(code: i32) -> Command {
    let header = SendMessageResponseHeader {
        msg_id: "7F00000100002A9F0000000000000000".into(),
        queue_id: 0,
        queue_offset: 1_000_000,
        transaction_id: None,
        msg_region: Some("DefaultRegion".into()),
        trace_on: Some(true),
    };
    Command { flag: FLAG_RESPONSE, ..Command::request(code, &header) }
}

/// Gives every request on a connection that reply.
pub(super) async fn echo(stream: TcpStream, reply: Command) -> Result<(), DriveError> {
    stream.set_nodelay(true)?;
    let mut json = Template::new(reply.clone(), SerializeType::Json);
    let mut binary = Template::new(reply, SerializeType::RocketMq);
    let mut scanner = Scanner::default();
    let mut read = vec![0; 256 * 1024];
    let mut filled = 0;
    let mut out = Vec::new();
    loop {
        let interest = if out.is_empty() { Interest::READABLE } else { Interest::WRITABLE };
        stream.ready(interest).await?;
        if out.is_empty() {
            match stream.try_read(&mut read[filled..]) {
                Ok(0) => return Ok(()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            let mut start = 0;
            while let Some((request, length)) = scanner.next(&read[start..filled])? {
                let is_json = read[start + 4] == 0;
                let template = if is_json { &mut json } else { &mut binary };
                template.append(&mut out, request.opaque, 0, 1);
                start += length;
            }
            read.copy_within(start..filled, 0);
            filled -= start;
            if filled == read.len() {
                read.resize(2 * read.len(), 0);
            }
        }
        if !out.is_empty() {
            match stream.try_write(&out) {
                Ok(count) => drop(out.drain(..count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_request_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server =
            tokio::spawn(async move { echo(listener.accept().await.unwrap().0, reply(SUCCESS)).await });
        let calls = crate::client::Calls::standalone(std::time::Duration::from_secs(5));
        let reply = calls.invoke(&addr.to_string(), Command::request(310, &())).await.unwrap();
        assert_eq!((reply.code, reply.ext_field("queueOffset")), (0, Some("1000000")));
        calls.client().close();
        assert!(server.await.unwrap().is_ok());
    }
}
