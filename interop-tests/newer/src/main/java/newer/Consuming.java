package newer;

import static newer.Look.message;
import static newer.Look.numbered;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.MessageQueueSelector;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Push consumers of each kind. */
final class Consuming {
    private static final MessageQueueSelector NUMBERED = (queues, message, number) -> queues.get((int) number % queues.size());

    private Consuming() {
    }

    static void concurrently(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        for (int i = 0; i < 20; i++) {
            producer.send(message(topic, i % 2 == 0 ? "even" : "odd", "key" + i, "m" + i), NUMBERED, i);
        }
        producer.send(message(topic, "large", "", Look.large()));
        Seen all = new Seen();
        DefaultMQPushConsumer first = it.consume(it.group("All"), topic, "*", all);
        Seen odd = new Seen();
        it.consume(it.group("Odd"), topic, "odd || none", odd);
        it.await("all come", () -> all.size() == 21);
        List<String> expected = new ArrayList<>(numbered("m", 0, 20));
        expected.add(Look.large());
        it.same("each once, unchanged", expected, all.bodies());
        it.await("by tag: they come", () -> odd.size() == 10);
        MessageExt odd3 = odd.get("m3");
        it.equal("by tag: a message's fields", "odd key3 3 0 0", odd3.getTags() + " " + odd3.getKeys() + " "
            + odd3.getQueueId() + " " + odd3.getQueueOffset() + " " + odd3.getReconsumeTimes());
        // What was consumed is not consumed again.
        first.shutdown();
        Seen second = new Seen();
        DefaultMQPushConsumer goingOn = it.consume(it.group("All"), topic, "*", second);
        producer.send(message(topic, "", "", "after"));
        it.await("a restart goes on where it was", () -> second.has("after"));
        it.equal("a restart repeats nothing", Arrays.asList("after"), second.bodies());
        // Two of a group share the queues, and the one that stays has them all.
        Seen third = new Seen();
        it.consume(it.group("All"), topic, "*", third);
        it.await("another one of the group gets its share", () -> {
            producer.send(message(topic, "", "", "shared"));
            return third.has("shared");
        });
        goingOn.shutdown();
        it.await("the one that stays gets all queues", () -> {
            for (int i = 0; i < 4; i++) {
                producer.send(message(topic, "", "", "left" + i), NUMBERED, i);
            }
            Thread.sleep(50);
            List<String> bodies = third.bodies();
            return numbered("left", 0, 4).stream().allMatch(bodies::contains);
        });
    }

    static void orderly(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        Map<Integer, List<String>> came = new ConcurrentHashMap<>();
        AtomicBoolean suspended = new AtomicBoolean();
        for (int i = 0; i < 12; i++) {
            producer.send(message(topic, "", "", "m" + i), NUMBERED, i % 2);
        }
        DefaultMQPushConsumer consumer = it.push(new DefaultMQPushConsumer(it.group("")));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((List<MessageExt> messages, ConsumeOrderlyContext context) -> {
            for (MessageExt message : messages) {
                List<String> queue = came.computeIfAbsent(message.getQueueId(), id -> Collections.synchronizedList(new ArrayList<>()));
                queue.add(Look.body(message));
                if (Look.body(message).equals("m4") && suspended.compareAndSet(false, true)) {
                    return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                }
            }
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        it.await("all come", () -> came.values().stream().mapToInt(List::size).sum() == 13);
        it.equal("in their order; again from the one that was put off", Arrays.asList("m0", "m2", "m4", "m4", "m6", "m8", "m10"), came.get(0));
        it.equal("the other queue in its order", Arrays.asList("m1", "m3", "m5", "m7", "m9", "m11"), came.get(1));
    }

    static void retry(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        producer.send(message(topic, "tag", "key", "retried"));
        producer.send(message(topic, "tag", "key", "given up"));
        producer.send(message(topic, "tag", "key", "well"));
        Seen seen = new Seen() {
            @Override
            public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> given, ConsumeConcurrentlyContext context) {
                super.consumeMessage(given, context);
                MessageExt message = given.get(0);
                // The first level: a second.
                context.setDelayLevelWhenNextConsume(Look.body(message).equals("given up") ? -1 : 1);
                return Look.body(message).equals("well") || message.getReconsumeTimes() == 2
                    ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        };
        String group = it.group("");
        it.consume(group, topic, "*", seen);
        it.await("comes three times", () -> Collections.frequency(seen.bodies(), "retried") == 3);
        // Each from a queue of its own, which may be looked at later.
        it.await("the others come", () -> seen.has("well") && seen.has("given up"));
        MessageExt last = null;
        for (MessageExt message : seen.messages.toArray(new MessageExt[0])) {
            last = Look.body(message).equals("retried") ? message : last;
        }
        it.equal("its fields at the third", topic + " tag key 2", last.getTopic() + " " + last.getTags() + " " + last.getKeys() + " " + last.getReconsumeTimes());
        it.equal("its id is the first's", seen.get("retried").getMsgId(), last.getMsgId());
        it.equal("the one that was well comes once", 1, Collections.frequency(seen.bodies(), "well"));
        it.equal("the one given up comes once", 1, Collections.frequency(seen.bodies(), "given up"));
        it.await("the one given up is in %DLQ%", () -> producer.fetchPublishMessageQueues("%DLQ%" + group).size() == 1);
    }

    static void delay(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        Message delayed = message(topic, "tag", "key", "delayed");
        delayed.setDelayTimeLevel(1);
        delayed.putUserProperty("user", "value");
        String id = producer.send(delayed).getMsgId();
        producer.send(message(topic, "tag", "key", "at once"));
        Seen seen = new Seen();
        it.consume(it.group(""), topic, "tag", seen);
        it.await("comes", () -> seen.has("delayed"));
        MessageExt message = seen.get("delayed");
        it.equal("as it was", topic + " tag key value 1 " + id, message.getTopic() + " " + message.getTags() + " " + message.getKeys()
            + " " + message.getUserProperty("user") + " " + message.getDelayTimeLevel() + " " + message.getMsgId());
        long waited = message.getStoreTimestamp() - message.getBornTimestamp();
        it.check("not before its time", waited >= 1000, waited);
        it.await("the one without a delay comes", () -> seen.has("at once"));
    }

    static void broadcast(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        producer.send(message(topic, "", "", "first"));
        List<Seen> all = Arrays.asList(new Seen(), new Seen());
        for (Seen seen : all) {
            DefaultMQPushConsumer consumer = it.push(new DefaultMQPushConsumer(it.group("")));
            broadcasting(consumer);
            consumer.subscribe(topic, "*");
            consumer.registerMessageListener(seen);
            consumer.start();
        }
        it.await("each gets what was sent before", () -> all.stream().allMatch(seen -> seen.has("first")));
        producer.send(message(topic, "", "", "second"));
        it.await("each gets what is sent now", () -> all.stream().allMatch(seen -> seen.has("second")));
    }

    /** The enum has moved from one package to another. */
    private static void broadcasting(DefaultMQPushConsumer consumer) throws Exception {
        for (Method method : DefaultMQPushConsumer.class.getMethods()) {
            if (method.getName().equals("setMessageModel")) {
                for (Object model : method.getParameterTypes()[0].getEnumConstants()) {
                    if (model.toString().equals("BROADCASTING")) {
                        method.invoke(consumer, model);
                        return;
                    }
                }
            }
        }
        throw new NoSuchMethodException("setMessageModel");
    }

    static void sql(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        for (int i = 0; i < 10; i++) {
            Message message = message(topic, i < 5 ? "low" : "high", "", "m" + i);
            message.putUserProperty("n", String.valueOf(i));
            message.putUserProperty("name", "it's " + i);
            producer.send(message);
        }
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = it.push(new DefaultMQPushConsumer(it.group("")));
        consumer.subscribe(topic, MessageSelector.bySql("(TAGS = 'high' AND n BETWEEN 4 AND 6) OR name = 'it''s 2'"));
        consumer.registerMessageListener(seen);
        consumer.start();
        it.await("those that match come", () -> seen.size() == 3);
        it.same("no others", Arrays.asList("m2", "m5", "m6"), seen.bodies());
        DefaultMQPushConsumer wrong = it.push(new DefaultMQPushConsumer(it.group("Wrong")));
        wrong.subscribe(topic, MessageSelector.bySql("n BETWEEN"));
        wrong.registerMessageListener(new Seen());
        boolean refused = false;
        String why = "";
        try {
            wrong.start();
        } catch (Exception e) {
            refused = true;
            why = e.toString();
        }
        it.check("a wrong expression is refused at the start", refused, why);
    }

    /** Heartbeats of 5.1 and later that leave out what a broker that knows them has been told before. */
    static void heartbeatV2(Look it) throws Exception {
        Method useHeartbeatV2;
        try {
            useHeartbeatV2 = DefaultMQPushConsumer.class.getMethod("setUseHeartbeatV2", boolean.class);
        } catch (NoSuchMethodException e) {
            return;
        }
        String topic = it.topic("");
        String other = it.topic("Other");
        DefaultMQProducer producer = it.producer();
        producer.send(message(topic, "", "", "m"));
        producer.send(message(other, "", "", "other"));
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = it.push(new DefaultMQPushConsumer(it.group("")));
        useHeartbeatV2.invoke(consumer, true);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        it.await("comes", () -> seen.has("m"));
        consumer.subscribe(other, "*");
        it.await("a topic subscribed at run time comes", () -> seen.has("other"));
    }
}
