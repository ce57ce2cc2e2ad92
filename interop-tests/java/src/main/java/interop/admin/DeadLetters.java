package interop.admin;

import interop.behaviour.Seen;
import java.util.ArrayList;
import java.util.List;
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
import org.apache.rocketmq.common.protocol.body.CMResult;
import org.apache.rocketmq.common.protocol.body.ConsumeMessageDirectlyResult;
import org.apache.rocketmq.common.subscription.SubscriptionGroupConfig;

/** A message that its consumer never takes, found among the dead letters and sent again. */
final class DeadLetters extends AdminSubject {
    @Override
    void call() throws Exception {
        String topic = wideTopic("", 2);
        String group = group("");
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        config.setRetryMaxTimes(0);
        admin.createAndUpdateSubscriptionGroupConfig(cluster.broker, config);
        admin.createAndUpdateSubscriptionGroupConfig(cluster.second, config);
        Seen seen = new Seen();
        seen.verdict = context -> ConsumeConcurrentlyStatus.RECONSUME_LATER;
        DefaultMQPushConsumer consumer = push(group);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setMaxReconsumeTimes(0);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        DefaultMQProducer producer = producer();
        SendResult sent = producer.send(message(topic, "tag", "dead", "m"), new MessageQueue(topic, "broker-a", 0));
        String dead = "%DLQ%" + group;
        awaits("there is a topic of dead letters", () -> queues(dead).get("broker-a") != null);
        equal("that can only be written", "1 1 2", queues(dead).get("broker-a"));
        MessageQueue queue = new MessageQueue(dead, "broker-a", 0);
        awaits("the letter is in it", () -> admin.maxOffset(queue) == 1);
        check("consoles see the topic", admin.fetchAllTopicList().getTopicList().contains(dead), dead);
        equal("and how many letters", "0..1", admin.examineTopicStats(dead).getOffsetTable().get(queue).getMinOffset() + ".." + admin.examineTopicStats(dead).getOffsetTable().get(queue).getMaxOffset());
        awaits("by its key", () -> letter(dead) != null);
        MessageExt letter = letter(dead);
        equal("its body", "m", body(letter));
        equal("its origin", topic + " " + sent.getMsgId(), letter.getProperty("RETRY_TOPIC") + " " + letter.getMsgId());
        DefaultMQPullConsumer reader = pull(group("Reader"));
        equal("it cannot be read", "in 16", outcome(() -> reader.pull(queue, "*", 0, 32)).replaceAll("^16$", "in 16"));
        admin.createAndUpdateTopicConfig(cluster.broker, new TopicConfig(dead, 1, 1, 6));
        List<MessageExt> read = new ArrayList<>();
        awaits("until it is made readable", () -> {
            read.addAll(all(reader, queue, 1));
            return read.size() == 1;
        });
        equal("read", "m", body(read.get(0)));
        // As consoles do: by the consumer itself.
        seen.verdict = context -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        ConsumeMessageDirectlyResult result = admin.consumeMessageDirectly(group, consumer.buildMQClientId(), dead, letter.getMsgId());
        equal("sent again: consumed", CMResult.CR_SUCCESS, result.getConsumeResult());
        equal("sent again: twice in all", list("m", "m"), seen.bodies());
        // Or as a new message.
        Message copy = message(letter.getProperty("RETRY_TOPIC"), letter.getTags(), letter.getKeys(), body(letter));
        producer.send(copy, new MessageQueue(topic, "broker-b", 0));
        awaits("sent again: as a new message", () -> seen.size() == 3);
        equal("no second letter", 1L, admin.maxOffset(queue));
    }

    private MessageExt letter(String dead) throws Exception {
        long now = System.currentTimeMillis();
        List<MessageExt> found = admin.queryMessage(dead, "dead", 32, now - 600_000, now + 600_000).getMessageList();
        return found.isEmpty() ? null : found.get(0);
    }
}
