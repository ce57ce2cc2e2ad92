package interop.behaviour;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.MQAdmin;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * One feature of the 4.3.0 clients, looked at from an application: it makes its own topics and groups, checks what it
 * sees, and prints each check as a line of JSON. It runs in a thread of its own beside the others.
 */
public abstract class Subject {
    /** Waits are for things that happen at once or within seconds; only a broken broker takes so long. */
    protected static final long WAIT_MS = 60_000;
    private static final AtomicInteger INSTANCES = new AtomicInteger();

    public final String name = getClass().getSimpleName();
    protected Servers servers;
    private final Deque<AutoCloseable> open = new ArrayDeque<>();

    /** Where the cluster is. */
    public static class Servers {
        public final String namesrv;
        public final String broker;
        public final DefaultMQAdminExt admin;

        public Servers(String namesrv, String broker, DefaultMQAdminExt admin) {
            this.namesrv = namesrv;
            this.broker = broker;
            this.admin = admin;
        }
    }

    protected abstract void look() throws Exception;

    public final void run(Servers cluster) {
        servers = cluster;
        try {
            look();
        } catch (Throwable e) {
            e.printStackTrace();
            print("runs to its end", false, e.toString());
        }
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }
    }

    private void print(String check, boolean ok, Object detail) {
        Map<String, Object> line = new TreeMap<>();
        line.put("subject", name);
        line.put("check", check);
        line.put("ok", ok);
        line.put("detail", String.valueOf(detail));
        byte[] bytes = (JSON.toJSONString(line, SerializerFeature.MapSortField) + "\n").getBytes(StandardCharsets.UTF_8);
        synchronized (System.out) {
            System.out.write(bytes, 0, bytes.length);
            System.out.flush();
        }
    }

    protected final void check(String what, boolean ok, Object detail) {
        print(what, ok, detail);
    }

    protected final void equal(String what, Object expected, Object actual) {
        boolean ok = Objects.equals(expected, actual);
        print(what, ok, ok ? actual : "expected " + expected + ", found " + actual);
    }

    /** Sorted texts: an order that nobody promised must not matter. */
    protected final void same(String what, Collection<String> expected, Collection<String> actual) {
        List<String> left = new ArrayList<>(expected);
        List<String> right = new ArrayList<>(actual);
        left.sort(null);
        right.sort(null);
        equal(what, left, right);
    }

    protected final boolean comes(BooleanSupplier what) throws InterruptedException {
        long end = System.currentTimeMillis() + WAIT_MS;
        while (!what.getAsBoolean()) {
            if (System.currentTimeMillis() > end) {
                return false;
            }
            Thread.sleep(10);
        }
        return true;
    }

    protected final void await(String what, BooleanSupplier event) throws InterruptedException {
        check(what, comes(event), "within " + WAIT_MS + " ms");
    }

    public interface Attempt {
        void run() throws Exception;
    }

    /** The code of the exception that an attempt ends with; 0: none, -1: of another kind. */
    protected static int code(Attempt attempt) throws Exception {
        try {
            attempt.run();
            return 0;
        } catch (MQBrokerException e) {
            return e.getResponseCode();
        } catch (MQClientException e) {
            if (e.getCause() instanceof MQBrokerException) {
                return ((MQBrokerException) e.getCause()).getResponseCode();
            }
            return e.getResponseCode();
        }
    }

    /** A topic of this subject's own. */
    protected final String topic(String suffix, int queues) throws Exception {
        return topic(suffix, queues, 6);
    }

    protected final String topic(String suffix, int queues, int perm) throws Exception {
        String topic = name + suffix;
        TopicConfig config = new TopicConfig(topic, queues, queues, perm);
        servers.admin.createAndUpdateTopicConfig(servers.broker, config);
        // The name server hears of it from the broker.
        if (!comes(() -> hasRoute(topic))) {
            throw new IllegalStateException("no route of " + topic);
        }
        return topic;
    }

    protected final boolean hasRoute(String topic) {
        try {
            return !servers.admin.examineTopicRouteInfo(topic).getQueueDatas().isEmpty();
        } catch (Exception e) {
            return false;
        }
    }

    protected final String group(String suffix) {
        return "g" + name + suffix;
    }

    protected final <T extends ClientConfig> T configured(T client) {
        client.setNamesrvAddr(servers.namesrv);
        client.setInstanceName(name + INSTANCES.incrementAndGet());
        client.setHeartbeatBrokerInterval(1000);
        client.setPollNameServerInterval(1000);
        client.setPersistConsumerOffsetInterval(1000);
        return client;
    }

    protected final <T extends AutoCloseable> T closing(T what) {
        open.push(what);
        return what;
    }

    protected final DefaultMQProducer producer() throws Exception {
        DefaultMQProducer producer = configured(new DefaultMQProducer(group("Producer")));
        producer.setSendMsgTimeout(30_000);
        producer.start();
        closing(producer::shutdown);
        return producer;
    }

    protected final DefaultMQPushConsumer push(String group) {
        DefaultMQPushConsumer consumer = configured(new DefaultMQPushConsumer(group));
        closing(consumer::shutdown);
        return consumer;
    }

    protected final DefaultMQPullConsumer pull(String group) throws Exception {
        DefaultMQPullConsumer consumer = configured(new DefaultMQPullConsumer(group));
        consumer.start();
        closing(consumer::shutdown);
        return consumer;
    }

    protected static Message message(String topic, String tag, String key, String body) {
        return new Message(topic, tag, key, body.getBytes(StandardCharsets.UTF_8));
    }

    protected static String body(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    protected static List<String> bodies(Collection<? extends Message> messages) {
        List<String> bodies = new ArrayList<>();
        for (Message message : messages) {
            bodies.add(body(message));
        }
        return bodies;
    }

    protected static List<String> list(String... texts) {
        return Arrays.asList(texts);
    }

    protected static List<String> numbered(String prefix, int from, int to) {
        List<String> texts = new ArrayList<>();
        for (int i = from; i < to; i++) {
            texts.add(prefix + i);
        }
        return texts;
    }

    /** A queue's end: messages have their place in it only soon after they were taken. */
    protected final boolean reaches(MQAdmin client, MessageQueue queue, long offset) throws InterruptedException {
        return comes(() -> {
            try {
                return client.maxOffset(queue) >= offset;
            } catch (Exception e) {
                return false;
            }
        });
    }

    /** Everything that a queue has, by a pull, as soon as that is so much. */
    protected final List<MessageExt> all(DefaultMQPullConsumer consumer, MessageQueue queue, long atLeast) throws Exception {
        reaches(consumer, queue, atLeast);
        List<MessageExt> messages = new ArrayList<>();
        long offset = consumer.minOffset(queue);
        while (offset < consumer.maxOffset(queue)) {
            PullResult result = consumer.pull(queue, "*", offset, 32);
            if (result.getPullStatus() == PullStatus.FOUND) {
                messages.addAll(result.getMsgFoundList());
            }
            offset = result.getNextBeginOffset();
        }
        return messages;
    }
}
