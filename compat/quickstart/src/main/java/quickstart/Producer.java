package quickstart;

import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** Sends messages as the official quickstart does; exit code 1 unless every one was SEND_OK. */
public final class Producer {
    public static void main(String[] args) throws Exception {
        Options options = new Options("Producer", args);
        DefaultMQProducer producer = Sender.start(options);
        Sender sender = new Sender(producer, options);
        sender.send(0, options.count);
        producer.shutdown();
        System.exit(sender.report() == 0 ? 0 : 1);
    }
}
