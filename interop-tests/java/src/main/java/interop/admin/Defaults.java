package interop.admin;

import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/** All settings that 4.3.0 has are told, with its defaults where nobody has set them. */
final class Defaults extends AdminSubject {
    /** What the test sets, and what depends on the machine. */
    private static final Set<String> OURS = Set.of("brokerIP1", "brokerIP2", "brokerName", "listenPort", "haListenPort", "rocketmqHome", "storePathRootDir",
        "storePathCommitLog", "waitTimeMillsInSendQueue", "configStorePath", "kvConfigPath");

    @Override
    void call() throws Exception {
        if (MQVersion.CURRENT_VERSION != MQVersion.Version.V4_3_0.ordinal()) {
            return;
        }
        Properties broker = of(new BrokerConfig(), new NettyServerConfig(), new NettyClientConfig(), new MessageStoreConfig());
        // What the start of a broker sets.
        for (String key : new String[] {"clientSocketRcvBufSize", "clientSocketSndBufSize", "serverSocketRcvBufSize", "serverSocketSndBufSize"}) {
            broker.setProperty(key, "131072");
        }
        broker.setProperty("bitMapLengthConsumeQueueExt", "112");
        compare("broker", broker, admin.getBrokerConfig(cluster.second));
        Properties namesrv = of(new NamesrvConfig(), new NettyServerConfig());
        compare("name server", namesrv, admin.getNameServerConfig(null).get(cluster.namesrv));
    }

    private static Properties of(Object... configs) {
        Properties all = new Properties();
        for (Object it : configs) {
            all.putAll(MixAll.object2Properties(it));
        }
        return all;
    }

    private void compare(String who, Properties expected, Properties found) {
        Set<String> missing = new TreeSet<>(expected.stringPropertyNames());
        missing.removeAll(found.stringPropertyNames());
        same(who + ": every setting is told", list(), missing);
        Set<String> different = new TreeSet<>();
        for (String key : expected.stringPropertyNames()) {
            String value = found.getProperty(key);
            if (!OURS.contains(key) && value != null && !value.equals(expected.getProperty(key))) {
                different.add(key + "=" + value + " not " + expected.getProperty(key));
            }
        }
        check(who + ": values", different.isEmpty(), different);
    }
}
