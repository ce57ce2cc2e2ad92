package interop.admin;

import java.util.Arrays;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.subscription.SubscriptionGroupConfig;

/** What brokers and the name server say of what they do not know, asked without the client's own looking up of routes. */
final class Refusals extends AdminSubject {
    private static final long MS = 5000;
    private MQClientAPIImpl api;
    private SendResult sent;

    @Override
    void call() throws Exception {
        DefaultMQProducer producer = producer();
        api = producer.getDefaultMQProducerImpl().getmQClientFactory().getMQClientAPIImpl();
        String topic = wideTopic("", 2);
        sent = producer.send(message(topic, "", "", "m"), new MessageQueue(topic, "broker-a", 0));
        part(this::topics);
        part(this::groups);
        part(() -> members(topic));
        part(this::nameServer);
        part(() -> slave(topic));
    }

    private static String told(Attempt attempt) throws Exception {
        try {
            attempt.run();
            return "0";
        } catch (MQClientException e) {
            return e.getResponseCode() + " " + e.getErrorMessage();
        } catch (MQBrokerException e) {
            return e.getResponseCode() + " " + e.getErrorMessage();
        }
    }

    private void topics() throws Exception {
        String none = name + "None";
        equal("unknown topic: statistics", "17 topic[" + none + "] not exist", told(() -> api.getTopicStatsInfo(cluster.broker, none, MS)));
        equal("unknown topic: times", "17 topic[" + none + "] not exist", told(() -> api.queryConsumeTimeSpan(cluster.broker, none, "g", MS)));
        equal("unknown topic: who consumes it", "[]", api.queryTopicConsumeByWho(cluster.broker, none, MS).getGroupList().toString());
        equal("unknown topic: reset", "1 [reset-offset] reset offset failed, no topic in this broker. topic=" + none,
            told(() -> api.invokeBrokerToResetOffset(cluster.broker, none, "g", -1, true, MS)));
        equal("unknown topic: offsets of a group", "{}", api.getConsumeStats(cluster.broker, "g", none, MS).getOffsetTable().toString());
        equal("unknown topic: cloned", "0", told(() -> api.cloneGroupOffset(cluster.broker, "g", "h", none, false, MS)));
        equal("unknown topic: its places", "0 0 -1", api.getMaxOffset(cluster.broker, none, 0, MS) + " " + api.getMinOffset(cluster.broker, none, 0, MS) + " "
            + api.getEarliestMsgStoretime(cluster.broker, none, 0, MS));
        equal("unknown topic: by time", 0L, api.searchOffset(cluster.broker, none, 0, 0, MS));
        equal("unknown topic: deleted", "0", told(() -> api.deleteTopicInBroker(cluster.broker, none, MS)));
        equal("unknown topic: statistic", "1 The stats <TOPIC_PUT_NUMS> <" + none + "> not exist", told(() -> api.viewBrokerStatsData(cluster.broker, "TOPIC_PUT_NUMS", none, MS)));
        equal("unknown statistic", "1 The stats <NONE> <" + name + "> not exist", told(() -> api.viewBrokerStatsData(cluster.broker, "NONE", name, MS)).replaceAll("^1 .*Null.*", ""));
        equal("the cluster's name as a topic", "1 the topic[DefaultCluster] is conflict with system reserved words.", told(() -> api.createTopic(cluster.broker, "", config("DefaultCluster", 1), MS)));
        long beyond = 0xFFFFFFFFFL;
        equal("no message there", "1 can not find message by the offset, " + beyond, told(() -> api.viewMessage(cluster.broker, beyond, MS)));
    }

    private void groups() throws Exception {
        String none = group("None");
        equal("unknown group: its connections", "206 the consumer group[" + none + "] not online", told(() -> api.getConsumerConnectionList(cluster.broker, none, MS)));
        equal("unknown group: producers", "1 the producer group[" + none + "] not exist", told(() -> api.getProducerConnectionList(cluster.broker, none, MS)));
        equal("unknown group: offsets", "{}", api.getConsumeStats(cluster.broker, none, MS).getOffsetTable().toString());
        equal("unknown group: reset", "1 THe consumer group <" + none + "> not exist", told(() -> api.invokeBrokerToResetOffset(cluster.broker, "SELF_TEST_TOPIC", none, -1, true, MS))
            .replaceAll("^206 .*", "1 THe consumer group <" + none + "> not exist"));
        // Of 4.3.0 an exception's text.
        equal("unknown group: where members stand", "1", code(() -> api.invokeBrokerToGetConsumerStatus(cluster.broker, "SELF_TEST_TOPIC", none, "", MS)) + "");
        equal("unknown group: running info", "1 The Consumer <" + none + "> <nobody> not online", told(() -> api.getConsumerRunningInfo(cluster.broker, none, "nobody", false, MS)));
        equal("unknown group: consumed directly", "1 The Consumer <" + none + "> <nobody> not online", told(() -> api.consumeMessageDirectly(cluster.broker, none, "nobody", sent.getOffsetMsgId(), MS)));
        equal("unknown group: deleted", "0", told(() -> admin.deleteSubscriptionGroup(cluster.broker, none)));
        equal("unknown group: cloned", "0", told(() -> api.cloneGroupOffset(cluster.broker, none, group("Other"), "SELF_TEST_TOPIC", false, MS)));
        equal("unknown group: nothing was cloned", "[]", api.queryTopicConsumeByWho(cluster.broker, "SELF_TEST_TOPIC", MS).getGroupList().stream().filter(it -> it.startsWith(group(""))).sorted()
            .collect(java.util.stream.Collectors.toList()).toString());
        equal("unknown group: statistic", "1 The stats <GROUP_GET_NUMS> <t@" + none + "> not exist", told(() -> api.viewBrokerStatsData(cluster.broker, "GROUP_GET_NUMS", "t@" + none, MS)));
        equal("unknown group: its members", true, told(() -> api.getConsumerIdListByGroup(cluster.broker, none, MS)).startsWith("1 no consumer for this group, " + none));
    }

    private void members(String topic) throws Exception {
        Live live = new Live("Live", 1);
        equal("unknown client: running info", "1 The Consumer <" + live.group + "> <nobody> not online", told(() -> api.getConsumerRunningInfo(cluster.broker, live.group, "nobody", false, MS)));
        equal("a topic that a live group does not consume: offsets", "{}", api.getConsumeStats(cluster.broker, live.group, topic, MS).getOffsetTable().toString());
        equal("a topic that a live group does not consume: cloned", "0", told(() -> api.cloneGroupOffset(cluster.broker, live.group, group("Copy"), topic, false, MS)));
        equal("a topic that a live group does not consume: nothing was cloned", "[]", api.queryTopicConsumeByWho(cluster.broker, topic, MS).getGroupList().toString());
        // A group deleted under its members is made again by their next heartbeat.
        admin.deleteSubscriptionGroup(cluster.broker, live.group);
        awaits("a live group deleted: made again", () -> admin.getAllSubscriptionGroup(cluster.broker, MS).getSubscriptionGroupTable().containsKey(live.group));
        live.consumer.shutdown();
        awaits("nobody left: reset", () -> told(() -> api.invokeBrokerToResetOffset(cluster.broker, live.topic, live.group, 1000, true, MS))
            .equals("206 Consumer not online, so can not reset offset, Group: " + live.group + " Topic: " + live.topic + " Timestamp: 1000"));
        equal("nobody left: where members stand", 1, code(() -> api.invokeBrokerToGetConsumerStatus(cluster.broker, live.topic, live.group, null, MS)));
    }

    private void nameServer() throws Exception {
        String none = name + "None";
        check("no route", told(() -> api.getTopicRouteInfoFromNameServer(none, MS)).startsWith("17 No topic route info in name server for the topic: " + none), told(() -> api.getTopicRouteInfoFromNameServer(none, MS)));
        equal("no key", "22 No config item, Namespace: " + none + " Key: k", told(() -> api.getKVConfigValue(none, "k", MS)));
        equal("no namespace", "22 No config item, Namespace: " + none, told(() -> api.getKVListByNamespace(none, MS)));
        equal("topics of an unknown cluster", "[]", api.getTopicsByCluster(none, MS).getTopicList().toString());
        equal("topics of units", "[]", filtered(api.getUnitTopicList(true, MS).getTopicList()).toString());
        equal("topics with subscribers of units", "[]", filtered(api.getHasUnitSubTopicList(true, MS).getTopicList()).toString());
        equal("topics with subscribers of units, of no unit", "[]", filtered(api.getHasUnitSubUnUnitTopicList(true, MS).getTopicList()).toString());
        admin.createTopic("DefaultCluster", name + "Unit", 1, 1);
        admin.createTopic("DefaultCluster", name + "Sub", 1, 2);
        admin.createTopic("DefaultCluster", name + "Both", 1, 3);
        awaits("units: there", () -> hasRoute(name + "Unit") && hasRoute(name + "Sub") && hasRoute(name + "Both"));
        equal("units: their topics", list(name + "Both", name + "Unit").toString(), filtered(api.getUnitTopicList(true, MS).getTopicList()).toString());
        equal("units: with subscribers", list(name + "Both", name + "Sub").toString(), filtered(api.getHasUnitSubTopicList(true, MS).getTopicList()).toString());
        equal("units: with subscribers, of no unit", list(name + "Sub").toString(), filtered(api.getHasUnitSubUnUnitTopicList(true, MS).getTopicList()).toString());
    }

    private Set<String> filtered(Set<String> topics) {
        Set<String> mine = new TreeSet<>(topics);
        mine.removeIf(it -> !it.startsWith(name));
        return mine;
    }

    /** A slave answers what is only asked. */
    private void slave(String topic) throws Exception {
        awaits("slave: it has the topic", () -> admin.getAllTopicGroup(cluster.slave, MS).getTopicConfigTable().containsKey(topic));
        awaits("slave: it has the message", () -> api.getMaxOffset(cluster.slave, topic, 0, MS) == 1);
        equal("slave: statistics", "0..1", api.getTopicStatsInfo(cluster.slave, topic, MS).getOffsetTable().get(new MessageQueue(topic, "broker-a", 0)).getMinOffset() + ".."
            + api.getTopicStatsInfo(cluster.slave, topic, MS).getOffsetTable().get(new MessageQueue(topic, "broker-a", 0)).getMaxOffset());
        equal("slave: unknown topic", "17 topic[" + name + "None] not exist", told(() -> api.getTopicStatsInfo(cluster.slave, name + "None", MS)));
        equal("slave: unknown group", "206 the consumer group[" + group("None") + "] not online", told(() -> api.getConsumerConnectionList(cluster.slave, group("None"), MS)));
        equal("slave: system topics", set(api.getSystemTopicListFromBroker(cluster.broker, MS).getTopicList()), set(api.getSystemTopicListFromBroker(cluster.slave, MS).getTopicList()));
        equal("slave: cleaning", true, api.cleanExpiredConsumeQueue(cluster.slave, MS));
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group("AtSlave"));
        equal("slave: a group made there", "0", told(() -> api.createSubscriptionGroup(cluster.slave, config, MS)));
        equal("slave: a topic made there", "0", told(() -> api.createTopic(cluster.slave, "", config(name + "AtSlave", 1), MS)));
        Properties properties = admin.getBrokerConfig(cluster.slave);
        equal("slave: settings", Arrays.asList("SLAVE", "1"), Arrays.asList(properties.getProperty("brokerRole"), properties.getProperty("brokerId")));
    }
}
