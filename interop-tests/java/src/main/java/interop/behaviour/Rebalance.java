package interop.behaviour;

import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;

/** Queues shared between the members of a group, as these come and go and as queues are added. */
final class Rebalance extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 6);
        Seen one = new Seen();
        Seen two = new Seen();
        Seen three = new Seen();
        DefaultMQPushConsumer first = start(topic, one);
        await("alone: all queues", () -> queues(first, topic) == 6);
        DefaultMQPushConsumer second = start(topic, two);
        await("two: half of them each", () -> queues(first, topic) == 3 && queues(second, topic) == 3);
        DefaultMQPushConsumer third = start(topic, three);
        await("three: a third each", () -> queues(first, topic) == 2 && queues(second, topic) == 2 && queues(third, topic) == 2);
        for (int i = 0; i < 60; i++) {
            producer.send(message(topic, "", "", "m" + i), new MessageQueue(topic, "broker-a", i % 6));
        }
        await("every message comes to one of them", () -> all(one, two, three).size() == 60);
        check("each has some", one.size() > 0 && two.size() > 0 && three.size() > 0, one.size() + " " + two.size() + " " + three.size());
        equal("each message once", 60, one.size() + two.size() + three.size());
        third.shutdown();
        await("one leaves: the others share", () -> queues(first, topic) == 3 && queues(second, topic) == 3);
        servers.admin.createAndUpdateTopicConfig(servers.broker, new TopicConfig(topic, 8, 8, 6));
        await("more queues: shared too", () -> queues(first, topic) == 4 && queues(second, topic) == 4);
        producer.send(message(topic, "", "", "new queue"), new MessageQueue(topic, "broker-a", 7));
        await("a new queue's messages come", () -> all(one, two).contains("new queue"));
        first.shutdown();
        await("alone again", () -> queues(second, topic) == 8);
        equal("the broker's list of members", 1, servers.admin.examineConsumerConnectionInfo(group("")).getConnectionSet().size());
        second.shutdown();
        await("nobody: the group is not online", () -> code206());
    }

    private boolean code206() {
        try {
            return code(() -> servers.admin.examineConsumerConnectionInfo(group(""))) == 206;
        } catch (Exception e) {
            return false;
        }
    }

    private static Set<String> all(Seen... seen) {
        Set<String> bodies = new HashSet<>();
        for (Seen one : seen) {
            bodies.addAll(one.bodies());
        }
        return bodies;
    }

    private static long queues(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(queue -> queue.getTopic().equals(topic)).count();
    }

    private DefaultMQPushConsumer start(String topic, Seen seen) throws Exception {
        DefaultMQPushConsumer consumer = push(group(""));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        return consumer;
    }
}
