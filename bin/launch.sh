# Sourced by the other scripts, with $bin set to this folder: sets ROCKETMQ_HOME, translates the Java options that mean
# something here, finds the program. Every script ends in `exec`, so that the pid its caller sees is the server's.

# The operator's own ROCKETMQ_HOME counts, as in 4.3.0; the program is always the one beside these scripts.
: "${ROCKETMQ_HOME:=${bin%/*}}"
export ROCKETMQ_HOME

# Of the system properties that could be given to java, these decide where things are, so they are kept; a property
# wins over the environment variable of the same meaning, as in 4.3.0. Fails on a word that is no Java option.
java_option() {
    case $1 in
    -Drocketmq.home.dir=*) ROCKETMQ_HOME=${1#*=} ;;
    -Drocketmq.namesrv.addr=*) NAMESRV_ADDR=${1#*=} && export NAMESRV_ADDR ;;
    -Drocketmq.serialize.type=*) ROCKETMQ_SERIALIZE_TYPE=${1#*=} && export ROCKETMQ_SERIALIZE_TYPE ;;
    -Dtls.*=* | -Drocketmq.broker.diskSpace*=*)
        java_name=${1%%=*}
        java_name=${java_name#-D}
        java_name=ROCKETMQ_$(printf %s "${java_name#rocketmq.}" | tr a-z A-Z | tr -c A-Z0-9 _)
        export "$java_name=${1#*=}"
        ;;
    -Dcom.rocketmq.remoting.frameMaxLength=*)
        ROCKETMQ_FRAMEMAXLENGTH=${1#*=} && export ROCKETMQ_FRAMEMAXLENGTH
        ;;
    -Duser.home=*) HOME=${1#*=} && export HOME ;;
    -*) ;;
    *) return 1 ;;
    esac
}

# JAVA_OPT and JAVA_OPT_EXT stay in the environment: the program says in its log that it does not use them.
set -f
for option in ${JAVA_OPT:-} ${JAVA_OPT_EXT:-}; do
    java_option "$option" || : # the value of an option such as `-cp DIR`
done
set +f

fail() {
    echo "ERROR: $1" >&2
    exit 1
}

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

# Starts what Java would start: run_class CLASS [ARGUMENT ...]; Java options may stand before the class.
run_class() {
    while [ $# -gt 0 ] && java_option "$1"; do
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
