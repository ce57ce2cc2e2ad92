package interop;

import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/** Statuses NAMESRV TOPIC COUNT DELAY_LEVEL WAIT_STORE_MSG_OK: sends messages and prints what became of each. */
public final class Statuses {
    public static void main(String[] args) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("interop_statuses");
        producer.setNamesrvAddr(args[0]);
        // More than the 5 s that a broker waits for its slave.
        producer.setSendMsgTimeout(30_000);
        producer.start();
        for (int number = 0; number < Integer.parseInt(args[2]); number++) {
            Message message = new Message(args[1], Integer.toString(number).getBytes(StandardCharsets.UTF_8));
            message.setDelayTimeLevel(Integer.parseInt(args[3]));
            message.setWaitStoreMsgOK(Boolean.parseBoolean(args[4]));
            SendResult result = producer.send(message);
            Lines.print("kind", "sent", "number", number, "status", result.getSendStatus().name());
        }
        Lines.flush();
        producer.shutdown();
        System.exit(0);
    }
}
