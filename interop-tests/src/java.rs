//! JDK and Maven, the stock 4.3.0 jars, and the helper programs of `interop-tests/java`, built once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::process;

/// A cold Maven repository has to be filled once.
const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// What 4.3.0 needs on a JDK of today: it reaches into these packages.
pub const JVM_OPTIONS: [&str; 8] = [
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    // Most of our JVMs live for seconds.
    "-XX:TieredStopAtLevel=1",
];

/// The `java` to use: of `JAVA_HOME`, else of `PATH`.
fn program() -> PathBuf {
    std::env::var_os("JAVA_HOME")
        .map(|home| Path::new(&home).join("bin/java"))
        .filter(|java| java.is_file())
        .unwrap_or_else(|| PathBuf::from("java"))
}

/// Stops the test with what to install, where something is missing.
fn need(program: &Path, argument: &str, package: &str) {
    let there = Command::new(program).arg(argument).output().is_ok_and(|it| it.status.success());
    assert!(
        there,
        "{} is missing, which the interop tests need: sudo apt-get install -y {package}",
        program.display()
    );
}

/// Class path of the helper programs and of all stock jars; builds them first where that is due.
pub fn class_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let project = crate::root().join("interop-tests/java");
        build(&project, &project.join("target"), "interop-1.jar", &[])
    })
}

/// Class path of the client of another version with the program that tries it; builds it first where that is due.
fn client_class_path(version: &str) -> String {
    let project = crate::root().join("interop-tests/newer");
    let target = project.join("target").join(version);
    build(&project, &target, "newer-1.jar", &[&format!("-Dclient.version={version}")])
}

/// Class path of the tools of another version with the checks of `interop.admin`; builds it first where that is due.
fn tools_class_path(version: &str) -> String {
    let project = crate::root().join("interop-tests/tools");
    let target = project.join("target").join(version);
    build(&project, &target, "tools-1.jar", &[&format!("-Dtools.version={version}")])
}

/// Class path of one version's servers and client with the hook that signs requests; builds it first where that is due.
fn accounts_class_path(version: &str) -> String {
    let project = crate::root().join("interop-tests/acl");
    let target = project.join("target").join(version);
    build(&project, &target, "acl-1.jar", &[&format!("-Drocketmq.version={version}")])
}

/// Builds a Maven project into `target` unless its jar is newer than its sources: the class path. Test programs may
/// run at once: one builds.
fn build(project: &Path, target: &Path, jar: &str, settings: &[&str]) -> String {
    need(&program(), "-version", "openjdk-17-jdk-headless");
    fs::create_dir_all(target).expect("the project's folder is ours");
    let lock = File::create(target.join(".lock")).expect("the project's folder is ours");
    lock.lock().expect("files can be locked");
    let class_path = || {
        let jars = fs::read_to_string(target.join("classpath")).expect("Maven wrote it");
        format!("{}:{}", target.join(jar).display(), jars.trim())
    };
    let built = modified(&target.join(jar));
    if built > SystemTime::UNIX_EPOCH
        && built > newest(&sources(project)).max(modified(&project.join("pom.xml")))
        && target.join("classpath").is_file()
    {
        return class_path();
    }
    need(Path::new("javac"), "-version", "openjdk-17-jdk-headless");
    need(Path::new("mvn"), "--version", "maven");
    let maven = |offline: &[&str]| {
        let mut command = Command::new("mvn");
        command
            .args(["-q", "-B"])
            .args(offline)
            .args(settings)
            .args(["package", "dependency:build-classpath"]);
        command.current_dir(project);
        process::run("mvn package", command, None, BUILD_LIMIT)
    };
    // Without the network first: it is quicker, and often there is none.
    if !maven(&["-o"]).status.success() {
        let output = maven(&[]);
        assert!(output.status.success(), "mvn package: {}", String::from_utf8_lossy(&output.stdout));
    }
    class_path()
}

/// `tools` is made of sources of `java`.
fn sources(project: &Path) -> PathBuf {
    let own = project.join("src");
    if own.is_dir() { own } else { project.join("../java/src") }
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| if entry.path().is_dir() { newest(&entry.path()) } else { modified(&entry.path()) })
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A command that runs `main` with the stock jars. `home` takes what 4.3.0 writes into the user's home (logs, KV
/// configuration, offsets) and is its ROCKETMQ_HOME too.
pub fn command(main: &str, home: &Path) -> Command {
    server_command(class_path(), main, home)
}

/// The same with the jars of `interop-tests/acl`, of 4.3.0 or 4.4.0.
pub fn accounts_command(version: &str, main: &str, home: &Path) -> Command {
    server_command(&accounts_class_path(version), main, home)
}

fn server_command(class_path: &str, main: &str, home: &Path) -> Command {
    let conf = home.join("conf");
    fs::create_dir_all(&conf).expect("the test's folder is ours");
    for part in ["namesrv", "broker", "tools"] {
        // 4.3.0 insists on these files; without an appender it logs nothing.
        let quiet = "<configuration><root level=\"INFO\"/></configuration>";
        fs::write(conf.join(format!("logback_{part}.xml")), quiet).expect("the test's folder is ours");
    }
    with_class_path(class_path, main, home)
}

/// A command that tries the client of another version (`interop-tests/newer`).
pub fn client_command(version: &str, home: &Path) -> Command {
    with_class_path(&client_class_path(version), "newer.Clients", home)
}

/// A command that tries the tools of another version (`interop-tests/tools`).
pub fn tools_command(version: &str, home: &Path) -> Command {
    with_class_path(&tools_class_path(version), "interop.admin.AdminExt", home)
}

fn with_class_path(class_path: &str, main: &str, home: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .args(["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC"])
        .args(JVM_OPTIONS)
        .arg(format!("-Duser.home={}", home.display()))
        .arg(format!("-Drocketmq.home.dir={}", home.display()))
        .args(["-Drocketmq.client.rebalance.waitInterval=1000", "-cp", class_path])
        .arg(main)
        .env("ROCKETMQ_HOME", home)
        .env_remove("NAMESRV_ADDR")
        .env_remove("JAVA_TOOL_OPTIONS");
    command
}

/// Runs a helper program of `interop-tests/java`, which must end with exit code 0: the JSON lines it prints.
pub fn helper(main: &str, arguments: &[&str], limit: Duration) -> Vec<serde_json::Value> {
    let home = tempfile::tempdir().expect("a home for the JVM");
    let mut command = command(&format!("interop.{main}"), home.path());
    command.args(arguments);
    lines(&process::run_well(main, command, None, limit))
}

/// Parses lines of JSON.
pub fn lines(printed: &str) -> Vec<serde_json::Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    printed.lines().map(parse).collect()
}

/// Runs stock mqadmin once for all of `commands`: what each printed.
pub fn mqadmin(commands: &[&[&str]], limit: Duration) -> Vec<String> {
    let home = tempfile::tempdir().expect("a home for the JVM");
    let input: String = commands.iter().map(|it| it.join("\t") + "\n").collect();
    let mut command = command("interop.Admin", home.path());
    // consumerStatus writes into the folder that it is run in.
    command.current_dir(home.path());
    let printed = lines(&process::run_well("mqadmin", command, Some(&input), limit));
    assert_eq!(printed.len(), commands.len(), "one answer to each command");
    let output = |line: &serde_json::Value| line["output"].as_str().expect("a text").to_owned();
    printed.iter().map(output).collect()
}
