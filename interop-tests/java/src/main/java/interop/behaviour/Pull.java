package interop.behaviour;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullCallback;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Pull consumers: what each look at a queue says, and looks that wait. */
final class Pull extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 2);
        MessageQueue queue = new MessageQueue(topic, "broker-a", 0);
        DefaultMQPullConsumer consumer = pull(group(""));
        result("empty queue", consumer.pull(queue, "*", 0, 32), "NO_NEW_MSG 0 0 0");
        result("empty queue, beyond its beginning", consumer.pull(queue, "*", 5, 32), "OFFSET_ILLEGAL 0 0 0");
        for (int i = 0; i < 50; i++) {
            producer.send(message(topic, i % 2 == 0 ? "even" : "odd", "", "m" + i), queue);
        }
        check("all have their place", reaches(consumer, queue, 50), "");
        PullResult first = consumer.pull(queue, "*", 0, 10);
        result("ten of fifty", first, "FOUND 10 0 50");
        equal("ten of fifty: which", numbered("m", 0, 10), bodies(first.getMsgFoundList()));
        MessageExt message = first.getMsgFoundList().get(3);
        equal("queue and offset", "0 3", message.getQueueId() + " " + message.getQueueOffset());
        result("no more than 32 in an answer", consumer.pull(queue, "*", 0, 100), "FOUND 32 0 50");
        result("the rest", consumer.pull(queue, "*", 45, 32), "FOUND 50 0 50");
        result("at the end", consumer.pull(queue, "*", 50, 32), "NO_NEW_MSG 50 0 50");
        result("beyond the end", consumer.pull(queue, "*", 51, 32), "OFFSET_ILLEGAL 0 0 50");
        PullResult odd = consumer.pull(queue, "odd", 0, 32);
        check("by tag: only those", odd.getMsgFoundList().stream().allMatch(m -> m.getTags().equals("odd")), bodies(odd.getMsgFoundList()));
        equal("by tag: how many", 25, odd.getMsgFoundList().size());
        result("by tag: none matches", consumer.pull(queue, "none", 0, 32), "NO_MATCHED_MSG 50 0 50");
        result("by several tags", consumer.pull(queue, "even || odd", 48, 32), "FOUND 50 0 50");
        equal("a queue that is not there", 1, code(() -> consumer.pull(new MessageQueue(topic, "broker-a", 5), "*", 0, 32)));

        // A look that waits ends with the message.
        CompletableFuture<PullResult> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return consumer.pullBlockIfNotFound(queue, "*", 50, 32);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        check("waits while nothing comes", !waiting.isDone(), "");
        producer.send(message(topic, "even", "", "m50"), queue);
        PullResult woken = waiting.get(WAIT_MS, TimeUnit.MILLISECONDS);
        result("woken by the message", woken, "FOUND 51 0 51");
        CompletableFuture<PullResult> async = new CompletableFuture<>();
        consumer.pullBlockIfNotFound(queue, "*", 51, 32, new PullCallback() {
            @Override
            public void onSuccess(PullResult result) {
                async.complete(result);
            }

            @Override
            public void onException(Throwable e) {
                async.completeExceptionally(e);
            }
        });
        producer.send(message(topic, "even", "", "m51"), queue);
        result("woken, asynchronously", async.get(WAIT_MS, TimeUnit.MILLISECONDS), "FOUND 52 0 52");

        // Its offsets.
        equal("never committed", -1L, consumer.fetchConsumeOffset(new MessageQueue(topic, "broker-a", 1), true) > 0 ? 1L : -1L);
        consumer.updateConsumeOffset(queue, 42);
        equal("in memory", 42L, consumer.fetchConsumeOffset(queue, false));
        consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, 42, false);
        equal("at the broker", 42L, consumer.fetchConsumeOffset(queue, true));
        consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, 7, false);
        equal("back again", 7L, consumer.fetchConsumeOffset(queue, true));
        consumer.sendMessageBack(message, 1);
        equal("its retry topic is there", true, comes(() -> hasRoute("%RETRY%" + group(""))));
    }

    private void result(String what, PullResult result, String expected) {
        equal(what, expected, result.getPullStatus() + " " + result.getNextBeginOffset() + " " + result.getMinOffset() + " " + result.getMaxOffset());
    }
}
