package interop.admin;

import interop.behaviour.Subject;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.admin.MQAdminExt;

/** Two masters, `broker-a` and `broker-b`, and the slave of the first; and which methods were called. */
final class Brokers extends Subject.Servers {
    final String second;
    final String slave;
    final boolean isBeyondJava;
    private final Set<String> called = new ConcurrentSkipListSet<>();

    Brokers(String namesrv, String first, String second, String slave, DefaultMQAdminExt admin, boolean isBeyondJava) {
        super(namesrv, first, admin);
        this.second = second;
        this.slave = slave;
        this.isBeyondJava = isBeyondJava;
    }

    /** The same client, whose calls are written down. */
    MQAdminExt recorded(DefaultMQAdminExt client) {
        return (MQAdminExt) Proxy.newProxyInstance(Brokers.class.getClassLoader(), new Class<?>[] {MQAdminExt.class}, (proxy, method, args) -> {
            called.add(signature(method));
            try {
                return method.invoke(client, args);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        });
    }

    /** Of the client's methods those that nobody called. */
    Set<String> uncalled() {
        Set<String> left = new TreeSet<>();
        for (Method method : MQAdminExt.class.getMethods()) {
            left.add(signature(method));
        }
        left.removeAll(called);
        return left;
    }

    private static String signature(Method method) {
        StringBuilder text = new StringBuilder(method.getName());
        for (Class<?> type : method.getParameterTypes()) {
            text.append(' ').append(type.getSimpleName());
        }
        return text.toString();
    }
}
