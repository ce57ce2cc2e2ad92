package interop.behaviour;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Delayed messages: when they come, and how. */
final class Delay extends Subject {
    private static final long[] LEVELS_MS = {0, 1000, 5000, 10_000};

    @Override
    protected void look() throws Exception {
        String topic = topic("", 2);
        DefaultMQProducer producer = producer();
        Map<String, MessageExt> came = new ConcurrentHashMap<>();
        Map<String, Long> cameAt = new ConcurrentHashMap<>();
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        DefaultMQPushConsumer consumer = push(group(""));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.setConsumeThreadMin(1);
        consumer.setConsumeThreadMax(1);
        consumer.registerMessageListener((List<MessageExt> messages, org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext context) -> {
            for (MessageExt message : messages) {
                cameAt.putIfAbsent(body(message), System.currentTimeMillis());
                came.put(body(message), message);
                order.add(body(message));
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Map<String, Long> sentAt = new ConcurrentHashMap<>();
        MessageQueue queue = new MessageQueue(topic, "broker-a", 1);
        for (int level = 1; level < LEVELS_MS.length; level++) {
            for (int i = 0; i < 3; i++) {
                Message message = message(topic, "tag", "key", level + "-" + i);
                message.putUserProperty("user", "value");
                message.setDelayTimeLevel(level);
                sentAt.put(body(message), System.currentTimeMillis());
                SendResult result = producer.send(message, queue);
                if (i == 0) {
                    equal("level " + level + ": status", SendStatus.SEND_OK, result.getSendStatus());
                    equal("level " + level + ": the answer names the queue that was asked for", 1, result.getMessageQueue().getQueueId());
                }
            }
        }
        Message now = message(topic, "tag", "key", "now");
        now.setDelayTimeLevel(0);
        producer.send(now, queue);
        await("level 0 is no delay", () -> came.containsKey("now"));
        check("level 0 overtakes all others", order.indexOf("now") == 0, order);
        await("all come", () -> came.size() == 10);
        for (int level = 1; level < LEVELS_MS.length; level++) {
            boolean early = false;
            for (int i = 0; i < 3; i++) {
                early |= cameAt.get(level + "-" + i) - sentAt.get(level + "-" + i) < LEVELS_MS[level];
            }
            check("level " + level + ": none early", !early, cameAt);
        }
        List<String> delayed = new ArrayList<>(order);
        delayed.remove("now");
        List<String> sorted = new ArrayList<>(delayed);
        sorted.sort(null);
        equal("in the order in which they are due, each once", sorted, delayed);
        MessageExt message = came.get("1-0");
        equal("tag, key, user property", "tag key value",
            message.getTags() + " " + message.getKeys() + " " + message.getUserProperty("user"));
        equal("its queue", 1, message.getQueueId());
        equal("reconsume times", 0, message.getReconsumeTimes());
        equal("where it was meant to go is kept", topic + " 1",
            message.getProperty("REAL_TOPIC") + " " + message.getProperty("REAL_QID"));
        equal("its delay level is kept, too", "1", message.getProperty("DELAY"));

        // Beyond the last level: the last, two hours.
        DefaultMQPullConsumer reader = pull(group("Reader"));
        MessageQueue last = new MessageQueue("SCHEDULE_TOPIC_XXXX", "broker-a", 17);
        Message beyond = message(topic, "", "", "beyond");
        beyond.setDelayTimeLevel(99);
        producer.send(beyond, queue);
        await("a level beyond the last is the last", () -> offset(producer, last) == 1);
        // No topic of its own, so no settings, and nobody is to read it.
        check("nobody reads the delay topic", code(() -> reader.pull(last, "*", 0, 32)) != 0, "");
    }

    private static long offset(DefaultMQProducer producer, MessageQueue queue) {
        try {
            return producer.maxOffset(queue);
        } catch (Exception e) {
            return -1;
        }
    }
}
