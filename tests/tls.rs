//! TLS from outside: which connections each mode takes, client certificates, files replaced under a running server,
//! handshakes that never end or are none, and brokers that reach others over TLS. Java's client is in
//! `interop-tests`.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::broker::Fixture;
use common::tls::{Authority, Dial, Issued, TlsClient, VERSIONS, der, settings, write_files};
use common::until;
use rocketmq::broker::Configs;
use rocketmq::config::store::BrokerRole;
use rocketmq::namesrv;
use rocketmq::protocol::header::pull::PullMessageRequestHeader;
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::connection::Limits;
use rocketmq::remoting::router::NoService;
use rocketmq::remoting::server::{Bound, Server, ServerOptions};
use rocketmq::remoting::tls::ServerTls;
use rocketmq::remoting::{Command, REQUEST_CODE_NOT_SUPPORTED};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A server that knows no request, with TLS as the settings say; its files are watched.
struct Fixed {
    runtime: Runtime,
    server: Option<Server>,
    addr: SocketAddr,
}

impl Fixed {
    fn new(pairs: &[(&str, &str)]) -> Fixed {
        Fixed::with_limits(pairs, Limits::default())
    }

    fn with_limits(pairs: &[(&str, &str)], limits: Limits) -> Fixed {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tls = ServerTls::open(&settings(pairs)).unwrap();
        runtime.spawn(Arc::clone(&tls).keep_fresh());
        let server = runtime.block_on(async {
            let bound = Bound::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
            bound.serve(Arc::new(NoService), ServerOptions { limits, tls, ..ServerOptions::default() })
        });
        let server = server.unwrap();
        Fixed { runtime, addr: server.addr(), server: Some(server) }
    }

    /// Whether a plain connection is answered; otherwise it must have been closed.
    fn takes_plain(&self) -> bool {
        let mut stream = self.connect();
        common::write(&mut stream, &[request()]).unwrap();
        match common::read(&mut stream) {
            Ok(answer) => {
                assert_eq!(answer.code, REQUEST_CODE_NOT_SUPPORTED);
                true
            }
            Err(error) => {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "neither answered nor closed");
                false
            }
        }
    }

    fn takes_tls(&self, authority: &Authority, dial: &Dial) -> bool {
        match TlsClient::new(self.addr, authority, dial).call(request()) {
            Ok(answer) => {
                assert_eq!(answer.code, REQUEST_CODE_NOT_SUPPORTED);
                true
            }
            Err(error) => {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "neither answered nor closed");
                false
            }
        }
    }

    fn connect(&self) -> TcpStream {
        common::connect(self.addr.port())
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

fn request() -> Command {
    Command { code: 12_345, opaque: 1, ..Command::default() }
}

#[test]
fn each_mode_takes_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, key) = write_files(folder.path(), "server", &authority.issue());
    let files = [("tls.server.certPath", cert.as_str()), ("tls.server.keyPath", key.as_str())];
    let check = |mode: &str, with_files: bool, plain: bool, tls: bool| {
        let mut pairs = vec![("tls.server.mode", mode)];
        pairs.extend(with_files.then_some(files).into_iter().flatten());
        let server = Fixed::new(&pairs);
        assert_eq!(server.takes_plain(), plain, "{mode} plain");
        for versions in VERSIONS {
            let dial = Dial { versions, ..Dial::default() };
            assert_eq!(server.takes_tls(&authority, &dial), tls, "{mode} TLS, with files: {with_files}");
        }
        assert_eq!(server.takes_plain(), plain, "{mode} plain again");
    };
    check("disabled", true, true, false);
    check("permissive", true, true, true);
    check("permissive", false, true, false);
    check("enforcing", true, false, true);
}

#[test]
fn enforcing_without_a_usable_key_does_not_start_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, key) = write_files(home.path(), "server", &authority.issue());
    let (_, other) = write_files(home.path(), "other", &authority.issue());
    let encrypted = home.path().join("encrypted.key");
    fs::write(
        &encrypted,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let check = |key: Option<&str>, expected: &str| {
        let mut args = vec!["namesrv".to_owned(), "-Dtls.server.mode=enforcing".to_owned()];
        if let Some(key) = key {
            args.push(format!("-Dtls.server.certPath={cert}"));
            args.push(format!("-Dtls.server.keyPath={key}"));
        }
        args.push("listenPort=0".to_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let outcome = common::run(home.path(), &args);
        assert_eq!(outcome.code, Some(255));
        let said = outcome.err.join("\n");
        assert!(said.contains(expected), "{said}");
    };
    check(None, "tls.server.mode=enforcing needs tls.server.certPath and tls.server.keyPath");
    check(Some("/nonexistent/key"), "tls.server.keyPath=/nonexistent/key cannot be read");
    check(Some(&cert), "holds no private key in PEM form");
    check(Some(&other), "does not belong to the key");
    check(
        Some(encrypted.to_str().unwrap()),
        "is encrypted, which is not supported: decrypt it once with `openssl",
    );
    assert!(fs::exists(&key).unwrap());
}

/// Who is turned away stands in the log with its address and what to do.
#[test]
fn refusals_are_logged() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, key) = write_files(home.path(), "server", &authority.issue());
    let (_program, port, _) = common::start_server(home.path(), |port| {
        vec![
            "namesrv".to_owned(),
            format!("listenPort={port}"),
            "-Dtls.server.mode=enforcing".to_owned(),
            format!("-Dtls.server.certPath={cert}"),
            format!("-Dtls.server.keyPath={key}"),
            "-Dtls.server.need.client.auth=require".to_owned(),
        ]
    });
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let logged = |remote: SocketAddr, expected: &str| {
        until(expected, || {
            let log = fs::read_to_string(home.path().join("logs/rocketmqlogs/namesrv.log")).unwrap();
            log.lines().any(|line| line.contains(&remote.to_string()) && line.contains(expected))
        });
    };
    let check = |sent: &[u8], expected: &str| {
        let mut stream = common::connect(port);
        stream.write_all(sent).unwrap();
        logged(stream.local_addr().unwrap(), expected);
    };
    check(
        &[0, 0, 0, 9],
        "plain, which tls.server.mode=enforcing forbids: the client needs -Dtls.enable=true",
    );
    check(&[0x16; 100], "the TLS handshake failed");
    let mut client = TlsClient::new(addr, &authority, &Dial::default());
    assert!(client.call(request()).is_err());
    logged(client.local_addr(), "the client gave no certificate: set its tls.client.certPath");
}

#[test]
fn clients_certificates_are_asked_for_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (cert, key) = write_files(folder.path(), "server", &authority.issue());
    let trust = folder.path().join("trust.pem");
    fs::write(&trust, &authority.pem).unwrap();
    let (known, unknown) = (authority.issue(), stranger.issue());
    let check = |auth: &str, verify: &str, expected: [bool; 3]| {
        let server = Fixed::new(&[
            ("tls.server.certPath", &cert),
            ("tls.server.keyPath", &key),
            ("tls.server.need.client.auth", auth),
            ("tls.server.authClient", verify),
            ("tls.server.trustCertPath", trust.to_str().unwrap()),
        ]);
        let identities = [None, Some(&known), Some(&unknown)];
        for versions in VERSIONS {
            let taken = identities.map(|identity: Option<&Issued>| {
                server.takes_tls(&authority, &Dial { identity: identity.cloned(), versions })
            });
            assert_eq!(taken, expected, "{auth}, authClient={verify}");
        }
    };
    check("none", "true", [true, true, true]);
    check("optional", "false", [true, true, true]);
    check("optional", "true", [true, true, false]);
    check("require", "false", [false, true, true]);
    check("REQUIRE", "true", [false, true, false]);
}

#[test]
fn replaced_files_count_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (first, second) = (authority.issue(), authority.issue());
    let (cert, key) = write_files(folder.path(), "server", &first);
    let server = Fixed::new(&[("tls.server.certPath", &cert), ("tls.server.keyPath", &key)]);
    let dial = Dial::default();
    let shown = || {
        let mut client = TlsClient::new(server.addr, &authority, &dial);
        client.call(request()).unwrap();
        client.shown()
    };
    let mut standing = TlsClient::new(server.addr, &authority, &dial);
    standing.call(request()).unwrap();
    assert_eq!(standing.shown(), der(&first));
    // Damaged, and then with the other's key missing: what was there stays in use.
    fs::write(&cert, "no certificate").unwrap();
    assert_eq!(shown(), der(&first));
    fs::write(&cert, &second.cert).unwrap();
    assert_eq!(shown(), der(&first));
    fs::write(&key, &second.key).unwrap();
    until("the new certificate is shown", || shown() == der(&second));
    // Connections that stand are not cut.
    assert_eq!(standing.call(request()).unwrap().code, REQUEST_CODE_NOT_SUPPORTED);
}

#[test]
fn a_certificate_that_comes_later_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let properties = folder.path().join("tls.properties");
    let server = Fixed::new(&[("tls.config.file", properties.to_str().unwrap())]);
    let authority = Authority::new();
    assert!(!server.takes_tls(&authority, &Dial::default()));
    let (cert, key) = write_files(folder.path(), "server", &authority.issue());
    fs::write(
        &properties,
        format!("tls.test.mode.enable=false\ntls.server.certPath={cert}\ntls.server.keyPath={key}\n"),
    )
    .unwrap();
    until("TLS is served", || server.takes_tls(&authority, &Dial::default()));
    assert!(server.takes_plain());
}

#[test]
fn a_handshake_that_never_ends_or_is_none_costs_its_connection_only() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, key) = write_files(folder.path(), "server", &authority.issue());
    let limits = Limits { handshake_time: Duration::from_millis(50), ..Limits::default() };
    let server = Fixed::with_limits(&[("tls.server.certPath", &cert), ("tls.server.keyPath", &key)], limits);
    let check = |sent: &[u8]| {
        let mut stream = server.connect();
        stream.write_all(sent).unwrap();
        let mut left = Vec::new();
        // An alert may come first; what counts is that it ends before the read's own time-out.
        match stream.read_to_end(&mut left) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{sent:?}"),
        }
        assert!(left.len() < 64, "{left:?}");
    };
    // The beginning of a greeting.
    check(&[0x16]);
    check(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    // Records that are too long, of a version that is none, a greeting that promises 16 MiB.
    check(&[0x16, 0xff, 0xff, 0xff, 0xff, 0xff]);
    check(&[&[0x16, 3, 1, 0x40, 0][..], &[1, 0xff, 0xff, 0xff], &[0; 16_380]].concat());
    check(&[0x16; 100_000]);
    let mut state: u64 = 1;
    for _ in 0..50 {
        let mut garbage: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(300)
        .collect();
        garbage[..3].copy_from_slice(&[0x16, 3, 1]);
        check(&garbage);
    }
    // Gone in the middle.
    let stream = server.connect();
    (&stream).write_all(&[0x16, 3, 1]).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    assert!(server.takes_plain());
    assert!(server.takes_tls(&authority, &Dial::default()));
}

/// A name server that takes TLS only, and asks for certificates of the authority.
fn enforcing_name_server(folder: &Path, authority: &Authority, runtime: &Runtime) -> namesrv::Running {
    let (cert, key) = write_files(folder, "namesrv", &authority.issue());
    let trust = folder.join("trust.pem");
    fs::write(&trust, &authority.pem).unwrap();
    let mut configs = namesrv::Configs { bind_ip: Ipv4Addr::LOCALHOST.into(), ..namesrv::Configs::default() };
    configs.server.listen_port = 0;
    configs.namesrv.kv_config_path = folder.join("kvConfig.json").to_str().unwrap().to_owned();
    configs.tls = settings(&[
        ("tls.server.mode", "enforcing"),
        ("tls.server.certPath", &cert),
        ("tls.server.keyPath", &key),
        ("tls.server.need.client.auth", "require"),
        ("tls.server.authClient", "true"),
        ("tls.server.trustCertPath", trust.to_str().unwrap()),
    ]);
    runtime.block_on(namesrv::start(configs)).unwrap()
}

/// A broker's settings with certificates of one authority that trusts another.
fn secured(
    folder: &Path,
    name: &str,
    own: &Authority,
    trusted: &Authority,
) -> impl Fn(&mut Configs) + 'static {
    let (cert, key) = write_files(folder, name, &own.issue());
    let trust = folder.join(format!("{name}.trust"));
    fs::write(&trust, &trusted.pem).unwrap();
    let tls = settings(&[
        ("tls.server.mode", "enforcing"),
        ("tls.server.certPath", &cert),
        ("tls.server.keyPath", &key),
        ("tls.client.certPath", &cert),
        ("tls.client.keyPath", &key),
        ("tls.client.authServer", "true"),
        ("tls.client.trustCertPath", trust.to_str().unwrap()),
    ]);
    move |configs: &mut Configs| {
        configs.tls = tls.clone();
        configs.client.use_tls = tls.is_asked_of_brokers();
    }
}

fn fixture(namesrv: &str, secure: impl Fn(&mut Configs) + 'static, slave_id: i64) -> Fixture {
    let namesrv = namesrv.to_owned();
    Fixture::with(move |configs| {
        secure(configs);
        configs.broker.namesrv_addr.clone_from(&namesrv);
        if slave_id > 0 {
            configs.broker.broker_id = slave_id;
            configs.store.broker_role = BrokerRole::Slave;
        }
    })
}

/// A broker registers, a slave finds its master and takes its tables, and large messages come back, all over TLS;
/// who is not trusted is not registered.
#[test]
fn brokers_reach_others_over_tls() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder: TempDir = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let namesrv = enforcing_name_server(folder.path(), &authority, &runtime);
    let addr = namesrv.addr().to_string();
    let registered = || {
        let dial = Dial { identity: Some(authority.issue()), ..Dial::default() };
        let mut client = TlsClient::new(namesrv.addr(), &authority, &dial);
        let answer = client.call(Command::request(RequestCode::GetBrokerClusterInfo, &())).unwrap();
        String::from_utf8_lossy(&answer.body).matches("127.0.0.1:").count()
    };
    // The first does not trust the name server, the second is not trusted.
    let strange = secured(folder.path(), "strange", &authority, &stranger);
    drop(fixture(&addr, strange, 0));
    let strange = secured(folder.path(), "stranger", &stranger, &authority);
    drop(fixture(&addr, strange, 0));
    assert_eq!(registered(), 0);
    let master = fixture(&addr, secured(folder.path(), "master", &authority, &authority), 0);
    assert_eq!(registered(), 1);
    let mut client = TlsClient::new(master.running().addr(), &authority, &Dial::default());
    for body in [1000, 200_000] {
        let request =
            Command::request(RequestCode::SendMessageV2, &()).with_body(Bytes::from(vec![b'x'; body]));
        let fields = [("a", "p"), ("b", "Secure"), ("c", "TBW102"), ("d", "4"), ("e", "0"), ("f", "0")];
        let rest = [("g", "1795391897067"), ("h", "0"), ("i", "")];
        let ext = Some(fields.iter().chain(&rest).copied().collect());
        let answer = client.call(Command { ext, opaque: 7, ..request }).unwrap();
        assert_eq!((answer.code, answer.opaque), (0, 7), "{:?}", answer.remark);
    }
    let header = PullMessageRequestHeader {
        consumer_group: "reader",
        topic: "Secure",
        max_msg_nums: 32,
        sys_flag: 4,
        subscription: Some("*"),
        ..PullMessageRequestHeader::default()
    };
    let pull = Command::request(RequestCode::PullMessage, &header);
    let mut bodies = Vec::new();
    until("both messages can be pulled", || {
        let answer = client.call(pull.clone()).unwrap();
        bodies = messages(&answer.body).map(|message| message.unwrap().body.len()).collect();
        bodies.len() == 2
    });
    assert_eq!(bodies, [1000, 200_000]);
    // Answers of more than the socket takes at once, unread for as long as all are asked for.
    let requests: Vec<Command> = (0..100).map(|opaque| Command { opaque, ..pull.clone() }).collect();
    client.write(&requests).unwrap();
    for _ in &requests {
        assert!(client.read().unwrap().body.len() > 200_000);
    }
    let slave = fixture(&addr, secured(folder.path(), "slave", &authority, &authority), 1);
    until("the slave has its master's topics", || slave.running().broker().topics.get("Secure").is_some());
    assert_eq!(registered(), 2);
    drop((slave, master));
    runtime.block_on(namesrv.stop());
}
