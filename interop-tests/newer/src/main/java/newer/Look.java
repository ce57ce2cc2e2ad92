package newer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What a subject looks with: clients that are closed behind it, names of its own, and checks, one JSON line each. */
public final class Look implements AutoCloseable {
    /** Waits are for things that happen at once or within seconds; only a broken broker takes so long. */
    private static final long WAIT_MS = 30_000;
    private static final int DETAIL_CHARS = 400;
    private static final AtomicInteger INSTANCES = new AtomicInteger();

    public final String namesrv;
    private final String name;
    private final String prefix;
    private final Deque<AutoCloseable> open = new ArrayDeque<>();

    Look(String namesrv, String prefix, String name) {
        this.namesrv = namesrv;
        this.prefix = prefix;
        this.name = name;
    }

    void run(Subject subject) {
        try {
            subject.look(this);
        } catch (Throwable e) {
            e.printStackTrace();
            check("runs to its end", false, e);
        }
        close();
    }

    @Override
    public void close() {
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }
    }

    public void check(String what, boolean ok, Object detail) {
        String text = String.valueOf(detail);
        String brief = text.length() <= DETAIL_CHARS ? text : text.substring(0, DETAIL_CHARS) + "...";
        String line = "{\"check\":" + json(name + ": " + what) + ",\"ok\":" + ok + ",\"detail\":" + json(brief) + "}\n";
        byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
        synchronized (System.out) {
            System.out.write(bytes, 0, bytes.length);
            System.out.flush();
        }
    }

    private static String json(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < ' ') {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }

    public void equal(String what, Object expected, Object actual) {
        boolean ok = Objects.equals(expected, actual);
        check(what, ok, ok ? actual : "expected " + expected + ", found " + actual);
    }

    /** In any order. */
    public void same(String what, Collection<String> expected, Collection<String> actual) {
        List<String> left = new ArrayList<>(expected);
        List<String> right = new ArrayList<>(actual);
        left.sort(null);
        right.sort(null);
        equal(what, left, right);
    }

    /** Whether it becomes so; what throws is not so yet. */
    public boolean comes(Callable<Boolean> what) throws Exception {
        long end = System.currentTimeMillis() + WAIT_MS;
        while (true) {
            String last = "";
            try {
                if (what.call()) {
                    return true;
                }
            } catch (Exception e) {
                last = e.toString();
            }
            if (System.currentTimeMillis() > end) {
                System.err.println(name + ": " + last);
                return false;
            }
            Thread.sleep(10);
        }
    }

    public void await(String what, Callable<Boolean> event) throws Exception {
        check(what, comes(event), "within " + WAIT_MS + " ms");
    }

    /** Not there yet: the first message makes it. */
    public String topic(String suffix) {
        return prefix + name + suffix;
    }

    public String group(String suffix) {
        return prefix + "group" + name + suffix;
    }

    public <T extends ClientConfig> T configured(T client) {
        client.setNamesrvAddr(namesrv);
        client.setInstanceName(name + INSTANCES.incrementAndGet());
        client.setHeartbeatBrokerInterval(1000);
        client.setPollNameServerInterval(1000);
        client.setPersistConsumerOffsetInterval(1000);
        if (client instanceof DefaultMQProducer) {
            ((DefaultMQProducer) client).setSendMsgTimeout(30_000);
        }
        return client;
    }

    public <T extends AutoCloseable> T closing(T what) {
        open.push(what);
        return what;
    }

    public DefaultMQProducer producer() throws Exception {
        return started(new DefaultMQProducer(group("Producer")));
    }

    public <T extends DefaultMQProducer> T started(T producer) throws Exception {
        configured(producer).start();
        closing(producer::shutdown);
        return producer;
    }

    /** Consumes from the start of each queue; to be subscribed and started. */
    public <T extends DefaultMQPushConsumer> T push(T consumer) {
        configured(consumer).setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        closing(consumer::shutdown);
        return consumer;
    }

    /** Consumes {@code topic} with {@code seen} from its start. */
    public DefaultMQPushConsumer consume(String group, String topic, String tags, Seen seen) throws Exception {
        DefaultMQPushConsumer consumer = push(new DefaultMQPushConsumer(group));
        consumer.subscribe(topic, tags);
        consumer.registerMessageListener(seen);
        consumer.start();
        return consumer;
    }

    public DefaultMQPullConsumer pull(String group) throws Exception {
        DefaultMQPullConsumer consumer = configured(new DefaultMQPullConsumer(group));
        consumer.start();
        closing(consumer::shutdown);
        return consumer;
    }

    /** What a queue has now. */
    public static List<MessageExt> all(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
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

    /** What a topic has now. */
    public static List<MessageExt> all(DefaultMQPullConsumer consumer, String topic) throws Exception {
        List<MessageExt> messages = new ArrayList<>();
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) {
            messages.addAll(all(consumer, queue));
        }
        return messages;
    }

    public static Message message(String topic, String tag, String key, String body) {
        return new Message(topic, tag, key, body.getBytes(StandardCharsets.UTF_8));
    }

    public static String body(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    public static List<String> bodies(Collection<? extends Message> messages) {
        List<String> bodies = new ArrayList<>();
        for (Message message : messages) {
            bodies.add(body(message));
        }
        return bodies;
    }

    public static List<String> numbered(String prefix, int from, int to) {
        List<String> texts = new ArrayList<>();
        for (int i = from; i < to; i++) {
            texts.add(prefix + i);
        }
        return texts;
    }

    /** Longer than what clients leave uncompressed. */
    public static String large() {
        return String.join(" ", numbered("large", 0, 4000));
    }
}
