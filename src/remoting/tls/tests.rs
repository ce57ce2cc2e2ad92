//! What settings and files make of TLS, and handshakes without a socket.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::io::{Read as _, Write as _};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;

use super::settings::{CLIENT, SERVER};
use super::*;

fn settings(pairs: &[(&str, &str)]) -> TlsSettings {
    let mut settings = TlsSettings::default();
    // Nothing of this machine's own.
    settings.set("tls.config.file", "/nonexistent");
    pairs.iter().for_each(|(key, value)| assert!(settings.set(key, value), "{key}"));
    settings
}

#[test]
fn modes_are_read() {
    let check = |value: &str, expected: Option<TlsMode>| {
        assert_eq!(settings(&[("tls.server.mode", value)]).mode().ok(), expected, "{value}");
    };
    check("", Some(TlsMode::Permissive));
    check("disabled", Some(TlsMode::Disabled));
    check("permissive", Some(TlsMode::Permissive));
    check(" Enforcing ", Some(TlsMode::Enforcing));
    check("enforcng", None);
}

#[test]
fn own_connections_follow_the_mode_unless_told() {
    let check = |mode: &str, enable: &str, expected: bool| {
        let settings = settings(&[("tls.server.mode", mode), ("tls.enable", enable)]);
        assert_eq!(settings.is_asked_of_brokers(), expected, "{mode} {enable}");
    };
    check("permissive", "", false);
    check("enforcing", "", true);
    check("enforcing", "false", false);
    check("permissive", "TRUE", true);
}

#[test]
fn switches_are_true_or_false() {
    let check = |key: &str, value: &str, expected: bool| {
        assert_eq!(settings(&[(key, value)]).check_switches().is_ok(), expected, "{key}={value}");
    };
    check("tls.enable", "", true);
    check("tls.enable", "True", true);
    check("tls.enable", "false", true);
    check("tls.enable", "maybe", false);
    check("tls.server.authClient", "1", false);
    check("tls.test.mode.enable", "yes", false);
}

#[test]
fn client_auth_is_read() {
    let check = |value: &str, expected: Option<ClientAuth>| {
        let settings = settings(&[("tls.server.need.client.auth", value)]);
        assert_eq!(settings.client_auth().ok(), expected, "{value}");
    };
    check("", Some(ClientAuth::None));
    check("none", Some(ClientAuth::None));
    check("OPTIONAL", Some(ClientAuth::Optional));
    check("require", Some(ClientAuth::Require));
    check("required", None);
}

#[test]
fn the_environment_says_the_same() {
    let variables = [
        ("ROCKETMQ_TLS_SERVER_MODE", "enforcing"),
        ("ROCKETMQ_TLS_SERVER_KEYPATH", "/k"),
        ("ROCKETMQ_TLS_SERVER_NEED_CLIENT_AUTH", "require"),
        ("ROCKETMQ_TLS_UNKNOWN", "x"),
    ];
    let variable = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, it)| (*it).to_owned());
    let settings = TlsSettings::of_environment(variable);
    assert_eq!(settings.mode().unwrap(), TlsMode::Enforcing);
    assert_eq!(settings.path(SERVER.key), Some("/k"));
    assert_eq!(settings.client_auth().unwrap(), ClientAuth::Require);
    assert_eq!(settings.config_file(), "/etc/rocketmq/tls.properties");
    assert_eq!(settings.shown().count(), 3);
}

#[test]
fn the_file_wins_over_the_process_but_not_in_its_mode() {
    let given = settings(&[("tls.server.mode", "enforcing"), (SERVER.key, "/given"), (SERVER.cert, "/cert")]);
    let text = "tls.server.keyPath=/file\ntls.server.mode=disabled\ntls.enable=true\nelse=1\ntls.client.keyPath = /c\n";
    let all = given.with_file(text);
    assert_eq!(all.path(SERVER.key), Some("/file"));
    assert_eq!(all.path(SERVER.cert), Some("/cert"));
    assert_eq!(all.path(CLIENT.key), Some("/c"));
    assert_eq!(all.mode().unwrap(), TlsMode::Enforcing);
    assert!(!all.is_asked_of_clients());
}

#[test]
fn passwords_are_not_shown() {
    let settings = settings(&[(SERVER.password, "secret1"), (CLIENT.password, "secret2")]);
    let shown: Vec<_> = settings.shown().map(|(_, value)| value).collect();
    assert!(!format!("{settings:?} {shown:?}").contains("secret"));
}

/// A self-signed certificate and its key.
fn issued() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cert, key) = issued();
    let (cert, key) = (file("cert", &cert), file("key", &key));
    let other = file("other", &issued().1);
    let old = file(
        "old",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END RSA PRIVATE KEY-----\n",
    );
    let new =
        file("new", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let bad = file("bad", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n");
    let check = |pairs: &[(&str, &str)], expected: &str| {
        let error = load::server(&Snapshot::take(&settings(pairs))).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&[(SERVER.cert, &cert)], "tls.server.certPath is set and tls.server.keyPath is not");
    check(&[(SERVER.key, &key)], "tls.server.keyPath is set and tls.server.certPath is not");
    check(&[(SERVER.cert, &key), (SERVER.key, &key)], "holds no certificate in PEM form");
    check(&[(SERVER.cert, &cert), (SERVER.key, &cert)], "holds no private key in PEM form");
    check(&[(SERVER.cert, &cert), (SERVER.key, &other)], "does not belong to the key");
    check(&[(SERVER.cert, &cert), (SERVER.key, &old)], "decrypt it once with `openssl pkey -in ");
    check(&[(SERVER.cert, &cert), (SERVER.key, &new)], "decrypt it once with `openssl pkey -in ");
    check(&[(SERVER.cert, &cert), (SERVER.key, &bad)], "bad cannot be used");
    check(&[(SERVER.cert, "/nonexistent"), (SERVER.key, &key)], "certPath=/nonexistent cannot be read");
    check(&[(SERVER.cert, "/"), (SERVER.key, &key)], "it is no file");
    let both = [(SERVER.cert, cert.as_str()), (SERVER.key, key.as_str())];
    let with = |more: &[(&'static str, &'static str)]| [&both, more].concat();
    check(&with(&[("tls.server.need.client.auth", "yes")]), "is not one of none, optional and require");
    check(
        &with(&[("tls.server.need.client.auth", "require"), (SERVER.verify, "true")]),
        "tls.server.authClient=true needs tls.server.trustCertPath",
    );
    assert!(load::server(&Snapshot::take(&settings(&both))).unwrap().is_some());
    assert!(load::server(&Snapshot::take(&settings(&[]))).unwrap().is_none());
    let error = load::client(&Snapshot::take(&settings(&[(CLIENT.verify, "true")]))).unwrap_err();
    assert!(error.to_string().contains("needs tls.client.trustCertPath"), "{error}");
}

#[test]
fn permissive_without_a_usable_key_is_plain_and_enforcing_does_not_open() {
    let half = [(SERVER.cert, "/nonexistent")];
    let tls = ServerTls::open(&settings(&half)).unwrap();
    assert!(tls.session().unwrap().is_none());
    let check = |pairs: &[(&str, &str)], expected: &str| {
        let pairs = [pairs, &[("tls.server.mode", "enforcing")]].concat();
        let error = ServerTls::open(&settings(&pairs)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&[], "tls.server.mode=enforcing needs");
    check(&half, "cannot be read");
}

/// A whole handshake in memory, and the certificate that was shown.
fn shake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Result<Vec<u8>, rustls::Error> {
    let mut server = rustls::ServerConnection::new(Arc::clone(server))?;
    let name = ServerName::try_from("rocketmq").unwrap();
    let mut client = rustls::ClientConnection::new(Arc::clone(client), name)?;
    let mut wire = Vec::new();
    while server.is_handshaking() || client.is_handshaking() {
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
        wire.clear();
    }
    client.writer().write_all(b"hello").unwrap();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server.process_new_packets()?;
    let mut said = [0; 5];
    server.reader().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"hello");
    Ok(client.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn test_mode_makes_a_certificate_that_is_one() {
    let snapshot =
        Snapshot::take(&settings(&[("tls.test.mode.enable", "true"), (SERVER.key, "/nonexistent")]));
    let (server, again) =
        (load::server(&snapshot).unwrap().unwrap(), load::server(&snapshot).unwrap().unwrap());
    let client = load::client(&snapshot).unwrap();
    let shown = shake(&server, &client).unwrap();
    assert_ne!(shown, shake(&again, &client).unwrap(), "each has a key of its own");
    // Who trusts this very certificate and looks at the name accepts it: it is well formed and signed.
    let mut roots = rustls::RootCertStore::empty();
    roots.add(shown.into()).unwrap();
    let strict = rustls::ClientConfig::builder_with_provider(load::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    shake(&server, &Arc::new(strict)).unwrap();
}

#[test]
fn who_is_not_trusted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cert, key) = issued();
    let (other, _) = issued();
    let (cert, key, other) = (file("cert", &cert), file("key", &key), file("other", &other));
    let server = load::server(&Snapshot::take(&settings(&[(SERVER.cert, &cert), (SERVER.key, &key)])))
        .unwrap()
        .unwrap();
    let check = |verify: &str, trust: &str, expected: bool| {
        let snapshot = Snapshot::take(&settings(&[(CLIENT.verify, verify), (CLIENT.trust, trust)]));
        let client = load::client(&snapshot).unwrap();
        // The name that is asked for is not in the certificate: as 4.3.0 nobody looks.
        assert_eq!(shake(&server, &client).is_ok(), expected, "{verify} {trust}");
    };
    check("true", &cert, true);
    check("true", &other, false);
    check("false", &other, true);
}
