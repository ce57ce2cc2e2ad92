//! The scripts of `bin/`, run with `sh` around a stand-in for the program that tells how it was called. What the
//! program then does is not looked at here, but for `mqshutdown`, which stops what it finds on a machine: it gets one of its
//! own, a namespace of processes.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

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
    let class = "org.apache.rocketmq.broker.BrokerStartup";
    check(
        "runbroker.sh",
        &["-cp", "/x", "--add-opens", "java.base/y=ALL", class, "-c", "f"],
        "[broker][-c][f]",
    );
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

/// Servers read the others themselves; tools ask the environment.
#[test]
fn properties_of_tls_reach_tools() {
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

/// A script with the program itself: exit code, standard output, standard error.
fn really(script: &str, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_rocketmq"), home.path("bin/rocketmq")).unwrap();
    let output = command(&home.path(""), home.path("bin").join(script), args, env).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn properties_in_javas_options_count_and_odd_ones_are_named() {
    let prints = |script: &str, args: &[&str], options: &str, expected: &str| {
        let (code, out, err) = really(script, args, &[("JAVA_OPT", options)]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        assert!(out.lines().any(|line| line == expected), "{expected}: {out}");
    };
    let ratio = "-Xmx8g -Drocketmq.broker.diskSpaceWarningLevelRatio=0.95";
    prints("mqbroker", &["-p"], ratio, "diskSpaceWarningLevelRatio=95");
    let length = "-Dcom.rocketmq.remoting.frameMaxLength=200000";
    let class = "org.apache.rocketmq.broker.BrokerStartup";
    prints("mqbroker", &["-p"], length, "frameMaxLength=200000");
    prints("runbroker.sh", &[length, class, "-p"], "", "frameMaxLength=200000");

    let checks = |options: &str, code: i32, expected: &str| {
        let (ended, out, err) = really("mqnamesrv", &["--check-config"], &[("JAVA_OPT_EXT", options)]);
        assert_eq!(ended, Some(code), "{out}{err}");
        assert!(out.contains(expected), "{out}");
    };
    checks("-Dtls.server.mod=enforcing", 1, "error: JAVA_OPT_EXT: -Dtls.server.mod=enforcing: there are ");
    checks("-Dtls.server.mode=enforced", 1, "tls.server.mode=enforced is not one of");
    checks(
        "-Drocketmq.namesrv.adr=x",
        0,
        "JAVA_OPT_EXT: warning: unknown key -Drocketmq.namesrv.adr, ignored",
    );
    checks("-Drocketmq.broker.rebalance.lockMaxLiveTime=1", 0, "lockMaxLiveTime has no effect: ");
    checks("-Xmx8g -Dfile.encoding=UTF-8 -Duser.home=/v", 0, "");
    // What is wrong is called by the name that the operator gave it.
    let (code, _, err) =
        really("mqbroker", &[], &[("JAVA_OPT", "-Dcom.rocketmq.remoting.frameMaxLength=1000")]);
    assert_eq!(code, Some(255));
    let expected = "ERROR: -Dcom.rocketmq.remoting.frameMaxLength: frameMaxLength=1000: ";
    assert!(err.starts_with(expected), "{err}");
}

#[test]
fn help_and_complaints_have_the_scripts_name() {
    for script in ["mqbroker", "mqnamesrv"] {
        let usage = format!("Usage: {script} [OPTIONS] [KEY=VALUE]...");
        let (code, out, _) = really(script, &["-h"], &[]);
        assert_eq!((code, out.contains(&usage)), (Some(0), true), "{out}");
        let (code, _, err) = really(script, &["-x"], &[]);
        assert_eq!((code, err.contains(&usage)), (Some(255), true), "{err}");
    }
}

/// As files of variables have them.
#[test]
fn variables_without_a_value_are_none() {
    let env = [
        ("ROCKETMQ_LOG_FORMAT", ""),
        ("ROCKETMQ_SERIALIZE_TYPE", ""),
        ("ROCKETMQ_FRAMEMAXLENGTH", ""),
        ("NAMESRV_ADDR", ""),
        ("JAVA_OPT", ""),
    ];
    let (code, out, err) = really("mqbroker", &["--check-config"], &env);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let (code, _, err) = really("mqbroker", &["--check-config"], &[("ROCKETMQ_LOG_FORMAT", "JSON")]);
    assert_eq!(code, Some(0), "{err}");
    let (code, ..) = really("mqbroker", &["--check-config"], &[("ROCKETMQ_LOG_FORMAT", "xml")]);
    assert_eq!(code, Some(255));
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
    check("tools.sh", &["-cp"], "tools.sh wants the class");
    check("launch.sh", &[], "a part of the other scripts");
    check("play.sh", &[], "rocketmq standalone");
    check("mqfiltersrv", &[], "filter with tags");
    check("startfsrv.sh", &[], "filter with tags");
    for script in ["cachedog.sh", "cleancache.sh", "cleancache.v1.sh", "setcache.sh"] {
        check(script, &["1", "2"], "page cache");
    }
}

/// What the image's health check says of a port, with the program itself.
fn health(home: &Home, port: u16, env: &[(&str, &str)]) -> (bool, String) {
    let addr = format!("127.0.0.1:{port}");
    let path = format!("{}:{}", home.path("bin").display(), std::env::var("PATH").unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/docker/health");
    let env = [&[("ROCKETMQ_HEALTH_ADDR", addr.as_str()), ("PATH", &path)], env].concat();
    let output = command(Path::new("/"), script, &[], &env).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_container_is_healthy_while_its_server_answers_whatever_it_says() {
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_rocketmq"), home.path("bin/rocketmq")).unwrap();
    let dir = home.dir.path();
    let (mut names, names_port, _) =
        common::start_server(dir, |port| vec!["namesrv".to_owned(), format!("listenPort={port}")]);
    let accounts = dir.join("plain_acl.yml");
    fs::write(&accounts, "accounts:\n- accessKey: rocketmq\n  secretKey: 12345678\n  admin: true\n").unwrap();
    let (mut broker, broker_port, _) = common::start_server(dir, |port| {
        let accounts = format!("plainAclFile={}", accounts.display());
        let more =
            ["aclEnable=true".to_owned(), accounts, "-n".to_owned(), format!("127.0.0.1:{names_port}")];
        [common::broker_args(dir, port), more.to_vec()].concat()
    });
    assert_eq!(health(&home, broker_port, &[]), (true, String::new()));
    broker.kill();
    // The name server knows a broker that is not to be reached, and that is no matter of its own health.
    assert!(health(&home, names_port, &[]).0);
    let (is_healthy, said) = health(&home, broker_port, &[]);
    assert!(!is_healthy && said.contains("Connection refused"), "{said}");
    names.stop();

    let (_names, port, _) = common::start_server(dir, |port| {
        let words = ["namesrv", "-Dtls.server.mode=enforcing", "-Dtls.test.mode.enable=true"];
        words.map(str::to_owned).into_iter().chain([format!("listenPort={port}")]).collect()
    });
    assert!(!health(&home, port, &[]).0);
    let env = [("ROCKETMQ_TLS_SERVER_MODE", "enforcing")];
    assert!(health(&home, port, &env).0);
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
        stop broker; stop namesrv; stop; stop all; stop broker namesrv
        begin ns bin/mqnamesrv; begin b bin/mqbroker -n 127.0.0.1:9876
        echo \"b=$!\"; stop broker; wait $!; echo \"ended $?\"
        stop broker; stop namesrv
        # Under another name.
        ln -s \"$PWD/bin/rocketmq\" bin/other; export ROCKETMQ_BIN=$PWD/bin/other
        begin ns bin/mqnamesrv; unset ROCKETMQ_BIN; stop namesrv";
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
         Useage: mqshutdown broker | namesrv\nexit 255\nUseage: mqshutdown broker | namesrv\nexit 255\n\
         Useage: mqshutdown broker | namesrv\nexit 255\n"
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
    for at in [6, 9] {
        assert!(lines[at].starts_with("The mqnamesrv(") && lines[at + 2] == "exit 0", "{said}");
    }
}
