package interop;

import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Find NAMESRV TOPIC HOST PORT: looks every message of a topic up again, by its place in the broker at that address, by
 * its unique id, by each of its keys and by the time it was stored, with the calls of a stock client, and prints what
 * came.
 */
public final class Find {
    public static void main(String[] args) {
        try {
            find(args);
            Lines.flush();
            System.exit(0);
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static void find(String[] args) throws Exception {
        ByteBuffer broker = MessageExt.socketAddress2ByteBuffer(
            new InetSocketAddress(args[2], Integer.parseInt(args[3])));
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("interop_find");
        consumer.setNamesrvAddr(args[0]);
        consumer.start();
        Set<String> keys = new TreeSet<>();
        for (MessageQueue queue : new TreeSet<>(consumer.fetchSubscribeMessageQueues(args[1]))) {
            for (MessageExt m : all(consumer, queue)) {
                // Its own offset id may name a broker that stored it at another address.
                String id = MessageDecoder.createMessageId(ByteBuffer.allocate(MessageDecoder.MSG_ID_LENGTH),
                    broker.duplicate(), m.getCommitLogOffset());
                MessageExt same = consumer.viewMessage(args[1], id);
                String unique = m.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
                MessageExt again = consumer.getDefaultMQPullConsumerImpl().queryMessageByUniqKey(args[1], unique);
                Lines.print("kind", "byId", "physicalOffset", m.getCommitLogOffset(), "found",
                    same.getCommitLogOffset(), "byUnique", again.getCommitLogOffset(),
                    "bodyCrc", Lines.crc(same.getBody()));
                for (long time : new long[] {m.getStoreTimestamp() - 1, m.getStoreTimestamp()}) {
                    Lines.print("kind", "byTime", "queueId", queue.getQueueId(), "time", time,
                        "found", consumer.searchOffset(queue, time));
                }
                if (m.getKeys() != null) {
                    keys.addAll(List.of(m.getKeys().split(MessageConst.KEY_SEPARATOR)));
                }
            }
            for (long time : new long[] {0, Long.MAX_VALUE / 2}) {
                Lines.print("kind", "byTime", "queueId", queue.getQueueId(), "time", time,
                    "found", consumer.searchOffset(queue, time));
            }
        }
        keys.add("no such key");
        for (String key : keys) {
            Lines.print("kind", "byKey", "key", key, "found", byKey(consumer, args[1], key));
        }
        consumer.shutdown();
    }

    private static List<MessageExt> all(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        List<MessageExt> messages = new ArrayList<>();
        long max = consumer.maxOffset(queue);
        for (long offset = consumer.minOffset(queue); offset < max; ) {
            PullResult result = consumer.pull(queue, "*", offset, 32);
            if (result.getPullStatus() != PullStatus.FOUND) {
                throw new IllegalStateException(queue + " at " + offset + ": " + result);
            }
            messages.addAll(result.getMsgFoundList());
            offset = result.getNextBeginOffset();
        }
        return messages;
    }

    private static List<Long> byKey(DefaultMQPullConsumer consumer, String topic, String key) throws Exception {
        List<Long> offsets = new ArrayList<>();
        try {
            QueryResult result = consumer.queryMessage(topic, key, 64, 0, Long.MAX_VALUE / 2);
            for (MessageExt m : result.getMessageList()) {
                offsets.add(m.getCommitLogOffset());
            }
        } catch (MQClientException none) {
            Lines.print("kind", "noneByKey", "key", key, "code", none.getResponseCode());
        }
        offsets.sort(null);
        return offsets;
    }
}
