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
 */
public final class Admin {
    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8);
            System.setOut(capture);
            System.setErr(capture);
            MQAdminStartup.main0(line.split("\t"), null);
            capture.flush();
            System.setOut(out);
            Lines.print("args", line, "output", printed.toString(StandardCharsets.UTF_8));
            Lines.flush();
        }
        System.exit(0);
    }
}
