package interop;

import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.impl.FindBrokerResult;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * PullFrom NAMESRV GROUP BROKER_ID TOPIC...: prints every message of the topics and each queue's ends as the broker with
 * this id has them, a slave or the master. Commits nothing.
 */
public final class PullFrom {
    private static final long TIMEOUT_MS = 30_000;

    public static void main(String[] args) throws Exception {
        long id = Long.parseLong(args[2]);
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(args[1]);
        consumer.setNamesrvAddr(args[0]);
        consumer.start();
        consumer.getDefaultMQPullConsumerImpl().getPullAPIWrapper().setConnectBrokerByUser(true);
        consumer.getDefaultMQPullConsumerImpl().getPullAPIWrapper().setDefaultBrokerId(id);
        MQClientInstance client = consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory();
        boolean good = true;
        for (int i = 3; i < args.length; i++) {
            for (MessageQueue queue : new TreeSet<>(consumer.fetchSubscribeMessageQueues(args[i]))) {
                client.updateTopicRouteInfoFromNameServer(args[i]);
                FindBrokerResult broker = client.findBrokerAddressInSubscribe(queue.getBrokerName(), id, true);
                if (broker == null) {
                    throw new IllegalStateException("the route names no broker " + id + " of " + queue);
                }
                good &= pull(consumer, queue, client.getMQClientAPIImpl(), broker.getBrokerAddr());
            }
        }
        Lines.flush();
        consumer.shutdown();
        System.exit(good ? 0 : 1);
    }

    private static boolean pull(DefaultMQPullConsumer consumer, MessageQueue queue, MQClientAPIImpl api, String addr)
        throws Exception {
        long min = api.getMinOffset(addr, queue.getTopic(), queue.getQueueId(), TIMEOUT_MS);
        long max = api.getMaxOffset(addr, queue.getTopic(), queue.getQueueId(), TIMEOUT_MS);
        Lines.print("kind", "queue", "topic", queue.getTopic(), "queueId", queue.getQueueId(), "min", min, "max", max);
        for (long offset = min; offset < max; ) {
            PullResult result = consumer.pull(queue, "*", offset, 32);
            if (result.getPullStatus() != PullStatus.FOUND) {
                Lines.print("kind", "stuck", "topic", queue.getTopic(), "queueId", queue.getQueueId(),
                    "queueOffset", offset, "status", result.getPullStatus().name());
                return false;
            }
            for (MessageExt m : result.getMsgFoundList()) {
                Pull.message(m);
            }
            offset = result.getNextBeginOffset();
        }
        return true;
    }
}
