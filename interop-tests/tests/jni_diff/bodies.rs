//! JSON bodies: what Java prints of random objects is read by us, printed again, and read by Java.

use compat::json;
use rocketmq::protocol::body::{
    admin, client, group, heartbeat, offset, queue, register, route, stats, topic,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::items::{Reader, Writer};
use crate::oracle::{Answer, Shown, ask, tell};
use crate::random::Random;

const CASES: i64 = 120;

const BODY: &str = "org.apache.rocketmq.common.protocol.body.";
const ROUTE: &str = "org.apache.rocketmq.common.protocol.route.";
const HEARTBEAT: &str = "org.apache.rocketmq.common.protocol.heartbeat.";
const COMMON: &str = "org.apache.rocketmq.common.";
const ADMIN: &str = "org.apache.rocketmq.common.admin.";
const MESSAGE: &str = "org.apache.rocketmq.common.message.";
const GROUP: &str = "org.apache.rocketmq.common.subscription.";
const TOPIC: &str = "org.apache.rocketmq.common.protocol.topic.";

/// One text as the wire has it and as Java's files have it.
type Reprint = fn(&[u8]) -> Result<(Vec<u8>, Vec<u8>), json::Error>;

fn reprint<T: Serialize + DeserializeOwned>(text: &[u8]) -> Result<(Vec<u8>, Vec<u8>), json::Error> {
    let value: T = json::from_slice(text)?;
    Ok((json::to_vec(&value)?, json::to_vec_java(&value)?))
}

macro_rules! bodies {
    ($($package:ident $module:ident: $($name:ident),+;)+) => {
        vec![$($((format!("{}{}", $package, stringify!($name)), reprint::<$module::$name> as Reprint)),+),+]
    };
}

fn all() -> Vec<(String, Reprint)> {
    let mut all = bodies! {
        ROUTE route: QueueData, BrokerData, TopicRouteData;
        BODY route: ClusterInfo, KVTable;
        BODY register: RegisterBrokerBody;
        HEARTBEAT heartbeat: HeartbeatData, ProducerData, ConsumerData, SubscriptionData;
        COMMON topic: DataVersion, TopicConfig;
        BODY topic: TopicConfigSerializeWrapper, TopicList;
        GROUP group: SubscriptionGroupConfig;
        BODY group: SubscriptionGroupWrapper;
        MESSAGE queue: MessageQueue;
        BODY queue: LockBatchRequestBody, UnlockBatchRequestBody, LockBatchResponseBody;
        ADMIN stats: TopicStatsTable, TopicOffset, ConsumeStats, OffsetWrapper;
        BODY stats: ConsumeStatsList, BrokerStatsData, BrokerStatsItem, QueryConsumeTimeSpanBody, QueueTimeSpan;
        BODY client: Connection, ConsumerConnection, ProducerConnection, CheckClientRequestBody, GroupList,
            ConsumeMessageDirectlyResult, ConsumerRunningInfo, ProcessQueueInfo, ConsumeStatus;
        BODY offset: ConsumerOffsetSerializeWrapper, ResetOffsetBody, ResetOffsetBodyForC, GetConsumerStatusBody,
            QueryCorrectionOffsetBody;
        TOPIC offset: OffsetMovedEvent;
        BODY admin: QueryConsumeQueueResponseBody, ConsumeQueueData;
    };
    let list = "org.apache.rocketmq.common.protocol.header.GetConsumerListByGroupResponseBody";
    all.push((list.to_owned(), reprint::<client::GetConsumerListByGroupResponseBody>));
    let delays = "org.apache.rocketmq.store.schedule.DelayOffsetSerializeWrapper";
    all.push((delays.to_owned(), reprint::<offset::DelayOffsetSerializeWrapper>));
    all
}

/// What Java prints of random objects. Some with nulls cannot be made: keys that are compared, for one.
fn random(class: &str, null_per_mille: i32) -> Vec<Vec<u8>> {
    let item = |seed| Writer::new().text(class).i64(seed).i32(null_per_mille).done();
    let answers = ask("json random", &(0..CASES).map(item).collect::<Vec<_>>());
    let texts: Vec<Vec<u8>> = answers.into_iter().flatten().collect();
    assert!(texts.len() > 30, "only {} of {CASES} {class}", texts.len());
    texts
}

fn java_reprint(class: &str, texts: &[Vec<u8>]) -> Vec<Answer> {
    let item = |text: &Vec<u8>| Writer::new().text(class).bytes(Some(text)).done();
    ask("json reprint", &texts.iter().map(item).collect::<Vec<_>>())
}

#[test]
fn every_body_comes_back_as_java_wrote_it() {
    let mut complaints = Vec::new();
    for (class, reprint) in all() {
        if let Err(complaint) = compare(&class, reprint) {
            complaints.push(complaint);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

fn compare(class: &str, reprint: Reprint) -> Result<(), String> {
    let theirs = random(class, 0);
    let mut wire = Vec::new();
    let mut file = Vec::new();
    for text in &theirs {
        let ours = reprint(text).map_err(|error| format!("{class}: {error}: {:?}", Shown(text)))?;
        wire.push(ours.0);
        file.push(ours.1);
    }
    let expected = java_reprint(class, &theirs);
    for (form, ours) in [("wire", &wire), ("file", &file)] {
        for (index, (back, expected)) in java_reprint(class, ours).iter().zip(&expected).enumerate() {
            if back != expected {
                return Err(format!(
                    "{class} in {form} form\nJava wrote {:?}\nwe wrote   {:?}\nJava read  {}\nexpected   {}",
                    Shown(&theirs[index]),
                    Shown(&ours[index]),
                    shown(back),
                    shown(expected)
                ));
            }
        }
    }
    Ok(())
}

fn shown(answer: &Answer) -> String {
    answer.as_ref().map_or_else(Clone::clone, |bytes| format!("{:?}", Shown(bytes)))
}

/// Fields that a peer leaves out, or that are null in its hands, never make a body unreadable.
#[test]
fn bodies_with_fields_left_out_are_read() {
    let mut complaints = Vec::new();
    for (class, reprint) in all() {
        let texts = random(&class, 200);
        let failed = texts
            .iter()
            .find_map(|text| reprint(text).err().map(|error| format!("{class}: {error}: {:?}", Shown(text))));
        complaints.extend(failed);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// Code 103 with `compressed=true`, both ways.
#[test]
fn compressed_registrations_are_the_same_both_ways() {
    let seeds: Vec<Vec<u8>> = (0..400).map(|seed| Writer::new().i64(seed).done()).collect();
    let mut ours = Vec::new();
    let mut expected = Vec::new();
    for answer in ask("register random compressed", &seeds) {
        // Topics whose names Java itself cannot read back (it separates by blanks).
        let Ok(answer) = answer else { continue };
        let mut rest = Reader(&answer);
        let (compressed, plain) = (rest.bytes().unwrap(), rest.bytes().unwrap());
        let body = register::RegisterBrokerBody::decode_compressed(compressed);
        // We refuse what Java reads as a topic without a name.
        let Ok(body) = body else {
            assert!(
                Shown(plain).0.windows(14).any(|it| it == b"\"topicName\":\"\""),
                "{body:?}: {:?}",
                Shown(plain)
            );
            continue;
        };
        let read: register::RegisterBrokerBody = json::from_slice(plain).unwrap();
        assert_eq!(body, read, "{:?}", Shown(plain));
        ours.push(body.encode_compressed());
        expected.push(plain.to_vec());
    }
    assert!(ours.len() > 100, "only {} registrations compared", ours.len());
    for (back, expected) in tell("register of compressed", &ours).iter().zip(&expected) {
        assert_eq!(back, expected, "{:?}\n{:?}", Shown(back), Shown(expected));
    }
}

/// Subscriptions from expressions, as consumers send them.
#[test]
fn subscriptions_are_built_as_java_does() {
    let mut random = Random::new(5);
    let mut expressions: Vec<String> = [
        "*",
        "",
        "A",
        "A||B",
        " A || B ",
        "||",
        "A||",
        "||A",
        "A|B",
        "A||A",
        " ",
        "|| ||",
        "TagA || TagB||TagC",
    ]
    .map(str::to_owned)
    .into();
    for _ in 0..500 {
        let count = 1 + random.below(4);
        let tags: Vec<String> = (0..count).map(|_| random.text()).collect();
        expressions.push(tags.join(*random.pick(&["||", " || ", "|"])));
    }
    let item = |expression: &String| Writer::new().text("T").text(expression).done();
    let answers = ask("subscription", &expressions.iter().map(item).collect::<Vec<_>>());
    for (expression, answer) in expressions.iter().zip(answers) {
        let ours = heartbeat::SubscriptionData::of_tags("T", Some(expression));
        match (answer, ours) {
            (Ok(theirs), Ok(ours)) => {
                let theirs: heartbeat::SubscriptionData = json::from_slice(&theirs).unwrap();
                let ours = heartbeat::SubscriptionData { sub_version: 0, ..ours };
                assert_eq!(ours, theirs, "{expression:?}");
            }
            (Err(theirs), Err(ours)) => assert!(theirs.ends_with(&ours.to_string()), "{theirs} {ours}"),
            (theirs, ours) => panic!("{expression:?}: Java {theirs:?}, we {ours:?}"),
        }
    }
}
