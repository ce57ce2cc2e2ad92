package newer;

import static newer.Look.message;

import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What is the same of transactions in all versions: decided at once, or when the broker asks. */
public final class Deciding {
    private final Map<String, Integer> asked = new ConcurrentHashMap<>();
    private volatile String fields = "";

    /** Sends a message whose local transaction ends so. */
    public interface Sender {
        TransactionSendResult send(Message message, Object state) throws Exception;
    }

    /** The answer to the broker's question. */
    public LocalTransactionState asked(MessageExt message) {
        String body = Look.body(message);
        int times = asked.merge(body, 1, Integer::sum);
        if (body.equals("asked, commit")) {
            fields = message.getTopic() + " " + message.getTags() + " " + message.getKeys() + " " + message.getUserProperty("user") + " " + message.getProperty("UNIQ_KEY");
        }
        if (body.equals("asked twice, commit") && times < 2) {
            return LocalTransactionState.UNKNOW;
        }
        return body.endsWith("commit") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
    }

    public void look(Look it, Sender sender) throws Exception {
        String topic = it.topic("");
        it.producer().send(message(topic, "tag", "", "first"));
        Seen seen = new Seen();
        it.consume(it.group(""), topic, "*", seen);
        TransactionSendResult sent = send(sender, topic, "commit", LocalTransactionState.COMMIT_MESSAGE);
        it.equal("status", SendStatus.SEND_OK, sent.getSendStatus());
        send(sender, topic, "rollback", LocalTransactionState.ROLLBACK_MESSAGE);
        it.await("committed: comes", () -> seen.has("commit"));
        MessageExt message = seen.get("commit");
        it.equal("committed: as it was", "tag key value " + sent.getMsgId(),
            message.getTags() + " " + message.getKeys() + " " + message.getUserProperty("user") + " " + message.getMsgId());
        TransactionSendResult unknown = send(sender, topic, "asked, commit", LocalTransactionState.UNKNOW);
        send(sender, topic, "asked, rollback", LocalTransactionState.UNKNOW);
        send(sender, topic, "asked twice, commit", LocalTransactionState.UNKNOW);
        it.await("asked, committed: comes", () -> seen.has("asked, commit"));
        it.equal("the message asked about", topic + " tag key value " + unknown.getMsgId(), fields);
        it.await("asked, rolled back: asked", () -> asked.containsKey("asked, rollback"));
        it.await("asked twice, committed: comes", () -> seen.has("asked twice, commit"));
        it.equal("asked twice", 2, asked.get("asked twice, commit"));
        it.equal("asked once", Arrays.asList(1, 1), Arrays.asList(asked.get("asked, commit"), asked.get("asked, rollback")));
        it.same("only what was committed comes, once", Arrays.asList("first", "commit", "asked, commit", "asked twice, commit"), seen.bodies());
    }

    private static TransactionSendResult send(Sender sender, String topic, String body, LocalTransactionState state) throws Exception {
        Message message = message(topic, "tag", "key", body);
        message.putUserProperty("user", "value");
        return sender.send(message, state);
    }
}
