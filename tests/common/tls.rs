//! Certificates made for a test, and a TLS client to talk raw frames with.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rocketmq::remoting::tls::TlsSettings;
use rocketmq::remoting::{Command, codec};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

/// One that signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Issued {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    pub fn issue(&self) -> Issued {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// Settings, and nothing from this machine.
pub fn settings(pairs: &[(&str, &str)]) -> TlsSettings {
    let mut settings = TlsSettings::default();
    assert!(settings.set("tls.config.file", "/nonexistent"));
    for (key, value) in pairs {
        assert!(settings.set(key, value), "{key}");
    }
    settings
}

/// Writes a certificate and its key as `NAME.pem` and `NAME.key`: their paths.
pub fn write_files(folder: &Path, name: &str, issued: &Issued) -> (String, String) {
    let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    fs::write(&cert, &issued.cert).unwrap();
    fs::write(&key, &issued.key).unwrap();
    (cert.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
}

/// One at a time.
pub static VERSIONS: [&[&SupportedProtocolVersion]; 2] =
    [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];

/// How a test's client connects.
pub struct Dial {
    pub versions: &'static [&'static SupportedProtocolVersion],
    pub identity: Option<Issued>,
}

impl Default for Dial {
    fn default() -> Dial {
        Dial { versions: rustls::ALL_VERSIONS, identity: None }
    }
}

pub struct TlsClient(StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    pub fn new(addr: SocketAddr, trusted: &Authority, dial: &Dial) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(dial.versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match &dial.identity {
            None => config.with_no_client_auth(),
            Some(Issued { cert, key }) => config
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        TlsClient(StreamOwned::new(connection, stream))
    }

    pub fn write(&mut self, commands: &[Command]) -> std::io::Result<()> {
        let mut out = BytesMut::new();
        commands.iter().for_each(|command| codec::encode(command, &mut out));
        self.0.write_all(&out)?;
        self.0.flush()
    }

    pub fn read(&mut self) -> std::io::Result<Command> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut whole = length.to_vec();
        whole.resize(4 + u32::from_be_bytes(length) as usize, 0);
        self.0.read_exact(&mut whole[4..])?;
        Ok(codec::decode(&whole.into()).unwrap())
    }

    pub fn call(&mut self, request: Command) -> std::io::Result<Command> {
        self.write(&[request])?;
        self.read()
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.0.sock.local_addr().unwrap()
    }

    /// The certificate that the server has shown, PEM's content.
    pub fn shown(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }
}

/// A certificate's content.
pub fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap().to_vec()
}
