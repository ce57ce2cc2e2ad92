package interop.admin;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages by id, by key, by time, and the places of queues. */
final class Messages extends AdminSubject {
    private String topic;
    private final List<SendResult> sent = new ArrayList<>();

    @Override
    void call() throws Exception {
        topic = wideTopic("", 2);
        DefaultMQProducer producer = producer();
        MessageQueue queue = new MessageQueue(topic, "broker-a", 1);
        long before = System.currentTimeMillis();
        for (int i = 0; i < 5; i++) {
            Message message = message(topic, "tag", "all k" + i, "m" + i);
            message.putUserProperty("user", "value " + i);
            message.setFlag(i);
            sent.add(producer.send(message, queue));
            // Messages of one millisecond cannot be told apart by their time.
            long last = System.currentTimeMillis();
            comes(() -> System.currentTimeMillis() > last);
        }
        sent.add(producer.send(message(topic, "tag", "all", "other"), new MessageQueue(topic, "broker-b", 0)));
        awaits("messages are there", () -> admin.maxOffset(queue) == 5 && admin.maxOffset(new MessageQueue(topic, "broker-b", 0)) == 1);
        places(queue, before);
        byId();
        byKey(before);
        unknown();
    }

    private void places(MessageQueue queue, long before) throws Exception {
        equal("places: first", 0L, admin.minOffset(queue));
        equal("places: end", 5L, admin.maxOffset(queue));
        long third = admin.viewMessage(sent.get(2).getOffsetMsgId()).getStoreTimestamp();
        equal("places: at a message's time", 2L, admin.searchOffset(queue, third));
        equal("places: before all", 0L, admin.searchOffset(queue, before - 100_000));
        equal("places: after all, the last", 4L, admin.searchOffset(queue, System.currentTimeMillis() + 100_000));
        equal("places: time of the first", admin.viewMessage(sent.get(0).getOffsetMsgId()).getStoreTimestamp(), admin.earliestMsgStoreTime(queue));
        MessageQueue empty = new MessageQueue(topic, "broker-b", 1);
        equal("places: an empty queue", "0 0 0 -1", admin.minOffset(empty) + " " + admin.maxOffset(empty) + " " + admin.searchOffset(empty, before) + " " + admin.earliestMsgStoreTime(empty));
        MessageQueue none = new MessageQueue(topic, "broker-a", 77);
        equal("places: no such queue", "0 0", admin.minOffset(none) + " " + admin.maxOffset(none));
        MessageQueue nowhere = new MessageQueue(topic, "broker-none", 0);
        fails("places: no such broker", -1, () -> admin.maxOffset(nowhere));
        fails("places: no such broker, first", -1, () -> admin.minOffset(nowhere));
        fails("places: no such broker, time", -1, () -> admin.searchOffset(nowhere, before));
        fails("places: no such broker, time of the first", -1, () -> admin.earliestMsgStoreTime(nowhere));
    }

    private void byId() throws Exception {
        MessageExt found = admin.viewMessage(sent.get(3).getOffsetMsgId());
        equal("by id: body", "m3", body(found));
        equal("by id: place", topic + " 1 3", found.getTopic() + " " + found.getQueueId() + " " + found.getQueueOffset());
        equal("by id: fields", "tag all k3 value 3 3", found.getTags() + " " + found.getKeys() + " " + found.getUserProperty("user") + " " + found.getFlag());
        equal("by id: unique id", sent.get(3).getMsgId(), found.getMsgId());
        equal("by id: stored at", "/" + cluster.broker, String.valueOf(found.getStoreHost()));
        check("by id: born at", String.valueOf(found.getBornHost()).startsWith("/127.0.0.1:"), found.getBornHost());
        equal("by id: of the other broker", "other", body(admin.viewMessage(sent.get(5).getOffsetMsgId())));
        equal("by offset id, with a topic", "m3", body(admin.viewMessage(topic, sent.get(3).getOffsetMsgId())));
        // The index follows the log.
        awaits("by unique id", () -> body(admin.viewMessage(topic, sent.get(3).getMsgId())).equals("m3"));
        equal("by unique id: place", 3L, admin.viewMessage(topic, sent.get(3).getMsgId()).getQueueOffset());
        equal("by unique id: of the other broker", "other", body(admin.viewMessage(topic, sent.get(5).getMsgId())));
        String unknown = sent.get(3).getMsgId().substring(0, 28) + "FFFF";
        fails("by unique id: unknown", NO_MESSAGE, () -> admin.viewMessage(topic, unknown));
        fails("by id: none", NO_MESSAGE, () -> admin.viewMessage("no id"));
        String beyond = sent.get(3).getOffsetMsgId().substring(0, 16) + "0000000FFFFFFFFF";
        fails("by id: beyond the log", SYSTEM_ERROR, () -> admin.viewMessage(beyond));
        String off = sent.get(3).getOffsetMsgId().substring(0, 16) + String.format("%016X", Long.parseLong(sent.get(3).getOffsetMsgId().substring(16), 16) + 1);
        fails("by id: beside a message", SYSTEM_ERROR, () -> admin.viewMessage(off));
        awaits("by id: at the slave", () -> body(admin.viewMessage(atSlave(sent.get(3).getOffsetMsgId()))).equals("m3"));
    }

    private String atSlave(String id) {
        int port = Integer.parseInt(cluster.slave.split(":")[1]);
        return id.substring(0, 8) + String.format("%08X", port) + id.substring(16);
    }

    private void byKey(long before) throws Exception {
        long begin = before - 60_000;
        long end = System.currentTimeMillis() + 60_000;
        same("by key: one", list("m2"), bodies(admin.queryMessage(topic, "k2", 32, begin, end).getMessageList()));
        same("by key: of both brokers", list("m0", "m1", "m2", "m3", "m4", "other"), bodies(admin.queryMessage(topic, "all", 32, begin, end).getMessageList()));
        QueryResult found = admin.queryMessage(topic, "k2", 32, begin, end);
        check("by key: time of the index", found.getIndexLastUpdateTimestamp() >= before - 1000 && found.getIndexLastUpdateTimestamp() <= end, found.getIndexLastUpdateTimestamp());
        equal("by key: place", "1 2", found.getMessageList().get(0).getQueueId() + " " + found.getMessageList().get(0).getQueueOffset());
        equal("by key: so many of each broker", 2 + 1, admin.queryMessage(topic, "all", 2, begin, end).getMessageList().size());
        fails("by key: none", NO_MESSAGE, () -> admin.queryMessage(topic, "none", 32, begin, end));
        fails("by key: not of that time", NO_MESSAGE, () -> admin.queryMessage(topic, "k2", 32, begin - 60_000, begin));
        fails("by key: unknown topic", TOPIC_NOT_EXIST, () -> admin.queryMessage(name + "None", "k2", 32, begin, end));
        fails("by key: of another topic", NO_MESSAGE, () -> admin.queryMessage("SELF_TEST_TOPIC", "k2", 32, begin, end));
    }

    private void unknown() {
        MessageQueue queue = new MessageQueue(name + "None", "broker-none", 0);
        fails("unknown topic: end", -1, () -> admin.maxOffset(queue));
        fails("unknown topic: by unique id", TOPIC_NOT_EXIST, () -> admin.viewMessage(name + "None", sent.get(3).getMsgId()));
        // An id with the address of nobody.
        equal("unknown broker", "RemotingConnectException", outcome(() -> admin.viewMessage("7F00000100000003" + "0000000000000000")));
    }
}
