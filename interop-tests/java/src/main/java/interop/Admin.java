package interop;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Stock mqadmin, many commands in one JVM: each line of standard input is one command, its arguments separated by
 * tabs. What it prints (both streams) comes out as one JSON line {"args":…,"output":…}, as soon as it is done.
 * Clients of one JVM that live for milliseconds get into each other's way: a command whose connection was closed beneath
 * it is given again at once, because those behind it count on it.
 */
public final class Admin {
    private static final int TRIES = 3;

    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            String printed = run(line);
            for (int tries = 1; tries < TRIES && wasCutOff(printed); tries++) {
                printed = run(line);
            }
            System.setOut(out);
            Lines.print("args", line, "output", printed);
            Lines.flush();
        }
        System.exit(0);
    }

    private static String run(String line) {
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8);
        System.setOut(capture);
        System.setErr(capture);
        MQAdminStartup.main0(line.split("\t"), null);
        capture.flush();
        return printed.toString(StandardCharsets.UTF_8);
    }

    private static boolean wasCutOff(String printed) {
        return printed.contains("RemotingSendRequestException") || printed.contains("RemotingConnectException");
    }
}
