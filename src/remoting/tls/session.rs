//! One connection's TLS (Java: Netty's `SslHandler`): bytes of the socket in, bytes of frames out, and back. It
//! keeps at most a record that is not whole and 64 KiB that the socket has not taken.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, ErrorKind, IoSlice, Write};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, Connection, Error, ServerConnection};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::TlsError;
use super::load::{ClientConfig, ServerConfig};
use crate::remoting::buffers::BUFFER_BYTES;

/// Chunks that are encrypted at once.
const SLICES_MAX: usize = 64;

/// The state of one connection.
pub(in crate::remoting) struct Session(Connection);

/// The socket's own way to write, for the library.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Session {
    /// Of a connection that has come in.
    pub(in crate::remoting) fn server(config: Arc<ServerConfig>) -> Result<Session, Error> {
        Ok(Session(ServerConnection::new(config)?.into()))
    }

    /// Of a connection that we make. An address as the name: none is sent, as by 4.3.0.
    pub(in crate::remoting) fn client(config: Arc<ClientConfig>, remote: IpAddr) -> Result<Session, Error> {
        Ok(Session(ClientConnection::new(config, ServerName::IpAddress(remote.into()))?.into()))
    }

    pub(in crate::remoting) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Whether there is something that the socket has not taken.
    pub(in crate::remoting) fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    /// Takes what came from the socket, and puts what it says behind `plain`. `false` once the other side has
    /// said that nothing more comes. After an error [`Session::flush`] tells the other side.
    pub(in crate::remoting) fn decrypt(
        &mut self,
        mut cipher: &[u8],
        plain: &mut BytesMut,
    ) -> Result<bool, Error> {
        let mut goes_on = true;
        while !cipher.is_empty() && goes_on {
            let taken = self.0.read_tls(&mut cipher).map_err(|error| Error::General(error.to_string()))?;
            let state = self.0.process_new_packets()?;
            let mut left = state.plaintext_bytes_to_read();
            let mut reader = self.0.reader();
            while left > 0 {
                let chunk = reader.fill_buf().map_err(|error| Error::General(error.to_string()))?;
                let count = chunk.len();
                if count == 0 {
                    break;
                }
                plain.extend_from_slice(chunk);
                reader.consume(count);
                left = left.saturating_sub(count);
            }
            goes_on = taken > 0 && !state.peer_has_closed();
        }
        Ok(goes_on)
    }

    /// Takes as much of the chunks as it has room for: how many bytes.
    pub(in crate::remoting) fn encrypt(&mut self, chunks: &VecDeque<Bytes>) -> io::Result<usize> {
        // Together, so that small ones share a record.
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let used = chunks.iter().zip(&mut slices).map(|(chunk, slice)| *slice = IoSlice::new(chunk)).count();
        self.0.writer().write_vectored(&slices[..used])
    }

    /// Gives the socket what it takes now: how many bytes.
    pub(in crate::remoting) fn flush(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut sent = 0;
        while self.0.wants_write() {
            match self.0.write_tls(&mut Socket(stream)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Says that nothing more comes, if the socket takes it.
    pub(in crate::remoting) fn say_goodbye(&mut self, stream: &TcpStream) {
        self.0.send_close_notify();
        if let Err(error) = self.flush(stream) {
            tracing::trace!(%error, "connection is gone already");
        }
    }

    /// The handshake of a connection that we make. The caller limits its time.
    pub(in crate::remoting) async fn handshake(&mut self, stream: &mut TcpStream) -> Result<(), TlsError> {
        let mut cipher = BytesMut::with_capacity(BUFFER_BYTES);
        let mut plain = BytesMut::new();
        loop {
            self.flush(stream)?;
            if self.wants_write() {
                stream.writable().await?;
                continue;
            }
            if !self.is_handshaking() {
                return Ok(());
            }
            cipher.clear();
            if stream.read_buf(&mut cipher).await? == 0 {
                return Err(TlsError::Peer("the other side closed the connection: it may not speak TLS"));
            }
            let decrypted = self.decrypt(&cipher, &mut plain);
            if decrypted.is_err() {
                // The reason goes out, if it can.
                self.flush(stream)?;
            }
            if !decrypted.map_err(TlsError::Handshake)? || !plain.is_empty() {
                return Err(TlsError::Peer("the other side is no RocketMQ server"));
            }
        }
    }
}

/// What an operator can do about a handshake that failed.
pub(in crate::remoting) fn advice(error: &Error) -> &'static str {
    match error {
        Error::NoCertificatesPresented => {
            "the client gave no certificate: set its tls.client.certPath and tls.client.keyPath"
        }
        Error::InvalidCertificate(_) => {
            "the other side's certificate is not of one that trustCertPath names, has expired, or is of version 1"
        }
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        ) => "the other side does not accept our certificate: compare it with the other side's trustCertPath",
        Error::AlertReceived(_) => "the other side refused; its log says why",
        Error::PeerIncompatible(_) => "the other side has no TLS 1.2 or 1.3 with a cipher in common",
        _ => "the other side may not speak TLS",
    }
}
