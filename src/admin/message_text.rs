//! Messages as the query and print commands show them, as text and as JSON, and the files that bodies go to. Java:
//! `QueryMsgByIdSubCommand.printMsg`, `PrintMessageSubCommand.printMessage`.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, UTF_8};
use serde_json::{Map, Value, json};

use super::text::human_string2;
use crate::client::message_ext::MessageExt;
use crate::protocol::message::{PROPERTY_KEYS, PROPERTY_TAGS};

/// Where the bodies of looked-up messages go. Java's own place.
pub const BODY_FOLDER: &str = "/tmp/rocketmq/msgbodys";

/// A message's particulars, one a line. Java shows the offset id twice, or with `queryMsgByUniqueKey` not at all.
pub fn block(message: &MessageExt, with_offset_id: bool, body_path: &Path) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name:<20} {value}").expect("a string takes any text");
    };
    if with_offset_id {
        line("OffsetID:", &message.offset_msg_id());
        line("OffsetID:", &message.offset_msg_id());
    }
    let in_brackets = |name: &str| format!("[{}]", message.property(name).unwrap_or("null"));
    line("Topic:", &message.message.topic);
    line("Tags:", &in_brackets(PROPERTY_TAGS));
    line("Keys:", &in_brackets(PROPERTY_KEYS));
    line("Queue ID:", &message.queue_id.to_string());
    line("Queue Offset:", &message.queue_offset.to_string());
    line("CommitLog Offset:", &message.commit_log_offset.to_string());
    line("Reconsume Times:", &message.reconsume_times.to_string());
    line("Born Timestamp:", &human_string2(message.born_timestamp));
    line("Store Timestamp:", &human_string2(message.store_timestamp));
    line("Born Host:", &message.born_host.to_string());
    line("Store Host:", &message.store_host.to_string());
    line("System Flag:", &message.sys_flag.to_string());
    line("Properties:", &message.properties_text());
    line("Message Body Path:", &body_path.display().to_string());
    text
}

/// One message on one line. Java prints the whole message, the body as numbers, and then the body as text.
pub fn line(message: &MessageExt, body: Option<&Charset>) -> String {
    let body =
        body.map_or_else(|| "NOT PRINT BODY".to_owned(), |charset| charset.decode(&message.message.body));
    format!("MSGID: {} {message} BODY: {body}\n", message.msg_id())
}

/// The same for programs.
pub fn json(message: &MessageExt, body: Option<&Charset>) -> Value {
    let properties = message.message.properties.iter().map(|(name, value)| (name.clone(), json!(value)));
    let mut value = json!({
        "msgId": message.msg_id(),
        "offsetMsgId": message.offset_msg_id(),
        "topic": message.message.topic,
        "flag": message.message.flag,
        "queueId": message.queue_id,
        "queueOffset": message.queue_offset,
        "commitLogOffset": message.commit_log_offset,
        "storeSize": message.store_size,
        "reconsumeTimes": message.reconsume_times,
        "preparedTransactionOffset": message.prepared_transaction_offset,
        "bornTimestamp": message.born_timestamp,
        "storeTimestamp": message.store_timestamp,
        "bornHost": message.born_host.to_string(),
        "storeHost": message.store_host.to_string(),
        "sysFlag": message.sys_flag,
        "bodyCRC": message.body_crc,
        "properties": Value::Object(properties.collect::<Map<_, _>>()),
    });
    if let Some(charset) = body {
        value["body"] = json!(charset.decode(&message.message.body));
    }
    value
}

/// What bodies are written in.
#[derive(Debug, Clone, Copy)]
pub struct Charset(&'static Encoding);

impl Default for Charset {
    fn default() -> Charset {
        Charset(UTF_8)
    }
}

impl Charset {
    /// Of a name such as `UTF-8` or `GBK`; none where nobody knows it.
    pub fn named(name: &str) -> Option<Charset> {
        Encoding::for_label(name.as_bytes()).map(Charset)
    }

    fn decode(self, body: &[u8]) -> String {
        self.0.decode_without_bom_handling(body).0.into_owned()
    }
}

/// Writes a body to a file named after the message. An id that is no plain word is a sender's own, and may lead anywhere:
/// the offset id stands in for it.
pub fn write_body(folder: &Path, message: &MessageExt) -> io::Result<PathBuf> {
    let mut id = message.msg_id();
    let is_plain = |id: &str| !id.is_empty() && id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if !is_plain(&id) {
        id = message.offset_msg_id();
    }
    fs::create_dir_all(folder)?;
    let path = folder.join(id);
    fs::write(&path, &message.message.body)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::message_ext::Message;

    fn message(properties: &[(&str, &str)], body: &[u8]) -> MessageExt {
        let mut message = Message::new("TopicTest", body.to_vec());
        for (name, value) in properties {
            message = message.with_property(name, value);
        }
        MessageExt {
            queue_id: 3,
            store_size: 134,
            queue_offset: 7,
            sys_flag: 0,
            born_timestamp: 1_700_000_000_000,
            born_host: ([127, 0, 0, 1], 50000).into(),
            store_timestamp: 1_700_000_000_001,
            store_host: ([127, 0, 0, 1], 10911).into(),
            commit_log_offset: 1024,
            body_crc: 5,
            reconsume_times: 1,
            prepared_transaction_offset: 0,
            message,
        }
    }

    const ID: &str = "7F00000100002A9F0000000000000400";

    #[test]
    fn particulars_stand_as_java_prints_them() {
        let message = message(&[("TAGS", "TagA"), ("UNIQ_KEY", "U")], b"Hi");
        let expected = |times: [&str; 2]| {
            [
                "Topic:               TopicTest",
                "Tags:                [TagA]",
                "Keys:                [null]",
                "Queue ID:            3",
                "Queue Offset:        7",
                "CommitLog Offset:    1024",
                "Reconsume Times:     1",
                &format!("Born Timestamp:      {}", times[0]),
                &format!("Store Timestamp:     {}", times[1]),
                "Born Host:           127.0.0.1:50000",
                "Store Host:          127.0.0.1:10911",
                "System Flag:         0",
                "Properties:          {UNIQ_KEY=U, TAGS=TagA}",
                "Message Body Path:   /tmp/U",
                "",
            ]
            .join("\n")
        };
        let times = [1_700_000_000_000, 1_700_000_000_001].map(human_string2);
        let expected = expected([&times[0], &times[1]]);
        assert_eq!(block(&message, false, Path::new("/tmp/U")), expected);
        let id = format!("OffsetID:            {ID}\n");
        assert_eq!(block(&message, true, Path::new("/tmp/U")), format!("{id}{id}{expected}"));
    }

    #[test]
    fn bodies_are_read_in_their_charset() {
        let check = |charset: Option<&str>, body: &[u8], expected: &str| {
            let charset = charset.map(|name| Charset::named(name).unwrap());
            let printed = line(&message(&[("UNIQ_KEY", "U")], body), charset.as_ref());
            assert!(printed.starts_with("MSGID: U MessageExt [queueId=3, "), "{printed}");
            assert!(printed.ends_with(&format!("}}] BODY: {expected}\n")), "{printed}");
        };
        check(Some("UTF-8"), "Grüße".as_bytes(), "Grüße");
        check(Some("gbk"), &[0xC4, 0xE3, 0xBA, 0xC3], "你好");
        check(Some("UTF-8"), &[0xFF], "\u{FFFD}");
        check(None, b"Hi", "NOT PRINT BODY");
        assert!(Charset::named("no-such").is_none());
    }

    #[test]
    fn bodies_go_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let check = |unique_key: &str, expected: &str| {
            let path =
                write_body(&folder.path().join("bodies"), &message(&[("UNIQ_KEY", unique_key)], b"Hi"))
                    .unwrap();
            assert_eq!(path, folder.path().join("bodies").join(expected));
            assert_eq!(fs::read(path).unwrap(), b"Hi");
        };
        check("U0", "U0");
        check("../../etc/passwd", ID);
        check("..", ID);
        check("", ID);
    }
}
