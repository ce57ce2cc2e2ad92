package interop.admin;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.common.protocol.body.Connection;

/** Live producers. */
final class Producers extends AdminSubject {
    @Override
    void call() throws Exception {
        String topic = wideTopic("", 2);
        DefaultMQProducer producer = producer();
        producer.send(message(topic, "", "", "m"));
        String group = group("Producer");
        awaits("known to every broker", () -> everywhere(topic, group, 1));
        Connection connection = admin.examineProducerConnectionInfo(group, topic).getConnectionSet().iterator().next();
        equal("its client", producer.buildMQClientId(), connection.getClientId());
        check("its address", connection.getClientAddr().matches("127\\.0\\.0\\.1:\\d+"), connection.getClientAddr());
        equal("its language", LanguageCode.JAVA, connection.getLanguage());
        equal("its version", MQVersion.CURRENT_VERSION, connection.getVersion());
        DefaultMQProducer second = producer();
        second.send(message(topic, "", "", "m"));
        awaits("two of a group", () -> everywhere(topic, group, 2));
        second.shutdown();
        awaits("one again", () -> everywhere(topic, group, 1));
        producer.shutdown();
        awaits("none", () -> outcome(() -> admin.examineProducerConnectionInfo(group, topic)).equals("" + SYSTEM_ERROR));
        fails("unknown group", SYSTEM_ERROR, () -> admin.examineProducerConnectionInfo(group("None"), topic));
        fails("unknown topic", TOPIC_NOT_EXIST, () -> admin.examineProducerConnectionInfo(group, name + "None"));
    }

    /** Each call asks a broker drawn by chance. */
    private boolean everywhere(String topic, String group, int clients) throws Exception {
        for (int i = 0; i < 8; i++) {
            if (admin.examineProducerConnectionInfo(group, topic).getConnectionSet().size() != clients) {
                return false;
            }
        }
        return true;
    }
}
