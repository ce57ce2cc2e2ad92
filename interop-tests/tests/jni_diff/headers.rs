//! Every request and reply header: the fields that Java's class sends are read into our struct and sent again.

use rocketmq::protocol::header::{admin, client, offset, pull, query, route, send, topic, transaction};
use rocketmq::strmap::StrMap;

use crate::items::{Map, Reader, Writer};
use crate::oracle::tell;

/// Headers of each class, all fields set.
const CASES: i64 = 60;

/// Reads a map as one of our headers and prints it again.
type Reprint = fn(&StrMap) -> Result<StrMap, rocketmq::strmap::Error>;

const COMMON: &str = "org.apache.rocketmq.common.protocol.header.";
const NAMESRV: &str = "org.apache.rocketmq.common.protocol.header.namesrv.";
const FILTERSRV: &str = "org.apache.rocketmq.common.protocol.header.filtersrv.";

macro_rules! headers {
    ($($package:ident $module:ident: $($name:ident),+;)+) => {
        [$($(($package, stringify!($name), {
            let reprint: Reprint = |map| map.to::<$module::$name>().and_then(|header| StrMap::of(&header));
            reprint
        })),+),+]
    };
}

fn all() -> Vec<(&'static str, &'static str, Reprint)> {
    headers! {
        COMMON admin: GetBrokerConfigResponseHeader, ViewBrokerStatsDataRequestHeader;
        FILTERSRV admin: RegisterFilterServerRequestHeader, RegisterFilterServerResponseHeader,
            RegisterMessageFilterClassRequestHeader;
        COMMON client: UnregisterClientRequestHeader, GetConsumerListByGroupRequestHeader,
            NotifyConsumerIdsChangedRequestHeader, GetConsumerConnectionListRequestHeader,
            GetProducerConnectionListRequestHeader, GetConsumerRunningInfoRequestHeader,
            ConsumeMessageDirectlyResultRequestHeader;
        COMMON topic: CreateTopicRequestHeader, DeleteTopicRequestHeader, GetTopicStatsInfoRequestHeader,
            QueryTopicConsumeByWhoRequestHeader, DeleteSubscriptionGroupRequestHeader,
            GetConsumeStatsRequestHeader, GetConsumeStatsInBrokerHeader;
        COMMON transaction: EndTransactionRequestHeader, CheckTransactionStateRequestHeader;
        NAMESRV route: GetRouteInfoRequestHeader, RegisterBrokerRequestHeader, RegisterBrokerResponseHeader,
            UnRegisterBrokerRequestHeader, QueryDataVersionRequestHeader, QueryDataVersionResponseHeader,
            WipeWritePermOfBrokerRequestHeader, WipeWritePermOfBrokerResponseHeader,
            DeleteTopicInNamesrvRequestHeader, PutKVConfigRequestHeader,
            GetKVConfigRequestHeader, GetKVConfigResponseHeader, DeleteKVConfigRequestHeader,
            GetKVListByNamespaceRequestHeader;
        COMMON route: GetTopicsByClusterRequestHeader;
        COMMON query: QueryMessageRequestHeader, QueryMessageResponseHeader, ViewMessageRequestHeader,
            QueryConsumeQueueRequestHeader;
        COMMON send: SendMessageRequestHeader, SendMessageRequestHeaderV2, SendMessageResponseHeader,
            ConsumerSendMsgBackRequestHeader;
        COMMON pull: PullMessageRequestHeader, PullMessageResponseHeader;
        COMMON offset: QueryConsumerOffsetRequestHeader, QueryConsumerOffsetResponseHeader,
            UpdateConsumerOffsetRequestHeader, SearchOffsetRequestHeader, SearchOffsetResponseHeader,
            GetMaxOffsetRequestHeader, GetMaxOffsetResponseHeader, GetMinOffsetRequestHeader,
            GetMinOffsetResponseHeader, GetEarliestMsgStoretimeRequestHeader,
            GetEarliestMsgStoretimeResponseHeader, ResetOffsetRequestHeader, GetConsumerStatusRequestHeader,
            QueryConsumeTimeSpanRequestHeader, QueryCorrectionOffsetHeader, CloneGroupOffsetRequestHeader;
    }
    .to_vec()
}

fn str_map(map: &Map) -> StrMap {
    let mut out = StrMap::new();
    map.iter().for_each(|(name, value)| out.push(name, value));
    out
}

fn sorted(map: &StrMap) -> Map {
    map.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What Java sends of random headers of a class.
fn random(class: &str, cases: i64, null_per_mille: i32) -> Vec<Map> {
    let item = |seed| Writer::new().text(class).i64(seed).i32(null_per_mille).done();
    let answers = tell("header random", &(0..cases).map(item).collect::<Vec<_>>());
    answers.iter().map(|answer| Reader(answer).map().unwrap_or_default()).collect()
}

#[test]
fn every_header_keeps_every_field() {
    let mut compared = 0;
    for (package, name, reprint) in all() {
        let class = format!("{package}{name}");
        let theirs = random(&class, CASES, 0);
        let ours: Vec<Map> = theirs
            .iter()
            .map(|map| {
                let printed = reprint(&str_map(map));
                sorted(&printed.unwrap_or_else(|error| panic!("{name}: {error}: {map:?}")))
            })
            .collect();
        // Through Java's reader too, so that a spelling it would refuse is found.
        let items = ours.iter().map(|map| Writer::new().text(&class).map(Some(map)).done());
        let back = tell("header reprint", &items.collect::<Vec<_>>());
        for ((theirs, ours), back) in theirs.iter().zip(&ours).zip(&back) {
            assert_eq!(ours, theirs, "{name}: what we send of what Java sent");
            assert_eq!(
                &Reader(back).map().unwrap_or_default(),
                theirs,
                "{name}: what Java reads of what we send"
            );
            compared += theirs.len();
        }
    }
    assert!(compared > 5000, "only {compared} fields compared");
}

/// With fields left out, as other clients do: nothing that is there is lost, and what must be there is named.
#[test]
fn missing_fields_are_defaulted_or_named() {
    for (package, name, reprint) in all() {
        for map in random(&format!("{package}{name}"), CASES, 300) {
            match reprint(&str_map(&map)) {
                Ok(printed) => {
                    let printed = sorted(&printed);
                    let lost: Vec<_> =
                        map.iter().filter(|(key, value)| printed.get(*key) != Some(value)).collect();
                    assert!(lost.is_empty(), "{name} loses {lost:?}");
                }
                Err(rocketmq::strmap::Error::Missing(field)) => {
                    assert!(!map.contains_key(&field), "{name}: {field} is said to be missing in {map:?}");
                }
                Err(error) => panic!("{name}: {error}: {map:?}"),
            }
        }
    }
}
