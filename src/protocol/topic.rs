//! Names of topics and groups: the reserved ones, the derived ones, and what any name must be (Java: `MixAll`,
//! `Validators`, `TopicValidator` of later versions).

/// Topic whose settings auto-created topics take, in 4.3.0 alone.
pub const AUTO_CREATE_TOPIC_KEY_TOPIC: &str = "AUTO_CREATE_TOPIC_KEY";
/// The same in every version but 4.3.0.
pub const TBW102_TOPIC: &str = "TBW102";
/// Topic of the stock benchmark.
pub const BENCHMARK_TOPIC: &str = "BenchmarkTest";
/// Topic for self tests.
pub const SELF_TEST_TOPIC: &str = "SELF_TEST_TOPIC";
/// Topic that tells of corrected pull offsets.
pub const OFFSET_MOVED_EVENT_TOPIC: &str = "OFFSET_MOVED_EVENT";
/// Topic of delayed messages; queue = level - 1.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
/// Topic of half messages.
pub const RMQ_SYS_TRANS_HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Topic that marks half messages as done with.
pub const RMQ_SYS_TRANS_OP_HALF_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Topic of trace data, of clients of 4.4 on.
pub const RMQ_SYS_TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// Starts the topic of messages to be consumed again by a group.
pub const RETRY_GROUP_TOPIC_PREFIX: &str = "%RETRY%";
/// Starts the topic of messages that a group gave up.
pub const DLQ_GROUP_TOPIC_PREFIX: &str = "%DLQ%";
/// Starts system topics.
pub const SYSTEM_TOPIC_PREFIX: &str = "rmq_sys_";

/// Group of `mqadmin`'s consumers.
pub const TOOLS_CONSUMER_GROUP: &str = "TOOLS_CONSUMER";
/// Group of the filter server's consumer.
pub const FILTERSRV_CONSUMER_GROUP: &str = "FILTERSRV_CONSUMER";
/// Group of the stock monitor.
pub const MONITOR_CONSUMER_GROUP: &str = "__MONITOR_CONSUMER";
/// Group of the producer inside every consumer.
pub const CLIENT_INNER_PRODUCER_GROUP: &str = "CLIENT_INNER_PRODUCER";
/// Group of the self test's producer.
pub const SELF_TEST_PRODUCER_GROUP: &str = "SELF_TEST_P_GROUP";
/// Group of the self test's consumer.
pub const SELF_TEST_CONSUMER_GROUP: &str = "SELF_TEST_C_GROUP";
/// Group of the commercial HTTP proxy.
pub const ONS_HTTP_PROXY_GROUP: &str = "CID_ONS-HTTP-PROXY";
/// Group of the commercial API.
pub const CID_ONSAPI_PERMISSION_GROUP: &str = "CID_ONSAPI_PERMISSION";
/// Group of the commercial API.
pub const CID_ONSAPI_OWNER_GROUP: &str = "CID_ONSAPI_OWNER";
/// Group of the commercial API.
pub const CID_ONSAPI_PULL_GROUP: &str = "CID_ONSAPI_PULL";
/// Starts groups that the broker creates whatever its settings.
pub const CID_RMQ_SYS_PREFIX: &str = "CID_RMQ_SYS_";
/// Group under which the broker reads half messages.
pub const CID_SYS_RMQ_TRANS: &str = "CID_RMQ_SYS_TRANS";

/// Groups that every broker knows from its start.
pub const BUILT_IN_GROUPS: &[&str] = &[
    TOOLS_CONSUMER_GROUP,
    FILTERSRV_CONSUMER_GROUP,
    SELF_TEST_CONSUMER_GROUP,
    ONS_HTTP_PROXY_GROUP,
    CID_ONSAPI_PULL_GROUP,
    CID_ONSAPI_PERMISSION_GROUP,
    CID_ONSAPI_OWNER_GROUP,
];

/// Longest topic: a record has one signed byte for the length.
pub const MAX_TOPIC_BYTES: usize = 127;
/// Longest group (Java: `Validators.CHARACTER_MAX_LENGTH`).
pub const MAX_GROUP_BYTES: usize = 255;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing in it.
    #[error("the name is empty")]
    Empty,
    /// Longer than allowed.
    #[error("the name has {bytes} bytes, {max} are allowed")]
    TooLong { bytes: usize, max: usize },
    /// A character that could not stand in a file name, or that Java's clients refuse.
    #[error("the name contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$")]
    IllegalCharacters,
}

/// Whether a topic may be stored. Dots and slashes must not: the name becomes a folder's.
pub fn check_topic(topic: &str) -> Result<(), NameError> {
    check_name(topic, MAX_TOPIC_BYTES)
}

/// Whether a topic that is named as a broker or a cluster may be made. Those may have dots, as host names do.
pub fn check_own(topic: &str) -> Result<(), NameError> {
    match topic {
        "." | ".." => Err(NameError::IllegalCharacters),
        _ => check_name(&topic.replace('.', "-"), MAX_TOPIC_BYTES),
    }
}

/// Whether a group may be stored.
pub fn check_group(group: &str) -> Result<(), NameError> {
    check_name(group, MAX_GROUP_BYTES)
}

fn check_name(name: &str, max: usize) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'|' | b'_' | b'-');
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.len() > max {
        Err(NameError::TooLong { bytes: name.len(), max })
    } else if !name.bytes().all(allowed) {
        Err(NameError::IllegalCharacters)
    } else {
        Ok(())
    }
}

/// Topic of messages that the group is to consume again.
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_GROUP_TOPIC_PREFIX}{group}")
}

/// Topic of messages that the group gave up.
pub fn dlq_topic(group: &str) -> String {
    format!("{DLQ_GROUP_TOPIC_PREFIX}{group}")
}

/// Topic of the replies to a cluster's requests (Java 4.6: `MixAll.getReplyTopic`).
pub fn reply_topic(cluster: &str) -> String {
    format!("{cluster}_REPLY_TOPIC")
}

/// The group of a retry topic.
pub fn retry_group(topic: &str) -> Option<&str> {
    topic.strip_prefix(RETRY_GROUP_TOPIC_PREFIX)
}

/// The group of a dead-letter topic.
pub fn dlq_group(topic: &str) -> Option<&str> {
    topic.strip_prefix(DLQ_GROUP_TOPIC_PREFIX)
}

/// Java: `MixAll.isSysConsumerGroup`.
pub fn is_system_group(group: &str) -> bool {
    group.starts_with(CID_RMQ_SYS_PREFIX)
}

/// Whether new topics are modelled on this one, under either of its names: messages cannot be sent to it.
pub fn is_default_topic(topic: &str) -> bool {
    matches!(topic, AUTO_CREATE_TOPIC_KEY_TOPIC | TBW102_TOPIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_store_are_refused() {
        let check = |name: &str, expected: Result<(), NameError>| assert_eq!(check_topic(name), expected);
        check("TopicTest", Ok(()));
        check("%RETRY%CID_ONS-HTTP-PROXY", Ok(()));
        check("a|b", Ok(()));
        check("", Err(NameError::Empty));
        check("../x", Err(NameError::IllegalCharacters));
        check("a/b", Err(NameError::IllegalCharacters));
        check("a b", Err(NameError::IllegalCharacters));
        check("a\0", Err(NameError::IllegalCharacters));
        check("\u{e9}", Err(NameError::IllegalCharacters));
        check(&"t".repeat(127), Ok(()));
        check(&"t".repeat(128), Err(NameError::TooLong { bytes: 128, max: 127 }));
        assert_eq!(check_group(&"g".repeat(255)), Ok(()));
        assert_eq!(check_group(&"g".repeat(256)), Err(NameError::TooLong { bytes: 256, max: 255 }));
    }

    #[test]
    fn derived_topics_lead_back_to_their_group() {
        assert_eq!(retry_group(&retry_topic("g")), Some("g"));
        assert_eq!(dlq_group(&dlq_topic("g")), Some("g"));
        assert_eq!(retry_group("T"), None);
        assert!(is_system_group("CID_RMQ_SYS_X") && !is_system_group("g"));
    }
}
