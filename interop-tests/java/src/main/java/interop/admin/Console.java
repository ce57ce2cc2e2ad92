package interop.admin;

import com.alibaba.fastjson.JSON;
import interop.behaviour.Seen;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.admin.ConsumeStats;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.body.BrokerStatsData;
import org.apache.rocketmq.common.protocol.body.CMResult;
import org.apache.rocketmq.common.protocol.body.ClusterInfo;
import org.apache.rocketmq.common.protocol.body.Connection;
import org.apache.rocketmq.common.protocol.body.SubscriptionGroupWrapper;
import org.apache.rocketmq.common.protocol.body.TopicConfigSerializeWrapper;
import org.apache.rocketmq.common.protocol.route.BrokerData;
import org.apache.rocketmq.common.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.admin.MQAdminExt;
import org.apache.rocketmq.tools.admin.api.MessageTrack;
import org.apache.rocketmq.tools.admin.api.TrackType;

/** What the pages and jobs of rocketmq-console call, each with a client of its own that ends with the page. */
final class Console extends AdminSubject {
    private Live live;
    private Live gone;

    private interface Page {
        void open(MQAdminExt client) throws Exception;
    }

    /** A page: its client lives as long as it takes to make it. */
    private void page(String what, Page page) {
        DefaultMQAdminExt client = null;
        try {
            client = admin(cluster.namesrv);
            page.open(cluster.recorded(client));
        } catch (Exception e) {
            check(what + ": is shown", false, e.toString());
        } finally {
            if (client != null) {
                client.shutdown();
            }
        }
    }

    @Override
    void call() throws Exception {
        live = new Live("", 3);
        gone = new Live("Gone", 2);
        gone.endConsumer();
        page("cluster", this::clusterPage);
        page("brokers' job", this::brokersJob);
        page("topics' job", this::topicsJob);
        page("topics", this::topicPages);
        page("topic's consumers", this::topicConsumers);
        page("topic changed", this::topicChanged);
        page("groups", this::groups);
        page("group", this::groupPages);
        page("group changed", this::groupChanged);
        page("producer", this::producerPage);
        page("messages", this::messages);
        page("messages by topic", this::messagesByTopic);
        page("consumed again", this::consumedAgain);
        page("reset", this::reset);
    }

    private void clusterPage(MQAdminExt client) throws Exception {
        ClusterInfo info = client.examineBrokerClusterInfo();
        Map<String, Map<Long, String>> shown = new TreeMap<>();
        for (BrokerData broker : info.getBrokerAddrTable().values()) {
            for (Map.Entry<Long, String> it : broker.getBrokerAddrs().entrySet()) {
                Map<String, String> table = client.fetchBrokerRuntimeStats(it.getValue()).getTable();
                shown.computeIfAbsent(broker.getBrokerName(), key -> new TreeMap<>()).put(it.getKey(), table.get("brokerVersionDesc"));
                // Its columns; it shows "NaN" where one is no number.
                for (String rate : Arrays.asList("putTps", "getTransferedTps")) {
                    double first = Double.parseDouble(table.get(rate).split(" ")[0]);
                    check("cluster: " + rate, first >= 0 && first < 1_000_000, first);
                }
                long put = Long.parseLong(table.get("msgPutTotalTodayNow")) - Long.parseLong(table.get("msgPutTotalTodayMorning"));
                long got = Long.parseLong(table.get("msgGetTotalTodayNow")) - Long.parseLong(table.get("msgGetTotalTodayMorning"));
                boolean isMaster = it.getKey() == 0;
                check("cluster: today's puts and gets", isMaster ? put > 0 && got > 0 : put >= 0 && got >= 0, put + " " + got);
                check("cluster: yesterday's puts", Long.parseLong(table.get("msgPutTotalTodayMorning")) >= Long.parseLong(table.get("msgPutTotalYesterdayMorning")), table);
                check("cluster: yesterday's gets", Long.parseLong(table.get("msgGetTotalTodayMorning")) >= Long.parseLong(table.get("msgGetTotalYesterdayMorning")), table);
                equal("cluster: settings", broker.getBrokerName(), client.getBrokerConfig(it.getValue()).getProperty("brokerName"));
            }
        }
        equal("cluster: its members", "{broker-a={0=V4_3_0, 1=V4_3_0}, broker-b={0=V4_3_0}}", shown.toString());
    }

    /** Each minute: one value that is no decimal ends the job. */
    private void brokersJob(MQAdminExt client) throws Exception {
        for (BrokerData broker : client.examineBrokerClusterInfo().getBrokerAddrTable().values()) {
            String[] words = client.fetchBrokerRuntimeStats(broker.selectBrokerAddr()).getTable().get("getTotalTps").split(" ");
            BigDecimal sum = BigDecimal.ZERO;
            for (String word : words) {
                sum = sum.add(new BigDecimal(word));
            }
            check("brokers' job: average", words.length == 3 && sum.signum() >= 0, sum);
        }
    }

    private void topicsJob(MQAdminExt client) throws Exception {
        Set<String> topics = new TreeSet<>(client.fetchAllTopicList().getTopicList());
        check("topics' job: among all topics", topics.contains(live.topic), live.topic);
        List<String> stats = new ArrayList<>();
        for (BrokerData broker : client.examineTopicRouteInfo(live.topic).getBrokerDatas()) {
            String master = broker.getBrokerAddrs().get(0L);
            BrokerStatsData put = client.viewBrokerStatsData(master, "TOPIC_PUT_NUMS", live.topic);
            // Counters of a day, an hour and a minute, as many as there are by now.
            stats.add(broker.getBrokerName() + " in " + (put.getStatsMinute().getSum() >= 0 && put.getStatsDay().getSum() >= 0));
            for (String group : client.queryTopicConsumeByWho(live.topic).getGroupList()) {
                BrokerStatsData got = client.viewBrokerStatsData(master, "GROUP_GET_NUMS", live.topic + "@" + group);
                stats.add(broker.getBrokerName() + " out " + (got.getStatsMinute().getSum() >= 0 && got.getStatsDay().getSum() >= 0));
            }
        }
        same("topics' job: in and out of each master", list("broker-a in true", "broker-a out true", "broker-b in true", "broker-b out true"), stats);
    }

    private MQClientAPIImpl api() {
        return live.producer.getDefaultMQProducerImpl().getmQClientFactory().getMQClientAPIImpl();
    }

    private void topicPages(MQAdminExt client) throws Exception {
        check("topics: the list", client.fetchAllTopicList().getTopicList().containsAll(Arrays.asList(live.topic, "%RETRY%" + live.group)), live.topic);
        Set<String> system = api().getSystemTopicList(5000).getTopicList();
        check("topics: of the system", system.containsAll(Arrays.asList("DefaultCluster", "broker-a", "broker-b", "SELF_TEST_TOPIC", "BenchmarkTest", "OFFSET_MOVED_EVENT")), system);
        check("topics: no others", !system.contains(live.topic), system);
        equal("topics: statistics", 4, client.examineTopicStats(live.topic).getOffsetTable().size());
        equal("topics: routes", expected(cluster), addresses(client.examineTopicRouteInfo(live.topic).getBrokerDatas()));
        RemotingCommand answer = api().getRemotingClient().invokeSync(cluster.broker, RemotingCommand.createRequestCommand(21, null), 3000);
        equal("topics: settings, asked for without a header", 0, answer.getCode());
        TopicConfigSerializeWrapper table = JSON.parseObject(answer.getBody(), TopicConfigSerializeWrapper.class);
        equal("topics: settings", new TopicConfig(live.topic, 2, 2, 6).toString(), table.getTopicConfigTable().get(live.topic).toString());
    }

    /** Of each group its queues, and the client that has them. */
    private void topicConsumers(MQAdminExt client) throws Exception {
        equal("topic's consumers: groups", Collections.singleton(live.group), client.queryTopicConsumeByWho(live.topic).getGroupList());
        equal("topic's consumers: offsets", 4, client.examineConsumeStats(live.group, live.topic).getOffsetTable().size());
        Map<String, String> owners = new TreeMap<>();
        for (Connection it : client.examineConsumerConnectionInfo(live.group).getConnectionSet()) {
            for (MessageQueue queue : client.getConsumerRunningInfo(live.group, it.getClientId(), false).getMqTable().keySet()) {
                if (queue.getTopic().equals(live.topic)) {
                    owners.put(name(queue), it.getClientId());
                }
            }
        }
        equal("topic's consumers: owners", everywhere(0).keySet(), owners.keySet());
        equal("topic's consumers: of a topic that nobody consumes", "[]", client.queryTopicConsumeByWho("BenchmarkTest").getGroupList().toString());
    }

    private Set<String> masters(MQAdminExt client) throws Exception {
        Set<String> masters = new TreeSet<>();
        for (BrokerData broker : client.examineBrokerClusterInfo().getBrokerAddrTable().values()) {
            masters.add(broker.getBrokerAddrs().get(0L));
        }
        return masters;
    }

    private void topicChanged(MQAdminExt client) throws Exception {
        String topic = name + "Changed";
        for (String master : masters(client)) {
            client.createAndUpdateTopicConfig(master, new TopicConfig(topic, 16, 16, 6));
        }
        awaits("topic changed: made", () -> queues(topic).equals(Map.of("broker-a", "16 16 6", "broker-b", "16 16 6")));
        DefaultMQProducer sender = configured(new DefaultMQProducer("SELF_TEST_P_GROUP"));
        sender.start();
        closing(sender::shutdown);
        equal("topic changed: a message sent", SendStatus.SEND_OK, sender.send(message(topic, "tag", "key", "m")).getSendStatus());
        client.deleteTopicInBroker(masters(client), topic);
        client.deleteTopicInNameServer(new HashSet<>(Arrays.asList(cluster.namesrv.split(";"))), topic);
        fails("topic changed: deleted", TOPIC_NOT_EXIST, () -> client.examineTopicRouteInfo(topic));
        check("topic changed: not in the list", !client.fetchAllTopicList().getTopicList().contains(topic), topic);
    }

    private void groups(MQAdminExt client) throws Exception {
        Set<String> groups = new TreeSet<>();
        for (String master : masters(client)) {
            groups.addAll(client.getAllSubscriptionGroup(master, 3000).getSubscriptionGroupTable().keySet());
        }
        check("groups: the list", groups.containsAll(Arrays.asList(live.group, gone.group, "TOOLS_CONSUMER")), groups);
        equal("groups: one that is there", "1 0", row(client, live.group));
        equal("groups: one that is not", "206 0", row(client, gone.group));
        equal("groups: one of the system", "17 17", row(client, "CID_ONS-HTTP-PROXY"));
    }

    /** Members, and how far behind, as far as the brokers say. */
    private String row(MQAdminExt client, String group) {
        String members;
        String behind;
        try {
            members = "" + client.examineConsumerConnectionInfo(group).getConnectionSet().size();
        } catch (Exception e) {
            members = outcome(() -> {
                throw e;
            });
        }
        try {
            behind = "" + client.examineConsumeStats(group).computeTotalDiff();
        } catch (Exception e) {
            behind = outcome(() -> {
                throw e;
            });
        }
        return members + " " + behind;
    }

    private void groupPages(MQAdminExt client) throws Exception {
        ConsumeStats stats = client.examineConsumeStats(live.group);
        Set<String> topics = new TreeSet<>();
        stats.getOffsetTable().keySet().forEach(queue -> topics.add(queue.getTopic()));
        equal("group: its topics", set(Arrays.asList("%RETRY%" + live.group, live.topic)), topics);
        equal("group: a client", live.client(), client.examineConsumerConnectionInfo(live.group).getConnectionSet().iterator().next().getClientId());
        equal("group: its info", "V" + "4", String.valueOf(client.getConsumerRunningInfo(live.group, live.client(), true).getProperties().get("PROP_CLIENT_VERSION")).substring(0, 2));
        equal("group: of nobody's topics", set(Arrays.asList(gone.topic, "%RETRY%" + gone.group)), topics(client, gone.group));
    }

    private static Set<String> topics(MQAdminExt client, String group) throws Exception {
        Set<String> topics = new TreeSet<>();
        client.examineConsumeStats(group).getOffsetTable().keySet().forEach(queue -> topics.add(queue.getTopic()));
        return topics;
    }

    private void groupChanged(MQAdminExt client) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group("Changed"));
        config.setRetryMaxTimes(7);
        for (String master : masters(client)) {
            client.createAndUpdateSubscriptionGroupConfig(master, config);
            RemotingCommand answer = api().getRemotingClient().invokeSync(master, RemotingCommand.createRequestCommand(201, null), 3000);
            SubscriptionGroupWrapper table = JSON.parseObject(answer.getBody(), SubscriptionGroupWrapper.class);
            equal("group changed: settings, asked for without a header", 7, table.getSubscriptionGroupTable().get(group("Changed")).getRetryMaxTimes());
            client.deleteSubscriptionGroup(master, group("Changed"));
            equal("group changed: deleted", null, client.getAllSubscriptionGroup(master, 3000).getSubscriptionGroupTable().get(group("Changed")));
        }
    }

    private void producerPage(MQAdminExt client) throws Exception {
        awaits("producer: its connection", () -> client.examineProducerConnectionInfo(group("Producer"), live.topic).getConnectionSet().stream()
            .anyMatch(it -> it.getClientId().equals(live.producer.buildMQClientId())));
    }

    private void messages(MQAdminExt client) throws Exception {
        SendResult sent = live.sent.get(1);
        awaits("messages: indexed", () -> client.viewMessage(live.topic, sent.getMsgId()) != null);
        for (String id : Arrays.asList(sent.getMsgId(), sent.getOffsetMsgId())) {
            MessageExt found = client.viewMessage(live.topic, id);
            equal("messages: by id", "broker-a 0 m1", body(found));
            equal("messages: their tracks", "[" + live.group + " CONSUMED]", tracks(client, found).toString());
        }
        MessageExt lost = client.viewMessage(gone.topic, gone.sent.get(0).getMsgId());
        equal("messages: the track of a group that is gone", "[" + gone.group + " " + TrackType.NOT_ONLINE + "]", tracks(client, lost).toString());
        List<MessageExt> found = client.queryMessage(live.topic, "broker-b-1-m2", 64, 0, System.currentTimeMillis()).getMessageList();
        equal("messages: by key", "[broker-b 1 m2]", bodies(found).toString());
        equal("messages: by key, of all queues", 12, client.queryMessage(live.topic, "key", 64, 0, System.currentTimeMillis()).getMessageList().size());
        // By what the trace pages ask: 4.3.0 has no such topic.
        String trace = outcome(() -> client.queryMessage("RMQ_SYS_TRACE_TOPIC", sent.getMsgId(), 64, 0, System.currentTimeMillis()));
        check("messages: their traces", trace.equals("" + TOPIC_NOT_EXIST) || trace.equals("" + NO_MESSAGE), trace);
    }

    private static List<String> tracks(MQAdminExt client, MessageExt message) throws Exception {
        List<String> tracks = new ArrayList<>();
        for (MessageTrack it : client.messageTrackDetail(message)) {
            tracks.add(it.getConsumerGroup() + " " + it.getTrackType());
        }
        return tracks;
    }

    /** Of a time, by a pull consumer of the tools' group. */
    private void messagesByTopic(MQAdminExt client) throws Exception {
        DefaultMQPullConsumer consumer = configured(new DefaultMQPullConsumer("TOOLS_CONSUMER"));
        consumer.start();
        closing(consumer::shutdown);
        List<String> found = new ArrayList<>();
        long end = System.currentTimeMillis();
        int rows = 0;
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(live.topic);
        equal("messages by topic: queues", 4, queues.size());
        for (MessageQueue queue : queues) {
            long first = consumer.searchOffset(queue, live.before);
            long last = consumer.searchOffset(queue, end);
            rows += last - first + 1;
            for (long offset = first; offset <= last; ) {
                PullResult result = consumer.pull(queue, "*", offset, 32);
                offset = result.getNextBeginOffset();
                if (result.getPullStatus() != PullStatus.FOUND) {
                    break;
                }
                for (MessageExt it : result.getMsgFoundList()) {
                    if (it.getStoreTimestamp() >= live.before && it.getStoreTimestamp() <= end) {
                        found.add(body(it));
                    }
                }
            }
        }
        List<String> sent = new ArrayList<>();
        everywhere(0).keySet().forEach(it -> sent.addAll(list(it + " m0", it + " m1", it + " m2")));
        same("messages by topic: all of that time", sent, found);
        equal("messages by topic: rows to turn pages by", 12, rows);
    }

    private void consumedAgain(MQAdminExt client) throws Exception {
        int before = live.seen.size();
        for (Connection it : client.examineConsumerConnectionInfo(live.group).getConnectionSet()) {
            equal("consumed again", CMResult.CR_SUCCESS, client.consumeMessageDirectly(live.group, it.getClientId(), live.topic, live.sent.get(0).getMsgId()).getConsumeResult());
        }
        equal("consumed again: once", before + 1, live.seen.size());
        check("consumed again: that message", new String(live.seen.last().getBody(), StandardCharsets.UTF_8).equals("broker-a 0 m0"), "");
    }

    private void reset(MQAdminExt client) throws Exception {
        Seen seen = live.seen;
        int before = seen.size();
        equal("reset: a group that is there", 4, client.resetOffsetByTimestamp(live.topic, live.group, live.before, true).size());
        awaits("reset: consumed again", () -> seen.size() == before + 12);
        // Where nobody is there, at the brokers.
        try {
            client.resetOffsetByTimestamp(gone.topic, gone.group, gone.before, true);
            check("reset: nobody there", false, "no exception");
        } catch (MQClientException e) {
            equal("reset: nobody there", CONSUMER_NOT_ONLINE, e.getResponseCode());
            equal("reset: at the brokers", 4, client.resetOffsetByTimestampOld(gone.group, gone.topic, gone.before, true).size());
        }
        equal("reset: stands at the first", everywhere(0), committed(gone.group, gone.topic));
        // Skipping what has piled up is a reset to -1.
        client.resetOffsetByTimestampOld(gone.group, gone.topic, -1, true);
        equal("skipped: stands at the end", everywhere(2), committed(gone.group, gone.topic));
        equal("skipped: a group that is there", everywhere(3).values().stream().mapToLong(it -> it).sum(),
            client.resetOffsetByTimestamp(live.topic, live.group, -1, true).values().stream().mapToLong(it -> it).sum());
    }
}
