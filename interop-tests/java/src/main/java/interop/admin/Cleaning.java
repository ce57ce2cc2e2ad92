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
            equal("unused topics of the cluster: " + of, true, admin.cleanUnusedTopic(of));
        }
        for (String broker : Arrays.asList(cluster.broker, cluster.second, cluster.slave)) {
            equal("expired queues of a broker", true, admin.cleanExpiredConsumerQueueByAddr(broker));
        }
        // A slave learns of topics later than of their messages.
        for (String broker : Arrays.asList(cluster.broker, cluster.second)) {
            equal("unused topics of a broker", true, admin.cleanUnusedTopicByAddr(broker));
        }
        equal("what is used stays", "0..1", admin.minOffset(queue) + ".." + admin.maxOffset(queue));
        equal("and is there", "[m]", bodies(all(pull(group("")), queue, 1)).toString());
        equal("unknown broker, expired queues", "RemotingConnectException", outcome(() -> admin.cleanExpiredConsumerQueueByAddr("127.0.0.1:3")));
        equal("unknown broker, unused topics", "RemotingConnectException", outcome(() -> admin.cleanUnusedTopicByAddr("127.0.0.1:3")));
        // Clients before 4.9 look it up in the cluster's table and fall over what is not there.
        check("unknown cluster", !outcome(() -> admin.cleanExpiredConsumerQueue("NoCluster")).equals("" + SYSTEM_ERROR), outcome(() -> admin.cleanUnusedTopic("NoCluster")));
    }
}
