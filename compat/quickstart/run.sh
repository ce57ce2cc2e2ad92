#!/bin/sh
# Runs the quickstart with the stock 4.3.0 client against started servers: run.sh NAMESRV [MODE...]
# Modes: sync async oneway batch (all four by default). Exit code 0 when every message came back once.
# Or one program alone, as in the official quickstart: run.sh NAMESRV producer|consumer [ARGUMENT...]
#
# JAVA_OPTS   extra JVM options, e.g. -Drocketmq.serialize.type=ROCKETMQ
# CHECK_ARGS  extra arguments of Check, e.g. "-c 100 -t Other"
# LIMIT_SECS  hard limit for one mode, default 120
set -eu

if [ $# -lt 1 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
namesrv=$1
shift
[ $# -gt 0 ] || set -- sync async oneway batch

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "$1 is missing: apt-get install $2" >&2; exit 3; }
}
need java openjdk-17-jdk-headless
need mvn maven

# One Maven run for all, also for those that are started at once; it needs no network once the repository has what
# pom.xml names.
mkdir -p "$here/target"
exec 9>"$here/target/.lock"
command -v flock >/dev/null 2>&1 && flock 9
classpath=$here/target/classpath
jar=$here/target/quickstart-1.jar
if [ ! -s "$classpath" ] || [ ! -s "$jar" ] \
    || [ -n "$(find "$here/src" "$here/pom.xml" -newer "$jar" -print -quit)" ]; then
    (cd "$here" && { mvn -q -B -o package dependency:build-classpath 2>/dev/null \
        || mvn -q -B package dependency:build-classpath; })
fi
exec 9>&-

# The 4.3.0 client reaches into the JDK; Java 8 does not know these options.
opens=
case $(java -version 2>&1 | head -n 1) in
*'"1.8.'*) ;;
*)
    for package in java.nio sun.nio.ch jdk.internal.ref java.lang java.util; do
        opens="$opens --add-opens java.base/$package=ALL-UNNAMED"
    done
    opens="$opens --add-exports java.base/sun.nio.ch=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED"
    ;;
esac

# Rebalancing every second instead of every twenty: a run takes seconds.
run() {
    program=$1
    shift
    # shellcheck disable=SC2086
    timeout -k 5 "${LIMIT_SECS:-120}" java -Xms64m -Xmx256m -XX:TieredStopAtLevel=1 $opens \
        -Drocketmq.client.rebalance.waitInterval=1000 \
        -Drocketmq.client.logRoot="$here/target/logs" \
        ${JAVA_OPTS:-} -cp "$jar:$(cat "$classpath")" "quickstart.$program" -n "$namesrv" "$@"
}

case $1 in
producer) shift; run Producer "$@"; exit ;;
consumer) shift; run Consumer "$@"; exit ;;
esac

failed=
for mode in "$@"; do
    echo "== quickstart $mode ${JAVA_OPTS:-}"
    # shellcheck disable=SC2086
    run Check -m "$mode" -q ${CHECK_ARGS:-} || failed="$failed $mode"
done
if [ -n "$failed" ]; then
    echo "quickstart FAILED:$failed" >&2
    exit 1
fi
echo "quickstart passed: $*"
