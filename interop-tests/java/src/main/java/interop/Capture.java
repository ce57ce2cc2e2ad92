package interop;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.lang.reflect.Field;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.filter.FilterAPI;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.RequestCode;
import org.apache.rocketmq.common.protocol.body.LockBatchRequestBody;
import org.apache.rocketmq.common.protocol.body.RegisterBrokerBody;
import org.apache.rocketmq.common.protocol.body.TopicConfigSerializeWrapper;
import org.apache.rocketmq.common.protocol.body.UnlockBatchRequestBody;
import org.apache.rocketmq.common.protocol.header.*;
import org.apache.rocketmq.common.protocol.header.namesrv.*;
import org.apache.rocketmq.common.protocol.heartbeat.ConsumeType;
import org.apache.rocketmq.common.protocol.heartbeat.ConsumerData;
import org.apache.rocketmq.common.protocol.heartbeat.HeartbeatData;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.common.protocol.heartbeat.ProducerData;
import org.apache.rocketmq.common.protocol.heartbeat.SubscriptionData;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * Capture NAMESRV BROKER DIR: asks stock servers with requests of the stock classes and keeps every frame as it went
 * over the socket, DIR/NAME.request and DIR/NAME.response. Header form of the requests: -Drocketmq.serialize.type;
 * of the replies: the servers' own.
 */
public final class Capture {
    private static final String TOPIC = "GoldenTopic";
    private static final String GROUP = "golden_group";
    private static final long BORN = 1_500_000_000_000L;
    private static final long DEADLINE_MS = 20_000;

    private final Path dir;
    private int opaque;

    private Capture(Path dir) {
        this.dir = dir;
    }

    public static void main(String[] args) throws Exception {
        Path dir = Paths.get(args[2]);
        Files.createDirectories(dir);
        Capture capture = new Capture(dir);
        try (Socket namesrv = connect(args[0]); Socket broker = connect(args[1])) {
            capture.broker(broker, args[1]);
            capture.namesrv(namesrv);
        }
        System.exit(0);
    }

    private static Socket connect(String address) throws Exception {
        String[] parts = address.split(":");
        Socket socket = new Socket(parts[0], Integer.parseInt(parts[1]));
        socket.setSoTimeout((int) DEADLINE_MS);
        return socket;
    }

    private void namesrv(Socket socket) throws Exception {
        TopicConfigSerializeWrapper topics = new TopicConfigSerializeWrapper();
        topics.getTopicConfigTable().put("Registered", new TopicConfig("Registered", 8, 4, 6));
        topics.getDataVersion().setTimestamp(BORN);
        RegisterBrokerBody body = new RegisterBrokerBody();
        body.setTopicConfigSerializeWrapper(topics);
        body.setFilterServerList(new ArrayList<>());
        CommandCustomHeader register = header(RegisterBrokerRequestHeader.class, "brokerName", "broker-x",
            "brokerAddr", "127.0.0.1:10911", "clusterName", "GoldenCluster", "haServerAddr", "127.0.0.1:10912",
            "brokerId", 0L, "compressed", false, "bodyCrc32", 0);
        keep(socket, "register-broker", RequestCode.REGISTER_BROKER, register, body.encode(false));
        byte[] compressed = body.encode(true);
        keep(socket, "register-broker-compressed", RequestCode.REGISTER_BROKER,
            header(RegisterBrokerRequestHeader.class, "brokerName", "broker-x",
                "brokerAddr", "127.0.0.1:10911", "clusterName", "GoldenCluster", "haServerAddr", "127.0.0.1:10912",
                "brokerId", 0L, "compressed", true, "bodyCrc32", org.apache.rocketmq.common.UtilAll.crc32(compressed)),
            compressed);
        keep(socket, "query-data-version", RequestCode.QUERY_DATA_VERSION,
            header(QueryDataVersionRequestHeader.class, "brokerName", "broker-x", "brokerAddr", "127.0.0.1:10911",
                "clusterName", "GoldenCluster", "brokerId", 0L), topics.getDataVersion().encode());
        keep(socket, "route", RequestCode.GET_ROUTEINTO_BY_TOPIC,
            header(GetRouteInfoRequestHeader.class, "topic", "Registered"), null);
        keep(socket, "route-unknown-topic", RequestCode.GET_ROUTEINTO_BY_TOPIC,
            header(GetRouteInfoRequestHeader.class, "topic", "NoSuchTopic"), null);
        keep(socket, "cluster-info", RequestCode.GET_BROKER_CLUSTER_INFO, null, null);
        keep(socket, "topic-list", RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, null, null);
        keep(socket, "topics-by-cluster", RequestCode.GET_TOPICS_BY_CLUSTER,
            header(GetTopicsByClusterRequestHeader.class, "cluster", "GoldenCluster"), null);
        keep(socket, "system-topic-list", RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS, null, null);
        keep(socket, "put-kv-config", RequestCode.PUT_KV_CONFIG,
            header(PutKVConfigRequestHeader.class, "namespace", "golden", "key", "k", "value", "v\"\u00fc"), null);
        keep(socket, "get-kv-config", RequestCode.GET_KV_CONFIG,
            header(GetKVConfigRequestHeader.class, "namespace", "golden", "key", "k"), null);
        keep(socket, "get-kv-config-unknown", RequestCode.GET_KV_CONFIG,
            header(GetKVConfigRequestHeader.class, "namespace", "golden", "key", "none"), null);
        keep(socket, "kv-list", RequestCode.GET_KVLIST_BY_NAMESPACE,
            header(GetKVListByNamespaceRequestHeader.class, "namespace", "golden"), null);
        keep(socket, "delete-kv-config", RequestCode.DELETE_KV_CONFIG,
            header(DeleteKVConfigRequestHeader.class, "namespace", "golden", "key", "k"), null);
        keep(socket, "wipe-write-perm", RequestCode.WIPE_WRITE_PERM_OF_BROKER,
            header(WipeWritePermOfBrokerRequestHeader.class, "brokerName", "broker-x"), null);
        keep(socket, "unregister-broker", RequestCode.UNREGISTER_BROKER,
            header(UnRegisterBrokerRequestHeader.class, "brokerName", "broker-x", "brokerAddr", "127.0.0.1:10911",
                "clusterName", "GoldenCluster", "brokerId", 0L), null);
    }

    private void broker(Socket socket, String address) throws Exception {
        keep(socket, "create-topic", RequestCode.UPDATE_AND_CREATE_TOPIC,
            header(CreateTopicRequestHeader.class, "topic", TOPIC, "defaultTopic", "AUTO_CREATE_TOPIC_KEY",
                "readQueueNums", 2, "writeQueueNums", 2, "perm", 6, "topicFilterType", "SINGLE_TAG",
                "topicSysFlag", 0, "order", false), null);
        await(socket, "the topic", () -> ask(socket, RequestCode.GET_TOPIC_STATS_INFO,
            header(GetTopicStatsInfoRequestHeader.class, "topic", TOPIC)).getCode() == 0);
        send(socket);
        await(socket, "all messages in their queues", () -> maxOffset(socket, 0) == 6);
        clients(socket);
        pull(socket);
        offsets(socket);
        tables(socket, address);
        keep(socket, "unregister-client", RequestCode.UNREGISTER_CLIENT,
            header(UnregisterClientRequestHeader.class, "clientID", "golden@1", "producerGroup", "golden_producer",
                "consumerGroup", GROUP), null);
    }

    private void send(Socket socket) throws Exception {
        keep(socket, "send", RequestCode.SEND_MESSAGE, sendHeader(TOPIC, 0, "golden 0", false),
            "golden 0".getBytes(StandardCharsets.UTF_8));
        keep(socket, "send-v2", RequestCode.SEND_MESSAGE_V2,
            SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(sendHeader(TOPIC, 0, "golden 1", false)),
            "golden 1".getBytes(StandardCharsets.UTF_8));
        List<Message> batch = new ArrayList<>();
        for (int i = 2; i < 5; i++) {
            Message m = new Message(TOPIC, i % 2 == 0 ? "TagA" : "TagB", ("golden " + i).getBytes(StandardCharsets.UTF_8));
            MessageAccessor.putProperty(m, "UNIQ_KEY", "0A000001000078E0DF0700000000000" + i);
            batch.add(m);
        }
        keep(socket, "send-batch", RequestCode.SEND_BATCH_MESSAGE,
            SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(sendHeader(TOPIC, 0, null, true)),
            MessageDecoder.encodeMessages(batch));
        keep(socket, "send-empty-properties", RequestCode.SEND_MESSAGE_V2,
            SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(sendHeader(TOPIC, 0, null, false)),
            "golden 5".getBytes(StandardCharsets.UTF_8));
        keep(socket, "send-queue-id-illegal", RequestCode.SEND_MESSAGE_V2,
            SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(sendHeader(TOPIC, 99, "no", false)),
            "no".getBytes(StandardCharsets.UTF_8));
        SendMessageRequestHeader unknown = sendHeader("NoSuchTopic", 0, "no", false);
        unknown.setDefaultTopic("NoSuchDefault");
        keep(socket, "send-topic-not-exist", RequestCode.SEND_MESSAGE_V2,
            SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(unknown),
            "no".getBytes(StandardCharsets.UTF_8));
    }

    private SendMessageRequestHeader sendHeader(String topic, int queueId, String key, boolean batch) {
        SendMessageRequestHeader header = new SendMessageRequestHeader();
        header.setProducerGroup("golden_producer");
        header.setTopic(topic);
        header.setDefaultTopic("AUTO_CREATE_TOPIC_KEY");
        header.setDefaultTopicQueueNums(4);
        header.setQueueId(queueId);
        header.setSysFlag(0);
        header.setBornTimestamp(BORN);
        header.setFlag(7);
        if (key != null) {
            Message m = new Message(topic, "TagA", key, new byte[0]);
            MessageAccessor.putProperty(m, "UNIQ_KEY", "0A000001000078E0DF0700000000000" + key.charAt(key.length() - 1));
            header.setProperties(MessageDecoder.messageProperties2String(m.getProperties()));
        }
        header.setReconsumeTimes(0);
        header.setUnitMode(false);
        header.setBatch(batch);
        return header;
    }

    private void clients(Socket socket) throws Exception {
        keep(socket, "consumer-list-unknown-group", RequestCode.GET_CONSUMER_LIST_BY_GROUP,
            header(GetConsumerListByGroupRequestHeader.class, "consumerGroup", GROUP), null);
        HeartbeatData heartbeat = new HeartbeatData();
        heartbeat.setClientID("golden@1");
        ProducerData producer = new ProducerData();
        producer.setGroupName("golden_producer");
        heartbeat.getProducerDataSet().add(producer);
        ConsumerData consumer = new ConsumerData();
        consumer.setGroupName(GROUP);
        consumer.setConsumeType(ConsumeType.CONSUME_PASSIVELY);
        consumer.setMessageModel(MessageModel.CLUSTERING);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        SubscriptionData subscription = FilterAPI.buildSubscriptionData(GROUP, TOPIC, "TagA || TagB");
        subscription.setSubVersion(BORN);
        consumer.getSubscriptionDataSet().add(subscription);
        heartbeat.getConsumerDataSet().add(consumer);
        keep(socket, "heartbeat", RequestCode.HEART_BEAT, null, heartbeat.encode());
        keep(socket, "consumer-list", RequestCode.GET_CONSUMER_LIST_BY_GROUP,
            header(GetConsumerListByGroupRequestHeader.class, "consumerGroup", GROUP), null);
        keep(socket, "consumer-connection", RequestCode.GET_CONSUMER_CONNECTION_LIST,
            header(GetConsumerConnectionListRequestHeader.class, "consumerGroup", GROUP), null);
        keep(socket, "producer-connection", RequestCode.GET_PRODUCER_CONNECTION_LIST,
            header(GetProducerConnectionListRequestHeader.class, "producerGroup", "golden_producer"), null);
        LockBatchRequestBody lock = new LockBatchRequestBody();
        lock.setConsumerGroup(GROUP);
        lock.setClientId("golden@1");
        lock.getMqSet().add(new MessageQueue(TOPIC, "broker-a", 0));
        keep(socket, "lock-batch-mq", RequestCode.LOCK_BATCH_MQ, null, lock.encode());
        UnlockBatchRequestBody unlock = new UnlockBatchRequestBody();
        unlock.setConsumerGroup(GROUP);
        unlock.setClientId("golden@1");
        unlock.getMqSet().add(new MessageQueue(TOPIC, "broker-a", 0));
        keep(socket, "unlock-batch-mq", RequestCode.UNLOCK_BATCH_MQ, null, unlock.encode());
    }

    private void pull(Socket socket) throws Exception {
        keep(socket, "pull", RequestCode.PULL_MESSAGE, pullHeader(TOPIC, 0, 0, "*"), null);
        keep(socket, "pull-tag", RequestCode.PULL_MESSAGE, pullHeader(TOPIC, 0, 0, "TagB"), null);
        keep(socket, "pull-not-found", RequestCode.PULL_MESSAGE, pullHeader(TOPIC, 0, 6, "*"), null);
        keep(socket, "pull-offset-moved", RequestCode.PULL_MESSAGE, pullHeader(TOPIC, 0, 1000, "*"), null);
        keep(socket, "pull-empty-queue", RequestCode.PULL_MESSAGE, pullHeader(TOPIC, 1, 0, "*"), null);
        keep(socket, "pull-topic-not-exist", RequestCode.PULL_MESSAGE, pullHeader("NoSuchTopic", 0, 0, "*"), null);
        keep(socket, "pull-queue-id-illegal", RequestCode.PULL_MESSAGE, pullHeader(TOPIC, 99, 0, "*"), null);
    }

    private CommandCustomHeader pullHeader(String topic, int queueId, long offset, String subscription) throws Exception {
        return header(PullMessageRequestHeader.class, "consumerGroup", GROUP, "topic", topic, "queueId", queueId,
            // Flag 4: the request brings its subscription; it neither commits nor waits.
            "queueOffset", offset, "maxMsgNums", 32, "sysFlag", 4, "commitOffset", 0L, "suspendTimeoutMillis", 15000L,
            "subscription", subscription, "subVersion", BORN, "expressionType", "TAG");
    }

    private void offsets(Socket socket) throws Exception {
        keep(socket, "query-consumer-offset-none", RequestCode.QUERY_CONSUMER_OFFSET,
            header(QueryConsumerOffsetRequestHeader.class, "consumerGroup", GROUP, "topic", TOPIC, "queueId", 0), null);
        keep(socket, "update-consumer-offset", RequestCode.UPDATE_CONSUMER_OFFSET,
            header(UpdateConsumerOffsetRequestHeader.class, "consumerGroup", GROUP, "topic", TOPIC, "queueId", 0,
                "commitOffset", 4L), null);
        keep(socket, "query-consumer-offset", RequestCode.QUERY_CONSUMER_OFFSET,
            header(QueryConsumerOffsetRequestHeader.class, "consumerGroup", GROUP, "topic", TOPIC, "queueId", 0), null);
        keep(socket, "max-offset", RequestCode.GET_MAX_OFFSET,
            header(GetMaxOffsetRequestHeader.class, "topic", TOPIC, "queueId", 0), null);
        keep(socket, "min-offset", RequestCode.GET_MIN_OFFSET,
            header(GetMinOffsetRequestHeader.class, "topic", TOPIC, "queueId", 0), null);
        keep(socket, "search-offset", RequestCode.SEARCH_OFFSET_BY_TIMESTAMP,
            header(SearchOffsetRequestHeader.class, "topic", TOPIC, "queueId", 0, "timestamp", BORN), null);
        keep(socket, "earliest-msg-storetime", RequestCode.GET_EARLIEST_MSG_STORETIME,
            header(GetEarliestMsgStoretimeRequestHeader.class, "topic", TOPIC, "queueId", 0), null);
        keep(socket, "view-message", RequestCode.VIEW_MESSAGE_BY_ID,
            header(ViewMessageRequestHeader.class, "offset", 0L), null);
        keep(socket, "send-back", RequestCode.CONSUMER_SEND_MSG_BACK,
            header(ConsumerSendMsgBackRequestHeader.class, "offset", 0L, "group", GROUP, "delayLevel", 18,
                "originMsgId", "0A0000010000789F0000000000000000", "originTopic", TOPIC, "unitMode", false,
                "maxReconsumeTimes", 16), null);
        await(socket, "the index", () -> ask(socket, RequestCode.QUERY_MESSAGE, query()).getCode() == 0);
        keep(socket, "query-message", RequestCode.QUERY_MESSAGE, query(), null);
    }

    private CommandCustomHeader query() throws Exception {
        return header(QueryMessageRequestHeader.class, "topic", TOPIC, "key", "golden", "maxNum", 32,
            "beginTimestamp", 0L, "endTimestamp", Long.MAX_VALUE);
    }

    private void tables(Socket socket, String address) throws Exception {
        keep(socket, "all-topic-config", RequestCode.GET_ALL_TOPIC_CONFIG, null, null);
        keep(socket, "all-subscription-group", RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, null, null);
        keep(socket, "all-consumer-offset", RequestCode.GET_ALL_CONSUMER_OFFSET, null, null);
        keep(socket, "all-delay-offset", RequestCode.GET_ALL_DELAY_OFFSET, null, null);
        keep(socket, "topic-stats", RequestCode.GET_TOPIC_STATS_INFO,
            header(GetTopicStatsInfoRequestHeader.class, "topic", TOPIC), null);
        keep(socket, "consume-stats", RequestCode.GET_CONSUME_STATS,
            header(GetConsumeStatsRequestHeader.class, "consumerGroup", GROUP, "topic", TOPIC), null);
        keep(socket, "topic-consume-by-who", RequestCode.QUERY_TOPIC_CONSUME_BY_WHO,
            header(QueryTopicConsumeByWhoRequestHeader.class, "topic", TOPIC), null);
        keep(socket, "runtime-info", RequestCode.GET_BROKER_RUNTIME_INFO, null, null);
        keep(socket, "system-topic-list-broker", RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER, null, null);
    }

    private long maxOffset(Socket socket, int queueId) throws Exception {
        RemotingCommand reply = ask(socket, RequestCode.GET_MAX_OFFSET,
            header(GetMaxOffsetRequestHeader.class, "topic", TOPIC, "queueId", queueId));
        return Long.parseLong(reply.getExtFields().get("offset"));
    }

    private interface Look {
        boolean look() throws Exception;
    }

    private static void await(Socket socket, String what, Look there) throws Exception {
        long deadline = System.currentTimeMillis() + DEADLINE_MS;
        while (!there.look()) {
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("waited for " + what);
            }
            Thread.sleep(20);
        }
    }

    private void keep(Socket socket, String name, int code, CommandCustomHeader header, byte[] body) throws Exception {
        byte[] request = frame(code, header, body, ++opaque);
        byte[] response = exchange(socket, request);
        Files.write(dir.resolve(name + ".request"), request);
        Files.write(dir.resolve(name + ".response"), response);
    }

    private RemotingCommand ask(Socket socket, int code, CommandCustomHeader header) throws Exception {
        byte[] response = exchange(socket, frame(code, header, null, 1_000_000));
        return RemotingCommand.decode(java.nio.ByteBuffer.wrap(response, 4, response.length - 4).slice());
    }

    private static byte[] frame(int code, CommandCustomHeader header, byte[] body, int opaque) {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, header);
        request.setOpaque(opaque);
        request.setVersion(org.apache.rocketmq.common.MQVersion.CURRENT_VERSION);
        request.setBody(body);
        return request.encode().array();
    }

    /** Sends a frame and reads until the reply to it; requests that the broker makes of us are left out. */
    private static byte[] exchange(Socket socket, byte[] request) throws Exception {
        new DataOutputStream(socket.getOutputStream()).write(request);
        DataInputStream in = new DataInputStream(socket.getInputStream());
        while (true) {
            int length = in.readInt();
            byte[] frame = new byte[4 + length];
            java.nio.ByteBuffer.wrap(frame).putInt(length);
            in.readFully(frame, 4, length);
            if (RemotingCommand.decode(java.nio.ByteBuffer.wrap(frame, 4, length).slice()).isResponseType()) {
                return frame;
            }
        }
    }

    private static CommandCustomHeader header(Class<? extends CommandCustomHeader> type, Object... fields)
        throws Exception {
        CommandCustomHeader header = type.getDeclaredConstructor().newInstance();
        for (int i = 0; i < fields.length; i += 2) {
            Field field = type.getDeclaredField((String) fields[i]);
            field.setAccessible(true);
            field.set(header, fields[i + 1]);
        }
        return header;
    }
}
