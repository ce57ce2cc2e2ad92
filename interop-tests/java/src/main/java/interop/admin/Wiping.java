package interop.admin;

import java.util.Map;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** A broker's write permission taken away at the name server. */
final class Wiping extends AdminSubject {
    @Override
    void call() throws Exception {
        String topic = wideTopic("", 2);
        int topics = admin.wipeWritePermOfBroker(cluster.namesrv, "broker-b");
        long expected = admin.getAllTopicGroup(cluster.second, 5000).getTopicConfigTable().size();
        // A registration may come in between at any time, which gives it back.
        check("how many topics it counts", topics > 10 && topics <= expected, topics + " of " + expected);
        awaits("the route of a topic", () -> {
            admin.wipeWritePermOfBroker(cluster.namesrv, "broker-b");
            return queues(topic).equals(Map.of("broker-a", "2 2 6", "broker-b", "2 2 4"));
        });
        DefaultMQProducer producer = producer();
        awaits("producers do not use it", () -> {
            admin.wipeWritePermOfBroker(cluster.namesrv, "broker-b");
            return producer.fetchPublishMessageQueues(topic).stream().allMatch(it -> it.getBrokerName().equals("broker-a"));
        });
        equal("consumers do", "[broker-a, broker-b]", set(producer.getDefaultMQProducerImpl().getmQClientFactory().getMQAdminImpl()
            .fetchSubscribeMessageQueues(topic).stream().map(it -> it.getBrokerName()).collect(Collectors.toSet())).toString());
        equal("the broker does not know", 6, admin.getAllTopicGroup(cluster.second, 5000).getTopicConfigTable().get(topic).getPerm());
        equal("twice", topics, admin.wipeWritePermOfBroker(cluster.namesrv, "broker-b"));
        equal("unknown broker", 0, admin.wipeWritePermOfBroker(cluster.namesrv, "broker-none"));
        equal("unknown name server", "RemotingConnectException", outcome(() -> admin.wipeWritePermOfBroker("127.0.0.1:3", "broker-b")));
        admin.createAndUpdateTopicConfig(cluster.second, config(topic, 2));
        awaits("given back with a registration", () -> queues(topic).get("broker-b").equals("2 2 6"));
    }
}
