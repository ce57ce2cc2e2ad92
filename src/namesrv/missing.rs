//! Topics without a route: why there is none, for the reply and the log, and how often the log hears of it. Java has its one
//! remark for all causes, and no line in its log.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Clients ask every 30 s for as long as they want the topic: the log hears of each only so often.
const TELL_EVERY_MS: i64 = 10 * 60_000;
/// Topics that are told apart; anyone may ask for any name.
const TOPICS_MAX: usize = 1000;
/// No topic has a longer name, be it for a group's retries.
const NAME_BYTES_MAX: usize = 300;

/// Why a topic has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    NoBroker,
    /// Routes come from masters.
    OnlySlaves,
    /// Some broker makes topics when a message is sent.
    CreatedOnSend,
    /// Some would, and nothing may be sent to them.
    NoPermission,
    AutoCreateOff,
    /// It is what new topics are modelled on that nobody has.
    NoTemplate,
    /// It is for the retries of a consumer group, and made when that connects.
    NoGroup,
    /// It is for what a consumer group gives up, and made with the first such message.
    NoDeadLetter,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::NoBroker => {
                "no broker is registered with this name server: start brokers with its address in namesrvAddr"
            }
            Why::OnlySlaves => "only slaves are registered with this name server, and routes come from masters: start them",
            Why::CreatedOnSend => {
                "brokers are registered, but none of them has this topic; the first message that is sent to it creates it"
            }
            Why::NoPermission => {
                "brokers are registered, but none of them has this topic, and those that create topics on a send allow none: \
                 see brokerPermission, and whether their write permission was wiped"
            }
            Why::AutoCreateOff => {
                "brokers are registered, but none of them has this topic, and none creates topics on a send \
                 (autoCreateTopicEnable=false): mqadmin updateTopic creates it"
            }
            Why::NoTemplate => {
                "brokers are registered, but none of them creates topics on a send of this client: \
                 autoCreateTopicEnable=false, or a 4.3.0 broker and a client of another version"
            }
            Why::NoGroup => {
                "brokers are registered, but none of them has this topic: no consumer group of this name has connected to \
                 these brokers; look for a typing error in the group"
            }
            Why::NoDeadLetter => {
                "brokers are registered, but none of them has this topic: no consumer group of this name has given up a \
                 message on these brokers; look for a typing error in the group"
            }
        })
    }
}

/// Who was told of what.
#[derive(Debug, Default)]
pub struct Missing {
    topics: Mutex<HashMap<String, Told>>,
}

#[derive(Debug)]
struct Told {
    why: Why,
    at_ms: i64,
    /// Requests since then.
    unsaid: u64,
}

impl Missing {
    /// A request was answered so. Gives how many requests the log has to hear of, if it is time: at once, when the cause is
    /// another one, and after a while again.
    pub fn note(&self, topic: &str, why: Why, now_ms: i64) -> Option<u64> {
        if topic.len() > NAME_BYTES_MAX {
            return None;
        }
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = topics.get_mut(topic) {
            told.unsaid += 1;
            let is_due = told.why != why || now_ms - told.at_ms >= TELL_EVERY_MS;
            return is_due.then(|| {
                let requests = told.unsaid;
                *told = Told { why, at_ms: now_ms, unsaid: 0 };
                requests
            });
        }
        if topics.len() >= TOPICS_MAX {
            topics.retain(|_, told| now_ms - told.at_ms < TELL_EVERY_MS);
        }
        if topics.len() >= TOPICS_MAX {
            return None;
        }
        topics.insert(topic.to_owned(), Told { why, at_ms: now_ms, unsaid: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_told_of_now_and_then() {
        let missing = Missing::default();
        let check = |why: Why, now_ms: i64, expected: Option<u64>| {
            assert_eq!(missing.note("T", why, now_ms), expected)
        };
        check(Why::NoBroker, 0, Some(1));
        check(Why::NoBroker, 1, None);
        check(Why::NoBroker, TELL_EVERY_MS - 1, None);
        check(Why::NoBroker, TELL_EVERY_MS, Some(3));
        check(Why::NoBroker, TELL_EVERY_MS + 1, None);
        check(Why::AutoCreateOff, TELL_EVERY_MS + 2, Some(2));
        assert_eq!(missing.note("U", Why::NoBroker, 0), Some(1));
    }

    #[test]
    fn names_do_not_pile_up() {
        let missing = Missing::default();
        for number in 0..2 * TOPICS_MAX {
            let is_told = missing.note(&format!("T{number}"), Why::NoBroker, 0).is_some();
            assert_eq!(is_told, number < TOPICS_MAX);
        }
        assert_eq!(missing.note("later", Why::NoBroker, TELL_EVERY_MS), Some(1));
        assert_eq!(missing.note(&"n".repeat(301), Why::NoBroker, 0), None);
        assert_eq!(missing.topics.lock().unwrap().len(), 1);
    }
}
