package interop.admin;

import java.util.Arrays;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consume queues that nobody needs any more are cleaned away, and others not. */
final class Cleaning extends AdminSubject {
    @Override
    void call() throws Exception {
        String topic = wideTopic("", 2);
        MessageQueue queue = new MessageQueue(topic, "broker-b", 1);
        DefaultMQProducer producer = producer();
        producer.send(message(topic, "", "key", "m"), queue);
        awaits("a message", () -> admin.maxOffset(queue) == 1);
        for (String of : Arrays.asList("DefaultCluster", "", null)) {
            equal("expired queues of the cluster: " + of, true, admin.cleanExpiredConsumerQueue(of));
        }
        for (String broker : Arrays.asList(cluster.broker, cluster.second, cluster.slave)) {
            equal("expired queues of a broker", true, admin.cleanExpiredConsumerQueueByAddr(broker));
        }
        // A slave learns of topics later than of their messages.
        for (String broker : Arrays.asList(cluster.broker, cluster.second)) {
            equal("unused topics of a broker", true, admin.cleanUnusedTopicByAddr(broker));
            // The client takes the cluster's name for an address, and falls over any that is none.
            equal("unused topics of a cluster, which must be a broker", true, admin.cleanUnusedTopic(broker));
        }
        equal("what is used stays", "0..1", admin.minOffset(queue) + ".." + admin.maxOffset(queue));
        equal("and is there", "[m]", bodies(all(pull(group("")), queue, 1)).toString());
        equal("unknown broker, expired queues", "RemotingConnectException", outcome(() -> admin.cleanExpiredConsumerQueueByAddr("127.0.0.1:3")));
        equal("unknown broker, unused topics", "RemotingConnectException", outcome(() -> admin.cleanUnusedTopicByAddr("127.0.0.1:3")));
        equal("unknown cluster", false, admin.cleanExpiredConsumerQueue("NoCluster"));
    }
}
