package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;

/**
 * Load NAMESRV TOPIC COUNT SEED: sends messages of all kinds (small, compressed, batches, tags, keys, properties
 * of other scripts, delayed by two hours) through a running broker and prints where each went. Exit code 1 unless
 * all were SEND_OK.
 */
public final class Load {
    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int count = Integer.parseInt(args[2]);
        Random random = new Random(Long.parseLong(args[3]));
        DefaultMQProducer producer = new DefaultMQProducer("interop_load");
        producer.setNamesrvAddr(args[0]);
        // A busy machine must not fail it.
        producer.setSendMsgTimeout(30_000);
        producer.start();
        boolean good = true;
        for (int sent = 0; sent < count; ) {
            List<Message> messages = new ArrayList<>();
            SendResult result;
            if (random.nextInt(10) == 0) {
                int size = Math.min(count - sent, 1 + random.nextInt(20));
                while (messages.size() < size) {
                    messages.add(message(topic, sent + messages.size(), random, true));
                }
                result = producer.send(messages);
            } else {
                messages.add(message(topic, sent, random, false));
                result = producer.send(messages.get(0));
            }
            good &= result.getSendStatus() == SendStatus.SEND_OK;
            String[] offsetIds = result.getOffsetMsgId().split(",");
            for (int i = 0; i < messages.size(); i++) {
                Message m = messages.get(i);
                Lines.print("kind", "sent", "status", result.getSendStatus().name(),
                    "msgId", MessageClientIDSetter.getUniqID(m), "offsetMsgId", offsetIds[i], "topic", topic,
                    "queueId", result.getMessageQueue().getQueueId(), "queueOffset", result.getQueueOffset() + i,
                    "delay", m.getDelayTimeLevel(), "bodyCrc", Lines.crc(m.getBody()),
                    "bodyLength", m.getBody().length);
            }
            sent += messages.size();
        }
        Lines.flush();
        producer.shutdown();
        System.exit(good ? 0 : 1);
    }

    private static Message message(String topic, int i, Random random, boolean batch) {
        byte[] body = new byte[random.nextInt(15) == 0 ? 4096 + random.nextInt(4000) : 1 + random.nextInt(300)];
        // Half noise, half blank, so that large bodies do get smaller when compressed.
        for (int at = 0; at < body.length; at += 2) {
            body[at] = (byte) random.nextInt(256);
        }
        Message m = new Message(topic, body);
        m.setFlag(i);
        if (random.nextBoolean()) {
            m.setTags("Tag" + (char) ('A' + random.nextInt(5)));
        }
        if (random.nextBoolean()) {
            m.setKeys("key" + i + " group" + random.nextInt(10));
        }
        if (random.nextInt(4) == 0) {
            m.putUserProperty("naïve", "größer 漢字 \uD834\uDD1E " + random.nextInt());
        }
        if (!batch && random.nextInt(20) == 0) {
            // Two hours: it stays in the delay topic for as long as a test runs.
            m.setDelayTimeLevel(18);
        }
        return m;
    }
}
