package interop.admin;

import interop.behaviour.Subject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * AdminExt NAMESRV BROKER-A BROKER-B SLAVE-OF-A [SUBJECT...]: calls every method of the stock admin client of the class
 * path, and all that consoles call, on a running cluster; all subjects, or those named; with `beyond-java` also what
 * 4.3.0's brokers fail. Prints a line of JSON for each
 * check.
 */
public final class AdminExt {
    private static final int THREADS = 8;

    private AdminExt() {
    }

    public static void main(String[] args) {
        int status = 1;
        try {
            run(args);
            status = 0;
        } catch (Exception e) {
            e.printStackTrace();
        }
        // Not all of the clients' threads would let it end.
        System.exit(status);
    }

    private static void run(String[] args) throws Exception {
        DefaultMQAdminExt admin = AdminSubject.admin(args[0]);
        // Before threads share it: the client closes a connection that another thread has just made.
        admin.examineBrokerClusterInfo();
        for (String broker : Arrays.asList(args).subList(1, 4)) {
            admin.getBrokerConfig(broker);
            admin.getAllSubscriptionGroup(broker, 5000);
        }
        List<String> named = new ArrayList<>(Arrays.asList(args).subList(4, args.length));
        Brokers brokers = new Brokers(args[0], args[1], args[2], args[3], admin, named.remove("beyond-java"));
        // Those first that wait for something.
        List<Subject> together = Arrays.asList(
            new Cluster(), new Refusals(), new Statistics(), new Members(), new Consumers(), new Offline(), new Messages(), new Console(), new Resets(), new DeadLetters(),
            new Producers(), new Topics(), new Groups(), new Configs(), new Defaults());
        // What these do concerns the whole cluster.
        List<Subject> alone = Arrays.asList(new Cleaning(), new Wiping());
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        for (Subject subject : together) {
            if (named.isEmpty() || named.contains(subject.name)) {
                threads.execute(() -> timed(subject, brokers));
            }
        }
        threads.shutdown();
        threads.awaitTermination(10, TimeUnit.MINUTES);
        List<Subject> last = new ArrayList<>(alone);
        if (named.isEmpty()) {
            last.add(new Coverage());
        }
        for (Subject subject : last) {
            if (named.isEmpty() || named.contains(subject.name)) {
                timed(subject, brokers);
            }
        }
        admin.shutdown();
    }

    /** Says on standard error how long it took. */
    private static void timed(Subject subject, Brokers brokers) {
        long start = System.currentTimeMillis();
        subject.run(brokers);
        System.err.println(subject.name + ": " + (System.currentTimeMillis() - start) + " ms");
    }
}
