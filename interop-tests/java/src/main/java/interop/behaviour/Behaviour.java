package interop.behaviour;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * Behaviour NAMESRV BROKER [SUBJECT...]: looks at a running cluster's features through the stock clients, all subjects
 * or those named, several at a time; with `beyond-java` also those that Java's broker fails. The broker must have enablePropertyFilter=true, transactionTimeOut=2000,
 * transactionCheckInterval=1000 and transactionCheckMax=3.
 */
public final class Behaviour {
    private static final int THREADS = 8;

    private Behaviour() {
    }

    public static void main(String[] args) throws Exception {
        DefaultMQAdminExt admin = new DefaultMQAdminExt();
        admin.setNamesrvAddr(args[0]);
        admin.setInstanceName("admin");
        admin.start();
        Subject.Servers servers = new Subject.Servers(args[0], args[1], admin);
        List<String> named = Arrays.asList(args).subList(2, args.length);
        boolean all = named.isEmpty() || named.equals(Arrays.asList("beyond-java"));
        // The slow ones first.
        List<Subject> subjects = new ArrayList<>(Arrays.asList(
            new Transactions(), new ResetOffset(), new Retry(), new Delay(), new Rebalance(), new Orderly(),
            new Broadcast(), new Push(), new Sql(), new Pull(), new ScheduledPull(), new Relay(), new Offsets(),
            new Send(), new Lookup()));
        if (named.contains("beyond-java")) {
            subjects.add(0, new CompressedTransactions());
        }
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        for (Subject subject : subjects) {
            if (all || named.contains(subject.name)) {
                threads.execute(() -> subject.run(servers));
            }
        }
        threads.shutdown();
        threads.awaitTermination(10, TimeUnit.MINUTES);
        admin.shutdown();
        System.exit(0);
    }
}
