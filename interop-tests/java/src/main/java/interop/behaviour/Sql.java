package interop.behaviour;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** SQL92 filters. */
final class Sql extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 2);
        Seen numbers = filtered("Numbers", topic, "n > 3 AND n <= 7");
        Seen texts = filtered("Texts", topic, "color = 'red' OR color IN ('blue', 'it''s')");
        Seen nulls = filtered("Nulls", topic, "color IS NULL");
        Seen tags = filtered("Tags", topic, "TAGS = 'even' AND n BETWEEN 0 AND 4");
        Seen decimals = filtered("Decimals", topic, "half > 1.9");
        Seen not = filtered("Not", topic, "color <> 'red'");
        for (int i = 0; i < 10; i++) {
            Message message = message(topic, i % 2 == 0 ? "even" : "odd", "", "m" + i);
            message.putUserProperty("n", String.valueOf(i));
            message.putUserProperty("half", i / 2 + (i % 2 == 0 ? ".0" : ".5"));
            String[] colors = {"red", "blue", "it's", "green"};
            if (i < 4) {
                message.putUserProperty("color", colors[i]);
            }
            producer.send(message, new MessageQueue(topic, "broker-a", i % 2));
        }
        await("numbers: as many as match", () -> numbers.size() == 4);
        same("numbers: which", numbered("m", 4, 8), numbers.bodies());
        await("texts: as many as match", () -> texts.size() == 3);
        same("texts: which", numbered("m", 0, 3), texts.bodies());
        await("missing property: as many as match", () -> nulls.size() == 6);
        same("missing property: which", numbered("m", 4, 10), nulls.bodies());
        await("tags and numbers: as many as match", () -> tags.size() == 3);
        same("tags and numbers: which", list("m0", "m2", "m4"), tags.bodies());
        await("decimals: as many as match", () -> decimals.size() == 6);
        same("decimals: which", numbered("m", 4, 10), decimals.bodies());
        await("unequal: a missing property matches neither way", () -> not.size() == 3);

        // Two members of one group with one expression share.
        Seen one = filtered("Shared", topic, "n >= 0");
        Seen two = filtered("Shared", topic, "n >= 0");
        await("a shared group: all come", () -> one.size() + two.size() >= 10);

        equal("an expression that does not parse stops the start", 23, code(() -> start("Broken", topic, "n > > 3", new Seen())));
        equal("and so does a comparison that cannot be", 23, code(() -> start("Illegal", topic, "n > 'x'", new Seen())));
        // Its retries are not filtered.
        Seen retried = new Seen();
        retried.verdict = context -> {
            context.setDelayLevelWhenNextConsume(1);
            return retried.size() < 2
                ? org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus.RECONSUME_LATER
                : org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
        start("Retried", topic, "n = 9", retried);
        await("a retry comes", () -> retried.size() == 2);
        same("a retry: which", list("m9", "m9"), retried.bodies());
    }

    private Seen filtered(String suffix, String topic, String expression) throws Exception {
        Seen seen = new Seen();
        start(suffix, topic, expression, seen);
        return seen;
    }

    private void start(String suffix, String topic, String expression, Seen seen) throws Exception {
        DefaultMQPushConsumer consumer = push(group(suffix));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, MessageSelector.bySql(expression));
        consumer.registerMessageListener(seen);
        consumer.start();
    }
}
