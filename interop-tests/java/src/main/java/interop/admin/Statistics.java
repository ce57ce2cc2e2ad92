package interop.admin;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.rocketmq.common.admin.ConsumeStats;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.body.BrokerStatsData;
import org.apache.rocketmq.common.protocol.body.ConsumeQueueData;
import org.apache.rocketmq.common.protocol.body.ConsumeStatsList;
import org.apache.rocketmq.common.protocol.body.QueryConsumeQueueResponseBody;

/** Statistics that brokers keep, and consume queues as they are. */
final class Statistics extends AdminSubject {
    private Live live;

    @Override
    void call() throws Exception {
        live = new Live("", 2);
        part(this::rates);
        part(this::behind);
        part(this::consumeQueue);
    }

    private BrokerStatsData stats(String broker, String stat, String key) throws Exception {
        return admin.viewBrokerStatsData(broker, stat, key);
    }

    /** A sample is taken every 10 s; what came between the first and the last within a minute is the minute's. */
    private void rates() throws Exception {
        String consumed = live.topic + "@" + live.group;
        MessageQueue queue = new MessageQueue(live.topic, "broker-a", 0);
        Map<String, String> keys = new TreeMap<>(Map.of(
            "TOPIC_PUT_NUMS", live.topic, "TOPIC_PUT_SIZE", live.topic, "GROUP_GET_NUMS", consumed, "GROUP_GET_SIZE", consumed,
            "BROKER_PUT_NUMS", "DefaultCluster", "BROKER_GET_NUMS", "DefaultCluster"));
        for (Map.Entry<String, String> it : keys.entrySet()) {
            String what = it.getKey() + ": ";
            // There, though it may be without a sample.
            stats(cluster.broker, it.getKey(), it.getValue());
            awaits(what + "counts", () -> {
                live.producer.send(message(live.topic, "tag", "", "rate"), queue);
                return stats(cluster.broker, it.getKey(), it.getValue()).getStatsMinute().getSum() > 0;
            });
            if (stats(cluster.broker, it.getKey(), it.getValue()).getStatsMinute() != null) {
                check(what + "per second", stats(cluster.broker, it.getKey(), it.getValue()).getStatsMinute().getTps() > 0, it.getValue());
                double each = stats(cluster.broker, it.getKey(), it.getValue()).getStatsMinute().getAvgpt();
                // Times are counted by topic and by group only.
                check(what + "each", it.getKey().startsWith("BROKER_") ? each == 0 : each > 0, each);
                BrokerStatsData longer = stats(cluster.broker, it.getKey(), it.getValue());
                long hour = longer.getStatsHour().getSum();
                long day = longer.getStatsDay().getSum();
                // Java's first samples are 10 minutes and an hour apart, and what came before the first does not count.
                check(what + "of an hour and a day, not yet", cluster.isBeyondJava ? hour == day : hour == 0 && day == 0, hour + " " + day);
            }
        }
        equal("each put is one", 1.0, stats(cluster.broker, "TOPIC_PUT_NUMS", live.topic).getStatsMinute().getAvgpt());
        double size = stats(cluster.broker, "TOPIC_PUT_SIZE", live.topic).getStatsMinute().getAvgpt();
        check("each has its record's size", size > 100 && size < 1000, size);
        fails("unknown topic", SYSTEM_ERROR, () -> stats(cluster.broker, "TOPIC_PUT_NUMS", name + "None"));
        fails("unknown group", SYSTEM_ERROR, () -> stats(cluster.broker, "GROUP_GET_NUMS", live.topic + "@" + group("None")));
        equal("unknown broker", "RemotingConnectException", outcome(() -> stats("127.0.0.1:3", "TOPIC_PUT_NUMS", live.topic)));
    }

    private void behind() throws Exception {
        live.endConsumer();
        live.send(2, 4);
        awaits("behind: messages are there", () -> admin.maxOffset(new MessageQueue(live.topic, "broker-b", 1)) == 4);
        ConsumeStatsList all = admin.fetchConsumeStatsInBroker(cluster.second, false, 5000);
        equal("behind: which broker", cluster.second, all.getBrokerAddr());
        List<ConsumeStats> mine = null;
        for (Map<String, List<ConsumeStats>> it : all.getConsumeStatsList()) {
            mine = it.getOrDefault(live.group, mine);
        }
        check("behind: the group", mine != null, all.getConsumeStatsList());
        Map<String, String> rows = new TreeMap<>();
        for (ConsumeStats it : mine) {
            it.getOffsetTable().forEach((queue, offset) -> {
                if (queue.getTopic().equals(live.topic)) {
                    rows.put(name(queue), offset.getConsumerOffset() + " of " + offset.getBrokerOffset());
                }
            });
        }
        equal("behind: its queues here", "{broker-b 0=2 of 4, broker-b 1=2 of 4}", rows.toString());
        check("behind: of all groups", all.getTotalDiff() >= 4, all.getTotalDiff());
        boolean among = admin.fetchConsumeStatsInBroker(cluster.second, true, 5000).getConsumeStatsList().stream()
            .anyMatch(it -> it.getOrDefault(live.group, List.of()).stream().anyMatch(stats -> !stats.getOffsetTable().isEmpty()));
        equal("behind: not among ordered topics", false, among);
        equal("behind: unknown broker", "RemotingConnectException", outcome(() -> admin.fetchConsumeStatsInBroker("127.0.0.1:3", false, 5000)));
    }

    private void consumeQueue() throws Exception {
        QueryConsumeQueueResponseBody body = admin.queryConsumeQueue(cluster.second, live.topic, 1, 0, 10, null);
        // 4.3.0's brokers answer before they have looked; the answer says nothing.
        if (cluster.isBeyondJava) {
            equal("queue: its ends", "0..4", body.getMinQueueIndex() + ".." + body.getMaxQueueIndex());
            equal("queue: tags of its entries", Collections.nCopies(4, (long) "tag".hashCode()).toString(),
                body.getQueueData().stream().map(ConsumeQueueData::getTagsCode).collect(Collectors.toList()).toString());
            check("queue: places of its entries", body.getQueueData().stream().allMatch(it -> it.getPhysicSize() > 100 && it.getPhysicOffset() >= 0), body.getQueueData());
            equal("queue: some of them", 2, admin.queryConsumeQueue(cluster.second, live.topic, 1, 1, 2, null).getQueueData().size());
            equal("queue: a group that is gone", live.group + "@" + live.topic + " is not online!",
                admin.queryConsumeQueue(cluster.second, live.topic, 1, 0, 10, live.group).getFilterData());
        } else {
            equal("queue: says nothing", "0..0 null", body.getMinQueueIndex() + ".." + body.getMaxQueueIndex() + " " + body.getQueueData());
        }
        fails("queue: of a group", 0, () -> admin.queryConsumeQueue(cluster.second, live.topic, 1, 0, 10, live.group));
        fails("queue: not there", SYSTEM_ERROR, () -> admin.queryConsumeQueue(cluster.second, name + "None", 77, 0, 10, null));
        fails("queue: beyond its end", 0, () -> admin.queryConsumeQueue(cluster.second, live.topic, 1, 100, 10, null));
        awaits("queue: at the slave", () -> outcome(() -> admin.queryConsumeQueue(cluster.slave, live.topic, 0, 0, 10, null)).equals("0"));
        equal("queue: unknown broker", "RemotingConnectException", outcome(() -> admin.queryConsumeQueue("127.0.0.1:3", live.topic, 0, 0, 10, null)));
    }
}
