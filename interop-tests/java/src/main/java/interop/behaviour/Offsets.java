package interop.behaviour;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.admin.ConsumeStats;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.header.QueryConsumerOffsetRequestHeader;
import org.apache.rocketmq.common.protocol.header.UpdateConsumerOffsetRequestHeader;

/** Consumer offsets at the broker: committed, asked for, cloned, of groups that are gone. */
final class Offsets extends Subject {
    private MQClientAPIImpl api;

    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 2);
        for (int i = 0; i < 20; i++) {
            producer.send(message(topic, "", "", "m" + i), new MessageQueue(topic, "broker-a", i % 2));
        }
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = push(group(""));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        api = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getMQClientAPIImpl();
        await("consumed and committed", () -> committed(group(""), topic, 0) == 10 && committed(group(""), topic, 1) == 10);
        ConsumeStats stats = servers.admin.examineConsumeStats(group(""), topic);
        equal("consume stats: nothing behind", 0L, stats.computeTotalDiff());
        equal("consume stats: broker's offsets", 10L, stats.getOffsetTable().get(new MessageQueue(topic, "broker-a", 0)).getBrokerOffset());

        servers.admin.cloneGroupOffset(group(""), group("Clone"), topic, false);
        equal("cloned", "10 10", committed(group("Clone"), topic, 0) + " " + committed(group("Clone"), topic, 1));
        consumer.shutdown();
        // Another connection: the consumer's has ended.
        api = pull(group("Reader")).getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory().getMQClientAPIImpl();
        equal("of a group that is gone: still there", 10L, committed(group(""), topic, 0));
        equal("what is asked of them", 10L, servers.admin.examineConsumeStats(group(""), topic).getOffsetTable()
            .get(new MessageQueue(topic, "broker-a", 0)).getConsumerOffset());

        commit(group("Any"), topic, 0, 7, false);
        equal("any group may commit", 7L, committed(group("Any"), topic, 0));
        commit(group("Any"), topic, 0, 3, false);
        equal("a smaller offset is taken, too", 3L, committed(group("Any"), topic, 0));
        commit(group("Any"), topic, 0, 9, true);
        await("one-way", () -> committed(group("Any"), topic, 0) == 9);
        commit(group("Any"), name + "Unknown", 3, 5, false);
        equal("of a topic that is not there", 5L, committed(group("Any"), name + "Unknown", 3));
        equal("never committed, its messages all there: 0", 0L, committed(group("Nobody"), topic, 0));
        equal("never committed, and no such queue", 0L, committed(group("Nobody"), name + "None", 0));

        // A consumer of the cloned group goes on behind them.
        producer.send(message(topic, "", "", "new"), new MessageQueue(topic, "broker-a", 0));
        Seen cloned = new Seen();
        DefaultMQPushConsumer other = push(group("Clone"));
        other.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        other.subscribe(topic, "*");
        other.registerMessageListener(cloned);
        other.start();
        await("a cloned group goes on behind them", () -> cloned.has("new"));
        same("and only there", list("new"), cloned.bodies());
    }

    private long committed(String group, String topic, int queue) {
        QueryConsumerOffsetRequestHeader header = new QueryConsumerOffsetRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(topic);
        header.setQueueId(queue);
        try {
            return api.queryConsumerOffset(servers.broker, header, 5000);
        } catch (Exception e) {
            return -1;
        }
    }

    private void commit(String group, String topic, int queue, long offset, boolean oneWay) throws Exception {
        UpdateConsumerOffsetRequestHeader header = new UpdateConsumerOffsetRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(topic);
        header.setQueueId(queue);
        header.setCommitOffset(offset);
        if (oneWay) {
            api.updateConsumerOffsetOneway(servers.broker, header, 5000);
        } else {
            api.updateConsumerOffset(servers.broker, header, 5000);
        }
    }
}
