package acl;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * Accounts NAMESRV BROKER-ADDR BROKER-NAME FILE: who is served by a broker that asks for accounts. FILE is its plain_acl.yml,
 * with operator, producer and consumer, each with the secret of-the-NAME; topic AclTopic and group acl_group. Prints
 * "= THING ok" or "= THING refused" for each thing tried, and what the client logs.
 */
public final class Accounts {
    private static final String TOPIC = "AclTopic";
    private static final String GROUP = "acl_group";
    private static final int MESSAGES = 20;

    private static String namesrv;
    private static int clients;

    private Accounts() {
    }

    private interface Act {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        namesrv = args[0];
        MessageQueue queue = new MessageQueue(TOPIC, args[2], 0);
        Path file = Paths.get(args[3]);

        check("topic made by nobody", () -> makeTopic(null, args[1]));
        check("topic made by the producer", () -> makeTopic(hook("producer"), args[1]));
        check("topic made by the operator", () -> makeTopic(hook("operator"), args[1]));

        check("sent by nobody", () -> send(null, TOPIC, 1));
        check("sent with another's secret", () -> send(hook("producer", "of-the-consumer"), TOPIC, 1));
        check("sent by a stranger", () -> send(hook("strange-one", "of-the-producer"), TOPIC, 1));
        check("sent by the consumer", () -> send(hook("consumer"), TOPIC, 1));
        check("sent to another topic", () -> send(hook("producer"), "AclOther", 1));
        check("sent by the producer", () -> send(hook("producer"), TOPIC, MESSAGES));

        check("pulled by nobody", () -> pull(null, GROUP, queue));
        check("pulled by the producer", () -> pull(hook("producer"), GROUP, queue));
        check("pulled for another group", () -> pull(hook("consumer"), "acl_other_group", queue));
        check("pulled by the consumer", () -> pull(hook("consumer"), GROUP, queue));
        check("consumed by the consumer", Accounts::consume);

        String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        Files.write(file, text.replace("of-the-producer", "another-secret").getBytes(StandardCharsets.UTF_8));
        until("the file to be read again", () -> send(hook("producer", "another-secret"), TOPIC, 1));
        check("sent with a secret of before", () -> send(hook("producer"), TOPIC, 1));
        System.exit(0);
    }

    private static void check(String what, Act act) {
        String outcome = "ok";
        try {
            act.run();
        } catch (Exception e) {
            outcome = "refused";
            System.err.println(what + ": " + e);
        }
        System.out.println("= " + what + " " + outcome);
    }

    private static void until(String what, Act act) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (true) {
            try {
                act.run();
                return;
            } catch (Exception e) {
                if (System.nanoTime() > end) {
                    throw new IllegalStateException("not within a minute: " + what, e);
                }
                Thread.sleep(100);
            }
        }
    }

    private static RPCHook hook(String account) {
        return hook(account, "of-the-" + account);
    }

    private static RPCHook hook(String account, String secret) {
        return new AclClientRPCHook(new SessionCredentials(account, secret));
    }

    private static String instance() {
        return "acl" + clients++;
    }

    private static void makeTopic(RPCHook hook, String broker) throws Exception {
        DefaultMQAdminExt admin = new DefaultMQAdminExt(hook);
        admin.setNamesrvAddr(namesrv);
        admin.setInstanceName(instance());
        admin.start();
        try {
            admin.createAndUpdateTopicConfig(broker, new TopicConfig(TOPIC, 1, 1, 6));
        } finally {
            admin.shutdown();
        }
    }

    private static void send(RPCHook hook, String topic, int count) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("acl_producers", hook);
        producer.setNamesrvAddr(namesrv);
        producer.setInstanceName(instance());
        producer.setRetryTimesWhenSendFailed(0);
        producer.start();
        try {
            for (int i = 0; i < count; i++) {
                byte[] body = ("message " + i).getBytes(StandardCharsets.UTF_8);
                SendStatus status = producer.send(new Message(topic, "Tag", "key " + i, body)).getSendStatus();
                if (status != SendStatus.SEND_OK) {
                    throw new IllegalStateException("" + status);
                }
            }
        } finally {
            producer.shutdown();
        }
    }

    private static void pull(RPCHook hook, String group, MessageQueue queue) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group, hook);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName(instance());
        consumer.start();
        try {
            consumer.pull(queue, "*", 0, 32).getMsgFoundList().get(0);
        } finally {
            consumer.shutdown();
        }
    }

    /** A push consumer gets all. */
    private static void consume() throws Exception {
        Set<String> got = ConcurrentHashMap.newKeySet();
        CountDownLatch all = new CountDownLatch(MESSAGES);
        DefaultMQPushConsumer consumer =
            new DefaultMQPushConsumer(GROUP, hook("consumer"), new AllocateMessageQueueAveragely());
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName(instance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(TOPIC, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                if (got.add(new String(message.getBody(), StandardCharsets.UTF_8))) {
                    all.countDown();
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        try {
            if (!all.await(60, TimeUnit.SECONDS)) {
                throw new IllegalStateException("got " + got.size() + " of " + MESSAGES);
            }
        } finally {
            consumer.shutdown();
        }
    }
}
