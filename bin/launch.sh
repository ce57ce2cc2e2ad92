# Sourced by the other scripts, with $bin set to this folder: sets ROCKETMQ_HOME, takes from the Java options what must be
# known before the program starts, finds the program. Every script ends in `exec`, so that the pid its caller sees is the
# server's.

fail() {
    echo "ERROR: $1" >&2
    exit 1
}

[ -n "${bin:-}" ] || fail "launch.sh is a part of the other scripts, and does nothing by itself"

# The operator's own ROCKETMQ_HOME counts, as in 4.3.0; the program is always the one beside these scripts.
: "${ROCKETMQ_HOME:=${bin%/*}}"
# By this name its help and its complaints call it.
ROCKETMQ_SCRIPT=${0##*/}
export ROCKETMQ_HOME ROCKETMQ_SCRIPT

# Servers read the system properties in JAVA_OPT and JAVA_OPT_EXT themselves. What a program cannot change of itself, and
# what tools ask the environment for, is set here; a property wins over the variable of the same meaning, as in 4.3.0.
java_option() {
    case $1 in
    -Drocketmq.home.dir=*) ROCKETMQ_HOME=${1#*=} ;;
    -Drocketmq.namesrv.addr=*) NAMESRV_ADDR=${1#*=} && export NAMESRV_ADDR ;;
    -Dtls.*=*)
        java_name=${1%%=*}
        java_name=ROCKETMQ_$(printf %s "${java_name#-D}" | tr a-z A-Z | tr -c A-Z0-9 _)
        export "$java_name=${1#*=}"
        ;;
    -Duser.home=*) HOME=${1#*=} && export HOME ;;
    esac
}

set -f
for option in ${JAVA_OPT:-} ${JAVA_OPT_EXT:-}; do
    java_option "$option"
done
set +f

find_program() {
    for program in "${ROCKETMQ_BIN:-}" "$bin/rocketmq" "${bin%/*}/target/release/rocketmq" \
        "${bin%/*}/target/debug/rocketmq"; do
        if [ -n "$program" ] && [ -f "$program" ] && [ -x "$program" ]; then
            return
        fi
    done
    fail "the rocketmq program is neither in $bin nor in ${bin%/*}/target: build it with
    cd ${bin%/*} && cargo build --release
(Rust is installed as https://rustup.rs says)"
}

# Becomes the program: run SUBCOMMAND [ARGUMENT ...]
run() {
    find_program
    exec "$program" "$@"
}

# Starts what Java would start: run_class [JAVA OPTION ...] CLASS [ARGUMENT ...]
run_class() {
    while [ $# -gt 0 ]; do
        case $1 in
        # Their value is a word of its own.
        -cp | -classpath | --class-path | -p | --module-path | --upgrade-module-path | --add-modules | --limit-modules | \
            --add-opens | --add-exports | --add-reads | --patch-module) [ $# -eq 1 ] || shift ;;
        -*)
            java_option "$1"
            JAVA_OPT_EXT="${JAVA_OPT_EXT:-} $1"
            export JAVA_OPT_EXT
            ;;
        *) break ;;
        esac
        shift
    done
    [ $# -gt 0 ] || fail "${0##*/} wants the class to run, such as org.apache.rocketmq.broker.BrokerStartup"
    class=$1
    shift
    case $class in
    org.apache.rocketmq.namesrv.NamesrvStartup) run namesrv "$@" ;;
    org.apache.rocketmq.broker.BrokerStartup) run_on_node broker "$@" ;;
    org.apache.rocketmq.tools.command.MQAdminStartup) run admin "$@" ;;
    org.apache.rocketmq.example.quickstart.Producer) run example quickstart-producer "$@" ;;
    org.apache.rocketmq.example.quickstart.Consumer) run example quickstart-consumer "$@" ;;
    org.apache.rocketmq.example.benchmark.*)
        fail "$class is not part of this distribution: use \`rocketmq bench produce\` or \`rocketmq bench consume\`" ;;
    *)
        fail "$class is not part of this distribution; there are
    org.apache.rocketmq.namesrv.NamesrvStartup
    org.apache.rocketmq.broker.BrokerStartup
    org.apache.rocketmq.tools.command.MQAdminStartup
    org.apache.rocketmq.example.quickstart.Producer
    org.apache.rocketmq.example.quickstart.Consumer" ;;
    esac
}

# RMQ_NUMA_NODE, which mqbroker.numanodeN sets, keeps a broker and its memory on one node.
run_on_node() {
    if [ -z "${RMQ_NUMA_NODE:-}" ]; then
        run "$@"
    fi
    command -v numactl >/dev/null 2>&1 ||
        fail "RMQ_NUMA_NODE=$RMQ_NUMA_NODE needs numactl: sudo apt-get install numactl, or unset it"
    find_program
    exec numactl --cpunodebind="$RMQ_NUMA_NODE" --membind="$RMQ_NUMA_NODE" "$program" "$@"
}
