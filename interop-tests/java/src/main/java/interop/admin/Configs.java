package interop.admin;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/** Settings of brokers and name servers, and the name servers' keys and values. */
final class Configs extends AdminSubject {
    @Override
    void call() throws Exception {
        part(this::broker);
        part(this::nameServer);
        part(this::keys);
    }

    private static Properties one(String key, String value) {
        Properties properties = new Properties();
        properties.setProperty(key, value);
        return properties;
    }

    private void broker() throws Exception {
        Properties first = admin.getBrokerConfig(cluster.broker);
        equal("broker: its name", "broker-a", first.getProperty("brokerName"));
        equal("broker: its id", "0", first.getProperty("brokerId"));
        equal("broker: its cluster", "DefaultCluster", first.getProperty("brokerClusterName"));
        equal("broker: its name servers", cluster.namesrv, first.getProperty("namesrvAddr"));
        equal("broker: its port", cluster.broker, "127.0.0.1:" + first.getProperty("listenPort"));
        equal("broker: its role", "ASYNC_MASTER", first.getProperty("brokerRole"));
        equal("broker: of its store", "1073741824", first.getProperty("mapedFileSizeCommitLog"));
        equal("broker: of its network", "65535", first.getProperty("serverSocketRcvBufSize").replace("131072", "65535"));
        equal("second broker", "broker-b 0", admin.getBrokerConfig(cluster.second).getProperty("brokerName") + " " + admin.getBrokerConfig(cluster.second).getProperty("brokerId"));
        Properties slave = admin.getBrokerConfig(cluster.slave);
        equal("slave", "broker-a 1 SLAVE", slave.getProperty("brokerName") + " " + slave.getProperty("brokerId") + " " + slave.getProperty("brokerRole"));
        equal("broker: before", "5000", first.getProperty("shortPollingTimeMills").replace("1000", "5000"));
        admin.updateBrokerConfig(cluster.broker, one("shortPollingTimeMills", "1234"));
        equal("broker: changed", "1234", admin.getBrokerConfig(cluster.broker).getProperty("shortPollingTimeMills"));
        equal("broker: nothing else", first.size(), admin.getBrokerConfig(cluster.broker).size());
        equal("broker: not the other", first.getProperty("shortPollingTimeMills"), admin.getBrokerConfig(cluster.second).getProperty("shortPollingTimeMills"));
        Properties two = one("waitTimeMillsInPullQueue", "5678");
        two.setProperty("deleteWhen", "05");
        admin.updateBrokerConfig(cluster.slave, two);
        Properties changed = admin.getBrokerConfig(cluster.slave);
        equal("slave: two at once", "5678 05", changed.getProperty("waitTimeMillsInPullQueue") + " " + changed.getProperty("deleteWhen"));
        admin.updateBrokerConfig(cluster.broker, one("brokerPermission", "4"));
        String topic = wideTopic("Permission", 2);
        awaits("a broker that may only be read: routes say so", () -> queues(topic).get("broker-a").equals("2 2 4"));
        equal("the other may be written", "2 2 6", queues(topic).get("broker-b"));
        admin.updateBrokerConfig(cluster.broker, one("brokerPermission", "6"));
        admin.createAndUpdateTopicConfig(cluster.broker, config(topic, 2));
        awaits("again as it was", () -> queues(topic).get("broker-a").equals("2 2 6"));
        equal("unknown broker", "RemotingConnectException", outcome(() -> admin.getBrokerConfig("127.0.0.1:3")));
        equal("unknown broker, changed", "RemotingConnectException", outcome(() -> admin.updateBrokerConfig("127.0.0.1:3", two)));
    }

    private void nameServer() throws Exception {
        List<String> named = Collections.singletonList(cluster.namesrv);
        Map<String, Properties> all = admin.getNameServerConfig(named);
        equal("name server: by its address", Collections.singleton(cluster.namesrv), all.keySet());
        Properties before = all.get(cluster.namesrv);
        equal("name server: its port", cluster.namesrv, "127.0.0.1:" + before.getProperty("listenPort"));
        equal("name server: no order of topics in routes", "false", before.getProperty("orderMessageEnable"));
        equal("name server: all known, where none is named", all.keySet(), admin.getNameServerConfig(null).keySet());
        String topic = wideTopic("OrderInRoute", 2);
        admin.createOrUpdateOrderConf(topic, "broker-a:2;broker-b:2", true);
        equal("name server: so not in this one", null, admin.examineTopicRouteInfo(topic).getOrderTopicConf());
        // Nobody else asks for this: routes of ordered topics only.
        admin.updateNameServerConfig(one("orderMessageEnable", "true"), named);
        equal("name server: changed", "true", admin.getNameServerConfig(named).get(cluster.namesrv).getProperty("orderMessageEnable"));
        equal("name server: nothing else", before.size(), admin.getNameServerConfig(named).get(cluster.namesrv).size());
        equal("name server: order in the route", "broker-a:2;broker-b:2", admin.examineTopicRouteInfo(topic).getOrderTopicConf());
        admin.updateNameServerConfig(one("orderMessageEnable", "false"), null);
        equal("name server: changed, where none is named", null, admin.examineTopicRouteInfo(topic).getOrderTopicConf());
        fails("name server: nothing to change", 0, () -> admin.updateNameServerConfig(new Properties(), named));
        equal("name server: not there", "RemotingConnectException", outcome(() -> admin.getNameServerConfig(Collections.singletonList("127.0.0.1:3"))));
        equal("name server: not there, changed", "RemotingConnectException", outcome(() -> admin.updateNameServerConfig(before, Collections.singletonList("127.0.0.1:3"))));
    }

    private void keys() throws Exception {
        admin.createAndUpdateKvConfig(name, "key", "value");
        equal("key: its value", "value", admin.getKVConfig(name, "key"));
        admin.createAndUpdateKvConfig(name, "key", "äöü 中文 a=b;c:d");
        equal("key: another value", "äöü 中文 a=b;c:d", admin.getKVConfig(name, "key"));
        admin.createAndUpdateKvConfig(name, "other", "2");
        equal("keys of a namespace", Map.of("key", "äöü 中文 a=b;c:d", "other", "2"), admin.getKVListByNamespace(name).getTable());
        fails("key: not there", QUERY_NOT_FOUND, () -> admin.getKVConfig(name, "none"));
        fails("key: of a namespace not there", QUERY_NOT_FOUND, () -> admin.getKVConfig("none" + name, "key"));
        fails("namespace not there", QUERY_NOT_FOUND, () -> admin.getKVListByNamespace("none" + name));
        admin.deleteKvConfig(name, "key");
        fails("key: deleted", QUERY_NOT_FOUND, () -> admin.getKVConfig(name, "key"));
        equal("keys left", Map.of("other", "2"), admin.getKVListByNamespace(name).getTable());
        fails("key: deleted twice", 0, () -> admin.deleteKvConfig(name, "key"));
        fails("key: deleted in a namespace not there", 0, () -> admin.deleteKvConfig("none" + name, "key"));
        admin.putKVConfig(name, "put", "nothing");
        fails("a method without function in all versions", QUERY_NOT_FOUND, () -> admin.getKVConfig(name, "put"));
    }
}
