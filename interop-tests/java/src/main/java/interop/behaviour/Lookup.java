package interop.behaviour;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages and offsets looked up. */
final class Lookup extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 1);
        MessageQueue queue = new MessageQueue(topic, "broker-a", 0);
        equal("empty queue: max offset", 0L, producer.maxOffset(queue));
        equal("empty queue: min offset", 0L, producer.minOffset(queue));
        equal("empty queue: earliest store time", -1L, producer.earliestMsgStoreTime(queue));
        long before = System.currentTimeMillis();
        List<SendResult> sent = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            sent.add(producer.send(message(topic, "", i % 2 == 0 ? "even key" + i : "odd", "m" + i), queue));
        }
        check("max offset", reaches(producer, queue, 5), producer.maxOffset(queue));
        equal("min offset", 0L, producer.minOffset(queue));
        check("earliest store time", producer.earliestMsgStoreTime(queue) >= before, producer.earliestMsgStoreTime(queue));
        equal("by time before the first", 0L, producer.searchOffset(queue, before - 1000));
        equal("by time behind the last", 4L, producer.searchOffset(queue, System.currentTimeMillis() + 60_000));
        equal("by offset id", "m2", body(producer.viewMessage(sent.get(2).getOffsetMsgId())));
        equal("by offset id through the topic", "m3", body(producer.viewMessage(topic, sent.get(3).getOffsetMsgId())));
        // The index follows the log.
        check("by unique id", comes(() -> found(producer, topic, sent.get(1).getMsgId(), "m1")), sent.get(1).getMsgId());
        check("by key", comes(() -> keys(producer, topic, "even", before).size() == 3), keys(producer, topic, "even", before));
        same("by key: those that have it", list("m0", "m2", "m4"), keys(producer, topic, "even", before));
        same("by one of several keys", list("m2"), keys(producer, topic, "key2", before));
        equal("by a key that nobody has", 0, keys(producer, topic, "none", before).size());
        DefaultMQPullConsumer consumer = pull(group(""));
        equal("queues of a topic", 1, consumer.fetchSubscribeMessageQueues(topic).size());
        equal("publish queues", 1, producer.fetchPublishMessageQueues(topic).size());
        check("queues of an unknown topic", code(() -> consumer.fetchSubscribeMessageQueues(name + "None")) != 0, "");
        producer.createTopic("AUTO_CREATE_TOPIC_KEY", name + "Created", 2);
        await("createTopic: there", () -> hasRoute(name + "Created"));
    }

    private static boolean found(DefaultMQProducer producer, String topic, String id, String expected) {
        try {
            MessageExt message = producer.viewMessage(topic, id);
            return message != null && body(message).equals(expected);
        } catch (Exception e) {
            return false;
        }
    }

    private static List<String> keys(DefaultMQProducer producer, String topic, String key, long since) {
        try {
            QueryResult result = producer.queryMessage(topic, key, 32, since - 1000, System.currentTimeMillis() + 10_000);
            return bodies(result.getMessageList());
        } catch (Exception e) {
            return new ArrayList<>();
        }
    }
}
