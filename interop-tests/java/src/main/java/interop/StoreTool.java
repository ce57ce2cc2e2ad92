package interop;

import java.io.File;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.store.ConsumeQueue;
import org.apache.rocketmq.store.ConsumeQueueExt;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.DispatchRequest;
import org.apache.rocketmq.store.MessageArrivingListener;
import org.apache.rocketmq.store.MessageExtBrokerInner;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.PutMessageStatus;
import org.apache.rocketmq.store.SelectMappedBufferResult;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * A data directory through the stock store, without a broker.
 *
 * <pre>
 * StoreTool write DIR COUNT SEED [key=value...]   appends messages, prints what each became
 * StoreTool read DIR [key=value...]               prints every record, every queue entry and the ends
 * </pre>
 * The pairs are settings of MessageStoreConfig: file sizes must be those the directory was written with.
 * Both open the store as a broker does (load, recover, start) and close it cleanly.
 */
public final class StoreTool {
    private static final long DEADLINE_MS = 60_000;

    public static void main(String[] args) throws Exception {
        boolean write = args[0].equals("write");
        int pairs = write ? 4 : 2;
        DefaultMessageStore store = null;
        try {
            store = open(args[1], args, pairs);
        } catch (Exception e) {
            e.printStackTrace();
            // The store's threads would keep the JVM alive.
            System.exit(2);
        }
        boolean good;
        try {
            good = write
                ? write(store, Integer.parseInt(args[2]), new Random(Long.parseLong(args[3])))
                : read(store);
            Lines.flush();
        } finally {
            store.shutdown();
        }
        System.exit(good ? 0 : 1);
    }

    static DefaultMessageStore open(String dir, String[] args, int pairs) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(dir);
        config.setStorePathCommitLog(dir + File.separator + "commitlog");
        // Nobody replicates from here: any free port will do.
        config.setHaListenPort(0);
        config.setFlushDiskType(FlushDiskType.ASYNC_FLUSH);
        Properties properties = new Properties();
        for (int i = pairs; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            properties.setProperty(pair[0], pair[1]);
        }
        MixAll.properties2Object(properties, config);
        MessageArrivingListener nobody = (topic, queueId, offset, tagsCode, time, bits, map) -> { };
        DefaultMessageStore store =
            new DefaultMessageStore(config, new BrokerStatsManager("interop"), nobody, new BrokerConfig());
        if (!store.load()) {
            throw new IllegalStateException("the stock store does not load " + dir);
        }
        store.start();
        await(store);
        return store;
    }

    /** Until every record has reached its queue and the index. */
    private static void await(DefaultMessageStore store) throws InterruptedException {
        long deadline = System.currentTimeMillis() + DEADLINE_MS;
        while (store.dispatchBehindBytes() > 0) {
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException(store.dispatchBehindBytes() + " bytes not dispatched");
            }
            Thread.sleep(5);
        }
    }

    private static boolean write(DefaultMessageStore store, int count, Random random) throws Exception {
        boolean good = true;
        for (int i = 0; i < count; i++) {
            MessageExtBrokerInner message = message(i, random);
            PutMessageResult result = store.putMessage(message);
            good &= result.getPutMessageStatus() == PutMessageStatus.PUT_OK;
            Lines.print("kind", "put", "status", result.getPutMessageStatus().name(),
                "msgId", result.getAppendMessageResult().getMsgId(),
                "topic", message.getTopic(), "queueId", message.getQueueId(),
                "queueOffset", result.getAppendMessageResult().getLogicsOffset(),
                "physicalOffset", result.getAppendMessageResult().getWroteOffset(),
                "bodyCrc", Lines.crc(message.getBody()), "bodyLength", message.getBody().length,
                "properties", message.getPropertiesString());
        }
        await(store);
        return good;
    }

    private static MessageExtBrokerInner message(int i, Random random) {
        MessageExtBrokerInner m = new MessageExtBrokerInner();
        m.setTopic("Store" + random.nextInt(3));
        m.setQueueId(random.nextInt(4));
        byte[] body = new byte[random.nextInt(10) == 0 ? 1 + random.nextInt(9000) : 1 + random.nextInt(200)];
        random.nextBytes(body);
        m.setBody(body);
        m.setFlag(random.nextInt());
        m.setSysFlag(0);
        m.setBornTimestamp(1_500_000_000_000L + random.nextInt());
        m.setBornHost(new InetSocketAddress("10.1.2." + (1 + random.nextInt(200)), 1 + random.nextInt(65535)));
        m.setStoreHost(new InetSocketAddress("127.0.0.1", 10911));
        m.setReconsumeTimes(random.nextInt(3));
        m.setPreparedTransactionOffset(0);
        Map<String, String> properties = new HashMap<>();
        properties.put(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, String.format("0A0102%026X", i));
        properties.put(MessageConst.PROPERTY_WAIT_STORE_MSG_OK, "true");
        if (random.nextBoolean()) {
            String tags = "Tag" + (char) ('A' + random.nextInt(5));
            properties.put(MessageConst.PROPERTY_TAGS, tags);
        }
        if (random.nextBoolean()) {
            properties.put(MessageConst.PROPERTY_KEYS, "key" + random.nextInt(1000) + " key" + random.nextInt(10));
        }
        if (random.nextInt(4) == 0) {
            properties.put("naïve", "größer 漢字 \uD834\uDD1E " + random.nextInt());
        }
        MessageAccessor.setProperties(m, properties);
        m.setPropertiesString(MessageDecoder.messageProperties2String(properties));
        m.setTagsCode(MessageExtBrokerInner.tagsString2tagsCode(null, m.getTags()));
        return m;
    }

    /** @return false when a record does not pass Java's own check before the log's end */
    private static boolean read(DefaultMessageStore store) {
        long offset = store.getMinPhyOffset();
        long end = store.getMaxPhyOffset();
        Lines.print("kind", "ends", "min", offset, "max", end);
        boolean good = true;
        while (offset >= 0 && offset < end) {
            SelectMappedBufferResult data = store.getCommitLog().getData(offset);
            if (data == null) {
                break;
            }
            try {
                ByteBuffer bytes = data.getByteBuffer();
                DispatchRequest found = store.getCommitLog().checkMessageAndReturnSize(bytes.duplicate(), true, true);
                if (!found.isSuccess()) {
                    Lines.print("kind", "bad", "physicalOffset", offset);
                    good = false;
                    break;
                }
                if (found.getMsgSize() == 0) {
                    offset = store.getCommitLog().rollNextFile(offset);
                    continue;
                }
                record(store, bytes, found.getMsgSize());
                offset += found.getMsgSize();
            } finally {
                data.release();
            }
        }
        for (Map.Entry<String, ? extends Map<Integer, ConsumeQueue>> topic
            : new TreeMap<>(store.getConsumeQueueTable()).entrySet()) {
            for (Map.Entry<Integer, ConsumeQueue> queue : new TreeMap<>(topic.getValue()).entrySet()) {
                queue(queue.getValue());
            }
        }
        return good;
    }

    private static void record(DefaultMessageStore store, ByteBuffer bytes, int size) {
        ByteBuffer one = bytes.slice();
        one.limit(size);
        MessageExt m = MessageDecoder.decode(one.duplicate(), true, false);
        // The properties as they stand, not as a map: they must come through untouched.
        int propertiesAt = 89 + m.getBody().length + m.getTopic().getBytes(StandardCharsets.UTF_8).length;
        byte[] properties = new byte[one.getShort(propertiesAt)];
        one.position(propertiesAt + 2);
        one.get(properties);
        String uniqueKey = m.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
        Lines.print("kind", "record", "topic", m.getTopic(), "queueId", m.getQueueId(),
            "queueOffset", m.getQueueOffset(), "physicalOffset", m.getCommitLogOffset(), "size", size,
            "flag", m.getFlag(), "sysFlag", m.getSysFlag(), "bornTimestamp", m.getBornTimestamp(),
            "bornHost", m.getBornHost().toString(), "storeTimestamp", m.getStoreTimestamp(),
            "storeHost", m.getStoreHost().toString(), "reconsumeTimes", m.getReconsumeTimes(),
            "preparedTransactionOffset", m.getPreparedTransactionOffset(),
            "bodyCrc", Lines.crc(m.getBody()), "bodyLength", m.getBody().length,
            "properties", new String(properties, StandardCharsets.UTF_8),
            "indexed", uniqueKey != null && indexed(store, m.getTopic(), uniqueKey, m.getCommitLogOffset()));
    }

    private static boolean indexed(DefaultMessageStore store, String topic, String key, long physicalOffset) {
        var found = store.queryMessage(topic, key, 32, 0, Long.MAX_VALUE);
        try {
            for (ByteBuffer bytes : found.getMessageBufferList()) {
                if (bytes.getLong(MessageDecoder.MESSAGE_PHYSIC_OFFSET_POSTION) == physicalOffset) {
                    return true;
                }
            }
            return false;
        } finally {
            found.release();
        }
    }

    private static void queue(ConsumeQueue queue) {
        long min = queue.getMinOffsetInQueue();
        long max = queue.getMaxOffsetInQueue();
        Lines.print("kind", "queue", "topic", queue.getTopic(), "queueId", queue.getQueueId(), "min", min, "max", max);
        for (long i = min; i < max; ) {
            SelectMappedBufferResult units = queue.getIndexBuffer(i);
            if (units == null) {
                Lines.print("kind", "gap", "topic", queue.getTopic(), "queueId", queue.getQueueId(), "queueOffset", i);
                return;
            }
            try {
                ByteBuffer bytes = units.getByteBuffer();
                for (int at = 0; at + ConsumeQueue.CQ_STORE_UNIT_SIZE <= units.getSize() && i < max;
                    at += ConsumeQueue.CQ_STORE_UNIT_SIZE, i++) {
                    long tagsCode = bytes.getLong(at + 12);
                    ConsumeQueueExt.CqExtUnit ext = queue.isExtAddr(tagsCode) ? queue.getExt(tagsCode) : null;
                    Lines.print("kind", "unit", "topic", queue.getTopic(), "queueId", queue.getQueueId(),
                        "queueOffset", i, "physicalOffset", bytes.getLong(at), "size", bytes.getInt(at + 8),
                        "tagsCode", ext == null ? tagsCode : ext.getTagsCode(), "ext", ext != null,
                        "extStoreTime", ext == null ? 0 : ext.getMsgStoreTime());
                }
            } finally {
                units.release();
            }
        }
    }
}
