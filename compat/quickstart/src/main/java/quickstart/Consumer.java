package quickstart;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Receives as the official quickstart does until so many unique messages have come or the deadline has passed.
 * Exit code 1 when some are missing or came twice.
 */
public final class Consumer {
    public static void main(String[] args) throws Exception {
        Options options = new Options("Consumer", args);
        String group = options.group == null ? "please_rename_unique_group_name_4" : options.group;
        Receiver receiver = new Receiver(options, group);
        receiver.start();
        boolean complete = receiver.awaitUnique(options.count);
        receiver.shutdown();

        int duplicates = 0;
        Map<String, Integer> bodies = new TreeMap<>();
        for (Map.Entry<String, List<String>> entry : receiver.received().entrySet()) {
            if (entry.getValue().size() > 1) {
                duplicates++;
                System.out.printf("twice: %s %s%n", entry.getKey(), entry.getValue());
            }
            for (String body : entry.getValue()) {
                bodies.merge(body, 1, Integer::sum);
            }
        }
        int missing = 0;
        for (int i = 0; i < options.count; i++) {
            if (!bodies.containsKey("Hello RocketMQ " + i)) {
                missing++;
            }
        }
        System.out.printf("received %d unique messages of %d, %d more than once, %d bodies never%n",
            receiver.received().size(), options.count, duplicates, missing);
        System.exit(complete && duplicates == 0 && missing == 0 ? 0 : 1);
    }
}
