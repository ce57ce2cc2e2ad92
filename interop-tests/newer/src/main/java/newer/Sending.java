package newer;

import static newer.Look.all;
import static newer.Look.bodies;
import static newer.Look.body;
import static newer.Look.message;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages sent in each way, pulled, and looked up. */
final class Sending {
    private Sending() {
    }

    /** A topic that the first message makes, then every way to send. */
    static void send(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        SendResult first = producer.send(message(topic, "tag", "key", "sync"));
        it.equal("a topic made by a send: status", SendStatus.SEND_OK, first.getSendStatus());
        it.await("a topic made by a send: its queues", () -> producer.fetchPublishMessageQueues(topic).size() == 4);
        MessageQueue queue = first.getMessageQueue();
        it.equal("broker's name", "broker-a", queue.getBrokerName());
        it.equal("offset", 0L, first.getQueueOffset());

        CountDownLatch answered = new CountDownLatch(1);
        AtomicReference<Object> answer = new AtomicReference<>();
        producer.send(message(topic, "tag", "key", "async"), queue, new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
                answer.set(result.getSendStatus() + " " + result.getQueueOffset());
                answered.countDown();
            }

            @Override
            public void onException(Throwable e) {
                answer.set(e);
                answered.countDown();
            }
        });
        it.check("async: answered", answered.await(30, TimeUnit.SECONDS), answer);
        it.equal("async: answer", "SEND_OK 1", answer.get());
        producer.sendOneway(message(topic, "tag", "key", "oneway"), queue);
        it.await("one-way: there", () -> producer.maxOffset(queue) == 3);
        List<Message> batch = Arrays.asList(
            message(topic, "tag", "key", "batch0"), message(topic, "other", "key", "batch1"), message(topic, null, "key", "batch2"));
        SendResult batched = producer.send(batch, queue);
        it.equal("batch: status", SendStatus.SEND_OK, batched.getSendStatus());
        it.equal("batch: first offset", 3L, batched.getQueueOffset());
        it.equal("batch: ids", 3, batched.getMsgId().split(",").length);
        it.equal("batch: offset ids", 3, batched.getOffsetMsgId().split(",").length);
        String large = Look.large();
        Message compressed = message(topic, "tag", "key", large);
        compressed.putUserProperty("user", "value");
        compressed.setFlag(7);
        producer.send(compressed, queue);

        it.await("all are there", () -> producer.maxOffset(queue) == 7);
        List<MessageExt> pulled = all(it.pull(it.group("")), queue);
        it.equal("bodies", Arrays.asList("sync", "async", "oneway", "batch0", "batch1", "batch2", large), bodies(pulled));
        MessageExt last = pulled.get(6);
        it.equal("properties", "tag key value 7", last.getTags() + " " + last.getKeys() + " " + last.getUserProperty("user") + " " + last.getFlag());
        it.equal("id", first.getMsgId(), pulled.get(0).getMsgId());
        it.equal("ids of a batch", batched.getMsgId(), pulled.get(3).getMsgId() + "," + pulled.get(4).getMsgId() + "," + pulled.get(5).getMsgId());
        it.equal("a batch's tags", "tag other null", pulled.get(3).getTags() + " " + pulled.get(4).getTags() + " " + pulled.get(5).getTags());
        it.equal("to one of the queues", SendStatus.SEND_OK,
            producer.send(message(topic, "", "", "selected"), (queues, message, argument) -> queues.get((int) argument), 3).getSendStatus());
        createTopic(producer, topic, it.topic("Created"));
        it.await("createTopic", () -> producer.fetchPublishMessageQueues(it.topic("Created")).size() == 2);
    }

    /** 5.x wants attributes, too. */
    private static void createTopic(DefaultMQProducer producer, String template, String topic) throws Exception {
        for (Method method : DefaultMQProducer.class.getMethods()) {
            List<Class<?>> types = Arrays.asList(method.getParameterTypes());
            if (method.getName().equals("createTopic") && types.equals(Arrays.asList(String.class, String.class, int.class))) {
                method.invoke(producer, template, topic, 2);
                return;
            }
            if (method.getName().equals("createTopic") && types.equals(Arrays.asList(String.class, String.class, int.class, Map.class))) {
                method.invoke(producer, template, topic, 2, new HashMap<String, String>());
                return;
            }
        }
        throw new NoSuchMethodException("createTopic");
    }

    static void pull(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        SendResult sent = producer.send(message(topic, "even", "", "m0"));
        MessageQueue queue = sent.getMessageQueue();
        for (int i = 1; i < 10; i++) {
            producer.send(message(topic, i % 2 == 0 ? "even" : "odd", "", "m" + i), queue);
        }
        DefaultMQPullConsumer consumer = it.pull(it.group(""));
        it.await("queues", () -> consumer.fetchSubscribeMessageQueues(topic).size() == 4);
        it.await("max offset", () -> consumer.maxOffset(queue) == 10);
        it.equal("min offset", 0L, consumer.minOffset(queue));
        PullResult result = consumer.pull(queue, "*", 2, 5);
        it.equal("a part", "FOUND 7 0 10 [m2, m3, m4, m5, m6]", describe(result));
        it.equal("by tag", "FOUND 10 0 10 [m0, m2, m4, m6, m8]", describe(consumer.pull(queue, "even", 0, 32)));
        it.equal("none has the tag", PullStatus.NO_MATCHED_MSG, consumer.pull(queue, "none", 0, 32).getPullStatus());
        it.equal("at the end", "NO_NEW_MSG 10 0 10 []", describe(consumer.pull(queue, "*", 10, 32)));
        it.equal("behind the end", "OFFSET_ILLEGAL 0 0 10 []", describe(consumer.pull(queue, "*", 20, 32)));
        // All of the queue is still in memory: from its start.
        it.equal("no offset yet", 0L, consumer.fetchConsumeOffset(queue, true));
        it.check("an offset reaches the broker", it.comes(() -> {
            // The client forgets it when it is given the queue in between.
            consumer.updateConsumeOffset(queue, 7);
            consumer.getOffsetStore().persist(queue);
            return consumer.fetchConsumeOffset(queue, true) == 7;
        }), consumer.fetchConsumeOffset(queue, true));
        Thread sender = new Thread(() -> {
            try {
                // The pull is on its way, or waits; both end with the message.
                producer.send(message(topic, "", "", "later"), queue);
            } catch (Exception e) {
                e.printStackTrace();
            }
        });
        sender.start();
        it.equal("a held pull", "[later]", bodies(consumer.pullBlockIfNotFound(queue, "*", 10, 32).getMsgFoundList()).toString());
        sender.join();
    }

    private static String describe(PullResult result) {
        List<MessageExt> found = result.getMsgFoundList() == null ? Collections.emptyList() : result.getMsgFoundList();
        return result.getPullStatus() + " " + result.getNextBeginOffset() + " " + result.getMinOffset() + " " + result.getMaxOffset() + " " + bodies(found);
    }

    static void lookup(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        long before = System.currentTimeMillis();
        SendResult first = producer.send(message(topic, "", "even k0", "m0"));
        MessageQueue queue = first.getMessageQueue();
        producer.send(message(topic, "", "odd k1", "m1"), queue);
        SendResult last = producer.send(message(topic, "", "even k2", "m2"), queue);
        it.await("max offset", () -> producer.maxOffset(queue) == 3);
        it.await("by key", () -> keys(producer, topic, "even", before).size() == 2);
        it.same("by key: those that have it", Arrays.asList("m0", "m2"), keys(producer, topic, "even", before));
        it.same("by one of several keys", Arrays.asList("m1"), keys(producer, topic, "k1", before));
        it.await("by unique id", () -> body(producer.viewMessage(topic, first.getMsgId())).equals("m0"));
        it.equal("by offset id", "m2", body(producer.viewMessage(topic, last.getOffsetMsgId())));
        it.equal("by time before the first", 0L, producer.searchOffset(queue, before - 1000));
        it.check("earliest store time", producer.earliestMsgStoreTime(queue) >= before, producer.earliestMsgStoreTime(queue));
    }

    private static List<String> keys(DefaultMQProducer producer, String topic, String key, long since) throws Exception {
        QueryResult result = producer.queryMessage(topic, key, 32, since - 1000, System.currentTimeMillis() + 10_000);
        return bodies(result.getMessageList());
    }
}
