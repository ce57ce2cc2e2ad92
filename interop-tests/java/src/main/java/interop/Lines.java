package interop;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;

/** One JSON object a line on standard output, keys sorted: what the Rust side reads and compares. */
public final class Lines {
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private Lines() {
    }

    public static void print(Object... namesAndValues) {
        Map<String, Object> line = new TreeMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            line.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        OUT.println(JSON.toJSONString(line, SerializerFeature.MapSortField, SerializerFeature.WriteMapNullValue));
    }

    public static void flush() {
        OUT.flush();
    }

    public static long crc(byte[] bytes) {
        CRC32 crc = new CRC32();
        crc.update(bytes);
        return crc.getValue();
    }
}
