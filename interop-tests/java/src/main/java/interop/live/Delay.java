package interop.live;

import interop.Lines;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Delay TOPIC QUEUES COUNT LEVELS PACE_MICROS NAME=NAMESRV...: sends COUNT messages of delay levels 1 to LEVELS to each
 * of the clusters in turn, and prints when each came back, until it is killed. QUEUES is the number of the topic's
 * queues: before anything else each gets a message without a delay, and the consumer must have them. (A stock client's
 * first pull may overtake the heartbeat that it needs; it is refused then, and comes again after 3 s.)
 */
public final class Delay {
    private final String name;
    private final String topic;
    private final DefaultMQProducer producer;
    private final DefaultMQPushConsumer consumer;

    private Delay(String topic, String name, String namesrv) {
        this.name = name;
        this.topic = topic;
        producer = new DefaultMQProducer("delay_send");
        producer.setNamesrvAddr(namesrv);
        producer.setInstanceName("send-" + name);
        producer.setPollNameServerInterval(500);
        // One number is one message, unless a send fails.
        producer.setRetryTimesWhenSendFailed(0);
        consumer = new DefaultMQPushConsumer("delay_consume");
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName("consume-" + name);
        // A broker that comes back learns soon who is there.
        consumer.setHeartbeatBrokerInterval(500);
        consumer.setPollNameServerInterval(500);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    }

    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[2]);
        int levels = Integer.parseInt(args[3]);
        long pace = Long.parseLong(args[4]) * 1000;
        List<Delay> clusters = new ArrayList<>();
        for (int i = 5; i < args.length; i++) {
            String[] parts = args[i].split("=");
            clusters.add(new Delay(args[0], parts[0], parts[1]));
        }
        for (Delay cluster : clusters) {
            cluster.start(Integer.parseInt(args[1]));
        }
        for (int number = 0; number < count; number++) {
            for (Delay cluster : clusters) {
                cluster.send(number, 1 + number % levels);
            }
            long end = System.nanoTime() + pace;
            while (System.nanoTime() < end) {
                Thread.sleep(0, 200_000);
            }
        }
        print("kind", "end");
        Thread.currentThread().join();
    }

    private void start(int queues) throws Exception {
        producer.start();
        CountDownLatch warm = new CountDownLatch(queues);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                if (m.getKeys() == null) {
                    print("kind", "warm", "cluster", name, "queueId", m.getQueueId(), "queueOffset", m.getQueueOffset());
                    warm.countDown();
                    continue;
                }
                print("kind", "got", "cluster", name, "number", number(m), "level", Integer.parseInt(m.getKeys()),
                    "born", m.getBornTimestamp(), "stored", m.getStoreTimestamp(),
                    "at", System.currentTimeMillis(), "queueId", m.getQueueId(), "queueOffset", m.getQueueOffset());
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        for (MessageQueue queue : producer.fetchPublishMessageQueues(topic)) {
            producer.send(new Message(topic, new byte[1]), queue);
        }
        warm.await();
    }

    private static int number(MessageExt m) {
        return Integer.parseInt(new String(m.getBody(), StandardCharsets.UTF_8));
    }

    private void send(int number, int level) throws InterruptedException {
        byte[] body = Integer.toString(number).getBytes(StandardCharsets.UTF_8);
        Message message = new Message(topic, "", Integer.toString(level), body);
        message.setDelayTimeLevel(level);
        try {
            String status = producer.send(message).getSendStatus().name();
            print("kind", "sent", "cluster", name, "number", number, "level", level, "status", status);
        } catch (Exception e) {
            print("kind", "failed", "cluster", name, "number", number, "level", level);
            Thread.sleep(20);
        }
    }

    private static void print(Object... namesAndValues) {
        Lines.print(namesAndValues);
        Lines.flush();
    }
}
