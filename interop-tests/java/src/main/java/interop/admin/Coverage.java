package interop.admin;

import java.util.stream.Collectors;

/** Whether the others have called every method, on the cluster. */
final class Coverage extends AdminSubject {
    @Override
    void call() {
        // Since 4.4; 4.3.0's brokers do not know their requests.
        same("every method was called", list(), cluster.uncalled().stream()
            .filter(it -> !it.contains("Acl") && !it.contains("resumeCheckHalfMessage") && !it.contains("AccessConfig") && !it.contains("WhiteAddr"))
            .collect(Collectors.toList()));
    }
}
