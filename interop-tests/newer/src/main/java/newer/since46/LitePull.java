package newer.since46;

import static newer.Look.message;
import static newer.Look.numbered;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import newer.Look;
import newer.Subject;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The pull consumer that has its own threads. */
public final class LitePull implements Subject {
    @Override
    public void look(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.producer();
        MessageQueue queue = producer.send(message(topic, "even", "", "m0")).getMessageQueue();
        for (int i = 1; i < 20; i++) {
            producer.send(message(topic, i % 2 == 0 ? "even" : "odd", "", "m" + i), queue);
        }
        DefaultLitePullConsumer subscribed = consumer(it, "");
        subscribed.subscribe(topic, "*");
        subscribed.start();
        it.same("subscribed: all come", numbered("m", 0, 20), Look.bodies(poll(it, subscribed, 20)));
        it.check("subscribed: has the queues", it.comes(() -> subscribed.assignment().size() == 4), subscribed.assignment());
        producer.send(message(topic, "odd", "", "m20"), queue);
        it.same("a held pull ends with the message", numbered("m", 20, 21), Look.bodies(poll(it, subscribed, 1)));
        it.await("commits by itself", () -> {
            subscribed.poll(10);
            return subscribed.committed(queue) == 21;
        });
        subscribed.shutdown();

        DefaultLitePullConsumer again = consumer(it, "");
        again.subscribe(topic, "*");
        again.start();
        producer.send(message(topic, "odd", "", "m21"), queue);
        it.same("another one goes on where it was", numbered("m", 21, 22), Look.bodies(poll(it, again, 1)));

        DefaultLitePullConsumer assigned = consumer(it, "Assigned");
        assigned.setAutoCommit(false);
        assigned.start();
        assigned.assign(Collections.singletonList(queue));
        assigned.seek(queue, 15);
        // What a pull under way brings may still come first.
        List<String> bodies = new ArrayList<>();
        it.await("assigned, from an offset", () -> {
            bodies.addAll(Look.bodies(assigned.poll(100)));
            return Collections.indexOfSubList(bodies, numbered("m", 15, 22)) >= 0;
        });
        assigned.seekToBegin(queue);
        bodies.clear();
        it.await("from the start", () -> {
            bodies.addAll(Look.bodies(assigned.poll(100)));
            return Collections.indexOfSubList(bodies, numbered("m", 0, 22)) >= 0;
        });
        assigned.commitSync();
        it.await("committed", () -> assigned.committed(queue) > 0);

        DefaultLitePullConsumer tagged = consumer(it, "Tagged");
        tagged.subscribe(topic, "odd");
        tagged.start();
        it.equal("by tag", 11 + 1, poll(it, tagged, 12).size());
        DefaultLitePullConsumer filtered = consumer(it, "Sql");
        filtered.subscribe(topic, MessageSelector.bySql("TAGS = 'even'"));
        filtered.start();
        it.equal("by SQL", 10, poll(it, filtered, 10).size());
    }

    private static DefaultLitePullConsumer consumer(Look it, String suffix) {
        DefaultLitePullConsumer consumer = it.configured(new DefaultLitePullConsumer(it.group(suffix)));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setAutoCommitIntervalMillis(1000);
        it.closing(consumer::shutdown);
        return consumer;
    }

    private static List<MessageExt> poll(Look it, DefaultLitePullConsumer consumer, int atLeast) throws Exception {
        List<MessageExt> messages = new ArrayList<>();
        it.comes(() -> {
            messages.addAll(consumer.poll(100));
            return messages.size() >= atLeast;
        });
        return messages;
    }
}
