package interop.behaviour;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.body.LockBatchRequestBody;
import org.apache.rocketmq.common.protocol.body.UnlockBatchRequestBody;

/** Ordered consumption: each queue in order, by one consumer at a time. */
final class Orderly extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 4);
        for (int i = 0; i < 100; i++) {
            producer.send(message(topic, "", "", String.valueOf(i)), new MessageQueue(topic, "broker-a", i % 4));
        }
        Seen seen = new Seen();
        AtomicInteger failures = new AtomicInteger(3);
        DefaultMQPushConsumer first = push(group(""));
        first.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        first.subscribe(topic, "*");
        first.setSuspendCurrentQueueTimeMillis(50);
        List<String> attempts = Collections.synchronizedList(new ArrayList<>());
        first.registerMessageListener((List<MessageExt> given, ConsumeOrderlyContext context) -> {
            attempts.addAll(bodies(given));
            if (failures.getAndDecrement() > 0) {
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            seen.messages.addAll(given);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        first.start();
        await("all come", () -> seen.size() == 100);
        for (int queue = 0; queue < 4; queue++) {
            inOrder("queue " + queue + ": in order, nothing twice", seen.messages, queue, 25);
        }
        equal("a suspended queue: its message comes again", 103, attempts.size());

        // A second consumer takes over half of the queues, and all when the first leaves.
        Seen second = new Seen();
        DefaultMQPushConsumer other = push(group(""));
        other.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        other.subscribe(topic, "*");
        other.registerMessageListener(second.orderly());
        other.start();
        int number = 100;
        long end = System.currentTimeMillis() + WAIT_MS;
        while (second.size() < 20 && System.currentTimeMillis() < end) {
            producer.send(message(topic, "", "", String.valueOf(number)), new MessageQueue(topic, "broker-a", number % 4));
            number++;
            Thread.sleep(10);
        }
        check("a second consumer gets its share", second.size() >= 20, second.size());
        int sent = number;
        await("none is lost on the way", () -> seen.size() + second.size() >= sent);
        first.shutdown();
        for (int i = 0; i < 40; i++) {
            producer.send(message(topic, "", "", String.valueOf(number)), new MessageQueue(topic, "broker-a", number % 4));
            number++;
        }
        int total = number;
        await("who stays takes over all", () -> distinct(seen, second) == total);
        Set<Integer> queues = new HashSet<>();
        second.messages.stream().filter(m -> Integer.parseInt(body(m)) >= sent).forEach(m -> queues.add(m.getQueueId()));
        equal("every queue is taken over", 4, queues.size());
        for (int queue = 0; queue < 4; queue++) {
            inOrder("queue " + queue + " after the handover: in order", second.messages, queue, -1);
        }

        // The locks themselves.
        DefaultMQPullConsumer raw = pull(group("Raw"));
        MQClientAPIImpl api = raw.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory().getMQClientAPIImpl();
        MessageQueue one = new MessageQueue(topic, "broker-a", 0);
        MessageQueue two = new MessageQueue(topic, "broker-a", 1);
        equal("a lock that is free", 1, lock(api, "a", one).size());
        equal("a lock of one's own", 1, lock(api, "a", one).size());
        equal("a lock of another", 0, lock(api, "b", one).size());
        equal("of several, those that are free", Collections.singleton(two), lock(api, "b", one, two));
        unlock(api, "b", one);
        equal("only the owner unlocks", 0, lock(api, "b", one).size());
        unlock(api, "a", one);
        equal("unlocked: free for others", 1, lock(api, "b", one).size());
    }

    private Set<MessageQueue> lock(MQClientAPIImpl api, String client, MessageQueue... queues) throws Exception {
        LockBatchRequestBody body = new LockBatchRequestBody();
        body.setConsumerGroup(group("Raw"));
        body.setClientId(client);
        Collections.addAll(body.getMqSet(), queues);
        return api.lockBatchMQ(servers.broker, body, 5000);
    }

    private void unlock(MQClientAPIImpl api, String client, MessageQueue queue) throws Exception {
        UnlockBatchRequestBody body = new UnlockBatchRequestBody();
        body.setConsumerGroup(group("Raw"));
        body.setClientId(client);
        body.getMqSet().add(queue);
        api.unlockBatchMQ(servers.broker, body, 5000, false);
    }

    private static int distinct(Seen one, Seen other) {
        Set<String> bodies = new HashSet<>(one.bodies());
        bodies.addAll(other.bodies());
        return bodies.size();
    }

    private void inOrder(String what, List<MessageExt> messages, int queue, int expected) {
        long before = -1;
        int count = 0;
        boolean rising = true;
        synchronized (messages) {
            for (MessageExt message : messages) {
                if (message.getQueueId() == queue) {
                    rising &= message.getQueueOffset() > before;
                    before = message.getQueueOffset();
                    count++;
                }
            }
        }
        check(what, rising && (expected < 0 || count == expected), count + " messages");
    }
}
