package interop.admin;

import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.TopicFilterType;
import org.apache.rocketmq.common.admin.TopicOffset;
import org.apache.rocketmq.common.admin.TopicStatsTable;
import org.apache.rocketmq.common.message.MessageQueue;

/** Topics made, changed, looked at and deleted. */
final class Topics extends AdminSubject {
    private static final String ORDER = "ORDER_TOPIC_CONFIG";

    @Override
    void call() throws Exception {
        part(this::made);
        part(this::statistics);
        part(this::byKey);
        part(this::deleted);
        part(this::ordered);
        part(this::unknown);
    }

    private TopicConfig at(String broker, String topic) throws Exception {
        return admin.getAllTopicGroup(broker, 5000).getTopicConfigTable().get(topic);
    }

    private void made() throws Exception {
        String topic = name + "Made";
        TopicConfig config = new TopicConfig(topic, 3, 2, 6);
        config.setTopicSysFlag(1);
        config.setTopicFilterType(TopicFilterType.MULTI_TAG);
        admin.createAndUpdateTopicConfig(cluster.broker, config);
        awaits("made: at one broker", () -> queues(topic).equals(Map.of("broker-a", "3 2 6")));
        if (isBefore(MQVersion.Version.V4_9_0)) {
            equal("made: its flags", 1, flags(topic));
        }
        equal("made: its addresses", Map.of("broker-a", expected(cluster).get("broker-a")), addresses(admin.examineTopicRouteInfo(topic).getBrokerDatas()));
        equal("made: its cluster", "DefaultCluster", admin.examineTopicRouteInfo(topic).getBrokerDatas().get(0).getCluster());
        equal("made: no filter servers", Collections.emptyMap(), admin.examineTopicRouteInfo(topic).getFilterServerTable());
        equal("made: not ordered", null, admin.examineTopicRouteInfo(topic).getOrderTopicConf());
        equal("made: as it was told", config.toString(), String.valueOf(at(cluster.broker, topic)));
        equal("made: not at the other", null, at(cluster.second, topic));
        admin.createAndUpdateTopicConfig(cluster.second, new TopicConfig(topic, 5, 5, 4));
        awaits("made: at the other", () -> queues(topic).equals(Map.of("broker-a", "3 2 6", "broker-b", "5 5 4")));
        equal("made: both addresses", expected(cluster), addresses(admin.examineTopicRouteInfo(topic).getBrokerDatas()));
        admin.createAndUpdateTopicConfig(cluster.broker, new TopicConfig(topic, 8, 8, 2));
        awaits("changed", () -> queues(topic).equals(Map.of("broker-a", "8 8 2", "broker-b", "5 5 4")));
        equal("changed: at the broker", new TopicConfig(topic, 8, 8, 2).toString(), String.valueOf(at(cluster.broker, topic)));
        equal("a method without function in all these versions", null, admin.examineTopicConfig(cluster.broker, topic));
        long version = admin.getAllTopicGroup(cluster.broker, 5000).getDataVersion().getCounter().get();
        admin.createAndUpdateTopicConfig(cluster.broker, new TopicConfig(topic, 8, 8, 6));
        awaits("changed: the table's version", () -> admin.getAllTopicGroup(cluster.broker, 5000).getDataVersion().getCounter().get() > version);
        check("in the list of all", admin.fetchAllTopicList().getTopicList().contains(topic), topic);
        check("system topics, too", admin.fetchAllTopicList().getTopicList().containsAll(
            Arrays.asList("DefaultCluster", "broker-a", "broker-b", "BenchmarkTest", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "AUTO_CREATE_TOPIC_KEY")), admin.fetchAllTopicList().getTopicList());
        equal("the list names no broker", null, admin.fetchAllTopicList().getBrokerAddr());
        check("in its cluster's", admin.fetchTopicsByCLuster("DefaultCluster").getTopicList().contains(topic), topic);
        equal("of its cluster", Collections.singleton("DefaultCluster"), admin.getTopicClusterList(topic));
        equal("clusters, which 4.3.0 never asks for", Collections.emptySet(), admin.getClusterList(topic));
        fails("a cluster's name", SYSTEM_ERROR, () -> admin.createAndUpdateTopicConfig(cluster.broker, config("DefaultCluster", 4)));
    }

    private void statistics() throws Exception {
        String topic = wideTopic("Stats", 2);
        TopicStatsTable empty = admin.examineTopicStats(topic);
        equal("statistics: a row for each queue", set(Arrays.asList("broker-a 0", "broker-a 1", "broker-b 0", "broker-b 1")), rows(empty).keySet());
        equal("statistics: all empty", set(Arrays.asList("0..0 0")), set(rows(empty).values()));
        DefaultMQProducer producer = producer();
        long before = System.currentTimeMillis();
        for (int i = 0; i < 3; i++) {
            producer.send(message(topic, "", "", "m" + i), new MessageQueue(topic, "broker-b", 1));
        }
        awaits("statistics: offsets", () -> rows(admin.examineTopicStats(topic)).get("broker-b 1").startsWith("0..3 "));
        Map<MessageQueue, TopicOffset> table = admin.examineTopicStats(topic).getOffsetTable();
        long updated = table.get(new MessageQueue(topic, "broker-b", 1)).getLastUpdateTimestamp();
        check("statistics: time of the last", updated >= before - 1000 && updated <= System.currentTimeMillis() + 1000, updated - before);
        equal("statistics: the others as before", "0..0 0", rows(admin.examineTopicStats(topic)).get("broker-a 1"));
        fails("statistics: unknown topic", TOPIC_NOT_EXIST, () -> admin.examineTopicStats(name + "None"));
        admin.createAndUpdateTopicConfig(cluster.broker, new TopicConfig(topic, 4, 1, 6));
        awaits("statistics: rows by write queues", () -> rows(admin.examineTopicStats(topic)).keySet().equals(set(Arrays.asList("broker-a 0", "broker-b 0", "broker-b 1"))));
    }

    private static Map<String, String> rows(TopicStatsTable table) {
        Map<String, String> rows = new TreeMap<>();
        table.getOffsetTable().forEach((queue, it) -> rows.put(name(queue), it.getMinOffset() + ".." + it.getMaxOffset() + " " + it.getLastUpdateTimestamp()));
        return rows;
    }

    private void byKey() throws Exception {
        // On the brokers of the topic that the key names; every broker has one of its cluster's name.
        admin.createTopic("DefaultCluster", name + "Key", 3);
        awaits("by key: on both brokers", () -> queues(name + "Key").equals(Map.of("broker-a", "3 3 6", "broker-b", "3 3 6")));
        admin.createTopic("broker-b", name + "KeyB", 2, 1);
        awaits("by key: on one, with flags", () -> queues(name + "KeyB").equals(Map.of("broker-b", "2 2 6")));
        if (isBefore(MQVersion.Version.V4_9_0)) {
            equal("by key: its flags", 1, flags(name + "KeyB"));
        }
        equal("by key: an unknown key", "in " + TOPIC_NOT_EXIST, outcome(() -> admin.createTopic(name + "None", name + "KeyC", 2)));
        fails("by key: nothing was made", TOPIC_NOT_EXIST, () -> admin.examineTopicRouteInfo(name + "KeyC"));
    }

    private void deleted() throws Exception {
        String topic = wideTopic("Deleted", 2);
        MessageQueue queue = new MessageQueue(topic, "broker-a", 1);
        DefaultMQProducer producer = producer();
        producer.send(message(topic, "", "", "m"), queue);
        awaits("deleted: there before", () -> admin.maxOffset(queue) == 1);
        admin.deleteTopicInBroker(new HashSet<>(Arrays.asList(cluster.broker, cluster.second)), topic);
        equal("deleted: gone from the first", null, at(cluster.broker, topic));
        equal("deleted: gone from the second", null, at(cluster.second, topic));
        fails("deleted: its statistics", TOPIC_NOT_EXIST, () -> admin.examineTopicStats(topic));
        equal("deleted: its queue", 0L, admin.maxOffset(queue));
        admin.deleteTopicInNameServer(Collections.singleton(cluster.namesrv), topic);
        fails("deleted: its route", TOPIC_NOT_EXIST, () -> admin.examineTopicRouteInfo(topic));
        check("deleted: not in the list of all", !admin.fetchAllTopicList().getTopicList().contains(topic), topic);
        fails("deleted: twice", 0, () -> admin.deleteTopicInBroker(Collections.singleton(cluster.broker), topic));
        fails("deleted: twice, at the name server", 0, () -> admin.deleteTopicInNameServer(Collections.singleton(cluster.namesrv), topic));
        wideTopic("Deleted", 1);
        equal("made again: empty", set(Arrays.asList("0..0 0")), set(rows(admin.examineTopicStats(topic)).values()));
        producer.send(message(topic, "", "", "n"), new MessageQueue(topic, "broker-a", 0));
        awaits("made again: begins at 0", () -> admin.maxOffset(new MessageQueue(topic, "broker-a", 0)) == 1);
    }

    private void ordered() throws Exception {
        String topic = name + "Ordered";
        admin.createOrUpdateOrderConf(topic, "broker-a:2;broker-b:2", true);
        equal("order: the whole", "broker-a:2;broker-b:2", admin.getKVConfig(ORDER, topic));
        admin.createOrUpdateOrderConf(topic, "broker-a:4", false);
        same("order: one broker's", list("broker-a:4", "broker-b:2"), Arrays.asList(admin.getKVConfig(ORDER, topic).split(";")));
        admin.createOrUpdateOrderConf(topic + "B", "broker-b:1", false);
        equal("order: one broker's of a topic without", "broker-b:1", admin.getKVConfig(ORDER, topic + "B"));
        equal("order: in the list of all", "broker-b:1", admin.getKVListByNamespace(ORDER).getTable().get(topic + "B"));
        // The answer to a registration brings it to the broker.
        admin.createAndUpdateTopicConfig(cluster.broker, config(topic, 2));
        awaits("order: the topic", () -> at(cluster.broker, topic) != null);
        awaits("order: told to the broker with a registration", () -> {
            admin.createAndUpdateTopicConfig(cluster.broker, config(name + "Other", 2));
            return at(cluster.broker, topic).isOrder();
        });
        equal("order: not of others", false, at(cluster.broker, name + "Other").isOrder());
    }

    private void unknown() {
        fails("unknown: route", TOPIC_NOT_EXIST, () -> admin.examineTopicRouteInfo(name + "None"));
        fails("unknown: its clusters", TOPIC_NOT_EXIST, () -> admin.getTopicClusterList(name + "None"));
        equal("unknown: topics of a cluster", "[]", topics("NoCluster"));
        equal("unknown: broker", "RemotingConnectException", outcome(() -> admin.createAndUpdateTopicConfig("127.0.0.1:3", config(name, 2))));
        equal("unknown: broker, deleted", "RemotingConnectException", outcome(() -> admin.deleteTopicInBroker(Collections.singleton("127.0.0.1:3"), name)));
        equal("unknown: broker, all of its", "RemotingConnectException", outcome(() -> admin.getAllTopicGroup("127.0.0.1:3", 5000)));
    }

    private String topics(String clusterName) {
        try {
            return admin.fetchTopicsByCLuster(clusterName).getTopicList().toString();
        } catch (Exception e) {
            return e.toString();
        }
    }
}
