package newer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** What a push consumer has been given, in the order in which it was. */
public class Seen implements MessageListenerConcurrently {
    public final List<MessageExt> messages = Collections.synchronizedList(new ArrayList<>());

    @Override
    public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> given, ConsumeConcurrentlyContext context) {
        messages.addAll(given);
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    public int size() {
        return messages.size();
    }

    public List<String> bodies() {
        synchronized (messages) {
            return Look.bodies(messages);
        }
    }

    public boolean has(String body) {
        return bodies().contains(body);
    }

    public MessageExt get(String body) {
        synchronized (messages) {
            return messages.stream().filter(it -> Look.body(it).equals(body)).findFirst().orElse(null);
        }
    }
}
