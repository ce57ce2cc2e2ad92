package newer.since46;

import static newer.Look.message;

import java.util.List;
import java.util.stream.Collectors;
import newer.Look;
import newer.Seen;
import newer.Subject;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Traces of messages sent and consumed, which the clients send themselves. */
public final class Traces implements Subject {
    private static final String TRACE_TOPIC = "RMQ_SYS_TRACE_TOPIC";

    @Override
    public void look(Look it) throws Exception {
        String topic = it.topic("");
        DefaultMQProducer producer = it.started(new DefaultMQProducer(it.group("Producer"), true, null));
        Message message = message(topic, "tag", "traced", "m");
        // Consumers from 5.3.1 on trace only what has a region, which brokers of 4.3 add where they have a hook.
        MessageAccessor.putProperty(message, MessageConst.PROPERTY_MSG_REGION, "DefaultRegion");
        SendResult sent = producer.send(message);
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = it.push(new DefaultMQPushConsumer(it.group(""), true, null));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        it.await("the message comes", () -> seen.has("m"));
        DefaultMQPullConsumer reader = it.pull(it.group("Reader"));
        for (String kind : new String[] {"Pub", "SubBefore", "SubAfter"}) {
            it.await(kind, () -> traces(reader, sent.getMsgId()).stream().anyMatch(body -> body.startsWith(kind)));
        }
        long now = System.currentTimeMillis();
        it.await("by the message's id as key",
            () -> !producer.queryMessage(TRACE_TOPIC, sent.getMsgId(), 32, now - 600_000, now + 600_000).getMessageList().isEmpty());
        it.await("by the message's key",
            () -> !producer.queryMessage(TRACE_TOPIC, "traced", 32, now - 600_000, now + 600_000).getMessageList().isEmpty());
    }

    /** The records of a message; the separators are unprintable. */
    private static List<String> traces(DefaultMQPullConsumer reader, String id) throws Exception {
        List<MessageExt> messages = Look.all(reader, TRACE_TOPIC);
        return messages.stream().flatMap(it -> List.of(Look.body(it).split("\u0002")).stream())
            .filter(record -> record.contains(id)).collect(Collectors.toList());
    }
}
