package interop;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Pull NAMESRV GROUP TOPIC...: prints every message of the topics as a stock client gets it, each queue's ends and
 * the offset that the group has committed; then commits a place in the middle of each queue and prints that too.
 * Run against two brokers on the same directory it must print the same.
 */
public final class Pull {
    public static void main(String[] args) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(args[1]);
        consumer.setNamesrvAddr(args[0]);
        consumer.start();
        boolean good = true;
        for (int i = 2; i < args.length; i++) {
            Set<MessageQueue> queues = new TreeSet<>(consumer.fetchSubscribeMessageQueues(args[i]));
            for (MessageQueue queue : queues) {
                good &= pull(consumer, queue);
            }
        }
        Lines.flush();
        consumer.shutdown();
        System.exit(good ? 0 : 1);
    }

    private static boolean pull(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        long min = consumer.minOffset(queue);
        long max = consumer.maxOffset(queue);
        Lines.print("kind", "queue", "topic", queue.getTopic(), "queueId", queue.getQueueId(), "min", min, "max", max,
            "committed", consumer.fetchConsumeOffset(queue, true));
        for (long offset = min; offset < max; ) {
            PullResult result = consumer.pull(queue, "*", offset, 32);
            if (result.getPullStatus() != PullStatus.FOUND) {
                Lines.print("kind", "stuck", "topic", queue.getTopic(), "queueId", queue.getQueueId(),
                    "queueOffset", offset, "status", result.getPullStatus().name());
                return false;
            }
            for (MessageExt m : result.getMsgFoundList()) {
                message(m);
            }
            offset = result.getNextBeginOffset();
        }
        long commit = min + (max - min) / 2;
        consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, commit, false);
        Lines.print("kind", "commit", "topic", queue.getTopic(), "queueId", queue.getQueueId(), "offset", commit);
        return true;
    }

    static void message(MessageExt m) {
        Map<String, String> properties = new TreeMap<>(m.getProperties());
        // The client's own additions.
        properties.remove(MessageConst.PROPERTY_MIN_OFFSET);
        properties.remove(MessageConst.PROPERTY_MAX_OFFSET);
        Lines.print("kind", "message", "topic", m.getTopic(), "queueId", m.getQueueId(),
            "queueOffset", m.getQueueOffset(), "physicalOffset", m.getCommitLogOffset(), "size", m.getStoreSize(),
            "flag", m.getFlag(), "sysFlag", m.getSysFlag(), "bornTimestamp", m.getBornTimestamp(),
            "bornHost", m.getBornHost().toString(), "storeTimestamp", m.getStoreTimestamp(),
            "storeHost", m.getStoreHost().toString(), "reconsumeTimes", m.getReconsumeTimes(),
            "preparedTransactionOffset", m.getPreparedTransactionOffset(), "storedBodyCrc", m.getBodyCRC(),
            "bodyCrc", Lines.crc(m.getBody()), "bodyLength", m.getBody().length, "properties", properties);
    }
}
