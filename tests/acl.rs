//! A broker that asks for accounts: who signs as `rocketmq-acl` does is served as far as the account goes, everybody else is
//! refused and nothing happens.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::process::Command as Process;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use sha1::Sha1;
use tempfile::TempDir;

use self::common::broker::{Client, Fixture};
use self::common::until;

const ACCOUNTS: &str = "
accounts:
- accessKey: producer
  secretKey: of-the-producer
  topicPerms: [T=PUB]
- accessKey: operator
  secretKey: of-the-operator
  admin: true
";

fn call(
    client: &mut Client,
    account: Option<(&str, &str)>,
    code: RequestCode,
    fields: &[(&str, &str)],
) -> (i32, String) {
    let answer = ask(client, account, code, fields);
    (answer.code, answer.remark.unwrap_or_default())
}

fn ask(
    client: &mut Client,
    account: Option<(&str, &str)>,
    code: RequestCode,
    fields: &[(&str, &str)],
) -> Command {
    let mut fields = fields.to_vec();
    let signature;
    if let Some((key, secret)) = account {
        fields.push(("AccessKey", key));
        fields.sort_unstable();
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap();
        fields.iter().for_each(|(_, value)| mac.update(value.as_bytes()));
        mac.update(b"body");
        signature = STANDARD.encode(mac.finalize().into_bytes());
        fields.push(("Signature", &signature));
    }
    client.call(code, &fields, "body")
}

/// A broker that asks for them, and the folder with their file.
fn fixture() -> (Fixture, TempDir) {
    let accounts = tempfile::tempdir().unwrap();
    let file = accounts.path().join("plain_acl.yml");
    std::fs::write(&file, ACCOUNTS).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let fixture = Fixture::with(move |configs| {
        configs.broker.acl_enable = true;
        configs.broker.plain_acl_file = path.clone();
    });
    (fixture, accounts)
}

#[test]
fn mqadmin_signs_with_the_account_of_tools_yml() {
    let (fixture, home) = fixture();
    let broker = fixture.running().addr().to_string();
    let file = home.path().join("conf/tools.yml");
    std::fs::create_dir(home.path().join("conf")).unwrap();
    let check = |account: &str, expected: &str| {
        std::fs::write(&file, account).unwrap();
        let output = Process::new(env!("CARGO_BIN_EXE_rocketmq"))
            .args(["admin", "updateTopic", "-b", &broker, "-t", "T"])
            .env_clear()
            .env("HOME", home.path())
            .env("ROCKETMQ_HOME", home.path())
            .output()
            .unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(told.contains(expected), "{account}: {told}");
    };
    check("", "CODE: 16  DESC: No accessKey is configured");
    check("accessKey: operator", "conf/tools.yml: accessKey and secretKey are needed, both");
    let producer = "accessKey: producer\nsecretKey: of-the-producer\n";
    check(producer, "DESC: Need admin permission for request code=17, but accessKey=producer is not");
    check("accessKey: operator\nsecretKey: guessed\n", "DESC: Check signature failed for accessKey=operator");
    assert!(fixture.running().broker().topics.get("T").is_none());
    check("accessKey: operator\nsecretKey: of-the-operator\n", "create topic to ");
    assert!(fixture.running().broker().topics.get("T").is_some());
}

#[test]
fn accounts_say_who_may_do_what() {
    const PRODUCER: Option<(&str, &str)> = Some(("producer", "of-the-producer"));
    const OPERATOR: Option<(&str, &str)> = Some(("operator", "of-the-operator"));
    let (fixture, accounts) = fixture();
    let file = accounts.path().join("plain_acl.yml");
    let mut client = fixture.connect();
    let topic = [
        ("topic", "T"),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "1"),
        ("writeQueueNums", "1"),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
    ];
    let send = |topic| {
        [
            ("a", "p"),
            ("b", topic),
            ("c", "TBW102"),
            ("d", "1"),
            ("e", "0"),
            ("f", "0"),
            ("g", "1"),
            ("h", "0"),
        ]
    };
    let refused = |remark: &str| (16, remark.to_owned());
    let create = RequestCode::UpdateAndCreateTopic;
    assert_eq!(call(&mut client, None, create, &topic), refused("No accessKey is configured"));
    let needs_admin = "Need admin permission for request code=17, but accessKey=producer is not";
    assert_eq!(call(&mut client, PRODUCER, create, &topic), refused(needs_admin));
    assert!(fixture.running().broker().topics.get("T").is_none());
    assert_eq!(call(&mut client, OPERATOR, create, &topic).0, 0);

    let code = RequestCode::SendMessageV2;
    assert_eq!(call(&mut client, None, code, &send("T")).0, 16);
    let forged = Some(("producer", "guessed"));
    let wrong = "Check signature failed for accessKey=producer";
    assert_eq!(call(&mut client, forged, code, &send("T")), refused(wrong));
    assert_eq!(call(&mut client, PRODUCER, code, &send("U")).0, 16);
    assert_eq!(call(&mut client, PRODUCER, code, &send("T")).0, 0);
    until("the one message to be there", || fixture.running().broker().store.max_offset("T", 0) == 1);
    let pull = [
        ("consumerGroup", "g"),
        ("topic", "T"),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "*"),
        ("subVersion", "1"),
    ];
    let code = RequestCode::PullMessage;
    assert_eq!(call(&mut client, PRODUCER, code, &pull), refused("No default permission for topic:T"));
    // The file changes, and with it what the account may do.
    std::fs::write(&file, ACCOUNTS.replace("T=PUB]", "T=PUB|SUB]\n  defaultGroupPerm: SUB")).unwrap();
    until("the accounts to be read again", || call(&mut client, PRODUCER, code, &pull).0 != 16);
}

/// What an account may not read or write, it does not get at by a place in the log either.
#[test]
fn stored_messages_are_looked_at_by_their_topic() {
    const OPERATOR: Option<(&str, &str)> = Some(("operator", "of-the-operator"));
    const SHOP: Option<(&str, &str)> = Some(("shopkeeper", "of-the-shop"));
    let accounts = tempfile::tempdir().unwrap();
    let file = accounts.path().join("plain_acl.yml");
    let shop = "- accessKey: shopkeeper\n  secretKey: of-the-shop\n  defaultTopicPerm: PUB|SUB\n  defaultGroupPerm: SUB\n";
    let denied = "  topicPerms: [orders=DENY]\n  groupPerms: [others=DENY]\n";
    std::fs::write(&file, format!("{ACCOUNTS}{shop}{denied}")).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let fixture = Fixture::with(move |configs| {
        configs.broker.acl_enable = true;
        configs.broker.plain_acl_file = path.clone();
    });
    let mut client = fixture.connect();
    let mut put = |account, topic: &str, properties: &str| {
        let fields = [
            ("a", "PG"),
            ("b", topic),
            ("c", "TBW102"),
            ("d", "1"),
            ("e", "0"),
            ("f", "0"),
            ("g", "1"),
            ("h", "0"),
            ("i", properties),
        ];
        let answer = ask(&mut client, account, RequestCode::SendMessageV2, &fields);
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        let ext = |name| answer.ext_field(name).unwrap().to_owned();
        // An id is host, port and place.
        (i64::from_str_radix(&ext("msgId")[16..], 16).unwrap().to_string(), ext("queueOffset"))
    };
    let (secret, _) = put(OPERATOR, "orders", "");
    let (waits, _) = put(OPERATOR, "orders", "DELAY\u{1}18\u{2}");
    let (half, half_offset) = put(OPERATOR, "orders", "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}PG\u{2}");
    let (own, _) = put(SHOP, "prices", "");
    let (own_half, own_half_offset) = put(SHOP, "prices", "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}PG\u{2}");
    let refused = (16, "No default permission for topic:orders".to_owned());
    let ok = (0, String::new());
    for place in [&secret, &waits, &half] {
        let fields = [("offset", place.as_str())];
        let answer = ask(&mut client, SHOP, RequestCode::ViewMessageById, &fields);
        assert_eq!((answer.code, answer.remark.unwrap_or_default()), refused);
        assert!(answer.body.is_empty());
        assert_eq!(call(&mut client, OPERATOR, RequestCode::ViewMessageById, &fields), ok);
    }
    assert_eq!(call(&mut client, SHOP, RequestCode::ViewMessageById, &[("offset", &own)]), ok);
    let mut send_back = |account, place: &str, group: &str| {
        let fields = [("offset", place), ("group", group), ("delayLevel", "1"), ("originTopic", "prices")];
        call(&mut client, account, RequestCode::ConsumerSendMsgBack, &fields)
    };
    assert_eq!(send_back(SHOP, &secret, "shop_group"), refused);
    assert!(fixture.running().broker().topics.get("%RETRY%shop_group").is_none());
    assert_eq!(send_back(SHOP, &own, "shop_group"), ok);
    assert_eq!(send_back(SHOP, &own, "others"), (16, "No default permission for group:others".to_owned()));
    assert_eq!(send_back(OPERATOR, &secret, "others"), ok);
    let mut end = |account, place: &str, queue_offset: &str| {
        let fields = [
            ("producerGroup", "PG"),
            ("tranStateTableOffset", queue_offset),
            ("commitLogOffset", place),
            ("commitOrRollback", "12"),
        ];
        call(&mut client, account, RequestCode::EndTransaction, &fields)
    };
    assert_eq!(end(SHOP, &half, &half_offset), refused);
    assert_eq!(end(SHOP, &own_half, &own_half_offset), ok);
    assert_eq!(end(OPERATOR, &half, &half_offset), ok);
}

/// A request that its account may not make is not logged as one that was.
#[test]
fn refused_administration_is_not_logged_as_done() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("plain_acl.yml");
    std::fs::write(&file, ACCOUNTS).unwrap();
    let args = |port: u16| {
        let mut args = self::common::broker_args(home.path(), port);
        args.extend(["aclEnable=true".to_owned(), format!("plainAclFile={}", file.display())]);
        args
    };
    let (mut program, port, _) = self::common::start_server(home.path(), args);
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    let fields = [("topic", "asked-for-by-nobody")];
    assert_eq!(client.outcome(RequestCode::DeleteTopicInBroker, &fields, "").0, 16);
    let operator = Some(("operator", "of-the-operator"));
    call(&mut client, operator, RequestCode::DeleteTopicInBroker, &[("topic", "asked-for-by-operator")]);
    assert_eq!(program.stop().code, Some(0));
    let logs = home.path().join("logs/rocketmqlogs");
    let text: String = std::fs::read_dir(logs)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default())
        .collect();
    let done: Vec<&str> = text.lines().filter(|line| line.contains("administration")).collect();
    assert_eq!(done.iter().filter(|line| line.contains("asked-for-by-nobody")).count(), 0, "{done:?}");
    assert_eq!(done.iter().filter(|line| line.contains("asked-for-by-operator")).count(), 1, "{done:?}");
}
