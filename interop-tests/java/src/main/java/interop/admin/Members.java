package interop.admin;

import interop.behaviour.Seen;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.body.CMResult;
import org.apache.rocketmq.common.protocol.body.ConsumeMessageDirectlyResult;
import org.apache.rocketmq.common.protocol.body.ConsumerConnection;
import org.apache.rocketmq.common.protocol.heartbeat.ConsumeType;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.tools.admin.api.MessageTrack;

/** Groups of other kinds: of two members, in order, broadcasting, pulling, and one whose listener does not return. */
final class Members extends AdminSubject {
    private DefaultMQProducer producer;

    @Override
    void call() throws Exception {
        producer = producer();
        part(this::two);
        part(this::orderly);
        part(this::broadcasting);
        part(this::pulling);
        part(this::busy);
    }

    private DefaultMQPushConsumer consumer(String suffix, String topic, String expression) throws Exception {
        DefaultMQPushConsumer consumer = push(group(suffix));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, expression);
        return consumer;
    }

    private void known(String suffix, int members) throws Exception {
        awaits(suffix + ": known to both brokers", () -> {
            if (queues("%RETRY%" + group(suffix)).size() != 2) {
                return false;
            }
            for (int i = 0; i < 8; i++) {
                if (admin.examineConsumerConnectionInfo(group(suffix)).getConnectionSet().size() != members) {
                    return false;
                }
            }
            return true;
        });
    }

    private Set<String> clients(String suffix) throws Exception {
        Set<String> clients = new TreeSet<>();
        admin.examineConsumerConnectionInfo(group(suffix)).getConnectionSet().forEach(it -> clients.add(it.getClientId()));
        return clients;
    }

    private List<String> tracks(SendResult sent) throws Exception {
        List<String> tracks = new ArrayList<>();
        for (MessageTrack it : admin.messageTrackDetail(admin.viewMessage(sent.getOffsetMsgId()))) {
            tracks.add(it.getConsumerGroup() + " " + it.getTrackType() + " " + it.getExceptionDesc());
        }
        tracks.sort(null);
        return tracks;
    }

    private void two() throws Exception {
        String topic = wideTopic("Two", 2);
        Seen seen = new Seen();
        List<DefaultMQPushConsumer> members = Arrays.asList(consumer("Two", topic, "*"), consumer("Two", topic, "*"));
        for (DefaultMQPushConsumer it : members) {
            it.registerMessageListener(seen);
            it.start();
        }
        known("Two", 2);
        String first = members.get(0).buildMQClientId();
        String second = members.get(1).buildMQClientId();
        equal("two: both", set(Arrays.asList(first, second)), clients("Two"));
        awaits("two: each has half of the queues", () -> owned(first, topic) == 2 && owned(second, topic) == 2);
        Map<String, Map<MessageQueue, Long>> status = admin.getConsumeStatus(topic, group("Two"), "");
        equal("two: where they stand", set(Arrays.asList(first, second)), set(status.keySet()));
        equal("two: where one stands", Collections.singleton(second), admin.getConsumeStatus(topic, group("Two"), second).keySet());
        members.get(0).shutdown();
        known("Two", 1);
        equal("two: one left", Collections.singleton(second), clients("Two"));
        awaits("two: which has all queues", () -> owned(second, topic) == 4);
        fails("two: the other is gone", SYSTEM_ERROR, () -> admin.getConsumerRunningInfo(group("Two"), first, false));
    }

    private long owned(String client, String topic) throws Exception {
        return admin.getConsumerRunningInfo(group("Two"), client, false).getMqTable().keySet().stream().filter(it -> it.getTopic().equals(topic)).count();
    }

    private void orderly() throws Exception {
        String topic = wideTopic("Orderly", 1);
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = consumer("Orderly", topic, "*");
        consumer.registerMessageListener(seen.orderly());
        consumer.start();
        known("Orderly", 1);
        SendResult sent = producer.send(message(topic, "tag", "", "m"), new MessageQueue(topic, "broker-b", 0));
        awaits("orderly: consumed", () -> seen.size() == 1);
        String client = consumer.buildMQClientId();
        equal("orderly: it says so", "true", String.valueOf(admin.getConsumerRunningInfo(group("Orderly"), client, false).getProperties().get("PROP_CONSUMEORDERLY")));
        ConsumeMessageDirectlyResult result = admin.consumeMessageDirectly(group("Orderly"), client, sent.getOffsetMsgId());
        equal("orderly: consumed directly", "true true " + CMResult.CR_SUCCESS, result.isOrder() + " " + result.isAutoCommit() + " " + result.getConsumeResult());
        equal("orderly: once more", 2, seen.size());
    }

    private void broadcasting() throws Exception {
        String topic = wideTopic("Broadcasting", 1);
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = consumer("Broadcasting", topic, "a || b");
        consumer.setMessageModel(MessageModel.BROADCASTING);
        consumer.registerMessageListener(seen);
        consumer.start();
        // They do not subscribe to a retry topic, but the broker makes one.
        known("Broadcasting", 1);
        ConsumerConnection connection = admin.examineConsumerConnectionInfo(group("Broadcasting"));
        equal("broadcasting: it says so", MessageModel.BROADCASTING, connection.getMessageModel());
        equal("broadcasting: its topics", Collections.singleton(topic), connection.getSubscriptionTable().keySet());
        equal("broadcasting: its tags", set(Arrays.asList("a", "b")), set(connection.getSubscriptionTable().get(topic).getTagsSet()));
        equal("broadcasting: it consumes the topic", Collections.singleton(group("Broadcasting")), admin.queryTopicConsumeByWho(topic).getGroupList());
        SendResult sent = producer.send(message(topic, "a", "", "m"), new MessageQueue(topic, "broker-a", 0));
        awaits("broadcasting: consumed", () -> seen.size() == 1);
        fails("broadcasting: no offsets at brokers", CONSUMER_NOT_ONLINE, () -> admin.examineConsumeStats(group("Broadcasting")));
        equal("broadcasting: its track is that of a group without offsets", "[" + group("Broadcasting") + " NOT_ONLINE]", tracks(sent).toString().replaceAll(" CODE:206[^]]*", ""));
    }

    private void pulling() throws Exception {
        String topic = wideTopic("Pulling", 1);
        MessageQueue queue = new MessageQueue(topic, "broker-a", 0);
        SendResult sent = producer.send(message(topic, "", "", "m"), queue);
        DefaultMQPullConsumer consumer = configured(new DefaultMQPullConsumer(group("Pulling")));
        consumer.setRegisterTopics(Collections.singleton(topic));
        consumer.start();
        closing(consumer::shutdown);
        known("Pulling", 1);
        equal("pulling: the message", "[m]", bodies(all(consumer, queue, 1)).toString());
        consumer.updateConsumeOffset(queue, 1);
        awaits("pulling: committed", () -> committed(group("Pulling"), topic).get("broker-a 0") == 1);
        equal("pulling: it says so", ConsumeType.CONSUME_ACTIVELY, admin.examineConsumerConnectionInfo(group("Pulling")).getConsumeType());
        equal("pulling: a message's track", list(group("Pulling") + " PULL null"), tracks(sent));
        equal("pulling: its info", "CONSUME_ACTIVELY", String.valueOf(admin.getConsumerRunningInfo(group("Pulling"), consumer.buildMQClientId(), false).getProperties().get("PROP_CONSUME_TYPE")));
    }

    private void busy() throws Exception {
        String topic = wideTopic("Busy", 1);
        CountDownLatch held = new CountDownLatch(1);
        Seen seen = new Seen();
        seen.verdict = context -> {
            try {
                held.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
        DefaultMQPushConsumer consumer = consumer("Busy", topic, "*");
        consumer.registerMessageListener(seen);
        consumer.start();
        known("Busy", 1);
        List<SendResult> sent = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            sent.add(producer.send(message(topic, "", "", "m" + i), new MessageQueue(topic, "broker-b", 0)));
        }
        awaits("busy: it has them", () -> seen.size() == 3);
        awaits("busy: it has said where it stands", () -> admin.examineConsumeStats(group("Busy")).computeTotalDiff() == 3);
        equal("busy: a message's track", list(group("Busy") + " NOT_CONSUME_YET null"), tracks(sent.get(0)));
        Map<String, Integer> cached = new TreeMap<>();
        admin.getConsumerRunningInfo(group("Busy"), consumer.buildMQClientId(), false).getMqTable().forEach((queue, info) -> {
            if (queue.getTopic().equals(topic)) {
                cached.put(name(queue), info.getCachedMsgCount());
            }
        });
        equal("busy: what its client holds", "{broker-a 0=0, broker-b 0=3}", cached.toString());
        held.countDown();
        awaits("busy: in the end", () -> tracks(sent.get(2)).equals(list(group("Busy") + " CONSUMED null")));
    }
}
