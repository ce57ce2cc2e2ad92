//! The scripts of `bin/`, run with `sh` around a stand-in for the program that tells how it was called. What the
//! program then does is not looked at here, but for `mqshutdown`, which stops what it finds on a machine: it gets one of its
//! own, a namespace of processes.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A file of the checkout, linked to: one that a test has just written cannot be executed while another test's thread
/// forks ("text file busy").
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stand-in.sh");

/// An unpacked release whose program is the stand-in, in a folder whose name has a blank.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { dir: tempfile::tempdir().unwrap() };
        fs::create_dir_all(home.path("bin")).unwrap();
        for script in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/bin")).unwrap() {
            let script = script.unwrap();
            fs::copy(script.path(), home.path("bin").join(script.file_name())).unwrap();
        }
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("a home").join(below)
    }

    fn program(&self, below: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(STAND_IN, path).unwrap();
    }

    /// Runs a script as operators do; gives its standard output after the line with the pid, which is checked.
    fn run(&self, dir: &Path, script: impl AsRef<OsStr>, args: &[&str], env: &[(&str, &str)]) -> String {
        let child = command(dir, script, args, env).spawn().unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (first, rest) = text.split_once('\n').unwrap_or_default();
        assert_eq!(first, format!("pid={pid}"), "{}", String::from_utf8_lossy(&output.stderr));
        rest.to_owned()
    }

    fn refused(&self, script: &str, args: &[&str]) -> String {
        let Output { status, stdout, stderr } =
            command(&self.path(""), self.path("bin").join(script), args, &[]).output().unwrap();
        assert_eq!((status.code(), stdout.len()), (Some(1), 0), "{script}");
        String::from_utf8(stderr).unwrap()
    }
}

fn command(dir: &Path, script: impl AsRef<OsStr>, args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new("sh");
    command.arg(script).args(args).current_dir(dir).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/u").envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn scripts_become_the_program_with_their_arguments() {
    let home = Home::new();
    home.program("bin/rocketmq");
    let check = |script: &str, args: &[&str], expected: &str| {
        let output = home.run(Path::new("/"), home.path("bin").join(script), args, &[]);
        let (env, said) = output.split_once('\n').unwrap();
        let (said, program) = said.split_once("as ").unwrap();
        assert_eq!(Path::new(program.trim_end()), home.path("bin/rocketmq"));
        assert_eq!(
            env,
            format!("home={} namesrv= user=/u", home.path("").to_str().unwrap().trim_end_matches('/'))
        );
        assert_eq!(said.replace('\n', ""), expected, "{script}");
    };
    check("mqnamesrv", &["-c", "a b", "*"], "[namesrv][-c][a b][*]");
    check("mqbroker", &["-n", "x:1;y:2", "k=v"], "[broker][-n][x:1;y:2][k=v]");
    check("mqadmin", &["topicList"], "[admin][topicList]");
    check("mqshutdown", &["broker"], "[shutdown][broker]");
    check("runserver.sh", &["org.apache.rocketmq.namesrv.NamesrvStartup", "-p"], "[namesrv][-p]");
    check("runbroker.sh", &["-Xmx1g", "org.apache.rocketmq.broker.BrokerStartup", "-m"], "[broker][-m]");
    check("tools.sh", &["org.apache.rocketmq.tools.command.MQAdminStartup", "help"], "[admin][help]");
    check("tools.sh", &["org.apache.rocketmq.example.quickstart.Producer"], "[example][quickstart-producer]");
    check("tools.sh", &["org.apache.rocketmq.example.quickstart.Consumer"], "[example][quickstart-consumer]");
}

#[test]
fn scripts_work_from_their_own_folder_and_through_links() {
    let home = Home::new();
    home.program("bin/rocketmq");
    assert!(home.run(&home.path("bin"), "mqnamesrv", &[], &[]).contains("\n[namesrv]\n"));
    assert!(home.run(&home.path(""), "bin/mqnamesrv", &[], &[]).contains("\n[namesrv]\n"));
    let dir = home.dir.path();
    symlink("a home/bin/mqbroker", dir.join("first")).unwrap();
    symlink(dir.join("first"), dir.join("second")).unwrap();
    assert!(home.run(Path::new("/"), dir.join("second"), &[], &[]).contains("\n[broker]\n"));
}

#[test]
fn of_javas_options_only_those_that_say_where_things_are_count() {
    let home = Home::new();
    home.program("bin/rocketmq");
    let check = |args: &[&str], env: &[(&str, &str)], expected: &str| {
        let output = home.run(Path::new("/"), home.path("bin/runbroker.sh"), args, env);
        assert_eq!(output.lines().next().unwrap(), expected);
    };
    let class = "org.apache.rocketmq.broker.BrokerStartup";
    check(&[class], &[("ROCKETMQ_HOME", "/h"), ("NAMESRV_ADDR", "n:1")], "home=/h namesrv=n:1 user=/u");
    let options = "-server -cp /x/* -Duser.home=/v -Drocketmq.namesrv.addr=m:1 -Drocketmq.home.dir=/g";
    let env = [("JAVA_OPT", options), ("ROCKETMQ_HOME", "/h"), ("NAMESRV_ADDR", "n:1")];
    check(&[class], &env, "home=/g namesrv=m:1 user=/v");
    check(&["-Duser.home=/w", class], &[("JAVA_OPT_EXT", options)], "home=/g namesrv=m:1 user=/w");
}

#[test]
fn properties_of_tls_reach_the_program() {
    let home = Home::new();
    home.program("bin/rocketmq");
    let options = "-Dtls.server.keyPath=/k -Dtls.a-b=1 -Dtls.enable";
    let env = [("JAVA_OPT", options), ("ROCKETMQ_TLS_SERVER_KEYPATH", "/other")];
    let args = ["-Dtls.server.mode=enforcing", "org.apache.rocketmq.broker.BrokerStartup"];
    let output = home.run(Path::new("/"), home.path("bin/runbroker.sh"), &args, &env);
    let told: Vec<&str> = output.lines().filter(|line| line.starts_with("ROCKETMQ_TLS")).collect();
    let expected =
        ["ROCKETMQ_TLS_A_B=1", "ROCKETMQ_TLS_SERVER_KEYPATH=/k", "ROCKETMQ_TLS_SERVER_MODE=enforcing"];
    assert_eq!(told, expected);
}

#[test]
fn the_disks_ratios_reach_the_program() {
    let home = Home::new();
    home.program("bin/rocketmq");
    let args =
        ["-Drocketmq.broker.diskSpaceWarningLevelRatio=0.95", "org.apache.rocketmq.broker.BrokerStartup"];
    let output = home.run(Path::new("/"), home.path("bin/runbroker.sh"), &args, &[]);
    let told = output.lines().find(|line| line.starts_with("ROCKETMQ_BROKER"));
    assert_eq!(told, Some("ROCKETMQ_BROKER_DISKSPACEWARNINGLEVELRATIO=0.95"));
}

#[test]
fn the_program_is_found_in_a_release_before_a_checkout_and_release_before_debug() {
    let home = Home::new();
    let script = home.path("bin/mqnamesrv");
    let missing = home.refused("mqnamesrv", &[]);
    assert!(missing.contains("cargo build --release"), "{missing}");
    for place in ["target/debug", "target/release", "bin"] {
        home.program(&format!("{place}/rocketmq"));
        let output = home.run(Path::new("/"), &script, &[], &[]);
        let expected = format!("as {}\n", home.path(place).join("rocketmq").display());
        assert!(output.ends_with(&expected), "{output}");
    }
}

#[test]
fn what_is_not_here_says_what_to_use() {
    let home = Home::new();
    home.program("bin/rocketmq");
    let check = |script: &str, args: &[&str], expected: &str| {
        let said = home.refused(script, args);
        assert!(said.starts_with("ERROR: ") && said.contains(expected), "{script}: {said}");
    };
    check("tools.sh", &["org.apache.rocketmq.example.benchmark.Producer"], "rocketmq bench produce");
    check("tools.sh", &["some.Other"], "some.Other is not part of this distribution");
    check("tools.sh", &[], "tools.sh wants the class");
    check("play.sh", &[], "rocketmq standalone");
    check("mqfiltersrv", &[], "filter with tags");
    check("startfsrv.sh", &[], "filter with tags");
    for script in ["cachedog.sh", "cleancache.sh", "cleancache.v1.sh", "setcache.sh"] {
        check(script, &["1", "2"], "page cache");
    }
}

/// Those of 4.3.0 but for Windows' (`*.cmd`, and `runbroker`, which is one) and the launcher's `*.xml`.
#[test]
fn every_script_of_4_3_0_is_there() {
    let scripts = "cachedog.sh cleancache.sh cleancache.v1.sh mqadmin mqbroker mqbroker.numanode0 mqbroker.numanode1 \
                   mqbroker.numanode2 mqbroker.numanode3 mqfiltersrv mqnamesrv mqshutdown os.sh play.sh runbroker.sh \
                   runserver.sh setcache.sh startfsrv.sh tools.sh";
    for script in scripts.split_whitespace() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bin").join(script);
        let is_executable = fs::metadata(&path).is_ok_and(|it| it.permissions().mode() & 0o111 == 0o111);
        assert!(is_executable, "bin/{script}");
        let checked = Command::new("sh").arg("-n").arg(&path).status().unwrap();
        assert!(checked.success(), "bin/{script}");
    }
}

/// As the guides show it.
#[test]
fn mqshutdown_says_what_it_stops() {
    let works = |option: &&str| {
        let mut probe = Command::new("unshare");
        probe.args([*option, "--mount-proc", "ip", "link", "set", "lo", "up"]).stderr(Stdio::null());
        probe.status().is_ok_and(|it| it.success())
    };
    let Some(option) = ["-rpfn", "-pfn"].into_iter().find(works) else {
        eprintln!(
            "SKIPPED: no namespaces of processes here (`unshare -rpfn --mount-proc` fails): nothing was tested"
        );
        return;
    };
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_rocketmq"), home.path("bin/rocketmq")).unwrap();
    let script = "ip link set lo up
        stop() { sh bin/mqshutdown \"$@\" 2>&1; echo \"exit $?\"; }
        begin() {
            out=$1; shift
            sh \"$@\" >$out 2>&1 &
            tries=0
            until grep -q 'boot success' $out; do
                tries=$((tries + 1))
                [ $tries -lt 600 ] || { cat $out; exit 1; }
                sleep 0.1
            done
        }
        stop broker; stop namesrv; stop; stop all
        begin ns bin/mqnamesrv; begin b bin/mqbroker -n 127.0.0.1:9876
        echo \"b=$!\"; stop broker; wait $!; echo \"ended $?\"
        stop broker; stop namesrv";
    let output = Command::new("unshare")
        .args([option, "--mount-proc", "sh", "-c", script])
        .current_dir(home.path(""))
        .env("HOME", home.dir.path())
        .env_remove("NAMESRV_ADDR")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let pid = said.lines().find_map(|line| line.strip_prefix("b=")).unwrap_or("?");
    let said = said.replace(&format!("({pid})"), "(36695)");
    let (first, rest) = said.split_once("b=").unwrap_or((&said, ""));
    assert_eq!(
        first,
        "No mqbroker running.\nexit 255\nNo mqnamesrv running.\nexit 255\n\
         Usage: mqshutdown broker | namesrv\nexit 255\nUsage: mqshutdown broker | namesrv\nexit 255\n"
    );
    let lines: Vec<&str> = rest.lines().skip(1).collect();
    assert_eq!(
        lines[..6],
        [
            "The mqbroker(36695) is running...",
            "Send shutdown request to mqbroker(36695) OK",
            "exit 0",
            "ended 0",
            "No mqbroker running.",
            "exit 255"
        ],
        "{said}"
    );
    assert!(lines[6].starts_with("The mqnamesrv(") && lines[8] == "exit 0", "{said}");
}
