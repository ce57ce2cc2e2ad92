package quickstart;

import java.util.HashMap;
import java.util.Map;

/** Command line of the three programs: "-x value" pairs, every one with a default. */
final class Options {
    private final Map<Character, String> values = new HashMap<>();

    final String namesrv;
    final String topic;
    final int count;
    final Sender.Mode mode;
    final int batchSize;
    final String group;
    final long deadlineMs;
    final int again;
    final boolean quiet;

    Options(String program, String[] args) {
        for (int i = 0; i < args.length; i++) {
            String a = args[i];
            if (a.equals("-q")) {
                values.put('q', "true");
            } else if (a.length() == 2 && a.charAt(0) == '-' && "ntcmbgda".indexOf(a.charAt(1)) >= 0
                && i + 1 < args.length) {
                values.put(a.charAt(1), args[++i]);
            } else {
                usage(program, a);
            }
        }
        String environment = System.getenv("NAMESRV_ADDR");
        namesrv = text('n', environment == null ? "127.0.0.1:9876" : environment);
        topic = text('t', "TopicTest");
        count = (int) number('c', 1000);
        mode = Sender.Mode.of(text('m', "sync"));
        batchSize = (int) number('b', 50);
        group = text('g', null);
        deadlineMs = number('d', 60) * 1000;
        again = (int) number('a', 10);
        quiet = values.containsKey('q');
    }

    private String text(char key, String otherwise) {
        String value = values.get(key);
        return value == null ? otherwise : value;
    }

    private long number(char key, long otherwise) {
        String value = values.get(key);
        return value == null ? otherwise : Long.parseLong(value);
    }

    private static void usage(String program, String argument) {
        System.err.printf("%s: what is \"%s\"?%n", program, argument);
        System.err.println("-n addr   name server, default $NAMESRV_ADDR or 127.0.0.1:9876");
        System.err.println("-t topic  default TopicTest");
        System.err.println("-c count  messages, default 1000");
        System.err.println("-m mode   sync, async, oneway or batch; default sync");
        System.err.println("-b size   messages in one batch, default 50");
        System.err.println("-g group  consumer group; Check takes a fresh one by default");
        System.err.println("-d secs   give up after so many seconds, default 60");
        System.err.println("-a count  Check: messages for the second consumer of the same group, default 10");
        System.err.println("-q        print no line per message");
        System.exit(2);
    }
}
