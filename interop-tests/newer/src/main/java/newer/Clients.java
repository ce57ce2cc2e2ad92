package newer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Clients NAMESRV GROUP-PREFIX [without=SUBJECT]... [SUBJECT...]: looks at a running cluster's features
 * through the client of the class path, all subjects that it has or those named, several at a time. Prints a JSON line
 * for each check. The broker must have enablePropertyFilter=true, transactionTimeOut=2000 and
 * transactionCheckInterval=1000.
 */
public final class Clients {
    private static final int THREADS = 8;

    private Clients() {
    }

    public static void main(String[] args) throws Exception {
        List<String> without = new ArrayList<>();
        List<String> named = new ArrayList<>();
        for (String arg : Arrays.asList(args).subList(2, args.length)) {
            if (arg.startsWith("without=")) {
                without.add(arg.substring("without=".length()));
            } else {
                named.add(arg);
            }
        }
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        for (Map.Entry<String, Subject> subject : subjects().entrySet()) {
            String name = subject.getKey();
            if ((named.isEmpty() || named.contains(name)) && !without.contains(name)) {
                Look look = new Look(args[0], args[1], name);
                threads.execute(() -> look.run(subject.getValue()));
            }
        }
        threads.shutdown();
        boolean ended = threads.awaitTermination(10, TimeUnit.MINUTES);
        System.exit(ended ? 0 : 1);
    }

    /** The slow ones first. */
    private static Map<String, Subject> subjects() throws Exception {
        Map<String, Subject> subjects = new LinkedHashMap<>();
        for (String since : Arrays.asList(
            "before43.Transactions", "since43.Transactions", "since46.Requests", "since46.Traces", "since46.LitePull")) {
            try {
                Object subject = Class.forName("newer." + since).getDeclaredConstructor().newInstance();
                subjects.put(since.substring(since.indexOf('.') + 1), (Subject) subject);
            } catch (ClassNotFoundException e) {
                // Left out of this version's build.
            }
        }
        subjects.put("Retry", Consuming::retry);
        subjects.put("Orderly", Consuming::orderly);
        subjects.put("Delay", Consuming::delay);
        subjects.put("Concurrently", Consuming::concurrently);
        subjects.put("Broadcast", Consuming::broadcast);
        subjects.put("Sql", Consuming::sql);
        subjects.put("HeartbeatV2", Consuming::heartbeatV2);
        subjects.put("Send", Sending::send);
        subjects.put("Pull", Sending::pull);
        subjects.put("Lookup", Sending::lookup);
        return subjects;
    }
}
