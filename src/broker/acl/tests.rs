//! Accounts, signatures and permissions, by requests as the hook of `rocketmq-acl` makes them.

use hmac::{Hmac, KeyInit};
use sha1::Sha1;

use super::*;
use crate::protocol::request_code::RequestCode;

/// As 4.4.0's sample has it.
const SAMPLE: &str = "
globalWhiteRemoteAddresses:
- 10.10.*.*

accounts:
- accessKey: RocketMQ
  secretKey: 12345678
  whiteRemoteAddress:
  admin: false
  defaultTopicPerm: DENY
  defaultGroupPerm: SUB
  topicPerms:
  - topicA=DENY
  - topicB=PUB|SUB
  - topicC=SUB
  groupPerms:
  # the group should convert to retry topic
  - groupA=DENY
  - groupB=PUB|SUB
  - groupC=SUB

- accessKey: rocketmq2
  secretKey: 12345678
  whiteRemoteAddress: 192.168.1.*
  # if it is admin, it could access all resources
  admin: true
";

const ELSEWHERE: &str = "10.1.2.3";

fn request(code: RequestCode, fields: &[(&str, &str)], body: &'static [u8]) -> Command {
    let ext = Some(fields.iter().copied().collect());
    Command { code: code.into(), ext, body: body.into(), ..Command::default() }
}

/// As the hook of `rocketmq-acl` does it.
fn signed(mut command: Command, key: &str, secret: &str) -> Command {
    let ext = command.ext.get_or_insert_default();
    ext.push(ACCESS_KEY, key);
    let mut fields: Vec<(String, String)> =
        ext.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    fields.sort();
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap();
    fields.iter().for_each(|(_, value)| mac.update(value.as_bytes()));
    mac.update(&command.body);
    ext.push(SIGNATURE, &STANDARD.encode(mac.finalize().into_bytes()));
    command
}

fn outcome(ip: &str, command: &Command, is_changing: bool) -> Result<(), String> {
    file::parse(SAMPLE).unwrap().check(ip.parse().unwrap(), command, is_changing)
}

#[test]
fn the_signature_is_javas() {
    // Of AclSigner.calSignature("data", "12345678").
    let mut mac = Hmac::<Sha1>::new_from_slice(b"12345678").unwrap();
    mac.update(b"data");
    assert_eq!(STANDARD.encode(mac.finalize().into_bytes()), SIGNATURE_OF_DATA);
}

/// By the openssl program: `printf data | openssl dgst -sha1 -hmac 12345678 -binary | base64`.
const SIGNATURE_OF_DATA: &str = "CtoIl+Ac4B4KatuA5ZgQ95/X2v4=";

#[test]
fn permissions_are_by_topic_and_group() {
    let check = |code: RequestCode, fields: &[(&str, &str)], expected: Result<(), &str>| {
        let command = signed(request(code, fields, b"body"), "RocketMQ", "12345678");
        assert_eq!(
            outcome(ELSEWHERE, &command, false),
            expected.map_err(str::to_owned),
            "{code:?} {fields:?}"
        );
    };
    check(RequestCode::SendMessageV2, &[("b", "topicB")], Ok(()));
    check(RequestCode::SendMessageV2, &[("b", "topicC")], Err("No default permission for topic:topicC"));
    check(RequestCode::SendMessageV2, &[("b", "topicX")], Err("No default permission for topic:topicX"));
    check(RequestCode::SendBatchMessage, &[("b", "topicA")], Err("No default permission for topic:topicA"));
    check(RequestCode::SendMessage, &[("topic", "topicB")], Ok(()));
    check(RequestCode::SendMessage, &[("topic", "%RETRY%groupC")], Ok(()));
    check(
        RequestCode::SendMessage,
        &[("topic", "%RETRY%groupA")],
        Err("No default permission for group:groupA"),
    );
    for code in [RequestCode::PullMessage, RequestCode::LitePullMessage] {
        check(code, &[("topic", "topicC"), ("consumerGroup", "groupX")], Ok(()));
        let groupless = Err("No default permission for group:groupA");
        check(code, &[("topic", "topicC"), ("consumerGroup", "groupA")], groupless);
        let topicless = Err("No default permission for topic:topicA");
        check(code, &[("topic", "topicA"), ("consumerGroup", "groupC")], topicless);
    }
    check(RequestCode::ConsumerSendMsgBack, &[("group", "groupC"), ("originTopic", "topicC")], Ok(()));
    check(RequestCode::GetBrokerRuntimeInfo, &[], Ok(()));
}

#[test]
fn heartbeats_are_looked_into() {
    let heartbeat = |body: &'static [u8]| {
        let command = signed(request(RequestCode::HeartBeat, &[], body), "RocketMQ", "12345678");
        outcome(ELSEWHERE, &command, false)
    };
    assert_eq!(heartbeat(br#"{"clientID":"c","producerDataSet":[],"consumerDataSet":[]}"#), Ok(()));
    let of = heartbeat(
        br#"{"clientID":"c","consumerDataSet":[{"groupName":"groupC","subscriptionDataSet":[{"topic":"topicA"}]}]}"#,
    );
    assert_eq!(of, Err("No default permission for topic:topicA".to_owned()));
    assert!(heartbeat(b"{").is_err());
}

#[test]
fn who_is_who() {
    let check = |ip: &str, command: &Command, expected: Result<(), &str>| {
        assert_eq!(outcome(ip, command, true), expected.map_err(str::to_owned));
    };
    let plain = || request(RequestCode::UpdateAndCreateTopic, &[("topic", "T")], b"");
    check(ELSEWHERE, &plain(), Err("No accessKey is configured"));
    check(ELSEWHERE, &signed(plain(), "nobody", "12345678"), Err("No acl config for nobody"));
    check("10.10.3.4", &plain(), Ok(()));
    let wrong = "Check signature failed for accessKey=rocketmq2";
    check(ELSEWHERE, &signed(plain(), "rocketmq2", "123456789"), Err(wrong));
    check("192.168.1.7", &signed(plain(), "rocketmq2", "123456789"), Ok(()));
    check(ELSEWHERE, &signed(plain(), "rocketmq2", "12345678"), Ok(()));
    let admin = "Need admin permission for request code=17, but accessKey=RocketMQ is not";
    check(ELSEWHERE, &signed(plain(), "RocketMQ", "12345678"), Err(admin));
    // What was signed is what is served.
    let mut changed = signed(plain(), "rocketmq2", "12345678");
    changed.body = bytes::Bytes::from_static(b"more");
    check(ELSEWHERE, &changed, Err(wrong));
    let mut unsigned = plain();
    unsigned.ext.get_or_insert_default().push(ACCESS_KEY, "rocketmq2");
    check(ELSEWHERE, &unsigned, Err(wrong));
}

#[test]
fn a_file_that_makes_no_sense_is_none() {
    let check = |text: &str, expected: &str| {
        let error = file::parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("", "is empty");
    check("[]", "has no keys");
    check("accounts: 3", "accounts is no list");
    check("a: [", "");
    check("accounts:\n- accessKey: short\n  secretKey: 12345678", "7 characters");
    check(
        "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n  defaultTopicPerm: PUBB",
        "PUBB is none of",
    );
    check(
        "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n  topicPerms: [a]",
        "a is not NAME=PERMISSION",
    );
    check("globalWhiteRemoteAddresses: [x]", "x is no address");
    check("account:\n- accessKey: RocketMQ", "account is no key: globalWhiteRemoteAddresses, accounts, ");
    check(
        "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n  topicPerm: [a=PUB]",
        "account 1: topicPerm is no key: accessKey, ",
    );
    check("accounts: []\naccounts: []", "line 2: accounts is there twice");
    check(
        "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n  admin: maybe",
        "neither true nor false",
    );
    check("{}\n---\n{}", "several documents");
    let one = "- accessKey: RocketMQ\n  secretKey: 12345678\n";
    check(&format!("accounts:\n{one}{one}"), "there twice");
}

/// As snakeyaml and fastjson read them in 4.4.
#[test]
fn secrets_are_as_written_or_refused() {
    let parse = |secret: &str| {
        let text =
            format!("accounts:\n- accessKey: RocketMQ\n  secretKey: {secret}\n  admin: yes\ndataVersion: []");
        let mut accounts = file::parse(&text)?;
        let account = accounts.by_key.remove("RocketMQ").unwrap();
        assert!(account.is_admin);
        Ok::<String, String>(account.secret_key)
    };
    for (written, expected) in [
        ("12345678", "12345678"),
        ("0123456789", "0123456789"),
        ("'01234567'", "01234567"),
        ("\"1e10000\"", "1e10000"),
        ("!!str 01234567", "01234567"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("a-long-secret", "a-long-secret"),
        ("0of-the-operator", "0of-the-operator"),
    ] {
        assert_eq!(parse(written), Ok(expected.to_owned()), "{written}");
    }
    for written in [
        "01234567",
        "1_000_000",
        "0x1234567",
        "+1234567",
        "-1234567",
        "12345.67",
        "1234e10",
        "2026-11-30",
        "12:30:4567",
    ] {
        let error = parse(written).unwrap_err();
        assert!(error.contains("put it into quotes") && !error.contains(written), "{written}: {error}");
    }
}

#[test]
fn locks_and_the_brokers_own_queues_are_looked_at() {
    let check =
        |code: RequestCode, fields: &[(&str, &str)], body: &'static [u8], expected: Result<(), &str>| {
            let command = signed(request(code, fields, body), "RocketMQ", "12345678");
            assert_eq!(outcome(ELSEWHERE, &command, false), expected.map_err(str::to_owned), "{code:?}");
        };
    for code in [RequestCode::LockBatchMq, RequestCode::UnlockBatchMq] {
        check(code, &[], br#"{"consumerGroup":"groupC","clientId":"c","mqSet":[]}"#, Ok(()));
        let refused = Err("No default permission for group:groupA");
        check(code, &[], br#"{"consumerGroup":"groupA","clientId":"c","mqSet":[]}"#, refused);
        let command = signed(request(code, &[], b"{"), "RocketMQ", "12345678");
        assert!(outcome(ELSEWHERE, &command, false).is_err());
    }
    for topic in ["SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC"] {
        let refused = format!("{topic} is the broker's own: no client sends to it");
        check(RequestCode::SendMessage, &[("topic", topic)], b"", Err(&refused));
        check(RequestCode::SendMessageV2, &[("b", topic)], b"", Err(&refused));
        check(RequestCode::SendBatchMessage, &[("b", topic)], b"", Err(&refused));
    }
}

#[test]
fn a_changed_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain_acl.yml");
    fs::write(&file, SAMPLE).unwrap();
    let acl = Acl::open(file.clone()).unwrap();
    let command = request(RequestCode::GetBrokerRuntimeInfo, &[], b"");
    let is_white = |ip: &str| acl.check(ip.parse().unwrap(), &command, false).is_ok();
    assert!(is_white("10.10.1.1") && !is_white("10.11.1.1"));
    fs::write(&file, SAMPLE.replace("10.10.*.*", "10.11.0-200.*")).unwrap();
    acl.reload();
    assert!(!is_white("10.10.1.1") && is_white("10.11.1.1") && is_white("::ffff:10.11.1.1"));
    fs::write(&file, "accounts: 3").unwrap();
    acl.reload();
    assert!(is_white("10.11.1.1"), "it stays as it was");
    fs::remove_file(&file).unwrap();
    acl.reload();
    assert!(is_white("10.11.1.1"));
    assert!(Acl::open(file).is_err());
}
