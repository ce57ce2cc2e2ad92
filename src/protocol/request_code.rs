//! What a request asks for: the 84 codes of 4.3.0 and the few later ones that we serve, with their numbers and
//! Java's names (Java: `RequestCode`). Which of them leads to what stands in the routing tables of the name server and
//! the broker, not here.

use super::code::codes;

codes! {
    /// A request's code. The numbers are the wire's and never change.
    RequestCode;

    SendMessage = 10, "SEND_MESSAGE";
    PullMessage = 11, "PULL_MESSAGE";
    QueryMessage = 12, "QUERY_MESSAGE";
    QueryBrokerOffset = 13, "QUERY_BROKER_OFFSET";
    QueryConsumerOffset = 14, "QUERY_CONSUMER_OFFSET";
    UpdateConsumerOffset = 15, "UPDATE_CONSUMER_OFFSET";
    UpdateAndCreateTopic = 17, "UPDATE_AND_CREATE_TOPIC";
    GetAllTopicConfig = 21, "GET_ALL_TOPIC_CONFIG";
    GetTopicConfigList = 22, "GET_TOPIC_CONFIG_LIST";
    GetTopicNameList = 23, "GET_TOPIC_NAME_LIST";
    UpdateBrokerConfig = 25, "UPDATE_BROKER_CONFIG";
    GetBrokerConfig = 26, "GET_BROKER_CONFIG";
    TriggerDeleteFiles = 27, "TRIGGER_DELETE_FILES";
    GetBrokerRuntimeInfo = 28, "GET_BROKER_RUNTIME_INFO";
    SearchOffsetByTimestamp = 29, "SEARCH_OFFSET_BY_TIMESTAMP";
    GetMaxOffset = 30, "GET_MAX_OFFSET";
    GetMinOffset = 31, "GET_MIN_OFFSET";
    GetEarliestMsgStoretime = 32, "GET_EARLIEST_MSG_STORETIME";
    ViewMessageById = 33, "VIEW_MESSAGE_BY_ID";
    HeartBeat = 34, "HEART_BEAT";
    UnregisterClient = 35, "UNREGISTER_CLIENT";
    ConsumerSendMsgBack = 36, "CONSUMER_SEND_MSG_BACK";
    EndTransaction = 37, "END_TRANSACTION";
    GetConsumerListByGroup = 38, "GET_CONSUMER_LIST_BY_GROUP";
    CheckTransactionState = 39, "CHECK_TRANSACTION_STATE";
    NotifyConsumerIdsChanged = 40, "NOTIFY_CONSUMER_IDS_CHANGED";
    LockBatchMq = 41, "LOCK_BATCH_MQ";
    UnlockBatchMq = 42, "UNLOCK_BATCH_MQ";
    GetAllConsumerOffset = 43, "GET_ALL_CONSUMER_OFFSET";
    GetAllDelayOffset = 45, "GET_ALL_DELAY_OFFSET";
    CheckClientConfig = 46, "CHECK_CLIENT_CONFIG";
    PutKvConfig = 100, "PUT_KV_CONFIG";
    GetKvConfig = 101, "GET_KV_CONFIG";
    DeleteKvConfig = 102, "DELETE_KV_CONFIG";
    RegisterBroker = 103, "REGISTER_BROKER";
    UnregisterBroker = 104, "UNREGISTER_BROKER";
    GetRouteintoByTopic = 105, "GET_ROUTEINTO_BY_TOPIC";
    GetBrokerClusterInfo = 106, "GET_BROKER_CLUSTER_INFO";
    UpdateAndCreateSubscriptiongroup = 200, "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP";
    GetAllSubscriptiongroupConfig = 201, "GET_ALL_SUBSCRIPTIONGROUP_CONFIG";
    GetTopicStatsInfo = 202, "GET_TOPIC_STATS_INFO";
    GetConsumerConnectionList = 203, "GET_CONSUMER_CONNECTION_LIST";
    GetProducerConnectionList = 204, "GET_PRODUCER_CONNECTION_LIST";
    WipeWritePermOfBroker = 205, "WIPE_WRITE_PERM_OF_BROKER";
    GetAllTopicListFromNameserver = 206, "GET_ALL_TOPIC_LIST_FROM_NAMESERVER";
    DeleteSubscriptiongroup = 207, "DELETE_SUBSCRIPTIONGROUP";
    GetConsumeStats = 208, "GET_CONSUME_STATS";
    SuspendConsumer = 209, "SUSPEND_CONSUMER";
    ResumeConsumer = 210, "RESUME_CONSUMER";
    ResetConsumerOffsetInConsumer = 211, "RESET_CONSUMER_OFFSET_IN_CONSUMER";
    ResetConsumerOffsetInBroker = 212, "RESET_CONSUMER_OFFSET_IN_BROKER";
    AdjustConsumerThreadPool = 213, "ADJUST_CONSUMER_THREAD_POOL";
    WhoConsumeTheMessage = 214, "WHO_CONSUME_THE_MESSAGE";
    DeleteTopicInBroker = 215, "DELETE_TOPIC_IN_BROKER";
    DeleteTopicInNamesrv = 216, "DELETE_TOPIC_IN_NAMESRV";
    GetKvlistByNamespace = 219, "GET_KVLIST_BY_NAMESPACE";
    ResetConsumerClientOffset = 220, "RESET_CONSUMER_CLIENT_OFFSET";
    GetConsumerStatusFromClient = 221, "GET_CONSUMER_STATUS_FROM_CLIENT";
    InvokeBrokerToResetOffset = 222, "INVOKE_BROKER_TO_RESET_OFFSET";
    InvokeBrokerToGetConsumerStatus = 223, "INVOKE_BROKER_TO_GET_CONSUMER_STATUS";
    GetTopicsByCluster = 224, "GET_TOPICS_BY_CLUSTER";
    QueryTopicConsumeByWho = 300, "QUERY_TOPIC_CONSUME_BY_WHO";
    RegisterFilterServer = 301, "REGISTER_FILTER_SERVER";
    RegisterMessageFilterClass = 302, "REGISTER_MESSAGE_FILTER_CLASS";
    QueryConsumeTimeSpan = 303, "QUERY_CONSUME_TIME_SPAN";
    GetSystemTopicListFromNs = 304, "GET_SYSTEM_TOPIC_LIST_FROM_NS";
    GetSystemTopicListFromBroker = 305, "GET_SYSTEM_TOPIC_LIST_FROM_BROKER";
    CleanExpiredConsumequeue = 306, "CLEAN_EXPIRED_CONSUMEQUEUE";
    GetConsumerRunningInfo = 307, "GET_CONSUMER_RUNNING_INFO";
    QueryCorrectionOffset = 308, "QUERY_CORRECTION_OFFSET";
    ConsumeMessageDirectly = 309, "CONSUME_MESSAGE_DIRECTLY";
    SendMessageV2 = 310, "SEND_MESSAGE_V2";
    GetUnitTopicList = 311, "GET_UNIT_TOPIC_LIST";
    GetHasUnitSubTopicList = 312, "GET_HAS_UNIT_SUB_TOPIC_LIST";
    GetHasUnitSubUnunitTopicList = 313, "GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST";
    CloneGroupOffset = 314, "CLONE_GROUP_OFFSET";
    ViewBrokerStatsData = 315, "VIEW_BROKER_STATS_DATA";
    CleanUnusedTopic = 316, "CLEAN_UNUSED_TOPIC";
    GetBrokerConsumeStats = 317, "GET_BROKER_CONSUME_STATS";
    UpdateNamesrvConfig = 318, "UPDATE_NAMESRV_CONFIG";
    GetNamesrvConfig = 319, "GET_NAMESRV_CONFIG";
    SendBatchMessage = 320, "SEND_BATCH_MESSAGE";
    QueryConsumeQueue = 321, "QUERY_CONSUME_QUEUE";
    QueryDataVersion = 322, "QUERY_DATA_VERSION";

    // From later versions, unknown to 4.3.0: request-reply (4.6) and the lite pull consumer.
    SendReplyMessage = 324, "SEND_REPLY_MESSAGE";
    SendReplyMessageV2 = 325, "SEND_REPLY_MESSAGE_V2";
    PushReplyMessageToClient = 326, "PUSH_REPLY_MESSAGE_TO_CLIENT";
    LitePullMessage = 361, "LITE_PULL_MESSAGE";

    // From 5.0.
    GetBrokerHaStatus = 907, "GET_BROKER_HA_STATUS";
}

/// A code's name, also where it is none of these.
pub fn name_of(code: i32) -> &'static str {
    RequestCode::try_from(code).map_or("UNKNOWN", RequestCode::name)
}

/// Whether a code is asked of name servers; no broker serves one of these.
pub fn is_of_namesrv(code: i32) -> bool {
    use RequestCode as Code;
    let Ok(code) = Code::try_from(code) else { return false };
    matches!(
        code,
        Code::PutKvConfig
            | Code::GetKvConfig
            | Code::DeleteKvConfig
            | Code::RegisterBroker
            | Code::UnregisterBroker
            | Code::GetRouteintoByTopic
            | Code::GetBrokerClusterInfo
            | Code::WipeWritePermOfBroker
            | Code::GetAllTopicListFromNameserver
            | Code::DeleteTopicInNamesrv
            | Code::GetKvlistByNamespace
            | Code::GetTopicsByCluster
            | Code::GetSystemTopicListFromNs
            | Code::GetUnitTopicList
            | Code::GetHasUnitSubTopicList
            | Code::GetHasUnitSubUnunitTopicList
            | Code::UpdateNamesrvConfig
            | Code::GetNamesrvConfig
            | Code::QueryDataVersion
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_javas() {
        let check = |code: RequestCode, number: i32, name: &str| {
            assert_eq!((i32::from(code), code.name()), (number, name));
            assert_eq!(RequestCode::try_from(number), Ok(code));
        };
        check(RequestCode::SendMessage, 10, "SEND_MESSAGE");
        check(RequestCode::SendMessageV2, 310, "SEND_MESSAGE_V2");
        check(RequestCode::GetRouteintoByTopic, 105, "GET_ROUTEINTO_BY_TOPIC");
        check(RequestCode::QueryDataVersion, 322, "QUERY_DATA_VERSION");
        check(RequestCode::LitePullMessage, 361, "LITE_PULL_MESSAGE");
        assert_eq!(RequestCode::ALL.len(), 84 + 5);
    }

    #[test]
    fn unknown_numbers_are_told_apart() {
        for number in [i32::MIN, -1, 0, 16, 323, 65546] {
            assert_eq!(RequestCode::try_from(number), Err(crate::protocol::code::UnknownCode(number)));
        }
        assert_eq!(crate::protocol::code::UnknownCode(5).to_string(), "unknown code 5");
    }
}
