//! The known holes of RocketMQ, each tried on our servers; docs/SECURITY.md lists them. Named after their CVE, or after what
//! is tried where nobody has given it a number.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rocketmq::protocol::request_code::RequestCode;
use serde_json::json;

use self::common::broker::{Client, Fixture, NameServer};

const NO_PERMISSION: i32 = 16;

/// Every file and folder below.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

fn send(client: &mut Client, topic: &str) -> i32 {
    let fields = [
        ("a", "p"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", ""),
    ];
    client.call(RequestCode::SendMessageV2, &fields, "x").code
}

/// In Java a broker runs `sh <rocketmqHome>/bin/startfsrv.sh`, with both set over the wire.
#[test]
fn cve_2023_33246_settings_run_no_program() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let mark = fixture.folder.path().join("mark");
    let command = format!("-c $@|sh . echo touch {};", mark.display());
    let (before, _) = fixture.running().broker().live.dump();
    for body in [
        format!("filterServerNums=1\nrocketmqHome={command}"),
        "filterServerNums=1".to_owned(),
        format!("rocketmqHome={command}"),
        format!("namesrvAddr={command}"),
        "brokerConfigPath=/tmp/x".to_owned(),
        "messageStorePlugIn=some.Class".to_owned(),
    ] {
        let (code, remark) = client.outcome(RequestCode::UpdateBrokerConfig, &[], &body);
        assert!(code != 0, "{body}: {remark}");
    }
    assert_eq!(fixture.running().broker().live.dump().0, before);
    let server = [("filterServerAddr", "127.0.0.1:1; touch mark")];
    assert_eq!(client.outcome(RequestCode::RegisterFilterServer, &server, "").0, NO_PERMISSION);
    assert!(!mark.exists());
}

/// In Java a name server writes the sender's text to a file of the sender's choice.
#[test]
fn cve_2023_37582_nobody_chooses_what_file_is_written() {
    let names = NameServer::new();
    let mut client = Client::connect(names.addr().parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cron").display().to_string();
    for key in ["configStorePath", "kvConfigPath", "rocketmqHome"] {
        let body = format!("{key}={path}\nproductEnvName=* * * * * root sh\\n");
        assert_eq!(client.outcome(RequestCode::UpdateNamesrvConfig, &[], &body).0, NO_PERMISSION, "{key}");
    }
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let (before, _) = fixture.running().broker().live.dump();
    for key in [
        "storePathRootDir",
        "storePathCommitLog",
        "rocketmqHome",
        "plainAclFile",
        "brokerIP1",
        "haMasterAddress",
    ] {
        let body = format!("{key}={path}");
        assert_eq!(client.outcome(RequestCode::UpdateBrokerConfig, &[], &body).0, NO_PERMISSION, "{key}");
    }
    assert_eq!(fixture.running().broker().live.dump().0, before);
    assert!(tree(folder.path()).is_empty());
}

/// In Java a topic's name is a path, and one that cannot be a folder ends all dispatching for good.
#[test]
fn cve_2019_17572_topics_stay_in_the_store() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let folder = fixture.folder.path();
    client.create_topic("T", "1");
    assert_eq!(send(&mut client, "T"), 0);
    let outside = |tree: BTreeSet<String>| -> Vec<String> {
        let store = folder.join("store").display().to_string();
        tree.into_iter().filter(|path| !path.starts_with(&store)).collect()
    };
    let (before, topics) = (outside(tree(folder)), fixture.running().broker().topics.len());
    let long = "x".repeat(128);
    for topic in [
        "../escaped",
        "../../escaped",
        "..%2f/../x",
        "a/b",
        "..",
        ".",
        "a\0b",
        "a\nb",
        "ä",
        "a b",
        "a.b",
        "",
        &long,
    ] {
        assert!(send(&mut client, topic) != 0, "sent to {topic:?}");
        assert!(client.create_topic(topic, "1").0 != 0, "made {topic:?}");
        let retry = format!("%RETRY%{topic}");
        assert!(topic.is_empty() || send(&mut client, &retry) != 0, "sent to {retry:?}");
    }
    assert!(client.create_topic("Many", "2147483647").0 != 0);
    assert_eq!(fixture.running().broker().topics.len(), topics);
    assert_eq!(outside(tree(folder)), before);
    // And everybody else goes on.
    assert_eq!(send(&mut client, "T"), 0);
    fixture.running().broker().store.dispatch_all();
    assert_eq!(fixture.running().broker().store.queue_ranges("T"), [(0, 0, 2)]);
}

/// A frame with this text as its header.
fn frame(header: &str, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + header.len() + body.len()).unwrap();
    let header_length = u32::try_from(header.len()).unwrap();
    [&length.to_be_bytes()[..], &header_length.to_be_bytes(), header.as_bytes(), body].concat()
}

/// Whether something came back; the end of the connection is an answer, too.
fn answers(addr: SocketAddr, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may be closed before everything is written.
    let _ = stream.write_all(bytes);
    match stream.read_exact(&mut [0]) {
        Ok(()) => true,
        Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof),
    }
}

/// In Java every header and many bodies go through a fastjson that makes objects of any class named in `@type`.
#[test]
fn cve_2022_25845_types_in_json_are_nothing() {
    let names = NameServer::new();
    let fixture = Fixture::registered_with(&names.addr());
    let servers: [SocketAddr; 2] = [fixture.running().addr(), names.addr().parse().unwrap()];
    let gadget = r#"{"@type":"com.sun.rowset.JdbcRowSetImpl","dataSourceName":"ldap://127.0.0.1:1/x","autoCommit":true}"#;
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    for server in servers {
        for text in [gadget, &nested, &deep] {
            let with = format!(
                r#"{{"code":34,"opaque":1,"flag":0,"version":273,"language":"JAVA","extFields":{text}}}"#
            );
            for header in [text, &with] {
                assert!(answers(server, &frame(header, b"")), "{server}: {}", &header[..40]);
            }
            for code in [34, 35, 41, 103, 222, 322] {
                let header = format!(
                    r#"{{"code":{code},"opaque":1,"flag":0,"version":273,"language":"JAVA","extFields":{{}}}}"#
                );
                assert!(answers(server, &frame(&header, text.as_bytes())), "{server}: {code}");
            }
        }
    }
    assert_eq!(fixture.connect().create_topic("T", "1").0, 0);
    assert_eq!(Client::connect(servers[1]).call(RequestCode::GetBrokerClusterInfo, &[], "").code, 0);
}

/// In Java, reading settings and accounts gives the accounts' secrets away.
#[test]
fn cve_2024_23321_no_reply_has_a_secret() {
    const SECRET: &str = "a-secret-that-nobody-is-told";
    let accounts = tempfile::tempdir().unwrap();
    let file = accounts.path().join("plain_acl.yml");
    let text = format!(
        "globalWhiteRemoteAddresses: [127.0.0.1]\naccounts:\n- accessKey: operator\n  secretKey: {SECRET}\n  admin: true\n"
    );
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let fixture = Fixture::with(move |configs| {
        configs.broker.acl_enable = true;
        configs.broker.plain_acl_file = path.clone();
    });
    let mut asked = 0;
    for code in 0..1000 {
        let header = json!({"code": code, "opaque": 1, "flag": 0, "version": 273, "language": "JAVA",
            "extFields": {"topic": "T", "consumerGroup": "g", "queueId": "0"}});
        let mut stream = TcpStream::connect(fixture.running().addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&frame(&header.to_string(), b"")).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut reply).unwrap();
        assert!(!String::from_utf8_lossy(&reply).contains(SECRET), "code {code}");
        asked += 1;
    }
    assert_eq!(asked, 1000);
}

/// One reply cannot be made as large as memory, nor bytes of the log be read as a message.
#[test]
fn requests_cannot_ask_for_too_much() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    let offset = fixture.put("T", 0, "body");
    let fields = [
        ("topic", "T"),
        ("key", "none"),
        ("maxNum", "2147483647"),
        ("beginTimestamp", "0"),
        ("endTimestamp", "9223372036854775807"),
    ];
    assert_eq!(client.call(RequestCode::QueryMessage, &fields, "").code, 22);
    let inside = (offset + 5).to_string();
    for offset in ["-1", &inside, "9223372036854775807"] {
        let answer = client.call(RequestCode::ViewMessageById, &[("offset", offset)], "");
        assert!(answer.code != 0 && answer.body.is_empty(), "{offset}: {:?}", answer.remark);
    }
}

/// What is stored is for the owner and its group, whatever the umask was.
#[test]
fn files_are_not_for_everybody() {
    let home = tempfile::tempdir().unwrap();
    let (mut program, port, _) =
        common::start_server(home.path(), |port| common::broker_args(home.path(), port));
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    assert_eq!(client.create_topic("T", "1").0, 0);
    assert_eq!(send(&mut client, "T"), 0);
    assert_eq!(program.stop().code, Some(0));
    let open: Vec<String> = tree(home.path())
        .into_iter()
        .filter(|path| std::fs::metadata(path).unwrap().permissions().mode() & 0o027 != 0)
        .collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(tree(home.path()).iter().any(|path| path.ends_with("commitlog/00000000000000000000")));
}
