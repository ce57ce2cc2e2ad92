package interop.behaviour;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Transactions: decided at once, asked about, and given up. */
final class Transactions extends Subject {
    private final Map<String, Integer> asked = new ConcurrentHashMap<>();
    private final Map<String, String> askedOf = new ConcurrentHashMap<>();

    @Override
    protected void look() throws Exception {
        String topic = topic("", 2);
        Map<String, MessageExt> came = new ConcurrentHashMap<>();
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        DefaultMQPushConsumer consumer = push(group(""));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((List<MessageExt> messages, ConsumeConcurrentlyContext context) -> {
            for (MessageExt message : messages) {
                String key = message.getKeys();
                came.put(key, message);
                order.add(key);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        TransactionMQProducer first = transactional("one");

        TransactionSendResult result = send(first, topic, "commit", "body", LocalTransactionState.COMMIT_MESSAGE);
        equal("commit: status", SendStatus.SEND_OK, result.getSendStatus());
        equal("commit: local state", LocalTransactionState.COMMIT_MESSAGE, result.getLocalTransactionState());
        await("commit: consumed", () -> came.containsKey("commit"));
        MessageExt committed = came.get("commit");
        equal("commit: id", result.getMsgId(), committed.getMsgId());
        equal("commit: tag and property", "tag value", committed.getTags() + " " + committed.getUserProperty("user"));
        equal("commit: transaction id at the consumer", result.getMsgId(), committed.getTransactionId());
        equal("commit: a committed message's flag", 8, committed.getSysFlag() & 12);
        send(first, topic, "rollback", "body", LocalTransactionState.ROLLBACK_MESSAGE);

        // Asked about: each answers as its name says.
        send(first, topic, "later-commit", "body", LocalTransactionState.UNKNOW);
        send(first, topic, "later-rollback", "body", LocalTransactionState.UNKNOW);
        send(first, topic, "never", "body", LocalTransactionState.UNKNOW);
        await("unknown, then commit: consumed", () -> came.containsKey("later-commit"));
        equal("unknown, then commit: asked once", 1, asked.get("later-commit"));
        await("unknown, then rollback: asked", () -> asked.containsKey("later-rollback"));

        await("never decided: asked as often as is allowed", () -> asked.getOrDefault("never", 0) >= 3);
        // Another one of the group answers when the first has gone.
        send(first, topic, "other-commit", "body", LocalTransactionState.UNKNOW);
        first.shutdown();
        TransactionMQProducer second = transactional("two");
        await("another producer of the group is asked", () -> came.containsKey("other-commit"));
        equal("by whom it was answered", "two", askedOf.get("other-commit"));
        send(second, topic, "end", "body", LocalTransactionState.UNKNOW);
        // At its second answer at least two more rounds are over.
        await("rounds go on", () -> came.containsKey("end"));
        equal("never decided: not asked any more", 3, asked.get("never"));
        equal("rolled back: asked once", 1, asked.get("later-rollback"));
        same("what was committed is consumed, each once",
            list("commit", "later-commit", "other-commit", "end"), order);
        check("what was rolled back or never decided is not", !order.contains("rollback") && !order.contains("never"), order);
    }

    private TransactionSendResult send(
        TransactionMQProducer producer, String topic, String key, String body, LocalTransactionState state) throws Exception {
        Message message = message(topic, "tag", key, body);
        message.putUserProperty("user", "value");
        return producer.sendMessageInTransaction(message, state);
    }

    private TransactionMQProducer transactional(String who) throws Exception {
        TransactionMQProducer producer = configured(new TransactionMQProducer(group("Producer")));
        producer.setSendMsgTimeout(30_000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object state) {
                return (LocalTransactionState) state;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                String key = message.getKeys();
                askedOf.put(key, who);
                int times = asked.merge(key, 1, Integer::sum);
                if (key.equals("end")) {
                    return times < 2 ? LocalTransactionState.UNKNOW : LocalTransactionState.COMMIT_MESSAGE;
                }
                if (key.equals("other-commit") && who.equals("one")) {
                    return LocalTransactionState.UNKNOW;
                }
                return key.endsWith("commit") ? LocalTransactionState.COMMIT_MESSAGE
                    : key.endsWith("rollback") ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.UNKNOW;
            }
        });
        producer.start();
        closing(producer::shutdown);
        return producer;
    }
}
