package interop.admin;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.admin.ConsumeStats;
import org.apache.rocketmq.common.admin.OffsetWrapper;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.common.protocol.body.CMResult;
import org.apache.rocketmq.common.protocol.body.Connection;
import org.apache.rocketmq.common.protocol.body.ConsumeMessageDirectlyResult;
import org.apache.rocketmq.common.protocol.body.ConsumerConnection;
import org.apache.rocketmq.common.protocol.body.ConsumerRunningInfo;
import org.apache.rocketmq.common.protocol.body.QueueTimeSpan;
import org.apache.rocketmq.common.protocol.heartbeat.ConsumeType;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.common.protocol.heartbeat.SubscriptionData;
import org.apache.rocketmq.tools.admin.api.MessageTrack;

/** A live consumer group: its members, offsets, times, and what its members are asked. */
final class Consumers extends AdminSubject {
    private Live live;

    @Override
    void call() throws Exception {
        live = new Live("", 5);
        part(this::connections);
        part(this::offsets);
        part(this::timeSpan);
        part(this::runningInfo);
        part(this::directly);
        part(this::tracks);
        part(this::cloned);
        part(this::updated);
        part(this::unknown);
    }

    private void connections() throws Exception {
        awaits("connection: of each broker", () -> {
            for (int i = 0; i < 8; i++) {
                if (admin.examineConsumerConnectionInfo(live.group).getConnectionSet().size() != 1) {
                    return false;
                }
            }
            return true;
        });
        ConsumerConnection found = admin.examineConsumerConnectionInfo(live.group);
        Connection connection = found.getConnectionSet().iterator().next();
        equal("connection: its client", live.client(), connection.getClientId());
        check("connection: its address", connection.getClientAddr().matches("127\\.0\\.0\\.1:\\d+"), connection.getClientAddr());
        equal("connection: its language", LanguageCode.JAVA, connection.getLanguage());
        equal("connection: its version", MQVersion.CURRENT_VERSION, connection.getVersion());
        equal("connection: the lowest version", MQVersion.CURRENT_VERSION, found.computeMinVersion());
        equal("connection: pushes", ConsumeType.CONSUME_PASSIVELY, found.getConsumeType());
        equal("connection: clustering", MessageModel.CLUSTERING, found.getMessageModel());
        equal("connection: from the first", ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, found.getConsumeFromWhere());
        equal("connection: its topics", set(Arrays.asList("%RETRY%" + live.group, live.topic)), set(found.getSubscriptionTable().keySet()));
        SubscriptionData subscription = found.getSubscriptionTable().get(live.topic);
        equal("connection: its subscription", live.topic + " tag [tag] [" + "tag".hashCode() + "] TAG",
            subscription.getTopic() + " " + subscription.getSubString() + " " + subscription.getTagsSet() + " " + subscription.getCodeSet() + " " + subscription.getExpressionType());
        equal("who consumes a topic", Collections.singleton(live.group), admin.queryTopicConsumeByWho(live.topic).getGroupList());
    }

    private void offsets() throws Exception {
        ConsumeStats stats = admin.examineConsumeStats(live.group);
        Map<String, String> rows = new TreeMap<>();
        for (Map.Entry<MessageQueue, OffsetWrapper> it : stats.getOffsetTable().entrySet()) {
            if (it.getKey().getTopic().equals(live.topic)) {
                rows.put(name(it.getKey()), it.getValue().getConsumerOffset() + " of " + it.getValue().getBrokerOffset());
                long last = it.getValue().getLastTimestamp();
                check("offsets: time of the last consumed", last >= live.before && last <= System.currentTimeMillis(), last - live.before);
            } else {
                equal("offsets: of topics", "%RETRY%" + live.group, it.getKey().getTopic());
            }
        }
        equal("offsets: all queues", "{broker-a 0=5 of 5, broker-a 1=5 of 5, broker-b 0=5 of 5, broker-b 1=5 of 5}", rows.toString());
        equal("offsets: nothing behind", 0L, stats.computeTotalDiff());
        check("offsets: rate", stats.getConsumeTps() >= 0, stats.getConsumeTps());
        awaits("offsets: rate of what is consumed now", () -> {
            live.producer.send(message(live.topic, "tag", "", "rate"), new MessageQueue(live.topic, "broker-a", 0));
            return admin.examineConsumeStats(live.group, live.topic).getConsumeTps() > 0;
        });
        equal("offsets: of its topic", everywhere(0).keySet(), committed(live.group, live.topic).keySet());
        // The broker takes it as it is.
        fails("offsets: of a topic that it does not consume", CONSUMER_NOT_ONLINE, () -> admin.examineConsumeStats(live.group, "SELF_TEST_TOPIC"));
    }

    private void timeSpan() throws Exception {
        awaits("times: all consumed", () -> admin.examineConsumeStats(live.group, live.topic).computeTotalDiff() == 0);
        List<QueueTimeSpan> spans = admin.queryConsumeTimeSpan(live.topic, live.group);
        List<String> queues = new ArrayList<>();
        for (QueueTimeSpan it : spans) {
            queues.add(name(it.getMessageQueue()));
            check("times: first to last", it.getMinTimeStamp() >= live.before && it.getMinTimeStamp() <= it.getMaxTimeStamp() && it.getMaxTimeStamp() <= System.currentTimeMillis(),
                it.getMinTimeStamp() + " " + it.getMaxTimeStamp());
            equal("times: consumed to the last", it.getMaxTimeStamp(), it.getConsumeTimeStamp());
            equal("times: no delay", 0L, it.getDelayTime());
        }
        same("times: of all queues", everywhere(0).keySet(), queues);
        List<String> never = new ArrayList<>();
        for (QueueTimeSpan it : admin.queryConsumeTimeSpan(live.topic, group("Never"))) {
            never.add(name(it.getMessageQueue()) + " " + (it.getConsumeTimeStamp() == it.getMinTimeStamp()));
        }
        same("times: a group that never consumed stands at the first", list("broker-a 0 true", "broker-a 1 true", "broker-b 0 true", "broker-b 1 true"), never);
        fails("times: unknown topic", TOPIC_NOT_EXIST, () -> admin.queryConsumeTimeSpan(name + "None", live.group));
    }

    private void runningInfo() throws Exception {
        ConsumerRunningInfo info = admin.getConsumerRunningInfo(live.group, live.client(), false);
        equal("running: its queues", everywhere(0).keySet(), queues(info));
        SubscriptionData subscription = info.getSubscriptionSet().stream().filter(it -> it.getTopic().equals(live.topic)).findFirst().get();
        equal("running: its subscription", "tag", subscription.getSubString());
        equal("running: its kind", "CONSUME_PASSIVELY", String.valueOf(info.getProperties().get("PROP_CONSUME_TYPE")));
        check("running: its name servers", info.getProperties().getProperty("PROP_NAMESERVER_ADDR").contains(cluster.namesrv), info.getProperties());
        check("running: its statistics", info.getStatusTable().containsKey(live.topic), info.getStatusTable().keySet());
        check("running: no stack traces unasked", info.getJstack() == null || info.getJstack().isEmpty(), "");
        check("running: stack traces", admin.getConsumerRunningInfo(live.group, live.client(), true).getJstack().contains("ConsumeMessageThread"), "");
        fails("running: of a client that is not there", SYSTEM_ERROR, () -> admin.getConsumerRunningInfo(live.group, "nobody", false));
        fails("running: of a group that is not there", TOPIC_NOT_EXIST, () -> admin.getConsumerRunningInfo(group("None"), "nobody", false));
        Map<String, Map<MessageQueue, Long>> status = admin.getConsumeStatus(live.topic, live.group, "");
        equal("where members stand: by client", Collections.singleton(live.client()), status.keySet());
        Map<String, Long> offsets = new TreeMap<>();
        status.get(live.client()).forEach((queue, offset) -> offsets.put(name(queue), offset));
        equal("where members stand: by queue", committed(live.group, live.topic), offsets);
        equal("where members stand: one by its id", Collections.singleton(live.client()), admin.getConsumeStatus(live.topic, live.group, live.client()).keySet());
        equal("where members stand: a client that is not there", "{}", String.valueOf(admin.getConsumeStatus(live.topic, live.group, "nobody")));
        fails("where members stand: unknown topic", TOPIC_NOT_EXIST, () -> admin.getConsumeStatus(name + "None", live.group, ""));
    }

    private static java.util.Set<String> queues(ConsumerRunningInfo info) {
        List<String> queues = new ArrayList<>();
        for (MessageQueue it : info.getMqTable().keySet()) {
            if (!it.getTopic().startsWith("%RETRY%")) {
                queues.add(name(it));
            }
        }
        return set(queues);
    }

    private void directly() throws Exception {
        SendResult sent = live.sent.get(0);
        int before = live.seen.size();
        ConsumeMessageDirectlyResult result = admin.consumeMessageDirectly(live.group, live.client(), sent.getOffsetMsgId());
        equal("directly: consumed", CMResult.CR_SUCCESS, result.getConsumeResult());
        check("directly: not in order, its time", !result.isOrder() && result.getSpentTimeMills() >= 0, result.getSpentTimeMills());
        equal("directly: once more", before + 1, live.seen.size());
        equal("directly: the message", "broker-a 0 m0", body(live.seen.last()));
        equal("directly: by unique id and topic", CMResult.CR_SUCCESS, admin.consumeMessageDirectly(live.group, live.client(), live.topic, sent.getMsgId()).getConsumeResult());
        equal("directly: the message again", before + 2, live.seen.size());
        // Consumed directly it is named by its place.
        equal("directly: it is that message", sent.getOffsetMsgId(), live.seen.last().getMsgId());
        equal("directly: by offset id and topic", CMResult.CR_SUCCESS, ofOtherBroker().getConsumeResult());
        live.seen.verdict = context -> ConsumeConcurrentlyStatus.RECONSUME_LATER;
        equal("directly: later", CMResult.CR_LATER, admin.consumeMessageDirectly(live.group, live.client(), sent.getOffsetMsgId()).getConsumeResult());
        live.seen.verdict = context -> null;
        equal("directly: no answer", CMResult.CR_RETURN_NULL, admin.consumeMessageDirectly(live.group, live.client(), sent.getOffsetMsgId()).getConsumeResult());
        live.seen.verdict = context -> {
            throw new IllegalStateException("thrown by the application");
        };
        ConsumeMessageDirectlyResult thrown = admin.consumeMessageDirectly(live.group, live.client(), sent.getOffsetMsgId());
        equal("directly: an exception", CMResult.CR_THROW_EXCEPTION, thrown.getConsumeResult());
        check("directly: its text", thrown.getRemark().contains("thrown by the application"), thrown.getRemark());
        live.seen.verdict = context -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        fails("directly: by a client that is not there", SYSTEM_ERROR, () -> admin.consumeMessageDirectly(live.group, "nobody", sent.getOffsetMsgId()));
        fails("directly: by a group that is not there", SYSTEM_ERROR, () -> admin.consumeMessageDirectly(group("None"), live.client(), sent.getOffsetMsgId()));
        fails("directly: no id", NO_MESSAGE, () -> admin.consumeMessageDirectly(live.group, live.client(), "no id"));
    }

    /** A message with its offset id alone: 4.3.0's client fails here on the message's kind, before it asks the broker. */
    private ConsumeMessageDirectlyResult ofOtherBroker() throws Exception {
        SendResult last = live.sent.get(live.sent.size() - 1);
        MessageExt found = admin.viewMessage(live.topic, last.getMsgId());
        return admin.consumeMessageDirectly(live.group, live.client(), ((MessageClientExt) found).getOffsetMsgId());
    }

    private void tracks() throws Exception {
        equal("track: consumed", list(live.group + " CONSUMED null"), tracks(live.sent.get(0)));
        SendResult filtered = live.producer.send(message(live.topic, "other", "", "filtered"), new MessageQueue(live.topic, "broker-b", 0));
        awaits("track: consumed, but filtered", () -> tracks(filtered).equals(list(live.group + " CONSUMED_BUT_FILTERED null")));
        live.consumer.suspend();
        SendResult waits = live.producer.send(message(live.topic, "tag", "", "waits"), new MessageQueue(live.topic, "broker-b", 1));
        // A pull under way may still bring it; then it counts as consumed.
        awaits("track: told of", () -> !tracks(waits).isEmpty());
        live.consumer.resume();
        awaits("track: consumed in the end", () -> tracks(waits).equals(list(live.group + " CONSUMED null")));
    }

    private List<String> tracks(SendResult sent) throws Exception {
        List<String> tracks = new ArrayList<>();
        for (MessageTrack it : admin.messageTrackDetail(admin.viewMessage(sent.getOffsetMsgId()))) {
            tracks.add(it.getConsumerGroup() + " " + it.getTrackType() + " " + it.getExceptionDesc());
        }
        return tracks;
    }

    private void cloned() throws Exception {
        String copy = group("Copy");
        admin.cloneGroupOffset(live.group, copy, live.topic, false);
        equal("cloned: it consumes the topic", set(Arrays.asList(live.group, copy)), set(admin.queryTopicConsumeByWho(live.topic).getGroupList()));
        Map<String, Long> times = new TreeMap<>();
        for (QueueTimeSpan it : admin.queryConsumeTimeSpan(live.topic, copy)) {
            times.put(name(it.getMessageQueue()), it.getMaxTimeStamp() - it.getConsumeTimeStamp());
        }
        equal("cloned: stands at the end", everywhere(0), times);
        admin.cloneGroupOffset(live.group, copy, live.topic, true);
        fails("cloned: of an unknown group", TOPIC_NOT_EXIST, () -> admin.cloneGroupOffset(group("None"), copy, live.topic, false));
        // It is passed over.
        fails("cloned: of an unknown topic", 0, () -> admin.cloneGroupOffset(live.group, copy, name + "None", false));
    }

    private void updated() throws Exception {
        String group = group("Updated");
        MessageQueue queue = new MessageQueue(live.topic, "broker-b", 1);
        // Tools find a group by its retry topic.
        admin.createAndUpdateTopicConfig(cluster.second, config("%RETRY%" + group, 1));
        awaits("updated: known as a group", () -> hasRoute("%RETRY%" + group));
        admin.updateConsumeOffset(cluster.second, group, queue, 3);
        equal("updated: one queue", 3L, committed(group, live.topic).get("broker-b 1"));
        admin.updateConsumeOffset(cluster.second, group, queue, 1);
        equal("updated: back", 1L, committed(group, live.topic).get("broker-b 1"));
        equal("updated: the others, of a topic that is named, at 0", 0L, committed(group, live.topic).get("broker-b 0"));
        equal("updated: unknown broker", "RemotingConnectException", outcome(() -> admin.updateConsumeOffset("127.0.0.1:3", group, queue, 1)));
    }

    private void unknown() {
        String none = group("None");
        fails("unknown group: connections", TOPIC_NOT_EXIST, () -> admin.examineConsumerConnectionInfo(none));
        fails("unknown group: offsets", TOPIC_NOT_EXIST, () -> admin.examineConsumeStats(none));
        fails("unknown group: offsets of a topic", TOPIC_NOT_EXIST, () -> admin.examineConsumeStats(none, live.topic));
        fails("unknown group: where members stand", SYSTEM_ERROR, () -> admin.getConsumeStatus(live.topic, none, ""));
        fails("unknown topic: who consumes it", TOPIC_NOT_EXIST, () -> admin.queryTopicConsumeByWho(name + "None"));
    }
}
