package quickstart;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.impl.consumer.DefaultMQPushConsumerImpl;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The quickstart's push consumer, counting what arrives under each unique key. */
final class Receiver implements MessageListenerConcurrently {
    private final Options options;
    private final DefaultMQPushConsumer consumer;
    /** Unique key to the bodies that came under it: one when all is well. */
    private final Map<String, List<String>> received = new LinkedHashMap<>();

    Receiver(Options options, String group) throws Exception {
        this.options = options;
        consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(options.namesrv);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        // A topic that appears while we run is noticed within a second instead of thirty.
        consumer.setPollNameServerInterval(1000);
        consumer.subscribe(options.topic, "*");
        consumer.registerMessageListener(this);
    }

    void start() throws Exception {
        consumer.start();
        System.out.printf("Consumer Started.%n");
    }

    @Override
    public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
        if (!options.quiet) {
            System.out.printf("%s Receive New Messages: %s %n", Thread.currentThread().getName(), messages);
        }
        synchronized (this) {
            for (MessageExt m : messages) {
                // The client puts the unique key into msgId; without one it would be the offset id.
                received.computeIfAbsent(m.getMsgId(), id -> new ArrayList<>())
                    .add(new String(m.getBody(), StandardCharsets.UTF_8));
            }
            notifyAll();
        }
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    /** Waits until so many unique messages have come, or the deadline. */
    synchronized boolean awaitUnique(int count) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(options.deadlineMs);
        while (received.size() < count) {
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }

    /** Waits until all of these keys have come, or the deadline. */
    synchronized boolean awaitAll(Map<String, String> expected) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(options.deadlineMs);
        while (!received.keySet().containsAll(expected.keySet())) {
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }

    /**
     * Waits until the client itself has counted as consumed all that is in its queues, or the deadline. It does so
     * after the listener has returned, and what it has not counted it would not commit when shut down.
     */
    private void awaitConsumed() throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(options.deadlineMs);
        DefaultMQPushConsumerImpl inner = consumer.getDefaultMQPushConsumerImpl();
        for (MessageQueue queue : inner.getRebalanceImpl().getProcessQueueTable().keySet()) {
            long end = queue.getTopic().equals(options.topic) ? consumer.maxOffset(queue) : 0;
            while (end > inner.getOffsetStore().readOffset(queue, ReadOffsetType.READ_FROM_MEMORY)
                && System.nanoTime() < deadline) {
                Thread.sleep(5);
            }
        }
    }

    /** Persists the offsets and unregisters, as the client does. */
    void shutdown() throws Exception {
        awaitConsumed();
        consumer.shutdown();
    }

    synchronized Map<String, List<String>> received() {
        return new LinkedHashMap<>(received);
    }
}
