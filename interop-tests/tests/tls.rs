//! TLS between our servers, Java's servers and the stock client: every pair of name server and broker takes TLS only,
//! asks for certificates, and verifies them; the quickstart goes through. The same properties file serves all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interop_tests::cluster::{Side, free_port, ours, turn};
use interop_tests::java;
use interop_tests::process::{Process, run, run_well, wait_for};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(300);

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder);
    run_well("openssl (sudo apt-get install -y openssl)", command, None, LIMIT);
}

/// An authority, a certificate for servers and one for clients, as RocketMQ's documentation makes them, and the
/// properties file that names them.
fn files(folder: &Path) -> PathBuf {
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
    );
    for name in ["server", "client"] {
        openssl(
            folder,
            &format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"),
        );
        let sign = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile version3";
        fs::write(folder.join("version3"), "basicConstraints=CA:FALSE\n").expect("the folder is ours");
        openssl(folder, &format!("x509 -req -in {name}.csr {sign} -out {name}.pem"));
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "tls.test.mode.enable=false\n\
         tls.server.need.client.auth=require\ntls.server.authClient=true\ntls.server.trustCertPath={ca}\n\
         tls.server.keyPath={}\ntls.server.certPath={}\n\
         tls.client.authServer=true\ntls.client.trustCertPath={ca}\ntls.client.keyPath={}\ntls.client.certPath={}\n",
        path("server.key"),
        path("server.pem"),
        path("client.key"),
        path("client.pem"),
        ca = path("ca.pem"),
    );
    let file = folder.join("tls.properties");
    fs::write(&file, text).expect("the folder is ours");
    file
}

/// Starts a server and waits until it says that it runs.
fn server(side: Side, what: &str, folder: &Path, properties: &[String], words: &[(&str, String)]) -> Process {
    let home = folder.join(what);
    fs::create_dir_all(&home).expect("the folder is ours");
    let conf = home.join("conf.properties");
    let lines: String = words.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    fs::write(&conf, lines).expect("the folder is ours");
    let mut command = match side {
        Side::Ours => {
            let mut command = ours(what, &home);
            command.args(properties);
            command
        }
        Side::Java => {
            let class = match what {
                "namesrv" => "org.apache.rocketmq.namesrv.NamesrvStartup",
                _ => "org.apache.rocketmq.broker.BrokerStartup",
            };
            let mut command = java::command(class, &home);
            command.env("JAVA_TOOL_OPTIONS", properties.join(" "));
            command
        }
    };
    command.arg("-c").arg(conf).current_dir(&home).env("HOME", &home).env_remove("NAMESRV_ADDR");
    let mut process = Process::start("server", command, &home.join("printed"));
    let runs = wait_for(START_LIMIT, || {
        let printed = process.printed();
        (process.has_ended().is_some() || printed.contains("boot success")).then_some(())
    });
    let printed = process.printed();
    assert!(runs.is_some() && printed.contains("boot success"), "{what} of {side:?}: {printed}");
    process
}

/// The quickstart's outcome with these properties of the client.
fn quickstart(namesrv: &str, properties: &[String], mode: &str) -> (bool, String) {
    let mut command = Command::new(interop_tests::root().join("compat/quickstart/run.sh"));
    command.args([namesrv, mode]).env("JAVA_OPTS", properties.join(" ")).env("LIMIT_SECS", "60");
    let output = run("quickstart", command, None, LIMIT);
    let printed = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    (output.status.success() && printed.contains("PASS"), printed)
}

fn check(namesrv_side: Side, broker_side: Side) {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder for the servers");
    let file = format!("-Dtls.config.file={}", files(folder.path()).display());
    let for_servers = [file.clone(), "-Dtls.server.mode=enforcing".to_owned()];
    let for_clients = [file, "-Dtls.enable=true".to_owned()];
    let (port, broker_port) = (free_port(0, 0), free_port(2, 1));
    let namesrv = format!("127.0.0.1:{port}");
    let names =
        server(namesrv_side, "namesrv", folder.path(), &for_servers, &[("listenPort", port.to_string())]);
    let store = folder.path().join("store").display().to_string();
    let words = [
        ("listenPort", broker_port.to_string()),
        ("brokerName", "broker-a".to_owned()),
        ("brokerIP1", "127.0.0.1".to_owned()),
        ("namesrvAddr", namesrv.clone()),
        ("storePathCommitLog", format!("{store}/commitlog")),
        ("storePathRootDir", store),
        ("waitTimeMillsInSendQueue", "30000".to_owned()),
    ];
    let broker = server(broker_side, "broker", folder.path(), &for_servers, &words);
    for mode in ["sync", "batch"] {
        let (passed, printed) = quickstart(&namesrv, &for_clients, mode);
        assert!(
            passed,
            "{mode}: {printed}\nname server:\n{}\nbroker:\n{}",
            names.printed(),
            broker.printed()
        );
    }
    if broker_side == Side::Ours {
        // It was TLS: our own tool reaches the name server with it, and not without.
        let mut admin = ours("admin", folder.path());
        admin.args(["clusterList", "-n", &namesrv]);
        admin.env("ROCKETMQ_TLS_ENABLE", "true").env("ROCKETMQ_TLS_CONFIG_FILE", &for_clients[0][18..]);
        let listed = run_well("clusterList", admin, None, LIMIT);
        assert!(listed.contains("broker-a"), "{listed}");
        let mut admin = ours("admin", folder.path());
        admin.args(["clusterList", "-n", &namesrv]);
        let output = run("clusterList", admin, None, LIMIT);
        assert!(!String::from_utf8_lossy(&output.stdout).contains("broker-a"), "plain was taken");
    }
    broker.stop(STOP_LIMIT);
    names.stop(STOP_LIMIT);
}

/// The suite itself: what stock servers do not pass proves nothing about ours.
#[test]
fn java_alone() {
    check(Side::Java, Side::Java);
}

#[test]
fn our_name_server_and_broker() {
    check(Side::Ours, Side::Ours);
}

#[test]
fn java_broker_on_our_name_server() {
    check(Side::Ours, Side::Java);
}

#[test]
fn our_broker_on_java_name_server() {
    check(Side::Java, Side::Ours);
}
