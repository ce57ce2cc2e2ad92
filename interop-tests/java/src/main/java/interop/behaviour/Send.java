package interop.behaviour;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Every way of sending, and what is refused. */
final class Send extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        DefaultMQPullConsumer reader = pull(group("Reader"));
        String topic = topic("", 4);
        MessageQueue first = new MessageQueue(topic, "broker-a", 0);

        Message message = message(topic, "tag", "key", "sync");
        message.putUserProperty("user", "value");
        message.setFlag(77);
        SendResult result = producer.send(message, first);
        equal("sync: status", SendStatus.SEND_OK, result.getSendStatus());
        equal("sync: queue", first, result.getMessageQueue());
        equal("sync: queue offset", 0L, result.getQueueOffset());
        check("sync: both ids", result.getMsgId().length() == 32 && result.getOffsetMsgId().length() == 32, result);
        check("sync: trace on, region", result.isTraceOn() && "DefaultRegion".equals(result.getRegionId()), result);
        MessageExt stored = all(reader, first, 1).get(0);
        equal("sync: body", "sync", body(stored));
        equal("sync: tag, key, flag", "tag key 77", stored.getTags() + " " + stored.getKeys() + " " + stored.getFlag());
        equal("sync: user property", "value", stored.getUserProperty("user"));
        equal("sync: unique id", result.getMsgId(), stored.getMsgId());
        equal("sync: born timestamp", message.getProperty("UNIQ_KEY") == null, false);
        check("sync: store host is the broker's", stored.getStoreHost().toString().endsWith(servers.broker), stored.getStoreHost());
        equal("sync: reconsume times", 0, stored.getReconsumeTimes());

        CountDownLatch done = new CountDownLatch(1);
        AtomicReference<Object> outcome = new AtomicReference<>();
        producer.send(message(topic, "", "", "async"), first, new SendCallback() {
            @Override
            public void onSuccess(SendResult sent) {
                outcome.set(sent.getSendStatus() + " " + sent.getQueueOffset());
                done.countDown();
            }

            @Override
            public void onException(Throwable e) {
                outcome.set(e);
                done.countDown();
            }
        });
        check("async: answered", done.await(WAIT_MS, TimeUnit.MILLISECONDS), "");
        equal("async: outcome", "SEND_OK 1", outcome.get());

        producer.sendOneway(message(topic, "", "", "one-way"), first);
        await("one-way: arrives", () -> offset(producer, first) == 3);

        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            Message one = message(topic, "t" + i, "k" + i, "batch " + i);
            one.putUserProperty("number", String.valueOf(i));
            batch.add(one);
        }
        SendResult sent = producer.send(batch, new MessageQueue(topic, "broker-a", 1));
        equal("batch: status", SendStatus.SEND_OK, sent.getSendStatus());
        equal("batch: ids", 10, sent.getOffsetMsgId().split(",").length);
        List<MessageExt> read = all(reader, new MessageQueue(topic, "broker-a", 1), 10);
        equal("batch: bodies in order", numbered("batch ", 0, 10), bodies(read));
        equal("batch: tags, keys, properties of the last", "t9 k9 9",
            read.get(9).getTags() + " " + read.get(9).getKeys() + " " + read.get(9).getUserProperty("number"));
        check("batch: unique ids differ", !read.get(0).getMsgId().equals(read.get(1).getMsgId()), read.get(0).getMsgId());

        byte[] large = new byte[100_000];
        for (int i = 0; i < large.length; i++) {
            large[i] = (byte) (i % 50);
        }
        producer.send(new Message(topic, large), new MessageQueue(topic, "broker-a", 2));
        MessageExt inflated = all(reader, new MessageQueue(topic, "broker-a", 2), 1).get(0);
        check("compressed: the body comes back", java.util.Arrays.equals(large, inflated.getBody()), inflated.getBody().length);
        check("compressed: stored smaller", inflated.getStoreSize() < large.length / 2, inflated.getStoreSize());

        SendResult chosen = producer.send(message(topic, "", "", "chosen"), (queues, m, key) -> queues.get((int) key), 3);
        equal("selector: queue", 3, chosen.getMessageQueue().getQueueId());

        equal("unknown topic is made by a send", SendStatus.SEND_OK,
            producer.send(message(name + "Auto", "", "", "x")).getSendStatus());
        await("made topic: has a route", () -> hasRoute(name + "Auto"));
        equal("made topic: queues as the client wants", 4,
            servers.admin.examineTopicRouteInfo(name + "Auto").getQueueDatas().get(0).getWriteQueueNums());

        equal("a queue that is not there", 1, code(() -> producer.send(message(topic, "", "", "x"), new MessageQueue(topic, "broker-a", 9))));
        equal("too many properties", 13, code(() -> {
            Message wide = message(topic, "", "", "x");
            wide.putUserProperty("wide", String.join("", java.util.Collections.nCopies(33_000, "x")));
            producer.send(wide, first);
        }));
        check("too large a body is refused by the client", code(() -> producer.send(new Message(topic, new byte[4 * 1024 * 1024 + 1]))) != 0, "");
        check("an illegal name is refused by the client", code(() -> producer.send(message("a b", "", "", "x"))) != 0, "");
        equal("nothing of that was stored", 3L, offset(producer, first));
        String written = topic("WriteOnly", 1, 2);
        equal("write-only: taken", SendStatus.SEND_OK, producer.send(message(written, "", "", "x")).getSendStatus());
        equal("write-only: not read", 16, code(() -> reader.pull(new MessageQueue(written, "broker-a", 0), "*", 0, 1)));
    }

    private static long offset(DefaultMQProducer producer, MessageQueue queue) {
        try {
            return producer.maxOffset(queue);
        } catch (Exception e) {
            return -1;
        }
    }
}
