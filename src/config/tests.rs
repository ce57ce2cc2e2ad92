//! Tests of the sections, their keys, and loading from files and arguments.

use super::broker::BrokerConfig;
use super::namesrv::NamesrvConfig;
use super::remoting::{NettyClientConfig, NettyServerConfig};
use super::store::MessageStoreConfig;
use super::*;

fn broker() -> BrokerConfig {
    BrokerConfig { broker_name: "broker-a".to_owned(), ..BrokerConfig::default() }
}

/// The texts of what is odd about one setting in a file.
fn check(key: &str, value: &str, expected: &[&str]) {
    let (mut config, mut server) = (broker(), NettyServerConfig::for_broker());
    let entries = file_entries("b.conf", &format!("\n\n\n# a comment\n\n\n{key} = {value}\n"));
    let problems = load(&mut [&mut config, &mut server], &entries);
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(texts, expected);
}

#[test]
fn odd_settings_are_told() {
    check("brokerId", "1", &[]);
    check("brokerIP1", "10.0.0.1", &[]);
    check("autoCreateTopicEnable", "FALSE", &[]);
    check("brokerId", "x", &["b.conf:7: brokerId=x: is not a whole number of 64 bits"]);
    check("brokerId", "", &["b.conf:7: brokerId=: is not a whole number of 64 bits"]);
    check(
        "listenPort",
        "99999999999",
        &["b.conf:7: listenPort=99999999999: is not a whole number of 32 bits"],
    );
    check("listenPort", "70000", &["b.conf:7: listenPort=70000: is not from 3 to 65534"]);
    check("autoCreateTopicEnable", "yes", &["b.conf:7: autoCreateTopicEnable=yes: is not true or false"]);
    check("brokerNmae", "b", &["b.conf:7: unknown key brokerNmae, ignored; did you mean brokerName?"]);
    check("brokerIp1", "b", &["b.conf:7: unknown key brokerIp1, ignored; did you mean brokerIP1?"]);
    check("colour", "red", &["b.conf:7: unknown key colour, ignored"]);
    check("highSpeedMode", "true", &["b.conf:7: highSpeedMode has no effect: 4.3.0 does not use it either"]);
    check(
        "brokerIP1",
        "10.0.0.1 # the second one",
        &[
            "b.conf:7: the value of brokerIP1 is `10.0.0.1 # the second one`: # starts no comment behind a value",
        ],
    );
    check("brokerName", "", &["b.conf:7: brokerName=: is empty"]);
    check("brokerName", "a\\nb", &["b.conf:7: brokerName=a\nb: has control characters in it"]);
    // Host names have dots, and are the default.
    check("brokerName", "a.example.org", &[]);
}

#[test]
fn what_java_would_take_otherwise_is_told() {
    let check = |text: &str, expected: &[&str]| {
        let (mut config, mut store) = (broker(), MessageStoreConfig::default());
        let problems = load(&mut [&mut config, &mut store], &file_entries("b.conf", text));
        let told = |problem: &Problem| format!("{problem} ({})", problem.advice());
        assert_eq!(problems.iter().map(told).collect::<Vec<_>>(), expected);
        assert!(!problems.iter().any(|problem| problem.kind.is_error()));
    };
    check(
        "brokerId=1 \n",
        &[
            "b.conf:1: blanks behind the value of brokerId: they do not count here, and do in 4.3.0, where `true ` is \
           false and a number with a blank is passed over (remove the blanks)",
        ],
    );
    check(
        "brokerName=a\nbrokerId=1\nbrokerName=b\n",
        &["b.conf:1: brokerName=a does not count: line 3 sets brokerName again (remove one of the two)"],
    );
    check(
        "diskMaxUsedSpaceRatio=99\n",
        &["b.conf:1: diskMaxUsedSpaceRatio=99 does not lie from 10 to 95: the nearest of the two counts \
           (set diskMaxUsedSpaceRatio from 10 to 95, or remove it: the default is 75)"],
    );
    check(
        "fileReservedTime=0\n",
        &["b.conf:1: fileReservedTime=0 is not at least 1: files are deleted however new they are \
           (set fileReservedTime at least 1, or remove it: the default is 72)"],
    );
    check(
        "brokerIP1=10.0.0.1#eth0\n",
        &["b.conf:1: the value of brokerIP1 is `10.0.0.1#eth0`: # starts no comment behind a value \
           (put the comment on a line of its own)"],
    );
    check("brokerName=a#1\n", &[]);
}

#[test]
fn what_does_not_fit_says_what_would() {
    let check = |setting: &str, text: &str, advice: &str| {
        let mut store = MessageStoreConfig::default();
        let problems = load(&mut [&mut store], &file_entries("b.conf", setting));
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.kind.is_error());
        assert_eq!((problem.text().as_str(), problem.advice().as_str()), (text, advice));
    };
    // With which 4.3.0 starts, and flushes when it likes.
    check(
        "flushDiskType=SYNCFLUSH",
        "flushDiskType=SYNCFLUSH: is none of ASYNC_FLUSH, SYNC_FLUSH",
        "correct the value, or remove the setting: the default is ASYNC_FLUSH",
    );
    check(
        "messageIndexEnable=1",
        "messageIndexEnable=1: is not true or false",
        "correct the value, or remove the setting: the default is true",
    );
}

#[test]
fn a_setting_of_a_more_important_place_is_no_repetition() {
    let mut config = broker();
    let mut entries = file_entries("b.conf", "brokerId=1");
    entries.extend(Entry::of_argument("brokerId=2"));
    assert_eq!(load(&mut [&mut config], &entries), []);
    entries.extend(Entry::of_argument("brokerId=3"));
    let problems = load(&mut [&mut config], &entries);
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(texts, ["command line: brokerId=2 does not count: brokerId is set again behind it"]);
    entries = vec![Entry::new("brokerId", "2", Origin::Option("-n"))];
    entries.insert(0, Entry::new("brokerId", "1", Origin::Argument));
    let problems = load(&mut [&mut config], &entries);
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(texts, ["command line: brokerId=1 does not count: -n sets brokerId, too"]);
}

#[test]
fn javas_ratios_are_percents_here() {
    let check = |value: &str, expected: &str| {
        let name = "rocketmq.broker.diskSpaceWarningLevelRatio";
        let property = PROPERTIES.iter().find(|property| property.name == name).unwrap();
        let entry = property.entry(value, Origin::Property(property.name));
        assert_eq!((entry.key.as_str(), entry.value.as_str()), ("diskSpaceWarningLevelRatio", expected));
    };
    check("0.95", "95");
    check(" 0.9 ", "90");
    check("1", "100");
    check("90", "90");
    check("x", "x");
}

#[test]
fn the_later_wins() {
    let mut config = broker();
    let mut entries = environment_entries(|name| (name == "NAMESRV_ADDR").then(|| "a:1".to_owned()));
    load(&mut [&mut config], &entries);
    assert_eq!(config.namesrv_addr, "a:1");
    entries.extend(file_entries("b.conf", "namesrvAddr=b:1\nbrokerId = 2"));
    entries.extend(Entry::of_argument("brokerId=3"));
    assert_eq!(Entry::of_argument("brokerId"), None);
    let problems = load(&mut [&mut config], &entries);
    assert_eq!((config.namesrv_addr.as_str(), config.broker_id, problems), ("b:1", 3, vec![]));
}

#[test]
fn a_bad_value_leaves_the_rest() {
    let mut config = broker();
    let entries = file_entries("b.conf", "brokerId=x\ntraceOn=false\n");
    let problems = load(&mut [&mut config], &entries);
    assert!(problems.len() == 1 && problems[0].kind.is_error());
    assert_eq!((config.broker_id, config.trace_on), (0, false));
}

#[test]
fn only_some_keys_change_at_run_time() {
    let mut config = broker();
    let mut try_update = |pairs: &[(&str, &str)]| {
        let entries: Vec<Entry> = pairs.iter().map(|(k, v)| Entry::new(k, v, Origin::Request)).collect();
        let result = update(&mut [&mut config], &entries);
        (
            result.map(|changes| changes.keys).map_err(|problems| problems[0].to_string()),
            config.broker_permission,
            config.trace_on,
        )
    };
    assert_eq!(try_update(&[("brokerPermission", "4")]), (Ok(vec!["brokerPermission".to_owned()]), 4, true));
    // As the tools send back what they were told.
    assert_eq!(try_update(&[("brokerPermission", "4"), ("brokerName", "broker-a")]), (Ok(vec![]), 4, true));
    let fixed = "request: rocketmqHome cannot be changed while the server runs";
    assert_eq!(try_update(&[("traceOn", "false"), ("rocketmqHome", "/x")]), (Err(fixed.to_owned()), 4, true));
    let bad = "request: traceOn=x: is not true or false";
    assert_eq!(try_update(&[("brokerPermission", "2"), ("traceOn", "x")]), (Err(bad.to_owned()), 4, true));
    let unknown = "request: unknown key traceOff, nothing is changed; did you mean traceOn?";
    assert_eq!(try_update(&[("traceOff", "x")]), (Err(unknown.to_owned()), 4, true));
    let range =
        "request: brokerPermission=99 does not lie from 0 to 7: only 1, 2 (write) and 4 (read) mean anything";
    assert_eq!(
        try_update(&[("traceOn", "false"), ("brokerPermission", "99")]),
        (Err(range.to_owned()), 4, true)
    );
}

#[test]
fn listed_keys_exist() {
    fn check<T: Section>() {
        let keys = keys::of::<T>();
        assert_eq!(keys, StrMap::of(&T::default()).unwrap().iter().map(|(key, _)| key).collect::<Vec<_>>());
        let inert = T::INERT.iter().map(|(key, _)| key);
        let ranges = T::RANGES.iter().map(|range| &range.key);
        for key in T::IMPORTANT.iter().chain(T::RUNTIME).chain(inert).chain(ranges) {
            assert!(keys.contains(key), "{key}");
        }
        let defaults = StrMap::of(&T::default()).unwrap();
        for range in T::RANGES {
            let number: i64 = defaults.get(range.key).unwrap().parse().unwrap();
            assert!((range.least..=range.most).contains(&number), "{}", range.key);
        }
        for key in T::RUNTIME {
            let lower = key.to_lowercase();
            assert!(
                !["path", "addr", "dir", "home", "ip1", "ip2"].iter().any(|word| lower.contains(word)),
                "{key}"
            );
        }
        assert!(T::default().validate().is_empty());
    }
    check::<BrokerConfig>();
    check::<NamesrvConfig>();
    check::<NettyServerConfig>();
    check::<NettyClientConfig>();
    check::<MessageStoreConfig>();
}

#[test]
fn dumps_have_javas_keys() {
    let (config, server) = (broker(), NettyServerConfig::for_broker());
    let text = dump(&[&config, &server]);
    for line in
        ["brokerIP1=", "brokerName=broker-a", "brokerId=0", "listenPort=10911", "transactionTimeOut=3000"]
    {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    let important = dump_important(&[&config, &server]);
    let keys: Vec<&str> = important.lines().filter_map(|line| line.split('=').next()).collect();
    let expected = [
        "namesrvAddr",
        "brokerIP1",
        "brokerName",
        "brokerClusterName",
        "brokerId",
        "autoCreateTopicEnable",
        "autoCreateSubscriptionGroup",
        "rejectTransactionMessage",
        "fetchNamesrvAddrByAddressServer",
        "transactionTimeOut",
        "transactionCheckMax",
        "transactionCheckInterval",
    ];
    assert_eq!(keys, expected);
    let client = NettyClientConfig::default();
    assert!(dump(&[&client]).contains("useTLS=false\n"));
}

/// What a stock 4.3.0 prints of its config objects; `?` stands for what depends on the machine.
#[test]
fn the_environments_keys_are_no_mistake() {
    let check = |origin: Origin, expected: usize| {
        let entries = [Entry::new("rocketmqHome", "/opt/rocketmq", origin)];
        assert_eq!(load(&mut [&mut NamesrvConfig::default()], &entries).len(), expected);
        assert_eq!(load(&mut [&mut BrokerConfig::default()], &entries).len(), 0);
    };
    check(Origin::Argument, 1);
    check(Origin::Environment("ROCKETMQ_HOME"), 0);
}

#[test]
fn defaults_are_javas() {
    let maps = [
        (BrokerConfig::JAVA_CLASS, BrokerConfig::default().to_map()),
        (NamesrvConfig::JAVA_CLASS, NamesrvConfig::default().to_map()),
        (NettyServerConfig::JAVA_CLASS, NettyServerConfig::default().to_map()),
        (NettyClientConfig::JAVA_CLASS, NettyClientConfig::default().to_map()),
        (MessageStoreConfig::JAVA_CLASS, MessageStoreConfig::default().to_map()),
    ];
    let mut seen = 0;
    for line in include_str!("java_defaults.txt").lines() {
        let (class, setting) = line.split_once(' ').unwrap();
        let (key, value) = setting.split_once('=').unwrap();
        let (_, map) = maps.iter().find(|(name, _)| *name == class).unwrap();
        let ours = map.get(key).unwrap_or_else(|| panic!("{class} has no {key}"));
        assert!(value == "?" || ours == value, "{class} {key}: Java has {value}, we have {ours}");
        seen += 1;
    }
    // Java prints none of four keys that are null there. The broker has eleven more: two that Java reads past
    // its class, nine of ours or of later versions; the name server has five of ours; connections have nine of ours; the store has two that are system
    // properties in 4.3.0, and one of ours.
    assert_eq!(maps.iter().map(|(_, map)| map.len()).sum::<usize>(), seen + 4 + 11 + 5 + 9 + 3);
}
