package quickstart;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/**
 * Producer and Consumer in one, compared message by message: every message sent comes back once under its unique
 * key with its own body. Then a few more are sent and a second consumer of the same group must get those and
 * nothing else, which shows that the group's offsets were committed and found again.
 */
public final class Check {
    public static void main(String[] args) throws Exception {
        Options options = new Options("Check", args);
        String group = options.group == null
            ? "quickstart_" + options.mode + "_" + Long.toString(System.currentTimeMillis(), 36)
            : options.group;
        long start = System.nanoTime();

        DefaultMQProducer producer = Sender.start(options);
        Sender sender = new Sender(producer, options);
        sender.send(0, options.count);
        Map<String, String> first = new LinkedHashMap<>(sender.sent());
        int problems = receive(options, group, first, false);

        if (options.again > 0) {
            sender.send(options.count, options.again);
            Map<String, String> second = new LinkedHashMap<>(sender.sent());
            second.keySet().removeAll(first.keySet());
            problems += receive(options, group, second, true);
        }
        producer.shutdown();
        problems += sender.report();
        System.out.printf("%s %s: %d messages to %s in %d ms%n", problems == 0 ? "PASS" : "FAIL", options.mode,
            sender.sent().size(), options.topic, (System.nanoTime() - start) / 1000000);
        System.exit(problems == 0 ? 0 : 1);
    }

    /** @param strict whether anything that was not expected is a problem; a first run sees older messages too */
    private static int receive(Options options, String group, Map<String, String> expected, boolean strict)
        throws Exception {
        Receiver receiver = new Receiver(options, group);
        receiver.start();
        receiver.awaitAll(expected);
        receiver.shutdown();

        int problems = 0;
        int others = 0;
        int arrived = 0;
        Map<String, List<String>> received = receiver.received();
        for (Map.Entry<String, String> entry : expected.entrySet()) {
            List<String> bodies = received.remove(entry.getKey());
            if (bodies == null) {
                problems += problem("missing: %s \"%s\"", entry.getKey(), entry.getValue());
            } else if (bodies.size() != 1 || !bodies.get(0).equals(entry.getValue())) {
                problems += problem("wrong: %s \"%s\" came as %s", entry.getKey(), entry.getValue(), bodies);
            } else {
                arrived++;
            }
        }
        for (Map.Entry<String, List<String>> entry : received.entrySet()) {
            others += entry.getValue().size();
            if (strict) {
                problems += problem("not for us: %s %s", entry.getKey(), entry.getValue());
            } else if (entry.getValue().size() > 1) {
                problems += problem("an older message came twice: %s %s", entry.getKey(), entry.getValue());
            }
        }
        System.out.printf("received %d of %d expected, %d others, %d problems%n",
            arrived, expected.size(), others, problems);
        return problems;
    }

    private static int problem(String format, Object... values) {
        System.out.printf(format + "%n", values);
        return 1;
    }
}
