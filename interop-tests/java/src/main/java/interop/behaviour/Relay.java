package interop.behaviour;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.protocol.body.CMResult;
import org.apache.rocketmq.common.protocol.body.ConsumeMessageDirectlyResult;
import org.apache.rocketmq.common.protocol.body.ConsumerRunningInfo;

/** What the broker passes on to a consumer and back: its running info, and a message to be consumed now. */
final class Relay extends Subject {
    @Override
    protected void look() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = topic("", 2);
        Seen seen = new Seen();
        DefaultMQPushConsumer consumer = push(group(""));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "a || b");
        consumer.registerMessageListener(seen);
        consumer.start();
        SendResult sent = producer.send(message(topic, "a", "", "m"));
        await("consumed", () -> seen.size() == 1);
        await("its retry topic is known, by which tools find the group", () -> hasRoute("%RETRY%" + group("")));
        String id = consumer.buildMQClientId();
        ConsumerRunningInfo info = servers.admin.getConsumerRunningInfo(group(""), id, false);
        check("running info: its subscription", info.getSubscriptionSet().stream().anyMatch(s -> s.getSubString().equals("a || b")), info.getSubscriptionSet());
        equal("running info: its queues of the topic", 2L, info.getMqTable().keySet().stream().filter(q -> q.getTopic().equals(topic)).count());
        equal("running info: its kind", "CONSUME_PASSIVELY", info.getProperties().getProperty("PROP_CONSUME_TYPE"));
        check("running info: no stack traces unasked", info.getJstack() == null || info.getJstack().isEmpty(), "");
        check("running info: stack traces", servers.admin.getConsumerRunningInfo(group(""), id, true).getJstack().contains("ConsumeMessageThread"), "");
        equal("running info: of a client that is not there", 1, code(() -> servers.admin.getConsumerRunningInfo(group(""), "nobody", false)));

        ConsumeMessageDirectlyResult result = servers.admin.consumeMessageDirectly(group(""), id, sent.getOffsetMsgId());
        equal("consumed directly", CMResult.CR_SUCCESS, result.getConsumeResult());
        equal("consumed directly: once more", 2, seen.size());
        equal("consumed directly: the message", "m", body(seen.last()));
        seen.verdict = context -> ConsumeConcurrentlyStatus.RECONSUME_LATER;
        equal("consumed directly: later", CMResult.CR_LATER, servers.admin.consumeMessageDirectly(group(""), id, sent.getOffsetMsgId()).getConsumeResult());
        seen.verdict = context -> {
            throw new IllegalStateException("thrown by the application");
        };
        ConsumeMessageDirectlyResult thrown = servers.admin.consumeMessageDirectly(group(""), id, sent.getOffsetMsgId());
        equal("consumed directly: an exception", CMResult.CR_THROW_EXCEPTION, thrown.getConsumeResult());
        check("consumed directly: its text", thrown.getRemark().contains("thrown by the application"), "");
        equal("consumed directly: by a client that is not there", 1, code(() -> servers.admin.consumeMessageDirectly(group(""), "nobody", sent.getOffsetMsgId())));
    }
}
