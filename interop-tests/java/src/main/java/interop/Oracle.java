package interop;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.serializer.SerializerFeature;
import com.alibaba.fastjson.serializer.ValueFilter;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.apache.rocketmq.broker.filter.MessageEvaluationContext;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.TopicFilterType;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.constant.PermName;
import org.apache.rocketmq.common.filter.FilterAPI;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;
import org.apache.rocketmq.common.protocol.body.RegisterBrokerBody;
import org.apache.rocketmq.common.protocol.heartbeat.SubscriptionData;
import org.apache.rocketmq.filter.FilterFactory;
import org.apache.rocketmq.filter.expression.Expression;
import org.apache.rocketmq.filter.expression.MQFilterException;
import org.apache.rocketmq.filter.util.BloomFilter;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;
import org.apache.rocketmq.remoting.protocol.SerializeType;
import org.apache.rocketmq.store.MessageExtBrokerInner;
import org.apache.rocketmq.store.index.IndexFile;

/**
 * What the real 4.3.0 classes say, asked through JNI: {@link #call} runs one operation over a whole batch of
 * inputs, so that thousands of cases cost one crossing. Inputs and outputs are items of the forms below; all
 * numbers big-endian, a text is its UTF-8 length (-1: null) and bytes.
 *
 * <pre>
 * batch in   (int length, bytes)*
 * batch out  (byte failed, int length, bytes)*    a failure's bytes are the exception's text
 * command    int code, byte language, int version, int opaque, int flag, text remark,
 *            int count (-1: null) of (text name, text value), bytes body, byte serialize type
 * message    text topic, int queueId, int flag, long queueOffset, long physicalOffset, int sysFlag, long born,
 *            text host, int port, long stored, text host, int port, int reconsumeTimes, long prepared, bytes body,
 *            int count of (text name, text value)
 * </pre>
 * Maps are sorted by name.
 */
public final class Oracle {
    private interface Operation {
        void run(Input in, Output out) throws Exception;
    }

    private static final Map<String, Operation> OPERATIONS = new HashMap<>();

    static {
        commands();
        messages();
        json();
        texts();
    }

    private Oracle() {
    }

    /** The one door for JNI. */
    public static byte[] call(String operation, byte[] batch) throws IOException {
        Operation op = OPERATIONS.get(operation);
        if (op == null) {
            throw new IllegalArgumentException("no operation " + operation);
        }
        Input items = new Input(batch);
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        DataOutputStream answers = new DataOutputStream(all);
        while (items.available() > 0) {
            Input item = new Input(items.bytes());
            Output answer = new Output();
            boolean failed = false;
            try {
                op.run(item, answer);
            } catch (Throwable e) {
                failed = true;
                answer = new Output();
                answer.write(e.toString().getBytes(StandardCharsets.UTF_8));
            }
            answers.writeByte(failed ? 1 : 0);
            answers.writeInt(answer.size());
            answer.writeTo(answers);
        }
        return all.toByteArray();
    }

    private static void commands() {
        OPERATIONS.put("command encode", (in, out) -> {
            RemotingCommand command = in.command();
            out.write(command.encode().array());
        });
        OPERATIONS.put("command decode", (in, out) -> {
            // As the frame decoder does: without the length word.
            byte[] frame = in.rest();
            out.command(RemotingCommand.decode(ByteBuffer.wrap(frame, 4, frame.length - 4).slice()));
        });
        // class, seed, per mille of null fields -> the fields that Java sends
        OPERATIONS.put("header random", (in, out) -> {
            Object header = Beans.random(Class.forName(in.text()), new Random(in.readLong()), in.readInt());
            RemotingCommand command = RemotingCommand.createRequestCommand(1, (CommandCustomHeader) header);
            command.makeCustomHeaderToNet();
            out.map(command.getExtFields());
        });
        // class, fields -> the fields that Java sends after having read these
        OPERATIONS.put("header reprint", (in, out) -> {
            Class<? extends CommandCustomHeader> type =
                Class.forName(in.text()).asSubclass(CommandCustomHeader.class);
            RemotingCommand received = RemotingCommand.createRequestCommand(1, null);
            received.setExtFields(in.map());
            RemotingCommand sent = RemotingCommand.createRequestCommand(1, received.decodeCommandCustomHeader(type));
            sent.makeCustomHeaderToNet();
            out.map(sent.getExtFields());
        });
    }

    private static void messages() {
        OPERATIONS.put("message encode", (in, out) -> {
            MessageExt m = in.message();
            out.write(MessageDecoder.encode(m, true));
        });
        OPERATIONS.put("message decode", (in, out) -> out.message(MessageDecoder.decode(ByteBuffer.wrap(in.rest()))));
        OPERATIONS.put("messages decode", (in, out) -> {
            List<MessageExt> list = MessageDecoder.decodes(ByteBuffer.wrap(in.rest()));
            out.writeInt(list.size());
            for (MessageExt m : list) {
                Output one = new Output();
                one.message(m);
                out.bytes(one.toByteArray());
            }
        });
        // batch of a send request: int count of (int flag, bytes body, map)
        OPERATIONS.put("batch encode", (in, out) -> {
            List<Message> list = new ArrayList<>();
            for (int left = in.readInt(); left > 0; left--) {
                Message m = new Message();
                m.setTopic("T");
                m.setFlag(in.readInt());
                m.setBody(in.bytes());
                MessageAccessor.setProperties(m, in.map());
                list.add(m);
            }
            out.write(MessageDecoder.encodeMessages(list));
        });
        OPERATIONS.put("batch decode", (in, out) -> {
            List<Message> list = MessageDecoder.decodeMessages(ByteBuffer.wrap(in.rest()));
            out.writeInt(list.size());
            for (Message m : list) {
                out.writeInt(m.getFlag());
                out.bytes(m.getBody());
                out.map(m.getProperties());
            }
        });
        OPERATIONS.put("properties to text", (in, out) -> out.text(MessageDecoder.messageProperties2String(in.map())));
        OPERATIONS.put("properties of text", (in, out) -> out.map(MessageDecoder.string2messageProperties(in.text())));
        OPERATIONS.put("offset id", (in, out) -> {
            SocketAddress host = in.address();
            out.text(MessageDecoder.createMessageId(host, in.readLong()));
        });
        OPERATIONS.put("offset id decode", (in, out) -> {
            MessageId id = MessageDecoder.decodeMessageId(in.text());
            out.address(id.getAddress());
            out.writeLong(id.getOffset());
        });
        OPERATIONS.put("unique id", (in, out) -> {
            in.text();
            out.text(MessageClientIDSetter.createUniqID());
        });
        // text -> host, time (ms)
        OPERATIONS.put("unique id decode", (in, out) -> {
            String id = in.text();
            out.text(MessageClientIDSetter.getIPStrFromID(id));
            out.writeLong(MessageClientIDSetter.getNearlyTimeFromID(id).getTime());
        });
    }

    private static void json() {
        // class, seed, per mille of null fields -> text
        OPERATIONS.put("json random", (in, out) -> {
            Object bean = Beans.random(Class.forName(in.text()), new Random(in.readLong()), in.readInt());
            out.write(print(bean));
        });
        // class, text -> what Java prints of what it read
        OPERATIONS.put("json reprint", (in, out) -> {
            Class<?> type = Class.forName(in.text());
            out.write(printSorted(RemotingSerializable.fromJson(in.text(), type)));
        });
        // any text -> its values, one way of writing for both sides
        OPERATIONS.put("json parse", (in, out) -> out.text(tree(JSON.parse(in.text()))));
        OPERATIONS.put("json pretty", (in, out) -> {
            Class<?> type = Class.forName(in.text());
            out.text(RemotingSerializable.toJson(RemotingSerializable.fromJson(in.text(), type), true));
        });
        OPERATIONS.put("json string", (in, out) -> out.text(JSON.toJSONString(in.text())));
        OPERATIONS.put("double", (in, out) -> out.text(Double.toString(in.readDouble())));
        OPERATIONS.put("float", (in, out) -> out.text(Float.toString(in.readFloat())));
        // seed -> bytes of a compressed registration, and the plain JSON of what Java reads back from them
        OPERATIONS.put("register random compressed", (in, out) -> {
            Random random = new Random(in.readLong());
            RegisterBrokerBody body = (RegisterBrokerBody) Beans.random(RegisterBrokerBody.class, random, 0);
            byte[] compressed = body.encode(true);
            out.bytes(compressed);
            out.bytes(printSorted(RegisterBrokerBody.decode(compressed, true)));
        });
        OPERATIONS.put("register of compressed",
            (in, out) -> out.write(printSorted(RegisterBrokerBody.decode(in.rest(), true))));
        // topic, expression -> SubscriptionData; its subVersion is the time, so 0 here
        OPERATIONS.put("subscription", (in, out) -> {
            SubscriptionData data = FilterAPI.buildSubscriptionData("g", in.text(), in.text());
            data.setSubVersion(0);
            out.write(print(data));
        });
    }

    private static void texts() {
        // expression, properties -> what it is worth, or which step failed
        OPERATIONS.put("filter", (in, out) -> {
            String expression = in.text();
            Map<String, String> properties = in.map();
            Expression compiled;
            try {
                compiled = FilterFactory.INSTANCE.get("SQL92").compile(expression);
            } catch (MQFilterException e) {
                out.text("not compiled");
                return;
            }
            try {
                out.text(String.valueOf(compiled.evaluate(new MessageEvaluationContext(properties))));
            } catch (Exception e) {
                out.text("not evaluated");
            }
        });
        // error rate, expected, text -> bits, positions
        OPERATIONS.put("bloom", (in, out) -> {
            BloomFilter filter = BloomFilter.createByFn(in.readInt(), in.readInt());
            out.writeInt(filter.getM());
            for (int position : filter.calcBitPositions(in.text())) {
                out.writeInt(position);
            }
        });
        // text -> as an int, a long and the bits of a double; null where it is none
        OPERATIONS.put("numbers", (in, out) -> {
            String text = in.text();
            out.text(number(() -> Integer.valueOf(text)));
            out.text(number(() -> Long.valueOf(text)));
            out.text(number(() -> Double.doubleToLongBits(Double.valueOf(text))));
        });
        OPERATIONS.put("string hash", (in, out) -> out.writeInt(in.text().hashCode()));
        OPERATIONS.put("index key hash", (in, out) -> {
            File folder = new File(System.getProperty("java.io.tmpdir"));
            out.writeInt(IndexHash.FILE.in(folder).indexKeyHashMethod(in.text()));
        });
        OPERATIONS.put("tags code", (in, out) ->
            out.writeLong(MessageExtBrokerInner.tagsString2tagsCode(TopicFilterType.SINGLE_TAG, in.text())));
        OPERATIONS.put("crc32", (in, out) -> out.writeInt(UtilAll.crc32(in.rest())));
        OPERATIONS.put("file name", (in, out) -> out.text(UtilAll.offset2FileName(in.readLong())));
        OPERATIONS.put("version", (in, out) -> out.text(MQVersion.getVersionDesc(in.readInt())));
        OPERATIONS.put("perm", (in, out) -> out.text(PermName.perm2String(in.readInt())));
        OPERATIONS.put("topic config encode", (in, out) ->
            out.text(JSON.parseObject(in.text(), TopicConfig.class).encode()));
        OPERATIONS.put("topic config decode", (in, out) -> {
            TopicConfig config = new TopicConfig();
            boolean good = config.decode(in.text());
            out.writeBoolean(good);
            out.write(print(config));
        });
        // the text of a properties file -> its pairs
        OPERATIONS.put("properties file", (in, out) -> {
            Properties properties = new Properties();
            properties.load(new StringReader(in.text()));
            Map<String, String> map = new TreeMap<>();
            for (String name : properties.stringPropertyNames()) {
                map.put(name, properties.getProperty(name));
            }
            out.map(map);
        });
        OPERATIONS.put("inflate", (in, out) -> out.write(UtilAll.uncompress(in.rest())));
        OPERATIONS.put("deflate", (in, out) -> out.write(UtilAll.compress(in.rest(), 5)));
    }

    private static String number(Supplier<Number> parsed) {
        try {
            return parsed.get().toString();
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /** As a server sends it. */
    private static byte[] print(Object bean) {
        return RemotingSerializable.toJson(bean, false).getBytes(StandardCharsets.UTF_8);
    }

    /** The same with the entries of maps and sets in order, which Java leaves to their hashes. */
    private static byte[] printSorted(Object bean) {
        return sorted(bean).getBytes(StandardCharsets.UTF_8);
    }

    private static String sorted(Object value) {
        ValueFilter sets = (object, name, item) -> {
            if (!(item instanceof Set)) {
                return item;
            }
            List<Object> list = new ArrayList<>((Set<?>) item);
            list.sort(Comparator.comparing(Oracle::sorted));
            return list;
        };
        return JSON.toJSONString(value, sets, SerializerFeature.MapSortField);
    }

    /** One form for any parsed text: type letters, so that 1 and "1" differ. */
    private static String tree(Object value) {
        StringBuilder text = new StringBuilder();
        tree(value, text);
        return text.toString();
    }

    private static void tree(Object value, StringBuilder text) {
        if (value == null) {
            text.append("null");
        } else if (value instanceof Map) {
            text.append('{');
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                tree(entry.getKey(), text);
                text.append(':');
                tree(entry.getValue(), text);
                text.append(',');
            }
            text.append('}');
        } else if (value instanceof List) {
            text.append('[');
            for (Object item : (List<?>) value) {
                tree(item, text);
                text.append(',');
            }
            text.append(']');
        } else if (value instanceof String) {
            text.append('s').append(((String) value).length()).append('"').append(value).append('"');
        } else if (value instanceof BigDecimal || value instanceof Double || value instanceof Float) {
            text.append('d').append(((Number) value).doubleValue());
        } else if (value instanceof Number) {
            text.append('i').append(value);
        } else {
            text.append(value.getClass().getSimpleName()).append(' ').append(value);
        }
    }

    /** The hash is a method of an open index file: one small file serves all calls. */
    private enum IndexHash {
        FILE;

        private IndexFile file;

        synchronized IndexFile in(File folder) throws IOException {
            if (file == null) {
                // Java takes its name for a time stamp.
                File path = new File(folder, Long.toString(System.nanoTime()));
                file = new IndexFile(path.getPath(), 1, 2, 0, 0);
                path.delete();
            }
            return file;
        }
    }

    private static final class Input extends DataInputStream {
        Input(byte[] bytes) {
            super(new ByteArrayInputStream(bytes));
        }

        byte[] bytes() throws IOException {
            int length = readInt();
            return length < 0 ? null : readNBytes(length);
        }

        byte[] rest() throws IOException {
            return readAllBytes();
        }

        String text() throws IOException {
            byte[] bytes = bytes();
            return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
        }

        SocketAddress address() throws IOException {
            return new InetSocketAddress(InetAddress.getByName(text()), readInt());
        }

        HashMap<String, String> map() throws IOException {
            int count = readInt();
            if (count < 0) {
                return null;
            }
            HashMap<String, String> map = new HashMap<>();
            for (; count > 0; count--) {
                map.put(text(), text());
            }
            return map;
        }

        RemotingCommand command() throws IOException {
            RemotingCommand command = RemotingCommand.createRequestCommand(readInt(), null);
            command.setLanguage(LanguageCode.valueOf(readByte()));
            command.setVersion(readInt());
            command.setOpaque(readInt());
            command.setFlag(readInt());
            command.setRemark(text());
            command.setExtFields(map());
            command.setBody(bytes());
            command.setSerializeTypeCurrentRPC(SerializeType.valueOf(readByte()));
            return command;
        }

        MessageExt message() throws IOException {
            MessageExt m = new MessageExt();
            m.setTopic(text());
            m.setQueueId(readInt());
            m.setFlag(readInt());
            m.setQueueOffset(readLong());
            m.setCommitLogOffset(readLong());
            m.setSysFlag(readInt());
            m.setBornTimestamp(readLong());
            m.setBornHost(address());
            m.setStoreTimestamp(readLong());
            m.setStoreHost(address());
            m.setReconsumeTimes(readInt());
            m.setPreparedTransactionOffset(readLong());
            m.setBody(bytes());
            m.setBodyCRC(UtilAll.crc32(m.getBody()));
            MessageAccessor.setProperties(m, map());
            return m;
        }
    }

    private static final class Output extends DataOutputStream {
        Output() {
            super(new ByteArrayOutputStream());
        }

        byte[] toByteArray() {
            return ((ByteArrayOutputStream) out).toByteArray();
        }

        void writeTo(DataOutputStream other) throws IOException {
            other.write(toByteArray());
        }

        void bytes(byte[] bytes) throws IOException {
            writeInt(bytes == null ? -1 : bytes.length);
            if (bytes != null) {
                write(bytes);
            }
        }

        void text(String text) throws IOException {
            bytes(text == null ? null : text.getBytes(StandardCharsets.UTF_8));
        }

        void address(SocketAddress address) throws IOException {
            InetSocketAddress host = (InetSocketAddress) address;
            text(host.getAddress().getHostAddress());
            writeInt(host.getPort());
        }

        void map(Map<String, String> map) throws IOException {
            writeInt(map == null ? -1 : map.size());
            if (map != null) {
                for (Map.Entry<String, String> entry : new TreeMap<>(map).entrySet()) {
                    text(entry.getKey());
                    text(entry.getValue());
                }
            }
        }

        void command(RemotingCommand command) throws IOException {
            writeInt(command.getCode());
            writeByte(command.getLanguage() == null ? -1 : command.getLanguage().getCode());
            writeInt(command.getVersion());
            writeInt(command.getOpaque());
            writeInt(command.getFlag());
            text(command.getRemark());
            map(command.getExtFields());
            bytes(command.getBody());
            writeByte(command.getSerializeTypeCurrentRPC().getCode());
        }

        void message(MessageExt m) throws IOException {
            text(m.getTopic());
            writeInt(m.getQueueId());
            writeInt(m.getFlag());
            writeLong(m.getQueueOffset());
            writeLong(m.getCommitLogOffset());
            writeInt(m.getSysFlag());
            writeLong(m.getBornTimestamp());
            address(m.getBornHost());
            writeLong(m.getStoreTimestamp());
            address(m.getStoreHost());
            writeInt(m.getReconsumeTimes());
            writeLong(m.getPreparedTransactionOffset());
            bytes(m.getBody());
            map(m.getProperties());
        }
    }
}
