//! Accounts (`aclEnable`, `plain_acl.yml`): the stock client of 4.3.0 with the hook of rocketmq-acl 4.4.0 against our broker,
//! and against the broker of 4.4.0, the first that asks for them. 4.3.0 itself has none.

use std::time::Duration;

use interop_tests::cluster::{Cluster, MASTER, Plan, Side, turn};
use interop_tests::java;
use interop_tests::process::run_well;

const LIMIT: Duration = Duration::from_secs(300);

/// Names and secrets as long as 4.4.0 wants them.
const ACCOUNTS: &str = "
accounts:
- accessKey: operator
  secretKey: of-the-operator
  admin: true
- accessKey: producer
  secretKey: of-the-producer
  defaultTopicPerm: DENY
  defaultGroupPerm: DENY
  topicPerms:
  - AclTopic=PUB
- accessKey: consumer
  secretKey: of-the-consumer
  defaultTopicPerm: DENY
  defaultGroupPerm: DENY
  topicPerms:
  - AclTopic=SUB
  groupPerms:
  - acl_group=SUB
";

const EXPECTED: &str = "\
topic made by nobody refused
topic made by the producer refused
topic made by the operator ok
sent by nobody refused
sent with another's secret refused
sent by a stranger refused
sent by the consumer refused
sent to another topic refused
sent by the producer ok
pulled by nobody refused
pulled by the producer refused
pulled for another group refused
pulled by the consumer ok
consumed by the consumer ok
sent with a secret of before refused
";

fn check(broker: Side, version: &str) {
    let _turn = turn();
    let cluster = Cluster::start(&Plan::of(Side::Ours, broker).with_accounts(ACCOUNTS));
    let home = tempfile::tempdir().expect("a home for the JVM");
    let mut command = java::accounts_command(version, "acl.Accounts", home.path());
    let master = &cluster.brokers[MASTER];
    command.args([cluster.namesrv_addr.to_string(), master.addr.to_string(), master.broker_name.to_owned()]);
    command.arg(cluster.accounts_file(master));
    let printed = run_well("acl.Accounts", command, None, LIMIT);
    let outcomes: String =
        printed.lines().filter_map(|line| line.strip_prefix("= ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(outcomes, EXPECTED, "{}", cluster.printed());
}

#[test]
fn stock_client_signs_for_our_broker() {
    check(Side::Ours, "4.3.0");
}

#[test]
fn client_of_4_4_0_signs_for_our_broker() {
    check(Side::Ours, "4.4.0");
}

#[test]
fn stock_client_signs_for_javas_broker_of_4_4_0() {
    check(Side::Java, "4.3.0");
}
