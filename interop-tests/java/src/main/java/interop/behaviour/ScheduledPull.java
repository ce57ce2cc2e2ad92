package interop.behaviour;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.rocketmq.client.consumer.MQPullConsumer;
import org.apache.rocketmq.client.consumer.MQPullConsumerScheduleService;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** MQPullConsumerScheduleService: pulls of its own queues, again and again. */
final class ScheduledPull extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 4);
        for (int i = 0; i < 40; i++) {
            producer.send(message(topic, "", "", "m" + i));
        }
        List<String> one = Collections.synchronizedList(new ArrayList<>());
        List<String> two = Collections.synchronizedList(new ArrayList<>());
        start(topic, one);
        await("all come", () -> one.size() == 40);
        same("each once", numbered("m", 0, 40), one);
        MQPullConsumerScheduleService second = start(topic, two);
        await("a second one shares the queues", () -> assigned(second, topic) == 2);
        for (int i = 40; i < 80; i++) {
            producer.send(message(topic, "", "", "m" + i));
        }
        await("the rest comes to both", () -> one.size() + two.size() >= 80 && !two.isEmpty());
    }

    private static int assigned(MQPullConsumerScheduleService service, String topic) {
        try {
            return service.getDefaultMQPullConsumer().fetchMessageQueuesInBalance(topic).size();
        } catch (Exception e) {
            return -1;
        }
    }

    private MQPullConsumerScheduleService start(String topic, List<String> seen) throws Exception {
        MQPullConsumerScheduleService service = new MQPullConsumerScheduleService(group(""));
        configured(service.getDefaultMQPullConsumer());
        service.registerPullTaskCallback(topic, (queue, context) -> {
            MQPullConsumer consumer = context.getPullConsumer();
            try {
                long offset = Math.max(0, consumer.fetchConsumeOffset(queue, false));
                PullResult result = consumer.pull(queue, "*", offset, 32);
                if (result.getPullStatus() == PullStatus.FOUND) {
                    seen.addAll(bodies(result.getMsgFoundList()));
                }
                consumer.updateConsumeOffset(queue, result.getNextBeginOffset());
                context.setPullNextDelayTimeMillis(50);
            } catch (Exception e) {
                context.setPullNextDelayTimeMillis(50);
            }
        });
        service.start();
        closing(service::shutdown);
        return service;
    }
}
