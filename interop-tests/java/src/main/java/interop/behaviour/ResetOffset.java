package interop.behaviour;

import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;

/** An operator sets a group's offsets back while it consumes, and asks where its members stand. */
final class ResetOffset extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 2);
        long before = System.currentTimeMillis() - 1000;
        for (int i = 0; i < 10; i++) {
            producer.send(message(topic, "", "", "m" + i), new MessageQueue(topic, "broker-a", i % 2));
        }
        equal("a group that nobody knows", 1, code(() -> servers.admin.resetOffsetByTimestamp(topic, group(""), before, true)));
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = push(group(""));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        await("its retry topic is known, by which tools find the group", () -> hasRoute("%RETRY%" + group("")));
        await("consumed once", () -> seen.size() == 10);
        await("committed", () -> stands(topic, 5));
        Map<String, Map<MessageQueue, Long>> status = servers.admin.getConsumeStatus(topic, group(""), "");
        equal("where the members stand: one member", 1, status.size());
        equal("by its id", consumer.buildMQClientId(), status.keySet().iterator().next());
        equal("its queues", 2, status.values().iterator().next().size());
        Map<MessageQueue, Long> reset = servers.admin.resetOffsetByTimestamp(topic, group(""), before, true);
        equal("where they are sent", "0 0", reset.get(new MessageQueue(topic, "broker-a", 0)) + " " + reset.get(new MessageQueue(topic, "broker-a", 1)));
        await("consumed again", () -> seen.size() == 20);
        await("committed again", () -> stands(topic, 5));
        Map<MessageQueue, Long> forwards = servers.admin.resetOffsetByTimestamp(topic, group(""), -1, false);
        equal("not forwards without force", 5L, forwards.get(new MessageQueue(topic, "broker-a", 0)));
        consumer.shutdown();
        await("nobody online", () -> refused(topic, before) == 206);
        equal("an unknown topic", true, code(() -> servers.admin.resetOffsetByTimestamp(name + "None", group(""), before, true)) != 0);
    }

    private int refused(String topic, long time) {
        try {
            return code(() -> servers.admin.resetOffsetByTimestamp(topic, group(""), time, true));
        } catch (Exception e) {
            return -1;
        }
    }

    private boolean stands(String topic, long expected) {
        try {
            return servers.admin.examineConsumeStats(group(""), topic).getOffsetTable().values().stream()
                .allMatch(offset -> offset.getConsumerOffset() == expected);
        } catch (Exception e) {
            return false;
        }
    }
}
