//! Messages, batches, properties strings and ids, both ways.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use compat::id;
use rocketmq::protocol::message::{
    BatchItem, MessageExt, MessageRef, Properties, SYS_FLAG_COMPRESSED, batch_items, messages, put_batch_item,
};
use rocketmq::store::record;

use crate::items::{Map, Reader, Writer};
use crate::oracle::{Shown, ask, tell};
use crate::random::Random;

const CASES: usize = 3000;
/// More than any body here.
const MOST_BYTES: usize = 1 << 20;

fn address(random: &mut Random) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(random.u64() as u32), random.u64() as u16)
}

fn property_map(random: &mut Random) -> Map {
    let count = random.below(8);
    (0..count).map(|_| (random.property(), random.property())).collect()
}

fn message(random: &mut Random) -> MessageExt {
    MessageExt {
        body_crc: 0,
        queue_id: random.i32(),
        flag: random.i32(),
        queue_offset: random.i64(),
        commit_log_offset: random.i64(),
        // The flags of IPv6 hosts came after 4.3.0.
        sys_flag: (random.i32() & !0x31) | if random.chance(4) { SYS_FLAG_COMPRESSED } else { 0 },
        born_timestamp: random.i64(),
        born_host: address(random).into(),
        store_timestamp: random.i64(),
        store_host: address(random).into(),
        reconsume_times: random.i32(),
        prepared_transaction_offset: random.i64(),
        body: random.bytes(400),
        topic: format!("T{}", random.text()),
        properties: property_map(random).iter().collect(),
    }
}

fn item(message: &MessageExt) -> Vec<u8> {
    let host = |it: Writer, addr: SocketAddr| it.text(&addr.ip().to_string()).i32(addr.port().into());
    let properties: Map = pairs(&message.properties);
    let head = Writer::new().text(&message.topic).i32(message.queue_id).i32(message.flag);
    let offsets = head.i64(message.queue_offset).i64(message.commit_log_offset).i32(message.sys_flag);
    let born = host(offsets.i64(message.born_timestamp), message.born_host);
    let stored = host(born.i64(message.store_timestamp), message.store_host);
    let rest = stored.i32(message.reconsume_times).i64(message.prepared_transaction_offset);
    rest.bytes(Some(&message.body)).map(Some(&properties)).done()
}

fn pairs(properties: &Properties) -> Map {
    properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What Java says it read; bodies come inflated.
fn of_item(item: &[u8]) -> MessageExt {
    let mut rest = Reader(item);
    let host = |rest: &mut Reader<'_>| {
        let ip: IpAddr = rest.text().parse().unwrap();
        SocketAddr::new(ip, u16::try_from(rest.i32()).unwrap())
    };
    MessageExt {
        body_crc: 0,
        topic: rest.text(),
        queue_id: rest.i32(),
        flag: rest.i32(),
        queue_offset: rest.i64(),
        commit_log_offset: rest.i64(),
        sys_flag: rest.i32(),
        born_timestamp: rest.i64(),
        born_host: host(&mut rest),
        store_timestamp: rest.i64(),
        store_host: host(&mut rest),
        reconsume_times: rest.i32(),
        prepared_transaction_offset: rest.i64(),
        body: rest.bytes().unwrap_or_default().to_vec(),
        properties: rest.map().unwrap_or_default().iter().collect(),
    }
}

/// What we read, in the same form.
fn ours(bytes: &[u8]) -> MessageExt {
    let mut rest = bytes;
    let read = MessageRef::take(&mut rest).unwrap_or_else(|error| panic!("{error}: {:?}", Shown(bytes)));
    assert!(rest.is_empty(), "{} bytes left of {:?}", rest.len(), Shown(bytes));
    let body = read.inflated_body(MOST_BYTES).unwrap().into_owned();
    let read = read.to_ext();
    MessageExt { body_crc: 0, body, properties: pairs(&read.properties).iter().collect(), ..read }
}

#[test]
fn messages_are_the_same_both_ways() {
    let mut random = Random::new(11);
    let messages: Vec<MessageExt> = (0..CASES).map(|_| message(&mut random)).collect();
    let theirs = tell("message encode", &messages.iter().map(item).collect::<Vec<_>>());
    let mut reencoded = Vec::new();
    for (expected, bytes) in messages.iter().zip(&theirs) {
        // Java drops an empty value and what it cannot split; the generator makes none of these.
        assert_eq!(&ours(bytes), expected, "{:?}", Shown(bytes));
        let mut out = Vec::new();
        let mut rest = bytes.as_slice();
        MessageRef::take(&mut rest).unwrap().to_ext().encode(&mut out).unwrap();
        assert_eq!(Shown(&out).0, Shown(bytes).0, "{:?} {:?}", Shown(&out), Shown(bytes));
        reencoded.push(out);
    }
    for (expected, answer) in messages.iter().zip(tell("message decode", &reencoded)) {
        assert_eq!(&of_item(&answer), expected);
    }
}

/// The commit log's own encoder, which stamps what only the log knows, lays out the same bytes.
#[test]
fn records_are_laid_out_as_java_does() {
    let mut random = Random::new(16);
    let v4 = |host: SocketAddr| match host {
        SocketAddr::V4(host) => host,
        SocketAddr::V6(host) => panic!("{host}: 4.3.0 has no such hosts"),
    };
    let messages: Vec<MessageExt> = (0..CASES).map(|_| message(&mut random)).collect();
    for theirs in tell("message encode", &messages.iter().map(item).collect::<Vec<_>>()) {
        let read = MessageRef::take(&mut theirs.as_slice()).unwrap();
        let content = record::Content {
            topic: &read.topic,
            queue_id: read.queue_id,
            flag: read.flag,
            sys_flag: read.sys_flag,
            born_timestamp_ms: read.born_timestamp,
            born_host: v4(read.born_host),
            store_host: v4(read.store_host),
            reconsume_times: read.reconsume_times,
            prepared_transaction_offset: read.prepared_transaction_offset,
            body: read.body,
            properties: &read.properties,
        };
        let mut ours = Vec::new();
        record::encode(&content, &mut ours);
        record::stamp(&mut ours, read.queue_offset, read.commit_log_offset, read.store_timestamp);
        // Java's client-side encoder takes the CRC as it is given: that of the body before compression.
        ours[8..12].copy_from_slice(&theirs[8..12]);
        assert_eq!(Shown(&ours).0, Shown(&theirs).0, "{:?} {:?}", Shown(&ours), Shown(&theirs));
    }

    let bodies: Vec<Vec<u8>> = (0..500).map(|_| random.bytes(3000)).collect();
    for (body, answer) in bodies.iter().zip(tell("crc32", &bodies)) {
        assert_eq!(i64::from(record::crc(body)), i64::from(Reader(&answer).i32()), "{:?}", Shown(body));
    }
}

#[test]
fn replies_with_many_messages_are_cut_as_java_does() {
    let mut random = Random::new(12);
    let many: Vec<MessageExt> = (0..300).map(|_| message(&mut random)).collect();
    let encoded = tell("message encode", &many.iter().map(item).collect::<Vec<_>>());
    let replies: Vec<Vec<u8>> = encoded.chunks(7).map(<[Vec<u8>]>::concat).collect();
    for (reply, answer) in replies.iter().zip(tell("messages decode", &replies)) {
        let mut rest = Reader(&answer);
        let theirs: Vec<MessageExt> = (0..rest.i32()).map(|_| of_item(rest.bytes().unwrap())).collect();
        let read = messages(reply).map(|it| it.unwrap());
        let read: Vec<MessageExt> = read
            .map(|it| {
                let mut bytes = Vec::new();
                it.to_ext().encode(&mut bytes).unwrap();
                ours(&bytes)
            })
            .collect();
        assert_eq!(read, theirs);
    }
}

#[test]
fn batches_are_the_same_both_ways() {
    let mut random = Random::new(13);
    let batches: Vec<Vec<(i32, Vec<u8>, Map)>> = (0..500)
        .map(|_| {
            let count = 1 + random.below(10);
            (0..count).map(|_| (random.i32(), random.bytes(100), property_map(&mut random))).collect()
        })
        .collect();
    let item = |batch: &Vec<(i32, Vec<u8>, Map)>| {
        let head = Writer::new().i32(i32::try_from(batch.len()).unwrap());
        batch
            .iter()
            .fold(head, |it, (flag, body, properties)| it.i32(*flag).bytes(Some(body)).map(Some(properties)))
            .done()
    };
    let theirs = tell("batch encode", &batches.iter().map(item).collect::<Vec<_>>());
    let mut reencoded = Vec::new();
    for (expected, bytes) in batches.iter().zip(&theirs) {
        let items: Vec<BatchItem<'_>> = batch_items(bytes).map(|it| it.unwrap()).collect();
        let read = items.iter().map(|it| {
            let properties = Properties::parse(std::str::from_utf8(it.properties).unwrap());
            (it.flag, it.body.to_vec(), pairs(&properties))
        });
        assert_eq!(&read.collect::<Vec<_>>(), expected);
        let mut out = Vec::new();
        items.iter().for_each(|it| put_batch_item(&mut out, *it).unwrap());
        assert_eq!(Shown(&out).0, Shown(bytes).0);
        reencoded.push(out);
    }
    for (expected, answer) in batches.iter().zip(tell("batch decode", &reencoded)) {
        let mut rest = Reader(&answer);
        let count = rest.i32();
        let one = |rest: &mut Reader<'_>| {
            (rest.i32(), rest.bytes().unwrap_or_default().to_vec(), rest.map().unwrap_or_default())
        };
        assert_eq!(&(0..count).map(|_| one(&mut rest)).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn properties_strings_are_read_as_java_does() {
    let mut random = Random::new(14);
    // Any mixture of the two marks and of what may stand between them.
    let texts: Vec<String> = (0..CASES)
        .map(|_| {
            let count = random.below(12);
            (0..count)
                .map(|_| *random.pick(&["\u{1}", "\u{2}", "a", "b", "漢", " ", "\u{1}v\u{2}"]))
                .collect()
        })
        .collect();
    let items: Vec<Vec<u8>> = texts.iter().map(|text| Writer::new().text(text).done()).collect();
    for (text, answer) in texts.iter().zip(tell("properties of text", &items)) {
        assert_eq!(pairs(&Properties::parse(text)), Reader(&answer).map().unwrap_or_default(), "{text:?}");
    }

    let maps: Vec<Map> = (0..CASES).map(|_| property_map(&mut random)).collect();
    let items: Vec<Vec<u8>> = maps.iter().map(|map| Writer::new().map(Some(map)).done()).collect();
    for (map, answer) in maps.iter().zip(tell("properties to text", &items)) {
        let text = Reader(&answer).text();
        assert_eq!(&pairs(&Properties::parse(&text)), map);
        let again: Properties = Properties::parse(&text);
        assert_eq!(again.encode(), text, "written in the order read");
    }
}

#[test]
fn offset_ids_are_the_same_both_ways() {
    let mut random = Random::new(15);
    let places: Vec<(SocketAddrV4, i64)> = (0..CASES).map(|_| (address(&mut random), random.i64())).collect();
    let item = |(host, offset): &(SocketAddrV4, i64)| {
        Writer::new().text(&host.ip().to_string()).i32(host.port().into()).i64(*offset).done()
    };
    let theirs = tell("offset id", &places.iter().map(item).collect::<Vec<_>>());
    let mut ids = Vec::new();
    for ((host, offset), answer) in places.iter().zip(&theirs) {
        let text = Reader(answer).text();
        assert_eq!(id::offset_message_id(*host, *offset), text);
        assert_eq!(id::parse_offset_message_id(&text), Some(((*host).into(), *offset)));
        ids.push(Writer::new().text(&text.to_lowercase()).done());
    }
    for ((host, offset), answer) in places.iter().zip(tell("offset id decode", &ids)) {
        let mut rest = Reader(&answer);
        let read = (rest.text(), rest.i32(), rest.i64());
        assert_eq!(read, (host.ip().to_string(), host.port().into(), *offset));
    }
}

#[test]
fn unique_ids_have_javas_parts() {
    let asked = vec![Writer::new().text("").done(); 300];
    let texts: Vec<String> = tell("unique id", &asked).iter().map(|answer| Reader(answer).text()).collect();
    let ours: Vec<id::UniqueId> = texts.iter().map(|text| id::UniqueId::decode(text).unwrap()).collect();
    for (text, id) in texts.iter().zip(&ours) {
        assert_eq!(&id.encode(), text);
        assert_eq!(id.pid, std::process::id() as u16, "the JVM is in this process");
        assert_eq!(id.loader_hash, ours[0].loader_hash);
    }
    let counters: Vec<u16> = ours.iter().map(|id| id.counter).collect();
    assert!(counters.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{counters:?}");
    let items: Vec<Vec<u8>> = texts.iter().map(|text| Writer::new().text(text).done()).collect();
    let answers = ask("unique id decode", &items);
    let mut starts = std::collections::BTreeSet::new();
    for (id, answer) in ours.iter().zip(answers) {
        let answer = answer.unwrap();
        let mut rest = Reader(&answer);
        assert_eq!(rest.text(), id.ip.to_string());
        // Java adds the start of this month, or of the last: the same for all.
        starts.insert(rest.i64() - i64::from(id.since_month_ms));
    }
    assert_eq!(starts.len(), 1, "{starts:?}");
}
