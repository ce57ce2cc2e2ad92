package interop.behaviour;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;

/** What a push consumer has been given, in the order in which it was. */
public final class Seen implements MessageListenerConcurrently {
    public final List<MessageExt> messages = Collections.synchronizedList(new ArrayList<>());
    public final List<Integer> batches = Collections.synchronizedList(new ArrayList<>());
    public volatile Function<ConsumeConcurrentlyContext, ConsumeConcurrentlyStatus> verdict =
        context -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS;

    @Override
    public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> given, ConsumeConcurrentlyContext context) {
        messages.addAll(given);
        batches.add(given.size());
        return verdict.apply(context);
    }

    /** The same as a listener that takes each queue in order. */
    public MessageListenerOrderly orderly() {
        return (List<MessageExt> given, ConsumeOrderlyContext context) -> {
            messages.addAll(given);
            return ConsumeOrderlyStatus.SUCCESS;
        };
    }

    public int size() {
        return messages.size();
    }

    public List<String> bodies() {
        synchronized (messages) {
            return Subject.bodies(messages);
        }
    }

    public boolean has(String body) {
        return bodies().contains(body);
    }

    public MessageExt last() {
        synchronized (messages) {
            return messages.get(messages.size() - 1);
        }
    }
}
