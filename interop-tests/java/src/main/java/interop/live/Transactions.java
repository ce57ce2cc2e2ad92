package interop.live;

import interop.Lines;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Transactions NAMESRV GROUP TOPIC FROM TO PACE_MS: sends half messages with these numbers and answers checks until it
 * is killed. A message's number says how it ends: 0 commit, 1 rollback, 2 unknown and commit by a check, 3 unknown and
 * rollback by a check (modulo 4). Its key is NUMBER.ATTEMPT: what a send failed for may have been stored all the same,
 * and is sent again under another key.
 */
public final class Transactions {
    public static void main(String[] args) throws Exception {
        int to = Integer.parseInt(args[4]);
        long pace = Long.parseLong(args[5]);
        TransactionMQProducer producer = new TransactionMQProducer(args[1]);
        producer.setNamesrvAddr(args[0]);
        producer.setTransactionListener(new Decider());
        // One key is one half message.
        producer.setRetryTimesWhenSendFailed(0);
        // A broker that comes back learns soon whom to ask.
        producer.setHeartbeatBrokerInterval(500);
        producer.setPollNameServerInterval(500);
        producer.start();
        for (int number = Integer.parseInt(args[3]); number < to; number++) {
            for (int attempt = 0; !send(producer, args[2], number + "." + attempt); attempt++) {
                Thread.sleep(20);
            }
            Thread.sleep(pace);
        }
        print("kind", "end");
        Thread.currentThread().join();
    }

    private static boolean send(TransactionMQProducer producer, String topic, String key) {
        Message message = new Message(topic, "", key, key.getBytes(StandardCharsets.UTF_8));
        print("kind", "sending", "key", key);
        try {
            TransactionSendResult result = producer.sendMessageInTransaction(message, key);
            print("kind", "sent", "key", key, "status", result.getSendStatus().name());
            return true;
        } catch (Exception e) {
            print("kind", "failed", "key", key, "why", String.valueOf(e.getMessage()));
            return false;
        }
    }

    private static void print(Object... namesAndValues) {
        Lines.print(namesAndValues);
        Lines.flush();
    }

    private static int outcome(String key) {
        return Integer.parseInt(key.substring(0, key.indexOf('.'))) % 4;
    }

    private static final class Decider implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object key) {
            switch (outcome((String) key)) {
                case 0:
                    return LocalTransactionState.COMMIT_MESSAGE;
                case 1:
                    return LocalTransactionState.ROLLBACK_MESSAGE;
                default:
                    return LocalTransactionState.UNKNOW;
            }
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            print("kind", "check", "key", message.getKeys(), "topic", message.getTopic());
            return outcome(message.getKeys()) % 2 == 0
                ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        }
    }
}
