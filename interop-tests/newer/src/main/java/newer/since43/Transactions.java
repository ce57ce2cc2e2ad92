package newer.since43;

import newer.Deciding;
import newer.Look;
import newer.Subject;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Transactions as clients have them since 4.3. */
public final class Transactions implements Subject {
    @Override
    public void look(Look it) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(it.group("Producer"));
        Deciding deciding = new Deciding();
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object state) {
                return (LocalTransactionState) state;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return deciding.asked(message);
            }
        });
        it.started(producer);
        deciding.look(it, producer::sendMessageInTransaction);
    }
}
