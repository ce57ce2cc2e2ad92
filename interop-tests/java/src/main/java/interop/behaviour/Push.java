package interop.behaviour;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.body.GroupList;

/** Push consumers: where they start, what their tags let through, what a restart remembers. */
final class Push extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 2);
        MessageQueue queue = new MessageQueue(topic, "broker-a", 0);
        for (int i = 0; i < 10; i++) {
            producer.send(message(topic, i % 2 == 0 ? "even" : "odd", "k" + i, "old " + i), queue);
        }

        Seen all = new Seen();
        DefaultMQPushConsumer first = start(group("First"), topic, "*", all, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        await("from the first offset: all that was there", () -> all.size() == 10);
        same("from the first offset: each once", numbered("old ", 0, 10), all.bodies());
        equal("message: tags, keys, queue, offset", "even k0 0 0", describe(all, "old 0"));
        check("message: min and max offset of its queue", all.last().getProperty("MAX_OFFSET") != null, all.last().getProperties());

        // A queue whose beginning is still there is consumed from it, by a new group too.
        Seen last = new Seen();
        start(group("Last"), topic, "*", last, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        await("from the last offset, all still there: from the first", () -> last.size() == 10);

        Seen even = new Seen();
        start(group("Even"), topic, "even || none", even, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        Seen nothing = new Seen();
        start(group("Nothing"), topic, "nobody", nothing, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        for (int i = 10; i < 20; i++) {
            producer.send(message(topic, i % 2 == 0 ? "even" : "odd", "k" + i, "old " + i));
        }
        await("tags: what matches comes", () -> even.size() == 10);
        check("tags: nothing else", even.messages.stream().allMatch(m -> m.getTags().equals("even")), even.bodies());
        await("new messages reach who waits", () -> all.size() == 20 && last.size() == 20);
        equal("tags that nobody sends", 0, nothing.size());

        Seen batches = new Seen();
        DefaultMQPushConsumer batching = push(group("Batch"));
        batching.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        batching.subscribe(topic, "*");
        batching.setConsumeMessageBatchMaxSize(4);
        batching.setPullBatchSize(8);
        batching.registerMessageListener(batches);
        batching.start();
        await("batches: all come", () -> batches.size() == 20);
        check("batches: several at once, no more than asked for",
            batches.batches.stream().allMatch(size -> size <= 4) && batches.batches.contains(4), batches.batches);

        // What was consumed is not consumed again.
        await("offsets are committed", () -> committed(first, topic) == 20);
        first.shutdown();
        producer.send(message(topic, "even", "", "while it was away"));
        Seen again = new Seen();
        start(group("First"), topic, "*", again, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        await("a restart goes on where it was", () -> again.has("while it was away"));
        same("a restart repeats nothing", list("while it was away"), again.bodies());

        // A time: the start of the day before yesterday is before all.
        Seen timed = new Seen();
        DefaultMQPushConsumer byTime = push(group("Time"));
        byTime.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_TIMESTAMP);
        byTime.setConsumeTimestamp(UtilAll.timeMillisToHumanString3(System.currentTimeMillis() - 172_800_000));
        byTime.subscribe(topic, "*");
        byTime.registerMessageListener(timed);
        byTime.start();
        await("from a time: all since then", () -> timed.size() == 21);

        GroupList groups = servers.admin.queryTopicConsumeByWho(topic);
        check("who consumes a topic", groups.getGroupList().contains(group("Even")) && groups.getGroupList().contains(group("First")), groups.getGroupList());
        equal("how a group is connected", "CONSUME_PASSIVELY CLUSTERING 1",
            servers.admin.examineConsumerConnectionInfo(group("Even")).getConsumeType() + " "
                + servers.admin.examineConsumerConnectionInfo(group("Even")).getMessageModel() + " "
                + servers.admin.examineConsumerConnectionInfo(group("Even")).getConnectionSet().size());
        equal("what it subscribes to", "even || none",
            servers.admin.examineConsumerConnectionInfo(group("Even")).getSubscriptionTable().get(topic).getSubString());
        check("its retry topic is there", hasRoute("%RETRY%" + group("Even")), "");

        // Another topic at run time, and none any more.
        String other = topic("Other", 1);
        byTime.subscribe(other, "*");
        byTime.unsubscribe(topic);
        await("subscribe at run time", () -> subscribes(byTime, other));
        producer.send(message(other, "", "", "other"));
        await("subscribed at run time: it comes", () -> timed.has("other"));
        await("unsubscribed: the broker knows", () -> !subscribes(byTime, topic));
    }

    private boolean subscribes(DefaultMQPushConsumer consumer, String topic) {
        try {
            return servers.admin.examineConsumerConnectionInfo(consumer.getConsumerGroup()).getSubscriptionTable().containsKey(topic);
        } catch (Exception e) {
            return false;
        }
    }

    private long committed(DefaultMQPushConsumer consumer, String topic) {
        try {
            long sum = 0;
            for (MessageQueue queue : servers.admin.examineConsumeStats(consumer.getConsumerGroup(), topic).getOffsetTable().keySet()) {
                sum += servers.admin.examineConsumeStats(consumer.getConsumerGroup(), topic).getOffsetTable().get(queue).getConsumerOffset();
            }
            return sum;
        } catch (Exception e) {
            return -1;
        }
    }

    private static String describe(Seen seen, String body) {
        return seen.messages.stream().filter(m -> body(m).equals(body)).findFirst()
            .map(m -> m.getTags() + " " + m.getKeys() + " " + m.getQueueId() + " " + m.getQueueOffset()).orElse("none");
    }

    private DefaultMQPushConsumer start(String group, String topic, String tags, Seen seen, ConsumeFromWhere where) throws Exception {
        DefaultMQPushConsumer consumer = push(group);
        consumer.setConsumeFromWhere(where);
        consumer.subscribe(topic, tags);
        consumer.registerMessageListener(seen);
        consumer.start();
        return consumer;
    }
}
