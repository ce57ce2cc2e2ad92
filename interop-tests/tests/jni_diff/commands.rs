//! RemotingCommand: frames that Java encodes are read by us and the other way round, in both header forms.

use bytes::{Bytes, BytesMut};
use compat::language::LanguageCode;
use rocketmq::remoting::{Command, SerializeType, codec};
use rocketmq::strmap::StrMap;

use crate::items::{Map, Reader, Writer};
use crate::oracle::{Shown, ask, tell};
use crate::random::Random;

const CASES: usize = 4000;

/// A command in the form that both sides can compare.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    code: i32,
    language: u8,
    version: i32,
    opaque: i32,
    flag: i32,
    remark: Option<String>,
    ext: Option<Map>,
    body: Vec<u8>,
    serialize_type: u8,
}

impl Plain {
    fn random(random: &mut Random, form: SerializeType) -> Plain {
        let binary = form == SerializeType::RocketMq;
        // The binary header has two bytes for these.
        let mut short = |wide: fn(&mut Random) -> i32| if binary { random.i16() } else { wide(random) };
        let (code, version) = (short(Random::i32), short(Random::i32));
        let ext = (!random.chance(4)).then(|| {
            let count = random.below(12);
            (0..count).map(|_| (random.text(), random.text())).collect()
        });
        Plain {
            code,
            language: random.below(12) as u8,
            version,
            opaque: random.i32(),
            flag: random.i32(),
            remark: random.chance(2).then(|| random.text()),
            ext,
            body: if random.chance(2) { random.bytes(300) } else { Vec::new() },
            serialize_type: form as u8,
        }
    }

    fn item(&self) -> Vec<u8> {
        let body = (!self.body.is_empty()).then_some(self.body.as_slice());
        let head = Writer::new().i32(self.code).u8(self.language).i32(self.version).i32(self.opaque);
        let rest = head.i32(self.flag).maybe_text(self.remark.as_deref()).map(self.ext.as_ref());
        rest.bytes(body).u8(self.serialize_type).done()
    }

    fn of_item(item: &[u8]) -> Plain {
        let mut rest = Reader(item);
        Plain {
            code: rest.i32(),
            language: rest.u8(),
            version: rest.i32(),
            opaque: rest.i32(),
            flag: rest.i32(),
            remark: rest.maybe_text(),
            ext: rest.map(),
            body: rest.bytes().unwrap_or_default().to_vec(),
            serialize_type: rest.u8(),
        }
    }

    fn command(&self) -> Command {
        let ext = self.ext.as_ref().map(|map| {
            let mut ext = StrMap::new();
            map.iter().for_each(|(name, value)| ext.push(name, value));
            ext
        });
        Command {
            code: self.code,
            language: LanguageCode::of_code(self.language),
            version: self.version,
            opaque: self.opaque,
            flag: self.flag,
            remark: self.remark.clone(),
            ext,
            body: Bytes::copy_from_slice(&self.body),
            serialize_type: SerializeType::of_byte(self.serialize_type).unwrap(),
        }
    }

    fn of_command(command: &Command) -> Plain {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Plain {
            code: command.code,
            language: command.language as u8,
            version: command.version,
            opaque: command.opaque,
            flag: command.flag,
            remark: command.remark.clone(),
            ext: command.ext.as_ref().map(|ext| ext.iter().map(pair).collect()),
            body: command.body.to_vec(),
            serialize_type: command.serialize_type as u8,
        }
    }
}

fn our_frame(plain: &Plain) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec::encode(&plain.command(), &mut out);
    out.to_vec()
}

fn our_decode(frame: &[u8]) -> Plain {
    let command = codec::decode(&Bytes::copy_from_slice(frame));
    let command = command.unwrap_or_else(|error| panic!("{error}: {:?}", Shown(frame)));
    Plain::of_command(&command)
}

fn both_ways(form: SerializeType, seed: u64) {
    let mut random = Random::new(seed);
    let commands: Vec<Plain> = (0..CASES).map(|_| Plain::random(&mut random, form)).collect();
    let theirs = tell("command encode", &commands.iter().map(Plain::item).collect::<Vec<_>>());
    let ours: Vec<Vec<u8>> = commands.iter().map(our_frame).collect();
    let they_read_theirs = tell("command decode", &theirs);
    let they_read_ours = tell("command decode", &ours);
    for (index, command) in commands.iter().enumerate() {
        let (theirs, ours) = (&theirs[index], &ours[index]);
        let expected = Plain::of_item(&they_read_theirs[index]);
        assert_eq!(our_decode(theirs), expected, "we read Java's frame {:?}", Shown(theirs));
        assert_eq!(
            Plain::of_item(&they_read_ours[index]),
            expected,
            "Java reads our frame {:?}",
            Shown(ours)
        );
        assert_eq!(our_decode(ours), expected, "we read our frame {:?}", Shown(ours));
        assert_eq!(theirs.len(), ours.len(), "{command:?}");
        // Java orders the fields by their hashes; with one there is but one order.
        if command.ext.as_ref().is_none_or(|ext| ext.len() < 2) {
            assert_eq!(Shown(theirs).0, Shown(ours).0, "{:?} {:?}", Shown(theirs), Shown(ours));
        }
    }
}

#[test]
fn json_frames_are_the_same_both_ways() {
    both_ways(SerializeType::Json, 1);
}

#[test]
fn binary_frames_are_the_same_both_ways() {
    both_ways(SerializeType::RocketMq, 2);
}

/// Headers as clients in other languages write them, and damaged ones: we read what Java reads, as Java reads it.
#[test]
fn json_headers_of_other_hands_are_read_as_java_does() {
    let headers = [
        r#"{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"GO","opaque":7,"version":317}"#,
        r#"{ "version" : 1 , "opaque" : 2 , "flag" : 0 , "code" : 10 , "language" : "CPP" }"#,
        r#"{"code":11,"extFields":{"queueId":3,"suspend":true,"rate":1.5,"none":null},"opaque":1}"#,
        r#"{"code":"34","opaque":"12","flag":"0","version":"273"}"#,
        r#"{"code":34,"opaque":1,"language":3}"#,
        r#"{"code":34,"opaque":1,"unknown":{"deep":[1,2,{"x":null}]},"flag":1}"#,
        r#"{code:34,'opaque':5,"remark":'single'}"#,
        r#"{"code":34,"opaque":1,"remark":null,"extFields":null,"body":"AAEC"}"#,
        r#"{"code":34,"opaque":1,"extFields":{}}"#,
        r#"{"code":34,"opaque":1,"serializeTypeCurrentRPC":"ROCKETMQ"}"#,
        "{\"code\":34,\"opaque\":1,\"remark\":\"raw \u{1}\u{2} control\"}",
        r#"{"code":34,"opaque":1,"remark":"\u0041\u00fc\u6f22 \x41 \101 \/ \b"}"#,
        r#"{"code":34,"opaque":1,"code":35}"#,
        r#"{"code":34,,"opaque":1,}"#,
        r#"/* c */{"code":34,"opaque":1}"#,
        r#"{"code":34,"opaque":1,"flag":null,"version":null}"#,
        r#"{"code":2147483647,"opaque":-2147483648}"#,
        r#"{"code":34,"opaque":1,"type":"RESPONSE_COMMAND","onewayRPC":true,"responseType":true}"#,
    ];
    let frames: Vec<Vec<u8>> = headers.iter().map(|header| json_frame(header)).collect();
    for ((header, frame), answer) in headers.iter().zip(&frames).zip(ask("command decode", &frames)) {
        let ours = codec::decode(&Bytes::copy_from_slice(frame)).map(|command| Plain::of_command(&command));
        match (answer, ours) {
            (Ok(item), Ok(ours)) => assert_eq!(ours, Plain::of_item(&item), "{header}"),
            (Err(_), Err(_)) => {}
            (theirs, ours) => panic!("{header}\nJava: {theirs:?}\nwe: {ours:?}"),
        }
    }
}

fn json_frame(header: &str) -> Vec<u8> {
    let length = u32::try_from(header.len()).unwrap();
    [&(length + 4).to_be_bytes(), &length.to_be_bytes(), header.as_bytes()].concat()
}

/// A binary header cut anywhere is an error to both, or to neither.
#[test]
fn cut_binary_headers_are_refused_as_java_does() {
    let mut random = Random::new(3);
    let mut frames = Vec::new();
    for _ in 0..40 {
        let whole =
            our_frame(&Plain { body: Vec::new(), ..Plain::random(&mut random, SerializeType::RocketMq) });
        for end in 8..whole.len() {
            let mut frame = whole[..end].to_vec();
            let header = u32::try_from(end - 8).unwrap();
            frame[..4].copy_from_slice(&(header + 4).to_be_bytes());
            frame[4..8].copy_from_slice(&(1 << 24 | header).to_be_bytes());
            frames.push(frame);
        }
    }
    for (frame, answer) in frames.iter().zip(ask("command decode", &frames)) {
        let ours = codec::decode(&Bytes::copy_from_slice(frame)).map(|command| Plain::of_command(&command));
        match (answer, ours) {
            (Ok(item), Ok(ours)) => assert_eq!(ours, Plain::of_item(&item), "{:?}", Shown(frame)),
            (Err(_), Err(_)) => {}
            (theirs, ours) => panic!("{:?}\nJava: {theirs:?}\nwe: {ours:?}", Shown(frame)),
        }
    }
}
