package interop.admin;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.body.ClusterInfo;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.admin.MQAdminExt;

/** The cluster's members, what they say of themselves, and the admin client's own life. */
final class Cluster extends AdminSubject {
    private static final Set<String> RUNTIME = new HashSet<>(Arrays.asList((
        "bootTimestamp runtime brokerVersion brokerVersionDesc putMessageEntireTimeMax putMessageTimesTotal putMessageSizeTotal "
            + "putMessageAverageSize putMessageDistributeTime dispatchMaxBuffer dispatchBehindBytes getMessageEntireTimeMax putTps getFoundTps "
            + "getMissTps getTransferedTps getTotalTps commitLogDiskRatio consumeQueueDiskRatio commitLogMinOffset commitLogMaxOffset "
            + "msgPutTotalYesterdayMorning msgPutTotalTodayMorning msgPutTotalTodayNow msgGetTotalYesterdayMorning msgGetTotalTodayMorning "
            + "msgGetTotalTodayNow sendThreadPoolQueueSize sendThreadPoolQueueCapacity sendThreadPoolQueueHeadWaitTimeMills "
            + "pullThreadPoolQueueSize pullThreadPoolQueueCapacity pullThreadPoolQueueHeadWaitTimeMills queryThreadPoolQueueSize "
            + "queryThreadPoolQueueCapacity queryThreadPoolQueueHeadWaitTimeMills pageCacheLockTimeMills earliestMessageTimeStamp "
            + "startAcceptSendRequestTimeStamp remainTransientStoreBufferNumbs remainHowManyDataToFlush commitLogDirCapacity").split(" ")));

    @Override
    void call() throws Exception {
        // Made before the slave was started.
        String early = name + "Early";
        part(this::members);
        part(this::life);
        awaits("the slave has its master's topics", () -> config(early, 3).toString()
            .equals(String.valueOf(admin.getAllTopicGroup(cluster.slave, 5000).getTopicConfigTable().get(early))));
        check("the slave has groups", admin.getAllSubscriptionGroup(cluster.slave, 5000).getSubscriptionGroupTable().containsKey("TOOLS_CONSUMER"), cluster.slave);
        part(this::runtime);
    }

    private void members() throws Exception {
        ClusterInfo info = admin.examineBrokerClusterInfo();
        equal("members: of the cluster", Map.of("DefaultCluster", new HashSet<>(Arrays.asList("broker-a", "broker-b"))), info.getClusterAddrTable());
        equal("members: their addresses", expected(cluster), addresses(info.getBrokerAddrTable().values()));
        equal("members: by name", set(Arrays.asList("broker-a", "broker-b")), set(info.getBrokerAddrTable().keySet()));
        equal("members: their cluster", "DefaultCluster", info.getBrokerAddrTable().get("broker-b").getCluster());
        same("members: all addresses", list(cluster.broker, cluster.second, cluster.slave), Arrays.asList(info.retrieveAllAddrByCluster("DefaultCluster")));
        equal("members: all clusters", "[DefaultCluster]", Arrays.toString(info.retrieveAllClusterNames()));
        equal("the name servers", list(cluster.namesrv), admin.getNameServerAddressList());
    }

    private void runtime() throws Exception {
        String topic = topic("Runtime", 1);
        DefaultMQProducer producer = producer();
        MessageQueue queue = new MessageQueue(topic, "broker-a", 0);
        Map<String, String> first = admin.fetchBrokerRuntimeStats(cluster.broker).getTable();
        for (int i = 0; i < 5; i++) {
            producer.send(message(topic, "", "", "m" + i), queue);
        }
        for (String broker : Arrays.asList(cluster.broker, cluster.second, cluster.slave)) {
            String who = broker.equals(cluster.slave) ? "slave: " : "master: ";
            Map<String, String> table = new TreeMap<>(admin.fetchBrokerRuntimeStats(broker).getTable());
            // One for each level of delay that messages have had.
            table.keySet().removeIf(it -> it.startsWith("scheduleMessageOffset_"));
            Set<String> missing = new HashSet<>(RUNTIME);
            missing.removeAll(table.keySet());
            equal(who + "what it says", new HashSet<>(), missing);
            Set<String> more = new HashSet<>(table.keySet());
            more.removeAll(RUNTIME);
            check(who + "no more than that", more.isEmpty(), more);
            equal(who + "its version", "273 V4_3_0", table.get("brokerVersion") + " " + table.get("brokerVersionDesc"));
            long boot = Long.parseLong(table.get("bootTimestamp"));
            check(who + "started", boot > System.currentTimeMillis() - 600_000 && boot <= System.currentTimeMillis(), boot);
            check(who + "runs since", table.get("runtime").matches("\\[ 0 days, 0 hours, \\d+ minutes, \\d+ seconds ]"), table.get("runtime"));
            for (String rates : Arrays.asList("putTps", "getFoundTps", "getMissTps", "getTransferedTps")) {
                // Three windows, as far as it has run for them: the first takes 10 s.
                awaits(who + rates, () -> admin.fetchBrokerRuntimeStats(broker).getTable().get(rates).matches("\\d+\\.\\d+ (\\d+\\.\\d+)? (\\d+\\.\\d+)?"));
            }
            check(who + "getTotalTps, which consoles add up", table.get("getTotalTps").matches("(\\d+\\.\\d+ ){2}\\d+\\.\\d+"), table.get("getTotalTps"));
            for (String number : RUNTIME) {
                if (number.matches(".*(Total|Today|Yesterday|QueueSize|Capacity|Mills|Max|Offset|Stamp).*") && !number.matches(".*(Tps|DirCapacity|Timestamp)")) {
                    check(who + number, table.get(number).matches("-?\\d+"), table.get(number));
                }
            }
            check(who + "disk", table.get("commitLogDirCapacity").matches("Total : \\d+\\.\\d+ [KMGT]iB, Free : \\d+\\.\\d+ [KMGT]iB\\."), table.get("commitLogDirCapacity"));
            check(who + "disk's ratio", table.get("commitLogDiskRatio").matches("0\\.\\d+(E-\\d)?"), table.get("commitLogDiskRatio"));
            check(who + "times of puts", table.get("putMessageDistributeTime").matches("(\\[[^]]+]:\\d+ ){13}"), table.get("putMessageDistributeTime"));
            equal(who + "send queue's length", "10000", table.get("sendThreadPoolQueueCapacity"));
            equal(who + "pull queue's length", "100000", table.get("pullThreadPoolQueueCapacity"));
            equal(who + "query queue's length", "20000", table.get("queryThreadPoolQueueCapacity"));
        }
        Map<String, String> then = admin.fetchBrokerRuntimeStats(cluster.broker).getTable();
        long puts = number(then, "putMessageTimesTotal") - number(first, "putMessageTimesTotal");
        check("puts are counted", puts >= 5, puts);
        check("today's puts, as consoles show them", number(then, "msgPutTotalTodayNow") - number(first, "msgPutTotalTodayNow") >= 5, then.get("msgPutTotalTodayNow"));
        check("the log grows", number(then, "commitLogMaxOffset") > number(first, "commitLogMaxOffset"), then.get("commitLogMaxOffset"));
        awaits("the slave's log, too", () -> number(admin.fetchBrokerRuntimeStats(cluster.slave).getTable(), "commitLogMaxOffset") >= number(then, "commitLogMaxOffset"));
        awaits("the rate of puts", () -> {
            producer.send(message(topic, "", "", "more"), queue);
            return Double.parseDouble(admin.fetchBrokerRuntimeStats(cluster.broker).getTable().get("putTps").split(" ")[0]) > 0;
        });
        equal("unknown broker", "RemotingConnectException", outcome(() -> admin.fetchBrokerRuntimeStats("127.0.0.1:3")));
    }

    private static long number(Map<String, String> table, String key) {
        return Long.parseLong(table.get(key));
    }

    private void life() throws Exception {
        DefaultMQAdminExt client = new DefaultMQAdminExt(name, 5000);
        equal("a client: its group", name, client.getAdminExtGroup());
        client.setAdminExtGroup(name + "Other");
        equal("a client: another group", name + "Other", client.getAdminExtGroup());
        client.setCreateTopicKey("DefaultCluster");
        equal("a client: its key for new topics", "DefaultCluster", client.getCreateTopicKey());
        client.setNamesrvAddr(cluster.namesrv);
        client.setInstanceName(name);
        MQAdminExt recorded = cluster.recorded(client);
        recorded.start();
        equal("a client: works", 2, recorded.examineBrokerClusterInfo().getBrokerAddrTable().size());
        String topic = name + "Keyed";
        recorded.createAndUpdateTopicConfig(cluster.broker, config(topic, 2));
        awaits("a client: makes topics", () -> hasRoute(topic));
        equal("a client: starts once", "-1", outcome(recorded::start));
        recorded.shutdown();
        recorded.shutdown();
        equal("a client: no more calls", true, !outcome(recorded::examineBrokerClusterInfo).equals("0"));
        List<String> addresses = admin.getNameServerAddressList();
        equal("others go on", 1, addresses.size());
    }
}
