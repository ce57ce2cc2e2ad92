package interop.behaviour;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A half message that its producer compressed, and is asked about. Not to be run against Java's broker, which damages
 * its body when it stores it again.
 */
final class CompressedTransactions extends Subject {
    @Override
    protected void look() throws Exception {
        String topic = topic("", 1);
        byte[] body = new byte[50_000];
        Arrays.fill(body, (byte) 'x');
        AtomicReference<byte[]> asked = new AtomicReference<>();
        TransactionMQProducer producer = configured(new TransactionMQProducer(group("Producer")));
        producer.setSendMsgTimeout(30_000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object state) {
                return LocalTransactionState.UNKNOW;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                asked.set(message.getBody());
                return LocalTransactionState.COMMIT_MESSAGE;
            }
        });
        producer.start();
        closing(producer::shutdown);
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = push(group(""));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        producer.sendMessageInTransaction(new Message(topic, body), null);
        await("it is consumed", () -> seen.size() == 1);
        check("it was whole when it was asked about", Arrays.equals(body, asked.get()), "");
        check("it is whole when it is consumed", Arrays.equals(body, seen.last().getBody()), "");
    }
}
