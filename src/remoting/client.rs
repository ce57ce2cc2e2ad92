//! Connections that we open (Java: `NettyRemotingClient`): one to each address, made when it is first needed
//! and again when it was lost. Requests go through [`Peer`]; what the other side asks of us goes to a
//! [`Service`]. It knows no request code.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use super::account::Account;
use super::command::Command;
use super::connection::{self, Limits, ReadBudget, Security};
use super::peer::{InvokeError, Peer};
use super::router::Service;
use super::server::log_end;
use super::tls::{ClientTls, Session, TlsError};

/// A client's settings.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `connectTimeoutMillis`.
    pub connect_timeout: Duration,
    pub limits: Limits,
    /// None for plain connections.
    pub tls: Option<Arc<ClientTls>>,
    /// Who signs all requests, if anybody. What is wrong with it is told by the first of them.
    pub account: Result<Option<Arc<Account>>, String>,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            connect_timeout: Duration::from_secs(3),
            limits: Limits::default(),
            tls: None,
            account: Ok(None),
        }
    }
}

impl ClientOptions {
    /// For tools: with TLS and an account where the environment has them. Blocks.
    pub fn of_environment() -> ClientOptions {
        let (tls, account) = (ClientTls::of_environment(), Account::of_environment());
        ClientOptions { tls, account, ..ClientOptions::default() }
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Peer>>>>;

/// Connections by address. Cheap to share; closing it ends them all.
pub struct Client {
    options: ClientOptions,
    service: Arc<dyn Service>,
    budget: Arc<ReadBudget>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Client {
    /// A client whose servers' requests go to `service`.
    pub fn new(options: ClientOptions, service: Arc<dyn Service>) -> Client {
        // Our own servers' replies: as many unfinished large frames as four peers may send.
        let budget = ReadBudget::new(4 * options.limits.frame_max_bytes);
        Client { options, service, budget, slots: Mutex::default() }
    }

    /// Sends a request and waits for its answer; the time includes a connect where one is needed.
    pub async fn invoke(
        &self,
        addr: &str,
        mut command: Command,
        timeout: Duration,
    ) -> Result<Command, InvokeError> {
        match &self.options.account {
            Ok(account) => account.iter().for_each(|account| account.sign(&mut command)),
            Err(reason) => {
                return Err(InvokeError::Connect { addr: addr.to_owned(), reason: reason.clone() });
            }
        }
        let call = async { self.peer(addr).await?.invoke(command, timeout).await };
        match tokio::time::timeout(timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(InvokeError::Timeout { addr: addr.to_owned(), timeout_ms: timeout.as_millis() }),
        }
    }

    /// The connection to an address, made where there is none.
    pub async fn peer(&self, addr: &str) -> Result<Arc<Peer>, InvokeError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(addr.to_owned()).or_default())
        };
        // Callers of one address wait for one connect; other addresses are not held up.
        let mut held = slot.lock().await;
        if let Some(peer) = held.as_ref().filter(|peer| peer.is_open()) {
            return Ok(Arc::clone(peer));
        }
        let peer = self.connect(addr).await?;
        *held = Some(Arc::clone(&peer));
        Ok(peer)
    }

    async fn connect(&self, addr: &str) -> Result<Arc<Peer>, InvokeError> {
        let failed = |reason: String| InvokeError::Connect { addr: addr.to_owned(), reason };
        let connecting = tokio::time::timeout(self.options.connect_timeout, self.open(addr));
        let (stream, security) = match connecting.await {
            Ok(opened) => opened.map_err(failed)?,
            Err(_) => {
                return Err(failed(format!(
                    "no answer within {} ms",
                    self.options.connect_timeout.as_millis()
                )));
            }
        };
        let ends = stream.peer_addr().and_then(|remote| Ok((remote, stream.local_addr()?)));
        let (remote, local) = ends.map_err(|error| failed(error.to_string()))?;
        let (peer, outbox) = Peer::new(remote, local);
        peer.let_in();
        let run = connection::run(
            stream,
            security,
            Arc::clone(&peer),
            outbox,
            Arc::clone(&self.service),
            self.options.limits.clone(),
            Arc::clone(&self.budget),
        );
        tokio::spawn(async move { log_end(remote, &run.await) });
        Ok(peer)
    }

    /// Connects, and shakes hands where that is due.
    async fn open(&self, addr: &str) -> Result<(TcpStream, Security), String> {
        let connect = async {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            let remote = stream.peer_addr()?;
            Ok::<_, io::Error>((stream, remote))
        };
        let told = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => "HOST:PORT is wanted, as in localhost:9876".to_owned(),
            _ => error.to_string(),
        };
        let (mut stream, remote) = connect.await.map_err(told)?;
        let Some(tls) = &self.options.tls else { return Ok((stream, Security::Plain)) };
        let config = tls.config()?;
        let shake = async {
            let mut session = Session::client(config, remote.ip()).map_err(TlsError::Library)?;
            session.handshake(&mut stream).await?;
            Ok::<_, TlsError>(session)
        };
        let session = shake.await.map_err(|error| format!("TLS: {error}"))?;
        Ok((stream, Security::Tls(Box::new(session))))
    }

    /// Ends every connection.
    pub fn close(&self) {
        let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        for slot in slots.into_values() {
            // A slot that is just connecting belongs to a caller who sees the connection through.
            if let Ok(held) = slot.try_lock()
                && let Some(peer) = held.as_ref()
            {
                peer.close();
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}
