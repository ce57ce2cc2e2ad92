package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Load NAMESRV TOPIC COUNT SEED [transactions]: sends messages of all kinds (small, compressed, batches, tags, keys,
 * properties of other scripts, delayed by two hours; with the last argument also transactions that end either way or
 * not at all) through a running broker and prints where each went, and how many records it leads to. Exit code 1
 * unless all were SEND_OK.
 */
public final class Load {
    public static void main(String[] args) {
        try {
            boolean good = load(args);
            Lines.flush();
            System.exit(good ? 0 : 1);
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static boolean load(String[] args) throws Exception {
        String topic = args[1];
        int count = Integer.parseInt(args[2]);
        Random random = new Random(Long.parseLong(args[3]));
        boolean transactions = args.length > 4;
        TransactionMQProducer producer = new TransactionMQProducer("interop_load");
        producer.setTransactionListener(new Decider());
        producer.setNamesrvAddr(args[0]);
        // A busy machine must not fail it.
        producer.setSendMsgTimeout(30_000);
        producer.start();
        boolean good = true;
        MessageQueue ops = null;
        long ended = 0;
        for (int sent = 0; sent < count; ) {
            List<Message> messages = new ArrayList<>();
            SendResult result;
            int records = 1;
            if (ops != null && random.nextInt(15) == 0) {
                LocalTransactionState state = LocalTransactionState.values()[random.nextInt(3)];
                messages.add(message(topic, sent, random, true));
                result = producer.sendMessageInTransaction(messages.get(0), state);
                if (state != LocalTransactionState.UNKNOW) {
                    ended++;
                    // The op message, and what was committed.
                    records += state == LocalTransactionState.COMMIT_MESSAGE ? 2 : 1;
                }
            } else if (random.nextInt(10) == 0) {
                int size = Math.min(count - sent, 1 + random.nextInt(20));
                while (messages.size() < size) {
                    messages.add(message(topic, sent + messages.size(), random, true));
                }
                result = producer.send(messages);
            } else {
                messages.add(message(topic, sent, random, false));
                result = producer.send(messages.get(0));
            }
            if (transactions && ops == null) {
                String broker = result.getMessageQueue().getBrokerName();
                ops = new MessageQueue("RMQ_SYS_TRANS_OP_HALF_TOPIC", broker, 0);
                ended = producer.maxOffset(ops);
            }
            good &= result.getSendStatus() == SendStatus.SEND_OK;
            // The result of a transaction has none.
            String[] offsetIds = result.getOffsetMsgId() == null ? new String[1] : result.getOffsetMsgId().split(",");
            for (int i = 0; i < messages.size(); i++) {
                Message m = messages.get(i);
                Lines.print("kind", "sent", "status", result.getSendStatus().name(),
                    "msgId", MessageClientIDSetter.getUniqID(m), "offsetMsgId", offsetIds[i], "topic", topic,
                    "queueId", result.getMessageQueue().getQueueId(), "queueOffset", result.getQueueOffset() + i,
                    "delay", m.getDelayTimeLevel(), "bodyCrc", Lines.crc(m.getBody()),
                    "bodyLength", m.getBody().length, "records", records);
            }
            sent += messages.size();
        }
        // Decisions are sent one-way: the broker has carried out all when so many op messages are there.
        for (int i = 0; ops != null && producer.maxOffset(ops) < ended; i++) {
            if (i == 600) {
                throw new IllegalStateException("transactions were not ended: " + producer.maxOffset(ops)
                    + " op messages, not " + ended);
            }
            Thread.sleep(50);
        }
        producer.shutdown();
        return good;
    }

    private static final class Decider implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object state) {
            return (LocalTransactionState) state;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            return LocalTransactionState.UNKNOW;
        }
    }

    private static Message message(String topic, int i, Random random, boolean batch) {
        byte[] body = new byte[random.nextInt(15) == 0 ? 4096 + random.nextInt(4000) : 1 + random.nextInt(300)];
        // Half noise, half blank, so that large bodies do get smaller when compressed.
        for (int at = 0; at < body.length; at += 2) {
            body[at] = (byte) random.nextInt(256);
        }
        Message m = new Message(topic, body);
        m.setFlag(i);
        if (random.nextBoolean()) {
            m.setTags("Tag" + (char) ('A' + random.nextInt(5)));
        }
        if (random.nextBoolean()) {
            m.setKeys("key" + i + " group" + random.nextInt(10));
        }
        if (random.nextInt(4) == 0) {
            m.putUserProperty("naïve", "größer 漢字 \uD834\uDD1E " + random.nextInt());
        }
        if (!batch && random.nextInt(20) == 0) {
            // Two hours: it stays in the delay topic for as long as a test runs.
            m.setDelayTimeLevel(18);
        }
        return m;
    }
}
