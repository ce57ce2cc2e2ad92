package newer.since46;

import static newer.Look.body;
import static newer.Look.message;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import newer.Look;
import newer.Seen;
import newer.Subject;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests with replies, between two clients. */
public final class Requests implements Subject {
    private static final long TIMEOUT_MS = 20_000;

    @Override
    public void look(Look it) throws Exception {
        String topic = it.topic("");
        it.producer().send(message(topic, "none", "", "first"));
        // A reply reaches clients that the broker knows by a heartbeat. One that asks before it knows the topic sends one
        // at once; one that has sent to the topic before waits for its next.
        DefaultMQProducer asking = it.started(new DefaultMQProducer(it.group("Asking")));
        DefaultMQProducer answering = it.started(new DefaultMQProducer(it.group("Answering")));
        AtomicReference<SendResult> replied = new AtomicReference<>();
        DefaultMQPushConsumer consumer = it.push(new DefaultMQPushConsumer(it.group("")));
        consumer.subscribe(topic, "ask");
        consumer.registerMessageListener(new Seen() {
            @Override
            public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> given, ConsumeConcurrentlyContext context) {
                for (MessageExt message : given) {
                    try {
                        String answer = "answer to " + body(message);
                        Message reply = MessageUtil.createReplyMessage(message, answer.getBytes(StandardCharsets.UTF_8));
                        reply.putUserProperty("user", "value");
                        replied.set(answering.send(reply, TIMEOUT_MS));
                    } catch (Exception e) {
                        e.printStackTrace();
                    }
                }
                return super.consumeMessage(given, context);
            }
        });
        consumer.start();

        Message answer = asking.request(message(topic, "ask", "key", "question"), TIMEOUT_MS);
        it.equal("an answer", "answer to question value", body(answer) + " " + answer.getUserProperty("user"));
        it.await("the answer is stored", () -> replied.get() != null && replied.get().getSendStatus() == SendStatus.SEND_OK);
        String large = body(asking.request(message(topic, "ask", "key", Look.large()), TIMEOUT_MS));
        it.check("a large one", large.equals("answer to " + Look.large()), large.length());

        CountDownLatch done = new CountDownLatch(1);
        AtomicReference<Object> called = new AtomicReference<>();
        asking.request(message(topic, "ask", "key", "callback"), new RequestCallback() {
            @Override
            public void onSuccess(Message message) {
                called.set(body(message));
                done.countDown();
            }

            @Override
            public void onException(Throwable e) {
                called.set(e);
                done.countDown();
            }
        }, TIMEOUT_MS);
        it.check("called back", done.await(30, TimeUnit.SECONDS), called);
        it.equal("with the answer", "answer to callback", called.get());
        boolean timedOut = false;
        try {
            asking.request(message(topic, "none", "", "nobody answers"), 1000);
        } catch (RequestTimeoutException e) {
            timedOut = true;
        }
        it.check("nobody answers: it ends", timedOut, "");
    }
}
