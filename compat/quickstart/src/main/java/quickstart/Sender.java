package quickstart;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sends the quickstart's messages in one of the client's four ways and remembers what was sent. */
final class Sender {
    enum Mode {
        SYNC, ASYNC, ONEWAY, BATCH;

        static Mode of(String name) {
            return valueOf(name.toUpperCase());
        }
    }

    /** Asynchronous sends on their way at once; the client itself has no bound that a test could rely on. */
    private static final int IN_FLIGHT = 64;

    private final DefaultMQProducer producer;
    private final Options options;
    /** Unique key of the client to body, for every message handed to it. */
    private final Map<String, String> sent = new LinkedHashMap<>();
    private final List<String> failures = new ArrayList<>();

    Sender(DefaultMQProducer producer, Options options) {
        this.producer = producer;
        this.options = options;
    }

    /** Sends bodies "Hello RocketMQ first" up to, not including, "... first + count". */
    void send(int first, int count) throws Exception {
        switch (options.mode) {
            case SYNC:
                for (Message m : messages(first, count)) {
                    try {
                        accept(producer.send(m));
                    } catch (Exception e) {
                        fail(e);
                    }
                    remember(MessageClientIDSetter.getUniqID(m), m);
                }
                break;
            case ASYNC:
                async(messages(first, count));
                break;
            case ONEWAY:
                oneway(messages(first, count));
                break;
            case BATCH:
                for (int from = 0; from < count; from += options.batchSize) {
                    List<Message> batch = messages(first + from, Math.min(options.batchSize, count - from));
                    try {
                        accept(producer.send(batch));
                    } catch (Exception e) {
                        fail(e);
                    }
                    for (Message m : batch) {
                        remember(MessageClientIDSetter.getUniqID(m), m);
                    }
                }
                break;
            default:
                throw new IllegalStateException();
        }
    }

    private void async(List<Message> messages) throws Exception {
        final Semaphore free = new Semaphore(IN_FLIGHT);
        for (final Message m : messages) {
            if (!free.tryAcquire(options.deadlineMs, TimeUnit.MILLISECONDS)) {
                fail(new IllegalStateException("no callback within the deadline"));
                return;
            }
            try {
                producer.send(m, new SendCallback() {
                    @Override
                    public void onSuccess(SendResult result) {
                        accept(result);
                        // Only now: the client sets the key on a thread of its own.
                        remember(result.getMsgId(), m);
                        free.release();
                    }

                    @Override
                    public void onException(Throwable e) {
                        fail(e);
                        free.release();
                    }
                });
            } catch (Exception e) {
                fail(e);
                free.release();
            }
            if (m == messages.get(0)) {
                // Alone, for it connects: of several 4.3.0 clients' first sends at once one may find its connection
                // closed again, and is then tried again with no time left, whatever the server.
                boolean answered = free.tryAcquire(IN_FLIGHT, options.deadlineMs, TimeUnit.MILLISECONDS);
                if (answered) {
                    free.release(IN_FLIGHT);
                }
            }
        }
        if (!free.tryAcquire(IN_FLIGHT, options.deadlineMs, TimeUnit.MILLISECONDS)) {
            fail(new IllegalStateException("not every callback within the deadline"));
        }
    }

    /** Nobody answers a one-way send, so the broker's queue ends tell when all have arrived. */
    private void oneway(List<Message> messages) throws Exception {
        long before = queueEnds();
        for (Message m : messages) {
            producer.sendOneway(m);
            remember(MessageClientIDSetter.getUniqID(m), m);
        }
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(options.deadlineMs);
        long stored;
        while ((stored = queueEnds() - before) < messages.size()) {
            if (System.nanoTime() > deadline) {
                fail(new IllegalStateException(stored + " of " + messages.size() + " one-way messages stored"));
                return;
            }
            Thread.sleep(20);
        }
        System.out.printf("%d one-way messages are in the broker's queues%n", stored);
    }

    private long queueEnds() {
        long sum = 0;
        try {
            for (MessageQueue queue : producer.fetchPublishMessageQueues(options.topic)) {
                sum += producer.maxOffset(queue);
            }
        } catch (Exception e) {
            // Before the first message the topic does not exist yet.
            return 0;
        }
        return sum;
    }

    private List<Message> messages(int first, int count) {
        List<Message> list = new ArrayList<>();
        for (int i = first; i < first + count; i++) {
            byte[] body = ("Hello RocketMQ " + i).getBytes(StandardCharsets.UTF_8);
            list.add(new Message(options.topic, "TagA", body));
        }
        return list;
    }

    private synchronized void remember(String id, Message m) {
        if (id == null) {
            // It never got as far as the client's send, and is among the failures.
            return;
        }
        String earlier = sent.put(id, new String(m.getBody(), StandardCharsets.UTF_8));
        if (earlier != null) {
            fail(new IllegalStateException("unique key " + id + " of \"" + earlier + "\" used twice"));
        }
    }

    private synchronized void accept(SendResult result) {
        if (!options.quiet) {
            System.out.printf("%s%n", result);
        }
        if (result.getSendStatus() != SendStatus.SEND_OK) {
            failures.add(result.toString());
        }
    }

    private synchronized void fail(Throwable e) {
        if (failures.isEmpty()) {
            e.printStackTrace(System.out);
        }
        failures.add(e.toString());
    }

    Map<String, String> sent() {
        return sent;
    }

    /** How many sends did not end in SEND_OK; the first few are printed. */
    synchronized int report() {
        System.out.printf("sent %d messages (%s), %d not SEND_OK%n", sent.size(), options.mode, failures.size());
        for (String failure : failures.subList(0, Math.min(5, failures.size()))) {
            System.out.println("  " + failure);
        }
        return failures.size();
    }

    static DefaultMQProducer start(Options options) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("quickstart_producer");
        producer.setNamesrvAddr(options.namesrv);
        // What is looked at is what comes back, not how soon: a busy machine must not fail it.
        producer.setSendMsgTimeout(30_000);
        producer.start();
        return producer;
    }
}
