package interop.admin;

import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageQueue;

/** Offsets of a live group set back and forwards. */
final class Resets extends AdminSubject {
    private Live live;

    @Override
    void call() throws Exception {
        live = new Live("", 5);
        // Newer clients take 10 s for what each broker tells them, one after the other.
        equal("back", everywhere(0), told(admin.resetOffsetByTimestamp(live.topic, live.group, live.before, true)));
        awaits("consumed again", () -> live.seen.size() == 40);
        awaits("committed again", () -> committed(live.group, live.topic).equals(everywhere(5)));
        equal("not forwards without force", everywhere(5), told(admin.resetOffsetByTimestamp(live.topic, live.group, -1, false)));
        equal("to a time to come: the last", everywhere(4), told(admin.resetOffsetByTimestamp(live.topic, live.group, System.currentTimeMillis() + 60_000, true)));
        fails("unknown group", SYSTEM_ERROR, () -> admin.resetOffsetByTimestamp(live.topic, group("None"), -1, true));
        fails("unknown topic", TOPIC_NOT_EXIST, () -> admin.resetOffsetByTimestamp(name + "None", live.group, -1, true));
        fails("unknown group, as consoles do", SYSTEM_ERROR, () -> admin.resetOffsetNew(group("None"), live.topic, -1));
    }

    private static Map<String, Long> told(Map<MessageQueue, Long> table) {
        Map<String, Long> rows = new TreeMap<>();
        table.forEach((queue, offset) -> rows.put(name(queue), offset));
        return rows;
    }
}
