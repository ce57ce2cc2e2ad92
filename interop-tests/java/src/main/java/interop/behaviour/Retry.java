package interop.behaviour;

import java.util.List;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages that could not be consumed: again later, and at last in the dead-letter queue. */
final class Retry extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 1);
        Seen once = new Seen();
        once.verdict = context -> {
            context.setDelayLevelWhenNextConsume(1);
            return once.size() < 2 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
        DefaultMQPushConsumer consumer = start(group("Once"), topic, once, 16);
        Message message = message(topic, "tag", "key", "again");
        message.putUserProperty("user", "value");
        SendResult sent = producer.send(message);
        await("a retry comes", () -> once.size() == 2);
        MessageExt first = once.messages.get(0);
        MessageExt retry = once.messages.get(1);
        equal("retry: reconsume times", "0 1", first.getReconsumeTimes() + " " + retry.getReconsumeTimes());
        equal("retry: topic as the application knows it", topic, retry.getTopic());
        equal("retry: body, tag, key, property", "again tag key value",
            body(retry) + " " + retry.getTags() + " " + retry.getKeys() + " " + retry.getUserProperty("user"));
        equal("retry: unique id", sent.getMsgId(), retry.getMsgId());
        equal("retry: where it comes from", sent.getOffsetMsgId(), String.valueOf(retry.getProperty("ORIGIN_MESSAGE_ID")));
        equal("retry: its own topic", topic, retry.getProperty("RETRY_TOPIC"));
        check("retry: not before its delay", retry.getStoreTimestamp() - first.getStoreTimestamp() >= 1000,
            retry.getStoreTimestamp() - first.getStoreTimestamp());
        equal("retry: born when the message was", first.getBornTimestamp(), retry.getBornTimestamp());
        equal("retry topic: queues", 1, servers.admin.examineTopicRouteInfo("%RETRY%" + group("Once")).getQueueDatas().get(0).getReadQueueNums());
        consumer.shutdown();

        // Once is all: the second failure is the last.
        Seen never = new Seen();
        never.verdict = context -> {
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        };
        start(group("Never"), topic, never, 1);
        String dead = "%DLQ%" + group("Never");
        await("a dead letter's topic is made", () -> hasRoute(dead));
        // Asked of the broker itself: the topic may not be read yet.
        MessageQueue deadQueue = new MessageQueue(dead, "broker-a", 0);
        await("a dead letter is there", () -> max(producer, deadQueue) == 1);
        List<MessageExt> tries = never.messages.stream().filter(m -> body(m).equals("again")).collect(Collectors.toList());
        equal("consumed as often as is allowed", "0 1",
            tries.stream().map(m -> String.valueOf(m.getReconsumeTimes())).collect(Collectors.joining(" ")));
        DefaultMQPullConsumer reader = pull(group("Reader"));
        equal("dead letters are not read by default", 16, code(() -> reader.pull(deadQueue, "*", 0, 32)));
        servers.admin.createAndUpdateTopicConfig(servers.broker, new TopicConfig(dead, 1, 1, 6));
        await("dead letters are read when that is allowed", () -> readable(reader, deadQueue));
        MessageExt letter = all(reader, deadQueue, 1).get(0);
        equal("dead letter: body, id", "again " + sent.getMsgId(), body(letter) + " " + letter.getMsgId());
        equal("dead letter: where it was meant to go", topic, letter.getProperty("RETRY_TOPIC"));

        // Sent back by hand.
        Seen handed = new Seen();
        DefaultMQPushConsumer byHand = start(group("Hand"), topic, handed, 16);
        await("by hand: the message is there", () -> handed.size() == 1);
        byHand.sendMessageBack(handed.messages.get(0), 1);
        await("by hand: it comes again", () -> handed.size() == 2);
        equal("by hand: reconsume times", 1, handed.last().getReconsumeTimes());
        MessageExt gone = handed.messages.get(0);
        gone.setReconsumeTimes(0);
        byHand.sendMessageBack(gone, -1);
        await("by hand: a negative level gives up", () -> max(producer, new MessageQueue("%DLQ%" + group("Hand"), "broker-a", 0)) == 1);
    }

    private static long max(DefaultMQProducer producer, MessageQueue queue) {
        try {
            return producer.maxOffset(queue);
        } catch (Exception e) {
            return -1;
        }
    }

    private static boolean readable(DefaultMQPullConsumer reader, MessageQueue queue) {
        try {
            return reader.pull(queue, "*", 0, 32).getMsgFoundList().size() == 1;
        } catch (Exception e) {
            return false;
        }
    }

    private DefaultMQPushConsumer start(String group, String topic, Seen seen, int times) throws Exception {
        DefaultMQPushConsumer consumer = push(group);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setMaxReconsumeTimes(times);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        return consumer;
    }
}
