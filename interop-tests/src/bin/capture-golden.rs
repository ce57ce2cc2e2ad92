//! Makes `compat/golden` anew with stock 4.3.0 servers: `cargo run -p interop-tests --bin capture-golden`. What it
//! writes differs from run to run in addresses, ports and times, and in nothing else.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use interop_tests::cluster::{Cluster, Plan, Side};
use interop_tests::{java, process};
use serde_json::{Map, Value};

const LIMIT: Duration = Duration::from_secs(120);

/// Small files, so that messages fill several and the index is no 400 MB.
const SIZES: [(&str, &str); 4] = [
    ("mapedFileSizeCommitLog", "16384"),
    ("mapedFileSizeConsumeQueue", "400"),
    ("maxHashSlotNum", "100"),
    ("maxIndexNum", "400"),
];

fn main() {
    let golden = interop_tests::root().join("compat/golden");
    for (form, plan) in [
        ("json", Plan::of(Side::Java, Side::Java)),
        ("rocketmq", Plan::of(Side::Java, Side::Java).with_rocketmq_headers()),
    ] {
        frames(&plan, &golden.join("frames").join(form));
    }
    store(&golden);
}

/// Every frame of `Capture.java`, requests and replies.
fn frames(plan: &Plan, folder: &Path) {
    renew(folder);
    let cluster = Cluster::start(plan);
    let home = tempfile::tempdir().expect("a home for the JVM");
    let mut command = java::command("interop.Capture", home.path());
    command.args([cluster.namesrv_addr.to_string(), cluster.broker_addr.to_string()]).arg(folder);
    command.env("ROCKETMQ_SERIALIZE_TYPE", if plan.rocketmq_headers { "ROCKETMQ" } else { "JSON" });
    process::run_well("Capture", command, None, LIMIT);
    cluster.stop();
}

/// A data directory after a clean shutdown, and what Java reads in it.
fn store(golden: &Path) {
    let cluster = Cluster::start(&Plan::of(Side::Java, Side::Java).with_settings(&SIZES));
    let namesrv = cluster.namesrv_addr.to_string();
    java::helper("Load", &[&namesrv, "Golden", "100", "3"], LIMIT);
    java::helper("Pull", &[&namesrv, "golden_group", "Golden"], LIMIT);
    let (store, _home) = cluster.stop();

    let target = golden.join("store");
    renew(&target);
    let mut sizes = Map::new();
    cut(&store, &store, &target, &mut sizes);
    sizes.sort_keys();
    let list = serde_json::to_string_pretty(&Value::Object(sizes)).expect("numbers print");
    fs::write(golden.join("store-sizes.json"), list + "\n").expect("the folder is ours");

    // Reading changes the directory; the copy is made.
    let sizes: Vec<String> = SIZES.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut arguments = vec!["read", store.to_str().expect("a plain path")];
    arguments.extend(sizes.iter().map(String::as_str));
    let mut out = File::create(golden.join("store-contents.jsonl")).expect("the folder is ours");
    for line in java::helper("StoreTool", &arguments, LIMIT) {
        writeln!(out, "{line}").expect("the disk has room");
    }
    queues_with_ext(golden, &store, &sizes);
}

/// The queues that Java makes of the same log with ext files beside them.
fn queues_with_ext(golden: &Path, store: &Path, sizes: &[String]) {
    for name in ["consumequeue", "index"] {
        fs::remove_dir_all(store.join(name)).expect("the store is ours");
    }
    fs::remove_file(store.join("checkpoint")).expect("the store is ours");
    // Only after an unclean stop does Java make queues anew.
    fs::write(store.join("abort"), "").expect("the store is ours");
    let mut arguments = vec!["read", store.to_str().expect("a plain path")];
    arguments.extend(sizes.iter().map(String::as_str));
    arguments.extend(["enableConsumeQueueExt=true", "mappedFileSizeConsumeQueueExt=250"]);
    java::helper("StoreTool", &arguments, LIMIT);
    let target = golden.join("store-ext");
    renew(&target);
    for name in ["consumequeue", "consumequeue_ext"] {
        cut(store, &store.join(name), &target, &mut Map::new());
    }
}

/// Copies a tree, each file without the zeros at its end; its size goes into the list.
fn cut(root: &Path, folder: &Path, target: &Path, sizes: &mut Map<String, Value>) {
    for entry in fs::read_dir(folder).expect("the store is there") {
        let path = entry.expect("the store is there").path();
        if path.is_dir() {
            cut(root, &path, target, sizes);
            continue;
        }
        let name =
            path.strip_prefix(root).expect("it lies within").to_str().expect("a plain path").to_owned();
        let bytes = fs::read(&path).expect("ours to read");
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let copy = target.join(&name);
        fs::create_dir_all(copy.parent().expect("within the target")).expect("the folder is ours");
        fs::write(copy, &bytes[..used]).expect("the disk has room");
        sizes.insert(name, bytes.len().into());
    }
}

fn renew(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("the folder is ours");
    }
    fs::create_dir_all(folder).expect("the folder is ours");
}
