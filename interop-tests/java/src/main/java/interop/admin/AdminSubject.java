package interop.admin;

import interop.behaviour.Seen;
import interop.behaviour.Subject;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.admin.OffsetWrapper;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.route.BrokerData;
import org.apache.rocketmq.common.protocol.route.QueueData;
import org.apache.rocketmq.common.protocol.route.TopicRouteData;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.admin.MQAdminExt;

/** What all subjects here use: a cluster, its admin client, and applications on it. */
abstract class AdminSubject extends Subject {
    /** As `ResponseCode` has them, but not by name: who renumbers them would renumber these, too. */
    static final int SYSTEM_ERROR = 1;
    static final int TOPIC_NOT_EXIST = 17;
    static final int QUERY_NOT_FOUND = 22;
    static final int CONSUMER_NOT_ONLINE = 206;
    static final int NO_MESSAGE = 208;
    private static final AtomicInteger CLIENTS = new AtomicInteger();

    Brokers cluster;
    MQAdminExt admin;

    abstract void call() throws Exception;

    @Override
    protected final void look() throws Exception {
        cluster = (Brokers) servers;
        admin = cluster.recorded(cluster.admin);
        call();
    }

    /** One after the other: what one of them misses, the others need not. */
    final void part(Attempt part) {
        try {
            part.run();
        } catch (Exception e) {
            e.printStackTrace();
            check("all of it is answered", false, e.toString());
        }
    }

    /** A started client of its own connections. */
    static DefaultMQAdminExt admin(String namesrv) throws MQClientException {
        DefaultMQAdminExt client = new DefaultMQAdminExt(5000);
        client.setNamesrvAddr(namesrv);
        client.setInstanceName("admin" + CLIENTS.incrementAndGet());
        client.start();
        return client;
    }

    static boolean isBefore(MQVersion.Version version) {
        return MQVersion.CURRENT_VERSION < version.ordinal();
    }

    /** How an attempt ends: its code, or the kind of exception that has none. */
    final String outcome(Attempt attempt) {
        try {
            attempt.run();
            return "0";
        } catch (MQClientException e) {
            if (e.getCause() instanceof MQClientException) {
                return "in " + ((MQClientException) e.getCause()).getResponseCode();
            }
            return e.getCause() instanceof MQBrokerException
                ? "in " + ((MQBrokerException) e.getCause()).getResponseCode() : "" + e.getResponseCode();
        } catch (MQBrokerException e) {
            return "" + e.getResponseCode();
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }

    final void fails(String what, int code, Attempt attempt) {
        equal(what, "" + code, outcome(attempt));
    }

    final void awaits(String what, Wanted wanted) throws InterruptedException {
        await(what, () -> {
            try {
                return wanted.isThere();
            } catch (Exception e) {
                return false;
            }
        });
    }

    interface Wanted {
        boolean isThere() throws Exception;
    }

    static TopicConfig config(String topic, int queues) {
        return new TopicConfig(topic, queues, queues, 6);
    }

    /** A topic of both masters. */
    final String wideTopic(String suffix, int queues) throws Exception {
        String topic = name + suffix;
        admin.createAndUpdateTopicConfig(cluster.broker, config(topic, queues));
        admin.createAndUpdateTopicConfig(cluster.second, config(topic, queues));
        awaits("the route of " + topic, () -> queues(topic).size() == 2);
        return topic;
    }

    /** Of a route, by broker: read and write queues, permissions. */
    final Map<String, String> queues(String topic) throws Exception {
        return queues(admin.examineTopicRouteInfo(topic));
    }

    static Map<String, String> queues(TopicRouteData route) {
        Map<String, String> queues = new TreeMap<>();
        for (QueueData it : route.getQueueDatas()) {
            queues.put(it.getBrokerName(), it.getReadQueueNums() + " " + it.getWriteQueueNums() + " " + it.getPerm());
        }
        return queues;
    }

    /** A topic's flags at the first broker of its route; clients of 4.9 look for them under a name that 4.3.0 does not use. */
    final int flags(String topic) throws Exception {
        return (Integer) QueueData.class.getMethod("getTopicSynFlag").invoke(admin.examineTopicRouteInfo(topic).getQueueDatas().get(0));
    }

    static Map<String, Map<Long, String>> addresses(Collection<BrokerData> brokers) {
        Map<String, Map<Long, String>> addresses = new TreeMap<>();
        for (BrokerData it : brokers) {
            addresses.put(it.getBrokerName(), new TreeMap<>(it.getBrokerAddrs()));
        }
        return addresses;
    }

    static Map<String, Map<Long, String>> expected(Brokers cluster) {
        Map<String, Map<Long, String>> addresses = new TreeMap<>();
        addresses.put("broker-a", new TreeMap<>(Map.of(0L, cluster.broker, 1L, cluster.slave)));
        addresses.put("broker-b", new TreeMap<>(Map.of(0L, cluster.second)));
        return addresses;
    }

    static List<MessageQueue> queuesOf(String topic, int each) {
        List<MessageQueue> queues = new ArrayList<>();
        for (String broker : new String[] {"broker-a", "broker-b"}) {
            for (int i = 0; i < each; i++) {
                queues.add(new MessageQueue(topic, broker, i));
            }
        }
        return queues;
    }

    /** `BROKER QUEUE` of a topic, with what is told of each. */
    static String name(MessageQueue queue) {
        return queue.getBrokerName() + " " + queue.getQueueId();
    }

    final Map<String, Long> committed(String group, String topic) throws Exception {
        Map<String, Long> offsets = new TreeMap<>();
        for (Map.Entry<MessageQueue, OffsetWrapper> it : admin.examineConsumeStats(group, topic).getOffsetTable().entrySet()) {
            offsets.put(name(it.getKey()), it.getValue().getConsumerOffset());
        }
        return offsets;
    }

    /** The same number for each of the two queues of both masters. */
    static Map<String, Long> everywhere(long number) {
        return new TreeMap<>(Map.of("broker-a 0", number, "broker-a 1", number, "broker-b 0", number, "broker-b 1", number));
    }

    static <T> Set<T> set(Collection<T> what) {
        return new TreeSet<>(what);
    }

    /** A producer and a push consumer on a topic of both masters, two queues each, and what is in them. */
    final class Live {
        final String topic;
        final String group;
        final DefaultMQProducer producer;
        final DefaultMQPushConsumer consumer;
        final Seen seen = new Seen();
        final List<SendResult> sent = new ArrayList<>();
        final long before = System.currentTimeMillis() - 1000;

        /** So many messages in each queue, with tag `tag` and keys `key` and their body. */
        Live(String suffix, int each) throws Exception {
            topic = wideTopic(suffix, 2);
            group = group(suffix);
            producer = producer();
            send(0, each);
            consumer = push(group);
            consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
            consumer.subscribe(topic, "tag");
            consumer.registerMessageListener(seen);
            consumer.start();
            awaits(suffix + " consumed", () -> seen.size() == 4 * each);
            awaits(suffix + " known as a group", () -> queues("%RETRY%" + group).size() == 2);
            awaits(suffix + " committed", () -> committed(group, topic).equals(everywhere(each)));
        }

        void send(int from, int to) throws Exception {
            for (MessageQueue queue : queuesOf(topic, 2)) {
                for (int i = from; i < to; i++) {
                    String body = name(queue) + " m" + i;
                    sent.add(producer.send(message(topic, "tag", "key " + body.replace(' ', '-'), body), queue));
                }
            }
        }

        String client() {
            return consumer.buildMQClientId();
        }

        /** Ends the consumer, until no broker knows it any more. */
        void endConsumer() throws Exception {
            consumer.shutdown();
            awaits("consumer gone", () -> {
                for (int i = 0; i < 8; i++) {
                    // Each call asks a broker drawn by chance.
                    if (!outcome(() -> admin.examineConsumerConnectionInfo(group)).equals("" + CONSUMER_NOT_ONLINE)) {
                        return false;
                    }
                }
                return true;
            });
        }
    }
}
