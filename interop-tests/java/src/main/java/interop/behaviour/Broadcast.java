package interop.behaviour;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.common.subscription.SubscriptionGroupConfig;

/** Broadcasting: every member gets every message, and the broker keeps no offsets. */
final class Broadcast extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 2);
        Seen one = new Seen();
        Seen two = new Seen();
        two.verdict = context -> ConsumeConcurrentlyStatus.RECONSUME_LATER;
        start(group(""), topic, one);
        start(group(""), topic, two);
        await("both are members", () -> members(group("")) == 2);
        for (int i = 0; i < 20; i++) {
            producer.send(message(topic, "", "", "m" + i));
        }
        await("each gets all", () -> one.size() >= 20 && two.size() >= 20);
        same("the first: each once", numbered("m", 0, 20), one.bodies());
        same("the second, which fails: each once all the same", numbered("m", 0, 20), two.bodies());
        equal("the broker knows that they broadcast", "BROADCASTING",
            String.valueOf(servers.admin.examineConsumerConnectionInfo(group("")).getMessageModel()));
        check("no retries of theirs", code(() -> producer.maxOffset(new MessageQueue("%RETRY%" + group(""), "broker-a", 0))) == 0, "");

        // A group that may not.
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group("Forbidden"));
        config.setConsumeBroadcastEnable(false);
        servers.admin.createAndUpdateSubscriptionGroupConfig(servers.broker, config);
        Seen nothing = new Seen();
        start(group("Forbidden"), topic, nothing);
        await("forbidden: a member", () -> members(group("Forbidden")) == 1);
        producer.send(message(topic, "", "", "last"));
        await("others get it", () -> one.has("last"));
        equal("forbidden: nothing comes", 0, nothing.size());
    }

    private int members(String group) {
        try {
            return servers.admin.examineConsumerConnectionInfo(group).getConnectionSet().size();
        } catch (Exception e) {
            return 0;
        }
    }

    private void start(String group, String topic, Seen seen) throws Exception {
        DefaultMQPushConsumer consumer = push(group);
        consumer.setMessageModel(MessageModel.BROADCASTING);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
    }
}
