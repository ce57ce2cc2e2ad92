package interop.live;

import interop.Lines;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Offsets send NAMESRV TOPIC PACE_MS: sends numbered messages until it is killed, whatever the broker does.
 * Offsets consume NAMESRV GROUP TOPIC: a push consumer that prints what it gets and commits twice a second.
 */
public final class Offsets {
    public static void main(String[] args) throws Exception {
        if (args[0].equals("send")) {
            send(args[1], args[2], Long.parseLong(args[3]));
        } else {
            consume(args[1], args[2], args[3]);
        }
    }

    private static void send(String namesrv, String topic, long pace) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("offsets_send");
        producer.setNamesrvAddr(namesrv);
        producer.setPollNameServerInterval(500);
        producer.start();
        for (int number = 0; ; number++) {
            byte[] body = Integer.toString(number).getBytes(StandardCharsets.UTF_8);
            try {
                producer.send(new Message(topic, body));
                print("kind", "sent", "number", number);
            } catch (Exception e) {
                print("kind", "failed", "number", number);
            }
            Thread.sleep(pace);
        }
    }

    private static void consume(String namesrv, String group, String topic) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        // A broker that comes back learns soon who is there.
        consumer.setHeartbeatBrokerInterval(500);
        consumer.setPollNameServerInterval(500);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                print("kind", "got", "queueId", m.getQueueId(), "queueOffset", m.getQueueOffset(),
                    "number", new String(m.getBody(), StandardCharsets.UTF_8), "at", System.currentTimeMillis());
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        print("kind", "started");
    }

    private static void print(Object... namesAndValues) {
        Lines.print(namesAndValues);
        Lines.flush();
    }
}
