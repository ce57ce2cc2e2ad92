package interop.live;

import interop.Lines;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Ordered send NAMESRV TOPIC FROM TO KEYS PACE_MICROS: sends messages with these numbers, each to the queue of its key.
 * Ordered consume NAMESRV GROUP TOPIC: an orderly push consumer that prints what it gets, with a clock that all
 * processes of the machine share.
 */
public final class Ordered {
    public static void main(String[] args) throws Exception {
        if (args[0].equals("send")) {
            send(args);
        } else {
            consume(args[1], args[2], args[3]);
        }
    }

    private static void send(String[] args) throws Exception {
        int to = Integer.parseInt(args[4]);
        int keys = Integer.parseInt(args[5]);
        long pace = Long.parseLong(args[6]) * 1000;
        DefaultMQProducer producer = new DefaultMQProducer("ordered_send");
        producer.setNamesrvAddr(args[1]);
        producer.setSendMsgTimeout(30_000);
        producer.start();
        for (int number = Integer.parseInt(args[3]); number < to; number++) {
            int key = number % keys;
            Message message = new Message(args[2], "", Integer.toString(key),
                Integer.toString(number).getBytes(StandardCharsets.UTF_8));
            SendResult result = producer.send(message,
                (queues, m, chosen) -> queues.get((Integer) chosen % queues.size()), key);
            print("kind", "sent", "number", number, "key", key, "status", result.getSendStatus().name(),
                "broker", result.getMessageQueue().getBrokerName(), "queueId", result.getMessageQueue().getQueueId(),
                "queueOffset", result.getQueueOffset());
            long end = System.nanoTime() + pace;
            while (System.nanoTime() < end) {
                Thread.sleep(0, 200_000);
            }
        }
        print("kind", "end");
        Thread.currentThread().join();
    }

    private static void consume(String namesrv, String group, String topic) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setHeartbeatBrokerInterval(1000);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            for (MessageExt m : messages) {
                print("kind", "got", "key", Integer.parseInt(m.getKeys()),
                    "number", Integer.parseInt(new String(m.getBody(), StandardCharsets.UTF_8)),
                    "broker", context.getMessageQueue().getBrokerName(), "queueId", m.getQueueId(),
                    "queueOffset", m.getQueueOffset(), "at", System.nanoTime());
            }
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        print("kind", "started");
    }

    private static void print(Object... namesAndValues) {
        Lines.print(namesAndValues);
        Lines.flush();
    }
}
