package interop.admin;

import java.util.Arrays;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.tools.admin.MQAdminExt;

/** Consumer groups made, changed, looked at and deleted. */
final class Groups extends AdminSubject {
    private SubscriptionGroupConfig at(String broker, String group) throws Exception {
        return admin.getAllSubscriptionGroup(broker, 5000).getSubscriptionGroupTable().get(group);
    }

    private static String text(SubscriptionGroupConfig it) {
        return it == null ? null : it.getGroupName() + " " + it.isConsumeEnable() + " " + it.isConsumeFromMinEnable() + " "
            + it.isConsumeBroadcastEnable() + " " + it.getRetryQueueNums() + " " + it.getRetryMaxTimes() + " " + it.getBrokerId() + " "
            + it.getWhichBrokerWhenConsumeSlowly() + " " + it.isNotifyConsumerIdsChangedEnable();
    }

    @Override
    void call() throws Exception {
        String group = group("Made");
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        admin.createAndUpdateSubscriptionGroupConfig(cluster.broker, config);
        equal("made: as it was told", group + " true true true 1 16 0 1 true", text(at(cluster.broker, group)));
        equal("made: not at the other", null, at(cluster.second, group));
        config.setConsumeEnable(false);
        config.setConsumeFromMinEnable(false);
        config.setConsumeBroadcastEnable(false);
        config.setRetryQueueNums(3);
        config.setRetryMaxTimes(5);
        config.setBrokerId(2);
        config.setWhichBrokerWhenConsumeSlowly(3);
        config.setNotifyConsumerIdsChangedEnable(false);
        admin.createAndUpdateSubscriptionGroupConfig(cluster.broker, config);
        equal("changed", group + " false false false 3 5 2 3 false", text(at(cluster.broker, group)));
        equal("a method without function in all these versions", null, admin.examineSubscriptionGroupConfig(cluster.broker, group));
        for (String broker : Arrays.asList(cluster.broker, cluster.second)) {
            check("groups of the system", admin.getAllSubscriptionGroup(broker, 5000).getSubscriptionGroupTable().keySet().containsAll(
                Arrays.asList("TOOLS_CONSUMER", "FILTERSRV_CONSUMER", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY", "CID_ONSAPI_PULL", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER")), broker);
        }
        long version = admin.getAllSubscriptionGroup(cluster.broker, 5000).getDataVersion().getCounter().get();
        admin.deleteSubscriptionGroup(cluster.broker, group);
        equal("deleted", null, at(cluster.broker, group));
        check("deleted: the table's version", admin.getAllSubscriptionGroup(cluster.broker, 5000).getDataVersion().getCounter().get() > version, version);
        fails("deleted: twice", 0, () -> admin.deleteSubscriptionGroup(cluster.broker, group));
        if (!isBefore(MQVersion.Version.V4_9_0)) {
            admin.createAndUpdateSubscriptionGroupConfig(cluster.broker, config);
            // By name: earlier versions have no such method.
            MQAdminExt.class.getMethod("deleteSubscriptionGroup", String.class, String.class, boolean.class).invoke(admin, cluster.broker, group, true);
            equal("deleted with its offsets", null, at(cluster.broker, group));
        }
        Live live = new Live("Live", 1);
        equal("made by a heartbeat", live.group + " true true true 1 16 0 1 true", text(at(cluster.second, live.group)));
        equal("unknown broker", "RemotingConnectException", outcome(() -> admin.getAllSubscriptionGroup("127.0.0.1:3", 5000)));
        equal("unknown broker, made", "RemotingConnectException", outcome(() -> admin.createAndUpdateSubscriptionGroupConfig("127.0.0.1:3", config)));
        equal("unknown broker, deleted", "RemotingConnectException", outcome(() -> admin.deleteSubscriptionGroup("127.0.0.1:3", group)));
    }
}
