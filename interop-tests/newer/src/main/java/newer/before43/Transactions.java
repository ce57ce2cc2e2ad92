package newer.before43;

import newer.Deciding;
import newer.Look;
import newer.Subject;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionMQProducer;

/** Transactions as 4.2 has them: the broker of that time asked nobody, its clients can answer all the same. */
public final class Transactions implements Subject {
    @Override
    public void look(Look it) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(it.group("Producer"));
        Deciding deciding = new Deciding();
        producer.setTransactionCheckListener(deciding::asked);
        it.started(producer);
        deciding.look(it, (message, state) ->
            producer.sendMessageInTransaction(message, (sent, argument) -> (LocalTransactionState) argument, state));
    }
}
