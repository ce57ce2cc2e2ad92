package interop.admin;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.admin.RollbackStats;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.api.MessageTrack;

/** A consumer group whose members are all gone: its offsets can be looked at, and be set, but its members not be asked. */
final class Offline extends AdminSubject {
    private Live live;

    @Override
    void call() throws Exception {
        live = new Live("", 5);
        live.endConsumer();
        live.send(5, 7);
        awaits("messages are there", () -> admin.maxOffset(new MessageQueue(live.topic, "broker-b", 1)) == 7);
        part(this::seen);
        part(this::reset);
        part(this::neverConsumed);
    }

    private void seen() throws Exception {
        equal("its offsets stay", everywhere(5), committed(live.group, live.topic));
        equal("it is behind", 8L, admin.examineConsumeStats(live.group, live.topic).computeTotalDiff());
        equal("it still consumes its topic", "[" + live.group + "]", admin.queryTopicConsumeByWho(live.topic).getGroupList().toString());
        fails("its connections", CONSUMER_NOT_ONLINE, () -> admin.examineConsumerConnectionInfo(live.group));
        fails("where its members stand", SYSTEM_ERROR, () -> admin.getConsumeStatus(live.topic, live.group, ""));
        fails("its client's info", SYSTEM_ERROR, () -> admin.getConsumerRunningInfo(live.group, live.client(), false));
        fails("consumed directly", SYSTEM_ERROR, () -> admin.consumeMessageDirectly(live.group, live.client(), live.sent.get(0).getOffsetMsgId()));
        List<String> tracks = new ArrayList<>();
        for (MessageTrack it : admin.messageTrackDetail(admin.viewMessage(live.sent.get(0).getOffsetMsgId()))) {
            tracks.add(it.getConsumerGroup() + " " + it.getTrackType() + " " + it.getExceptionDesc());
        }
        equal("track", list(live.group + " NOT_ONLINE CODE:206 DESC:the consumer group[" + live.group + "] not online"), tracks);
        admin.queryConsumeTimeSpan(live.topic, live.group).forEach(it ->
            check("times: it is late", it.getConsumeTimeStamp() < it.getMaxTimeStamp() && it.getDelayTime() > 0 && it.getDelayTime() < 600_000, it.getDelayTime()));
    }

    private void reset() throws Exception {
        fails("reset: by its members", CONSUMER_NOT_ONLINE, () -> admin.resetOffsetByTimestamp(live.topic, live.group, live.before, true));
        Map<String, String> rows = rows(admin.resetOffsetByTimestampOld(live.group, live.topic, -1, false));
        equal("reset: not forwards without force", every("7 5 7 5"), rows);
        equal("reset: nothing changed", everywhere(5), committed(live.group, live.topic));
        equal("reset: forwards with force", every("7 5 7 7"), rows(admin.resetOffsetByTimestampOld(live.group, live.topic, -1, true)));
        equal("reset: stands at the end", everywhere(7), committed(live.group, live.topic));
        equal("reset: back without force", every("7 7 0 0"), rows(admin.resetOffsetByTimestampOld(live.group, live.topic, live.before, false)));
        equal("reset: stands at the first", everywhere(0), committed(live.group, live.topic));
        // As consoles do: by the members, and where there are none, at the brokers.
        admin.resetOffsetNew(live.group, live.topic, -1);
        equal("reset: to the end, members or not", everywhere(7), committed(live.group, live.topic));
        admin.resetOffsetNew(live.group, live.topic, live.before);
        equal("reset: to a time, members or not", everywhere(0), committed(live.group, live.topic));
        // A time after the last message leads to it, not behind it.
        admin.resetOffsetNew(live.group, live.topic, System.currentTimeMillis() + 60_000);
        equal("reset: to a time to come", everywhere(6), committed(live.group, live.topic));
        fails("reset: unknown topic", TOPIC_NOT_EXIST, () -> admin.resetOffsetByTimestampOld(live.group, name + "None", -1, true));
        fails("reset: unknown topic, members or not", TOPIC_NOT_EXIST, () -> admin.resetOffsetNew(live.group, name + "None", -1));
    }

    /** Row by queue: end, where it stood, where the time is, where it goes. */
    private static Map<String, String> rows(List<RollbackStats> stats) {
        Map<String, String> rows = new TreeMap<>();
        for (RollbackStats it : stats) {
            rows.put(it.getBrokerName() + " " + it.getQueueId(), it.getBrokerOffset() + " " + it.getConsumerOffset() + " " + it.getTimestampOffset() + " " + it.getRollbackOffset());
        }
        return rows;
    }

    private static Map<String, String> every(String row) {
        Map<String, String> rows = new TreeMap<>();
        everywhere(0).keySet().forEach(it -> rows.put(it, row));
        return rows;
    }

    private void neverConsumed() throws Exception {
        String group = group("Never");
        String topic = wideTopic("Never", 2);
        for (MessageQueue queue : queuesOf(topic, 2)) {
            live.producer.send(message(topic, "", "", "m"), queue);
            awaits("never: a message", () -> admin.maxOffset(queue) == 1);
        }
        for (String broker : Arrays.asList(cluster.broker, cluster.second)) {
            admin.createAndUpdateTopicConfig(broker, config("%RETRY%" + group, 1));
        }
        awaits("never: known as a group", () -> queues("%RETRY%" + group).size() == 2);
        fails("never: no offsets", CONSUMER_NOT_ONLINE, () -> admin.examineConsumeStats(group));
        equal("never: of a topic that is named, 0", everywhere(0), committed(group, topic));
        fails("never: by its members", SYSTEM_ERROR, () -> admin.resetOffsetByTimestamp(topic, group, -1, true));
        equal("never: at the brokers", every("1 0 1 1"), rows(admin.resetOffsetByTimestampOld(group, topic, -1, true)));
        equal("never: now it has offsets", everywhere(1), committed(group, topic));
        equal("never: and consumes the topic", "[" + group + "]", admin.queryTopicConsumeByWho(topic).getGroupList().toString());
    }
}
